"""Fill missing shards of stores on Ray; raypipe makes all its data in this way.

A plan names a function; Ray Data's actor pool calls it once per shard, in the environment that the function needs, and
provides elasticity, retries after lost workers, and back-pressure. Each worker writes whole shards and their ledger
entries. Running a plan again therefore continues it, and the values do not depend on which worker computed them or
when.
"""

import contextlib
import functools
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
from raypipe.errors import InputError, LostError, ValuesError, WorkError, of_ray, of_texts
from raypipe.modules import FAIL_FAST_VARIABLE
from raypipe.run import cluster, dry_run, environments
from raypipe.run.progress import progress
from raypipe.run.work import Work, computing, failure_of, join, row_of, rows_of, runtime_env, work_of
from raypipe.store import Plan, objects, owner

RETRIES = 3
"""How many times a shard is retried after its worker was lost."""

HOPELESS = 8
"""Stop after this many failed shards if none has succeeded."""

TOLD_SECONDS = 60.0
"""Interval in seconds at which a store's progress is written to its attributes."""

_NAMED = 20
"""Maximum number of failed shards listed in the error message; the ledger has all of them."""

MOST_BLOCKS = 1000
"""Maximum number of blocks: Ray Data's driver needs about 8 kB for each, so very many shards have to share blocks."""


class Worker:
    """Runs in the actor pool: computes and writes the shards that it is given.

    Args:
        works: for each store by name, how its shards are computed, from `work_of`.
        created: when each store was created. A worker may outlive its job, for example on a host that is cut off; it
            must not write into a store that has been removed and made again.
        shares_blocks: whether several shards share a block. Ray then repeats the whole block after a worker was lost,
            so finished shards are skipped.
    """

    def __init__(self, works: Mapping[str, Work], created: Mapping[str, str], *, shares_blocks: bool = False) -> None:
        # Nothing here may fail: Ray would treat an exception as a lost worker and restart it.
        self._works, self._created, self._shares_blocks = works, created, shares_blocks
        self._computing = functools.cache(computing)
        self._attempt = f"{os.uname().nodename}-{os.getpid()}-{int(time.time())}"

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        """Compute and write one shard, described by a row with its store, number, bounds and columns."""
        name, samples = str(shard["store"]), slice(int(shard["start"]), int(shard["stop"]))
        done = {"store": name, "shard": int(shard["shard"]), "error": "", "traceback": "", "stops": False}
        done |= {"samples": samples.stop - samples.start, "host": platform.node()}
        rows = rows_of(shard)
        began = time.perf_counter()
        try:
            if self._shares_blocks and store.is_finished(name, int(shard["shard"])):
                return done
            arrays = self._computing(*self._works[name])(rows)
            store.write_shard(
                name,
                int(shard["shard"]),
                samples,
                arrays,
                seeds=(int(rows["seed"].min()), int(rows["seed"].max())) if "seed" in rows else None,
                seconds=time.perf_counter() - began,
                attempt=self._attempt,
                created=self._created[name],
            )
        except Exception as error:
            return self._failed(name, shard, error)
        return done

    def _failed(self, name: str, shard: dict[str, Any], error: Exception) -> dict[str, Any]:
        message, traceback = failure_of(shard, error)
        number = int(shard["shard"])
        stops = isinstance(error, InputError) and not isinstance(error, ValuesError)
        if not stops:
            with contextlib.suppress(InputError):  # an unwritable store is reported elsewhere
                store.record_failure(name, number, message, traceback)
        known = {"store": name, "shard": number, "error": message, "traceback": traceback, "stops": stops}
        return {**known, "samples": 0, "host": ""}


def fill(*plans: Plan, workers: int | None = None, own: owner.Ownership | None = None, last: bool = True) -> None:
    """Make or complete stores; afterwards all their shards are in their ledgers.

    Several stores share the same workers, which start only once; a plan that is given twice is run once. The stores
    must use the same environment, and none may be made from another.

    Args:
        plans: what to compute.
        workers: maximum number of worker processes, one core each; by default as many as the cluster has room for.
        own: ownership of the store, if the caller holds it already; only with a single plan.
        last: whether nothing else is made from these stores. If something is, a dry run continues when they are
            complete.

    Raises:
        InputError: if `workers` is not positive, or a store was made with other parameters, is being made by another
            job or cannot be written. If values cannot be stored, it is raised when WorkError would be.
        WorkError: if computing a shard raises an exception. It is raised at the end, when all other shards are
            finished; at the first failure if FAIL_FAST_VARIABLE is set; or early if no shard succeeds. The ledger keeps
            the failures, see `store.failure`.
        LostError: if workers are lost repeatedly at one shard.
        DryRun: if a dry run is requested, see `dry_run`; nothing is made.
    """
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers; expected 1 or more")
    unique = {plan.name: plan for plan in plans}
    if how := dry_run.asked():
        dry_run.dry_run(list(unique.values()), workers, how, last=last)
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
    """Whether a store is complete, which is then logged; a store with other parameters is refused before Ray starts."""
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
    """Compute what is missing in stores that this process owns."""
    join(owned[0][0])
    with contextlib.ExitStack() as shown:
        shown.enter_context(objects.watched())
        filled = {plan.name: shown.enter_context(Filling(plan, own)) for plan, own in owned}
        for result in _run(list(filled.values()), workers):
            of = filled[result["store"]]
            of.take(result)
            if of.is_hopeless or (of.failures and os.environ.get(FAIL_FAST_VARIABLE)):
                break
    # Complete stores first, then failed ones; stores that were not reached because another one failed come last.
    for of in sorted(filled.values(), key=lambda one: (not one.is_whole, not one.failures)):
        of.finish()


