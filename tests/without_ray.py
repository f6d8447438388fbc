"""Filling stores in this process and calling the main of jobs, for tests of results that do not need Ray."""

import runpy
from collections.abc import Callable
from pathlib import Path

from raypipe import store
from raypipe.run import fill
from raypipe.store import owner


def worker_of(plan: fill.Plan) -> fill.Worker:
    """Return the worker with which `fill.fill` computes the shards of a plan, whose store exists."""
    return fill.Worker({plan.name: fill.work_of(plan)}, {plan.name: store.plan_of(plan.name).created})


def fill_here(
    *plans: fill.Plan, workers: int | None = None, own: owner.Ownership | None = None, last: bool = True
) -> None:
    """Do the same as `fill.fill`, with the same worker, in this process."""
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
    """Return the main of jobs/<name>.py."""
    return runpy.run_path(str(Path(__file__).parent.parent / "jobs" / f"{name}.py"))["main"]
