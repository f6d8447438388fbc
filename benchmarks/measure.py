"""What the benchmarks share: Ray, a timed `fill` whose workers tell when they are ready, lines of a table."""

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
    """Tell by a file that this process, a worker, is ready; the first mark counts."""
    mark = Path(folder, str(os.getpid()))
    if not mark.exists():
        mark.write_text(str(time.time()))


def ready_times(folder: Path) -> list[float]:
    """When workers were ready, ascending, in seconds as of time.time()."""
    return sorted(float(mark.read_text()) for mark in folder.iterdir())


@dataclass(frozen=True)
class Filled:
    """How a run of `fill` went.

    Attributes:
        name: of the store that it made.
        start_up: seconds to the first worker.
        seconds: those of a worker from then on to the end.
        memory: peak of private and of resident memory, MB, of `driver` and `worker`.
    """

    name: str
    start_up: float
    seconds: float
    memory: dict[str, tuple[float, float]]


def time_fill(plan: Plan, workers: int, folder: Path) -> Filled:
    """Fill a new store with a plan, whose workers leave marks in the folder that the parameter `marks` names."""
    marks = Path(tempfile.mkdtemp(dir=folder))
    plan = replace(plan, name=marks.name, parameters={**plan.parameters, "marks": str(marks)})
    with peak_memory(marks) as memory:
        began = time.time()
        fill(plan, workers=workers)
        ended = time.time()
    # Where shards take no time, the pool at times lets a worker go and takes another in its place.
    ready = ready_times(marks)[:workers]
    return Filled(plan.name, ready[0] - began, ended - fmean(ready), memory)


@contextmanager
def peak_memory(marks: Path) -> Iterator[dict[str, tuple[float, float]]]:
    """Watch the private and the resident memory, MB, of this driver and of the workers that leave marks."""
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
    """Private and resident memory of a process, MB; zeros if it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0  # it has ended
    size = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in (line.split(":") for line in lines)}
    return size["Private_Clean"] + size["Private_Dirty"], size["Rss"]


def workers_below(process: int) -> list[int]:
    """Ray's workers among the processes that a process has started, directly or not."""
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
    """Median seconds of an epoch of several trainings, in turns; each with what it learns from and is validated on."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat + 1):
        for name, (run, train, validation) in runs.items():
            began = time.perf_counter()
            for _ in run.epoch_in_parts(train, validation):
                pass
            seconds[name].append(time.perf_counter() - began)
    return {name: median(times[1:]) for name, times in seconds.items()}  # the first compiles


def print_row(label: str, *cells: str) -> None:
    """Print a line of a table."""
    print(f"{label:24}" + "".join(f"{cell:>13}" for cell in cells))
