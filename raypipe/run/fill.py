"""Fill missing shards of stores on Ray: the one way in which data are made here.

A plan names a function; Ray Data's actor pool calls it once per shard, in the environment that it needs, and
gives elasticity, retries of lost workers and back-pressure. Each worker writes whole shards and their lines in
the ledger, so running a plan again continues it, and the values do not depend on who computed what when.
"""

import contextlib
import logging
import os
import platform
import subprocess
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from raypipe import modules, store
from raypipe.errors import InputError, LostError, ValuesError, WorkError, of_texts, plain
from raypipe.modules import FAIL_FAST_VARIABLE
from raypipe.run import cluster, environments, foresee
from raypipe.run.progress import progress
from raypipe.run.work import Compute, Work, computing, failure_of, join, row_of, rows_of, runtime_env, work_of
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
    """What runs in the actor pool: computes and writes the shards that it is given.

    Args:
        works: what computes the shards of each store, by its name, as `work_of` gives it.
        shares_blocks: whether a shard may come again that is finished: if its worker is lost, a block does as a whole.
    """

    def __init__(self, works: Mapping[str, Work], *, shares_blocks: bool = False) -> None:
        # Nothing that may fail: Ray would take an exception here for a lost worker, and begin anew.
        self._works, self._shares_blocks = works, shares_blocks
        self._computes: dict[str, Compute] = {}
        self._attempt = f"{os.uname().nodename}-{os.getpid()}-{int(time.time())}"

    def _compute(self, name: str) -> Compute:
        if name not in self._computes:
            self._computes[name] = computing(*self._works[name])
        return self._computes[name]

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        """Compute and write the shard of one row: its store, number, bounds and columns."""
        name, samples = str(shard["store"]), slice(int(shard["start"]), int(shard["stop"]))
        done = {"store": name, "shard": int(shard["shard"]), "error": "", "traceback": "", "stops": False}
        done |= {"samples": samples.stop - samples.start, "host": platform.node()}
        rows = rows_of(shard)
        began = time.perf_counter()
        try:
            if self._shares_blocks and store.is_finished(name, int(shard["shard"])):
                return done
            arrays = self._compute(name)(rows)
            store.write_shard(
                name,
                int(shard["shard"]),
                samples,
                arrays,
                seeds=(int(rows["seed"].min()), int(rows["seed"].max())) if "seed" in rows else None,
                seconds=time.perf_counter() - began,
                attempt=self._attempt,
            )
        except Exception as error:
            return self._failed(name, shard, error)
        return done

    def _failed(self, name: str, shard: dict[str, Any], error: Exception) -> dict[str, Any]:
        message, traceback = failure_of(shard, error)
        number = int(shard["shard"])
        stops = isinstance(error, InputError) and not isinstance(error, ValuesError)
        if not stops:
            with contextlib.suppress(InputError):  # of a store that cannot be written others tell
                store.record_failure(name, number, message, traceback)
        known = {"store": name, "shard": number, "error": message, "traceback": traceback, "stops": stops}
        return {**known, "samples": 0, "host": ""}