class Filling(contextlib.AbstractContextManager["Filling"]):
    """A store that is being filled, with the results of its shards so far.

    Within the context, a progress bar is shown, and the store's attributes are updated from time to time.
    """

    def __init__(self, plan: Plan, own: owner.Ownership) -> None:
        store.create(plan, provenance(plan))
        self.plan, self._own = plan, own
        self.created = store.plan_of(plan.name).created
        self.missing = store.missing(plan.name)
        self.failures: list[Mapping[str, Any]] = []
        self._hosts: set[str] = set()
        self._before = sorted(set(range(plan.shards)) - set(self.missing))
        failed = set(store.failed(plan.name))
        self._failed_before = failed & set(self.missing)
        for shard in failed - self._failed_before:  # computed since, by a run that ended before it recorded this
            store.forget_failure(plan.name, shard)
        self._done, self._told = len(self._before), time.monotonic()
        samples = plan.samples - plan.samples_in(self.missing)
        self._bar = progress(plan.samples, plan.name, done=samples, unit="sample")

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        with contextlib.suppress(InputError):  # reported by the error that ended the run
            self._own.check()  # another job may have taken over and completed the store
            store.mark(self.plan.name, done=self._done)

    def take(self, result: Mapping[str, Any]) -> None:
        """Process the result of a shard, as returned by `Worker`."""
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
            store.mark(self.plan.name, done=self._done)

    @property
    def is_whole(self) -> bool:
        """Whether all shards are finished."""
        return self._done == self.plan.shards

    @property
    def is_hopeless(self) -> bool:
        """Whether at least HOPELESS shards have failed and none has succeeded, so that the others are not tried."""
        return len(self.failures) >= HOPELESS and not self._hosts

    def finish(self) -> None:
        """Mark the store as complete, or raise an error that says why it is not."""
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
    """Combine the exceptions of shards into one error, with the traceback of the first, if it has one."""
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
    """Warn if the file that computes the shards has changed since the store was begun, even if only in a comment."""
    before, now = store.plan_of(plan.name).provenance.get("code"), _code(plan)
    if before and before != now:
        logging.getLogger(__name__).warning(
            "%s was begun with another version of %s: finished shards stay as it made them; if this matters, "
            "start again after: raypipe remove %s",
            plan.name,
            ", ".join(now or before),
            plan.name,
        )


def _compare_age(plan: Plan) -> None:
    """Warn if a store is older than the data set that it is made from, which was then removed and made again.

    The new data set may have the same parameters but come from a function that was corrected in between. A data set
    that was only extended keeps its age.
    """
    source = plan.parameters.get("source")
    with contextlib.suppress(InputError):  # a user's parameter of that name may not be a data set
        if isinstance(source, str) and store.plan_of(plan.name).created < store.plan_of(source).created:
            logging.getLogger(__name__).warning(
                "%s is older than %s, which has been made again since: what is finished stays as it was; if this "
                "matters, remove it with raypipe remove %s, and give the command again",
                plan.name,
                source,
                plan.name,
            )


def _finish(name: str, before: Sequence[int], hosts: Iterable[str] = ()) -> None:
    """Mark a store as complete, unless it already is; an earlier run may have ended just before doing so.

    The ledger says which hosts made the shards that existed before this run. Each entry is a separate object, so those
    of this run, made on `hosts`, are not read.
    """
    if not store.is_marked_complete(name):
        made_on = {line.host for line in store.ledger(name, before)} | set(hosts)
        store.mark(name, hosts=len(made_on))


def provenance(plan: Plan) -> dict[str, Any]:
    """Provenance to store with the data: commit, environment, versions, and the checksum of a user's file."""
    code = _code(plan)
    return {
        **_commit(),
        "environment": Path(plan.environment or "cluster").name,
        "versions": environments.provenance(plan.environment),
        **({"code": code} if code else {}),
    }


def _code(plan: Plan) -> dict[str, str] | None:
    """Name and checksum of the user's file that computes the shards; None if the code is raypipe's own."""
    file = modules.source(plan.compute)
    return None if file is None or file.is_relative_to(cluster.PACKAGE) else {file.name: modules.digest(file)}


def _commit() -> dict[str, str]:
    """Commit of raypipe's checkout, with a "+" if files have been changed; empty if it is not a checkout."""
    git = ["git", "-C", str(cluster.PACKAGE)]
    try:
        _, head, changed = (  # the first fails if the package only lies inside another checkout
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
    """Yield the result of each missing shard, as returned by `Worker`; raise a user's mistake."""
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
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that progress bars are off
    most = min(len(shards), workers or len(shards))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(most, cluster.room()))
    with warnings.catch_warnings():
        # max_restarts and max_task_retries can only be passed as `ray_remote_args`, which Ray warns about.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        rows = ray.data.from_items(shards, override_num_blocks=min(len(shards), MOST_BLOCKS))
        results = rows.map(
            Worker,  # type: ignore[arg-type]
            fn_constructor_args=(
                {of.plan.name: work_of(of.plan) for of in stores},
                {of.plan.name: of.created for of in stores},
            ),
            fn_constructor_kwargs={"shares_blocks": len(shards) > MOST_BLOCKS},
            compute=pool,
            num_cpus=1,
            runtime_env=runtime_env(stores[0].plan),
            # Workers may be lost any number of times, for example on spot nodes, but only RETRIES times per shard:
            # a shard that kills its worker each time, perhaps for lack of memory, would never end.
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
            f"perhaps for lack of memory; try fewer with --workers; finished shards are kept. {of_ray(error)}"
        ) from error
