"""Fill a store's missing shards on Ray: the one way in which data are made here.

A plan names a function; Ray Data's actor pool calls it once per shard, in the environment that it needs, and
gives elasticity, retries of lost workers and back-pressure. Each worker writes whole shards and their lines in
the ledger, so running a plan again continues it, and the values do not depend on who computed what when.
"""

import contextlib
import json
import logging
import os
import platform
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from raypipe import modules, store
from raypipe.errors import InputError, LostError, WorkError, own_traceback, plain
from raypipe.modules import FAIL_FAST_VARIABLE
from raypipe.run import cluster, environments, foresee
from raypipe.run.progress import progress
from raypipe.run.work import Compute, computing, join, room, row_of, rows_of, runtime_env
from raypipe.store import Plan, objects, owner

RETRIES = 3
"""How often a lost worker is replaced at one shard."""

HOPELESS = 8
"""If so many shards fail and none has succeeded, the others are not tried."""

TOLD_SECONDS = 60.0
"""How often a store says how far it is."""

_NAMED = 20
"""Shards that failed of which the message has the numbers; the ledger has all."""

MOST_BLOCKS = 1000
"""Ray Data's driver keeps some 8 kB for each block, so that very many shards share these."""


class Worker:
    """What runs in the actor pool: computes and writes the shards that it is given."""

    def __init__(self, name: str, parameters: str, compute: str, per_sample: list[str] | None) -> None:
        # Nothing that may fail: Ray would take an exception here for a lost worker, and begin anew.
        self._name = name
        self._plan = (parameters, compute, per_sample)
        self._attempt = f"{os.uname().nodename}-{os.getpid()}-{int(time.time())}"

    @cached_property
    def _compute(self) -> Compute:
        return computing(*self._plan)

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        """Compute and write the shard of one row: its number, bounds and columns."""
        samples = slice(int(shard["start"]), int(shard["stop"]))
        rows = rows_of(shard)
        began = time.perf_counter()
        try:
            arrays = self._compute(rows)
            store.write_shard(
                self._name,
                int(shard["shard"]),
                samples,
                arrays,
                seeds=(int(rows["seed"].min()), int(rows["seed"].max())) if "seed" in rows else None,
                seconds=time.perf_counter() - began,
                attempt=self._attempt,
            )
        except Exception as error:
            return self._failed(int(shard["shard"]), samples, error)
        made = {"samples": samples.stop - samples.start, "host": platform.node()}
        return {"shard": int(shard["shard"]), "error": "", "traceback": "", **made}

    def _failed(self, shard: int, samples: slice, error: Exception) -> dict[str, Any]:
        """What became of a shard, as strings: environments do not share the classes that an error may hold."""
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        which = f"samples {samples.start} to {samples.stop - 1}"
        if samples.stop - samples.start == 1:
            which = f"sample {samples.start}"
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
        message = plain(f"{self._name}, shard {shard} ({which}): {kind}{error}{notes}")
        traceback = own_traceback(error) if kind else ""
        if kind:
            with contextlib.suppress(InputError):  # of a store that cannot be written others tell
                store.record_failure(self._name, shard, message, traceback)
        return {"shard": shard, "error": message, "traceback": traceback, "samples": 0, "host": ""}