def fill(*plans: Plan, workers: int | None = None, own: owner.Ownership | None = None, last: bool = True) -> None:
    """Make stores, or complete them: afterwards every shard is in their ledgers.

    Several are made by the same workers, which start once; one that is given twice is made once. They must be of one
    environment, and none may be made from another.

    Args:
        plans: what to compute.
        workers: at most so many worker processes, one core each; by default as many as the cluster has room for.
        own: of the store, if there is one and the caller holds it.
        last: whether nothing else is made from these: a dry run that finds them complete goes on if there is.

    Raises:
        InputError: if `workers` is not positive, the store was made with other parameters, is being made by another job
            or cannot be written; or, as of exceptions, at the end, if values cannot be stored.
        WorkError: if the computation of shards raises exceptions: at the end, when all others are finished, or at the
            first if FAIL_FAST_VARIABLE is set, or if none succeeds. They are in the ledger, see `store.failure`.
        LostError: if workers are lost again and again at one shard.
        Foreseen: if a dry run is asked for, see `foresee`; nothing is made.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers; expected 1 or more")
    unique = {plan.name: plan for plan in plans}
    if how := foresee.asked():
        foresee.foresee(list(unique.values()), workers, how, last=last)
        return
    with contextlib.ExitStack() as held:
        owned = [
            (plan, held.enter_context(owner.held(plan.name)) if own is None else own)
            for plan in unique.values()
            if not _is_complete(plan)
        ]
        if owned:
            _complete(owned, workers)


def _is_complete(plan: Plan) -> bool:
    """Whether nothing is missing of a store, and say so; a store of other parameters is refused, before Ray starts."""
    begun = store.begun(plan)
    if begun or store.is_extended_by(plan):
        _compare_code(plan)
        _compare_age(plan)
    if not begun:
        return False
    if store.missing(plan.name):
        return False
    _finish(plan.name, range(plan.shards))
    say = logging.getLogger(__name__).info
    say("%s: complete, %d samples in %s", plan.name, plan.samples, store.location(plan.name))
    return True


def _complete(owned: Sequence[tuple[Plan, owner.Ownership]], workers: int | None) -> None:
    """Compute what is missing of stores that this process owns."""
    join(owned[0][0])
    with contextlib.ExitStack() as shown:
        shown.enter_context(objects.watched())
        filled = {plan.name: shown.enter_context(Filling(plan, own)) for plan, own in owned}
        for result in _run(list(filled.values()), workers):
            of = filled[result["store"]]
            of.take(result)
            if of.is_hopeless or (of.failures and os.environ.get(FAIL_FAST_VARIABLE)):
                break
    # First those that are complete, last those that were not come to because of another.
    for of in sorted(filled.values(), key=lambda one: (not one.is_whole, not one.failures)):
        of.finish()


class Filling(contextlib.AbstractContextManager["Filling"]):
    """A store that is being filled, and what has become of its shards so far.

    While it is entered its progress is shown, and told now and then in the attributes of the store.
    """

    def __init__(self, plan: Plan, own: owner.Ownership) -> None:
        store.create(plan, provenance(plan))
        self.plan, self._own = plan, own
        self.missing = store.missing(plan.name)
        self.failures: list[Mapping[str, Any]] = []
        self._hosts: set[str] = set()
        self._before = sorted(set(range(plan.shards)) - set(self.missing))
        failed = set(store.failed(plan.name))
        self._failed_before = failed & set(self.missing)
        for shard in failed - self._failed_before:  # made since, by a run that ended before it heard of it
            store.forget_failure(plan.name, shard)
        self._done, self._told = len(self._before), time.monotonic()
        samples = plan.samples - sum(_length(plan, shard) for shard in self.missing)
        self._bar = progress(plan.samples, plan.name, done=samples, unit="sample")

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        with contextlib.suppress(InputError):  # told by what has ended the run
            self._own.check()  # another job may have taken over, and completed it
            store.mark(self.plan.name, complete=False, done=self._done)

    def take(self, result: Mapping[str, Any]) -> None:
        """What became of a shard, as `Worker` returns it."""
        self._own.check()
        if result["error"]:
            self.failures.append(result)
            return
        self._hosts.add(result["host"])
        self._bar.update(result["samples"])
        if result["shard"] in self._failed_before:
            store.forget_failure(self.plan.name, result["shard"])
        self._done += 1
        if time.monotonic() - self._told > TOLD_SECONDS:
            self._told = time.monotonic()
            store.mark(self.plan.name, complete=False, done=self._done)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing any more."""
        return self._done == self.plan.shards

    @property
    def is_hopeless(self) -> bool:
        """Whether so many shards have failed, and none has succeeded, that others need not be tried."""
        return len(self.failures) >= HOPELESS and not self._hosts

    def finish(self) -> None:
        """Say that it is complete, or raise what it is not for."""
        name = self.plan.name
        if self.failures:
            hopeless = not self._hosts and len(self.failures) < len(self.missing)
            raise _failure(self.plan, self.failures, hopeless=hopeless)
        if store.missing(name):
            raise InputError(
                f"shards of {name} that workers wrote are not here; workers and driver see different folders: "
                f"set {objects.ROOT_VARIABLE} to one that all nodes share"
            )
        _finish(name, self._before, self._hosts)


