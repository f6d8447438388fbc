"""Shared by the benchmarks: Ray, a timed `fill` whose workers signal when they are ready, rows of a table."""

import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from raypipe.run import cluster
from raypipe.run.fill import fill
from raypipe.store import Plan

if TYPE_CHECKING:
    from raypipe.networks.fit import Fit

BENCHMARKS = Path(__file__).resolve().parent


def start_ray() -> None:
    """Start Ray with two cores; its workers can import the modules of this folder."""
    for name, value in cluster.SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={"working_dir": str(BENCHMARKS.parent), "env_vars": {"PYTHONPATH": str(BENCHMARKS)}},
    )


def leave_mark(folder: str | Path) -> None:
    """Signal by a file that this process, a worker, is ready; only the first mark counts."""
    mark = Path(folder, str(os.getpid()))
    if not mark.exists():
        mark.write_text(str(time.time()))


def ready_times(folder: Path) -> list[float]:
    """Return when workers were ready, ascending, in seconds as of time.time()."""
    return sorted(float(mark.read_text()) for mark in folder.iterdir())


@dataclass(frozen=True)
class Filled:
    """Results of a run of `fill`.

    Attributes:
        name: name of the store that it made.
        start_up: seconds until the first worker was ready.
        seconds: seconds from when a worker was ready, mean over the workers, to the end.
        memory: peak private and resident memory, MB, of `driver` and of the largest `worker`.
    """

    name: str
    start_up: float
    seconds: float
    memory: dict[str, tuple[float, float]]


def time_fill(plan: Plan, workers: int, folder: Path) -> Filled:
    """Fill a new store with a plan whose workers leave marks in the folder that the parameter `marks` names."""
    marks = Path(tempfile.mkdtemp(dir=folder))
    plan = replace(plan, name=marks.name, parameters={**plan.parameters, "marks": str(marks)})
    with peak_memory(marks) as memory:
        began = time.time()
        fill(plan, workers=workers)
        ended = time.time()
    # If shards take no time, the pool sometimes replaces a worker by another one.
    ready = ready_times(marks)[:workers]
    return Filled(plan.name, ready[0] - began, ended - fmean(ready), memory)


@contextmanager
def peak_memory(marks: Path) -> Iterator[dict[str, tuple[float, float]]]:
    """Record the peak private and resident memory, MB, of this driver and of the workers that leave marks."""
    peak = {"driver": (0.0, 0.0), "worker": (0.0, 0.0)}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            workers = [int(mark.name) for mark in marks.iterdir()]
            for role, process in [("driver", os.getpid()), *(("worker", worker) for worker in workers)]:
                private, resident = memory(process)
                peak[role] = max(peak[role][0], private), max(peak[role][1], resident)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def memory(process: int) -> tuple[float, float]:
    """Return the private and resident memory of a process, MB; zeros if it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    size = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in (line.split(":") for line in lines)}
    return size["Private_Clean"] + size["Private_Dirty"], size["Rss"]


def workers_below(process: int) -> list[int]:
    """Return those of Ray's workers that a process has started, directly or indirectly."""
    parent, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent[int(folder.name)] = int(rest.split()[1])
        if "ray::" in name:
            found.append(int(folder.name))

    def is_below(one: int) -> bool:
        return one == process or (one in parent and is_below(parent[one]))

    return [one for one in found if is_below(one)]


def epoch_seconds(runs: Mapping[str, tuple["Fit", Any, Any]], repeat: int) -> dict[str, float]:
    """Return the median seconds of an epoch of several trainings, in turns, each with its data and validation data."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat + 1):
        for name, (run, train, validation) in runs.items():
            began = time.perf_counter()
            for _ in run.epoch_in_parts(train, validation):
                pass
            seconds[name].append(time.perf_counter() - began)
    return {name: median(times[1:]) for name, times in seconds.items()}  # the first compiles


def print_row(label: str, *cells: str) -> None:
    """Print a row of a table."""
    print(f"{label:24}" + "".join(f"{cell:>13}" for cell in cells))