def fill(plan: Plan, *, workers: int | None = None, own: owner.Ownership | None = None) -> None:
    """Make a store, or complete it: afterwards every shard is in its ledger.

    Args:
        plan: what to compute.
        workers: at most so many worker processes, one core each; by default as many as the cluster has room for.
        own: of the store, if the caller holds it.

    Raises:
        InputError: if `workers` is not positive, the store was made with other parameters, is being made by another job
            or cannot be written.
        WorkError: if the computation of shards raises exceptions: at the end, when all others are finished, or at the
            first if FAIL_FAST_VARIABLE is set, or if none succeeds. They are in the ledger, see `store.failure`.
        LostError: if workers are lost again and again at one shard.
        Foreseen: if a dry run is asked for, see `foresee`; nothing is made.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers; expected 1 or more")
    if how := foresee.asked():
        raise foresee.foresee(plan, workers, how)
    if store.begun(plan):  # refuses other parameters, before Ray is started
        _compare_code(plan)
        if not store.missing(plan.name):
            _finish(plan.name, range(plan.shards))
            say = logging.getLogger(__name__).info
            say("%s: complete, %d samples in %s", plan.name, plan.samples, store.location(plan.name))
            return
    with owner.held(plan.name) if own is None else contextlib.nullcontext(own) as held:
        _complete(plan, workers, held)


def _complete(plan: Plan, workers: int | None, own: owner.Ownership) -> None:
    """Compute what is missing of a store that this process owns."""
    join(plan)
    store.create(plan, provenance(plan))
    missing = store.missing(plan.name)
    done = plan.samples - sum(_length(plan, shard) for shard in missing)
    hosts: set[str] = set()
    failures: list[Mapping[str, Any]] = []
    before = sorted(set(range(plan.shards)) - set(missing))
    failed_before = set(store.failed(plan.name))
    with (
        objects.watched(),
        progress(plan.samples, plan.name, done=done, unit="sample") as bar,
        _told_how_far(plan, len(before)) as told,
    ):
        for result in _run(plan, missing, workers) if missing else ():
            own.check()
            if result["error"]:
                failures.append(result)
                if os.environ.get(FAIL_FAST_VARIABLE) or (len(failures) == HOPELESS and not hosts):
                    break
                continue
            hosts.add(result["host"])
            bar.update(result["samples"])
            if result["shard"] in failed_before:
                store.forget_failure(plan.name, result["shard"])
            told(1)
    if failures:
        raise _failure(plan, failures, hopeless=not hosts and len(failures) < len(missing))
    if store.missing(plan.name):
        raise InputError(
            f"{plan.name} has shards that no worker's result reached; workers and driver see different folders: "
            f"set {objects.ROOT_VARIABLE} to one that all nodes share"
        )
    _finish(plan.name, before, hosts)


@contextlib.contextmanager
def _told_how_far(plan: Plan, done: int) -> Iterator[Callable[[int], None]]:
    """Say in the attributes of a store, now and then and at the end, how many of its shards are there."""
    last = time.monotonic()

    def told(shards: int) -> None:
        nonlocal done, last
        done += shards
        if time.monotonic() - last > TOLD_SECONDS:
            last = time.monotonic()
            store.mark(plan.name, complete=False, done=done)

    try:
        yield told
    finally:
        with contextlib.suppress(InputError):  # told by what has ended the run
            store.mark(plan.name, complete=False, done=done)


def _failure(plan: Plan, failures: Sequence[Mapping[str, Any]], *, hopeless: bool) -> WorkError:
    """The exceptions of shards as one error, with the traceback of the first."""
    first, count = failures[0], len(failures)
    left = "; the same command tries again what is missing"
    if count == 1:
        return WorkError(f"{first['error']}{left}", first["traceback"])
    numbers = ", ".join(str(one) for one in sorted(one["shard"] for one in failures)[:_NAMED])
    what = f"all of the first {count}" if hopeless else f"{count} of {plan.shards}"
    more = ", …" if count > _NAMED else ""
    return WorkError(
        f"{plan.name}: {what} shards failed ({numbers}{more}){left}. The first: {first['error']}", first["traceback"]
    )


def _compare_code(plan: Plan) -> None:
    """Say so if the file that computes has changed since the store was begun: perhaps in a comment only."""
    before, now = (store.plan_of(plan.name).provenance or {}).get("code"), provenance(plan).get("code")
    if before and before != now:
        logging.getLogger(__name__).warning(
            "%s was begun with another version of %s: what is finished stays as that made it; if this matters, delete "
            "%s and its .ledger to begin anew",
            plan.name,
            ", ".join(now or before),
            store.location(plan.name),
        )


def _finish(name: str, before: Sequence[int], hosts: Iterable[str] = ()) -> None:
    """Say in the attributes of a store that it is complete, unless they do: a run may have ended just before.

    Of the shards that were there before this run, the ledger says which hosts made them: an object for each, so that
    those of this run, made on `hosts`, are not read.
    """
    if not store.is_marked_complete(name):
        made_on = {line.host for line in store.ledger(name, before)} | set(hosts)
        store.mark(name, complete=True, hosts=len(made_on))


def _length(plan: Plan, shard: int) -> int:
    bounds = plan.bounds(shard)
    return bounds.stop - bounds.start


def provenance(plan: Plan) -> dict[str, Any]:
    """What data are made by, to keep with them: environment, versions, and the checksum of a user's file."""
    file = modules.source(plan.compute)
    own = {} if file is None or file.is_relative_to(cluster.PACKAGE) else {"code": {file.name: modules.digest(file)}}
    return {
        **_commit(),
        "environment": Path(plan.environment or "cluster").name,
        "versions": environments.provenance(plan.environment),
        **own,
    }


def _commit() -> dict[str, str]:
    """The commit of raypipe's checkout, with a + if files differ from it; nothing where it is no checkout."""
    git = ["git", "-C", str(cluster.PACKAGE)]
    try:
        _, head, changed = (  # the first fails where the package only lies below somebody's checkout
            subprocess.run([*git, *command.split()], capture_output=True, text=True, check=True).stdout.strip()
            for command in (
                "ls-files --error-unmatch __init__.py",
                "rev-parse --short=12 HEAD",
                "status --porcelain --untracked-files=no .",
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": head + ("+" if changed else "")}


def _run(plan: Plan, shards: list[int], workers: int | None) -> Iterator[Mapping[str, Any]]:
    """Yield what became of each shard, as `Worker` returns it; a user's mistake is raised."""
    import ray
    import ray.data
    import ray.exceptions

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that its bars are off
    most = min(len(shards), workers or len(shards))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(most, room()))
    with warnings.catch_warnings():
        # Limits of restarts have no named parameters yet where those without are deprecated.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        rows = ray.data.from_items(
            [row_of(plan, shard) for shard in shards], override_num_blocks=min(len(shards), MOST_BLOCKS)
        )
        results = rows.map(
            Worker,  # type: ignore[arg-type]
            fn_constructor_args=(plan.name, json.dumps(dict(plan.parameters)), plan.compute, plan.per_sample),
            compute=pool,
            num_cpus=1,
            runtime_env=runtime_env(plan),
            # A worker may be lost as often as it likes, on spot nodes say, but not for ever at the same shards: what
            # kills it each time, for want of memory perhaps, would never end.
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
    try:
        for result in results.iter_rows():
            if result["error"] and not result["traceback"]:
                raise InputError(result["error"])
            yield result
    except ray.exceptions.RayError as error:
        raise LostError(
            f"{plan.name}: workers were lost {RETRIES + 1} times at the same shard, perhaps for want of memory; "
            f"try fewer with --workers; what is finished stays. Ray says: {' '.join(plain(str(error)).split())[:500]}"
        ) from error
