"""Filling a store in this process, and calling a job's main, for tests of what is computed rather than where."""

import runpy
from collections.abc import Callable
from pathlib import Path

from raypipe import store
from raypipe.run import fill
from raypipe.store import owner


def worker_of(plan: fill.Plan) -> fill.Worker:
    """What `fill.fill` has compute the shards of a plan."""
    return fill.Worker({plan.name: fill.work_of(plan)})


def fill_here(
    *plans: fill.Plan, workers: int | None = None, own: owner.Ownership | None = None, last: bool = True
) -> None:
    """Do what `fill.fill` does, with the same worker, here."""
    for plan in plans:
        store.create(plan, {})
        missing = store.missing(plan.name)
        if missing:
            worker = worker_of(plan)
            for shard in missing:
                result = worker(fill.row_of(plan, shard))
                assert not result["error"], result["error"] + result["traceback"]
        store.mark(plan.name)


def job(name: str) -> Callable[..., None]:
    """The main of jobs/<name>.py."""
    return runpy.run_path(str(Path(__file__).parent.parent / "jobs" / f"{name}.py"))["main"]
