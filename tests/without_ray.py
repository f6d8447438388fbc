"""Filling a store in this process, and calling a job's main, for tests of what is computed rather than where."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

from raypipe import store
from raypipe.run import fill
from raypipe.store import owner


def fill_here(plan: fill.Plan, *, workers: int | None = None, own: owner.Ownership | None = None) -> None:
    """Do what `fill.fill` does, with the same worker, here."""
    store.create(plan, {})
    missing = store.missing(plan.name)
    if missing:
        worker = fill.Worker(plan.name, json.dumps(dict(plan.parameters)), plan.compute, plan.per_sample)
        for shard in missing:
            result = worker(fill.row_of(plan, shard))
            assert not result["error"], result["error"] + result["traceback"]
    store.mark(plan.name, complete=True)


def job(name: str) -> Callable[..., None]:
    """The main of jobs/<name>.py."""
    return runpy.run_path(str(Path(__file__).parent.parent / "jobs" / f"{name}.py"))["main"]