def _failure(plan: Plan, failures: Sequence[Mapping[str, Any]], *, hopeless: bool) -> WorkError | InputError:
    """The exceptions of shards as one error, with the traceback of the first, if that has one."""
    first, count = failures[0], len(failures)
    left = "; run the same command to retry what is missing"
    if count == 1:
        return of_texts(f"{first['error']}{left}", first["traceback"])
    numbers = ", ".join(str(one) for one in sorted(one["shard"] for one in failures)[:_NAMED])
    what = f"all of the first {count}" if hopeless else f"{count} of {plan.shards}"
    more = ", …" if count > _NAMED else ""
    return of_texts(
        f"{plan.name}: {what} shards failed ({numbers}{more}){left}. The first: {first['error']}", first["traceback"]
    )


def _compare_code(plan: Plan) -> None:
    """Say so if the file that computes has changed since the store was begun: perhaps in a comment only."""
    before, now = (store.plan_of(plan.name).provenance or {}).get("code"), _code(plan)
    if before and before != now:
        logging.getLogger(__name__).warning(
            "%s was begun with another version of %s: finished shards stay as it made them; if this matters, delete "
            "%s and its .ledger to start again",
            plan.name,
            ", ".join(now or before),
            store.location(plan.name),
        )


def _compare_age(plan: Plan) -> None:
    """Say so if a store is older than the data set that it is made from, which was then removed and made again.

    That may have been with the same parameters, by a function that was mended meanwhile. What is extended stays as old.
    """
    source = plan.parameters.get("source")
    with contextlib.suppress(InputError):  # a user's parameter of that name is no data set
        if isinstance(source, str) and store.plan_of(plan.name).created < store.plan_of(source).created:
            logging.getLogger(__name__).warning(
                "%s is older than %s, which has been made again since: what is finished stays as it was; if this "
                "matters, remove it with raypipe remove %s, and give the command again",
                plan.name,
                source,
                plan.name,
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
    code = _code(plan)
    return {
        **_commit(),
        "environment": Path(plan.environment or "cluster").name,
        "versions": environments.provenance(plan.environment),
        **({"code": code} if code else {}),
    }


def _code(plan: Plan) -> dict[str, str] | None:
    """The checksum of the user's file that computes, by its name; None if raypipe's own does."""
    file = modules.source(plan.compute)
    return None if file is None or file.is_relative_to(cluster.PACKAGE) else {file.name: modules.digest(file)}


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


def _run(stores: Sequence[Filling], workers: int | None) -> Iterator[Mapping[str, Any]]:
    """Yield what became of each missing shard, as `Worker` returns it; a user's mistake is raised."""
    shards = [row_of(of.plan, shard) for of in stores for shard in of.missing]
    if not shards:
        return
    import ray
    import ray.data
    import ray.exceptions

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that its bars are off
    most = min(len(shards), workers or len(shards))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(most, cluster.room()))
    with warnings.catch_warnings():
        # Limits of restarts have no named parameters yet where those without are deprecated.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        rows = ray.data.from_items(shards, override_num_blocks=min(len(shards), MOST_BLOCKS))
        results = rows.map(
            Worker,  # type: ignore[arg-type]
            fn_constructor_args=({of.plan.name: work_of(of.plan) for of in stores},),
            fn_constructor_kwargs={"shares_blocks": len(shards) > MOST_BLOCKS},
            compute=pool,
            num_cpus=1,
            runtime_env=runtime_env(stores[0].plan),
            # A worker may be lost as often as it likes, on spot nodes say, but not for ever at the same shards: what
            # kills it each time, for want of memory perhaps, would never end.
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
    try:
        for result in results.iter_rows():
            if result["stops"]:
                raise InputError(result["error"])
            yield result
    except ray.exceptions.RayError as error:
        raise LostError(
            f"{', '.join(of.plan.name for of in stores)}: workers were lost {RETRIES + 1} times at the same shard, "
            "perhaps for lack of memory; try fewer with --workers; finished shards are kept. Ray says: "
            f"{' '.join(plain(str(error)).split())[:500]}"
        ) from error
