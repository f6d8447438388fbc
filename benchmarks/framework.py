"""What do Ray, Zarr and the ledger cost? Compare the same simulations in a plain loop and through `fill`.

    python benchmarks/framework.py [--simulations 100] [--repeat 3] [--shards 10000]

Plain: the integrator, raypipe.studies.gray_scott.integrator, is called in a loop that stores nothing, in one process,
and in two at once, which shows what two cores of the machine can do. Filled: the scan's plan with one worker and with
two. All alternate; the figures are medians. Seconds are measured from when a process has loaded the compiled kernel to
the end: of the loop, or of `fill`, when its workers have ended and its ledger is complete. The start-up, until a first
worker is ready, is listed separately, as it does not grow with the work.

All simulations are of one point (k, f), with a pattern that never comes to rest. All shards thus take the same time,
and no worker idles at the end while the other computes a longer one.

Memory is sampled twice a second from Linux's /proc. Private memory (USS) is what a process costs; its resident memory
(RSS) includes the libraries, and the part of Ray's object store, that it shares with others.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import measure
import numpy as np
import typer
from measure import Filled, leave_mark, print_row, time_fill

from raypipe.command import run
from raypipe.run.work import Rows
from raypipe.store import Coordinate, Plan, Variable, objects
from raypipe.studies.gray_scott import integrator, pattern_sets, tables

F, K = 0.05, 0.065


def simulated(parameters: dict[str, Any]) -> Callable[[Rows], Rows]:
    """Return what computes the shards of the pattern data sets, in a worker that signals when it is ready."""
    _load_kernel()
    leave_mark(parameters["marks"])
    return pattern_sets.simulated_patterns(parameters)


def squares(parameters: dict[str, Any]) -> Callable[[Rows], Rows]:
    """Return trivial work, in a worker that signals when it is ready."""
    leave_mark(parameters["marks"])
    return lambda rows: {"square": rows["seed"] ** 2}


def _load_kernel() -> None:
    integrator.simulate(1, F, K, frame_times=[1])


def pattern_plan(simulations: int) -> Plan:
    """Return the scan's plan for every n-th seed, about `simulations` of them, all at one point (k, f)."""
    plan = pattern_sets.scan(every=-(-len(tables.scan_simulations()) // simulations))
    rates = {name: Coordinate(("sample",), np.full(plan.samples, rate)) for name, rate in (("f", F), ("k", K))}
    return replace(plan, coordinates={**plan.coordinates, **rates}, compute="framework:simulated")


def square_plan(shards: int) -> Plan:
    """Return a plan with one sample per shard and hardly any work in each."""
    return Plan(
        name="squares",
        samples=shards,
        shard_samples=1,
        variables={"square": Variable(("sample",), (shards,), "int64", (1,))},
        coordinates={"seed": Coordinate(("sample",), np.arange(shards))},
        parameters={},
        compute="framework:squares",
        columns=("seed",),
    )


def plain_seconds(plan: Plan, processes: int) -> float:
    """Time a plan's simulations in plain processes, which share the work and store nothing."""
    seeds = np.asarray(plan.coordinates["seed"].values).tolist()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return fmean(pool.map(_loop, [seeds[number::processes] for number in range(processes)], chunksize=1))


def _loop(seeds: list[int]) -> float:
    _load_kernel()
    began = time.perf_counter()
    for seed in seeds:
        integrator.simulate(seed, F, K)
    return time.perf_counter() - began


def main(
    simulations: Annotated[int, typer.Option(help="About so many simulations, of some 0.2 s each.")] = 100,
    repeat: Annotated[int, typer.Option(help="Rounds, of which medians are taken.")] = 3,
    shards: Annotated[int, typer.Option(help="Shards of trivial work, beside 100 of them.")] = 10_000,
) -> None:
    """Measure what Ray, Zarr and the ledger cost in time and memory."""
    measure.start_ray()
    import ray

    plan = pattern_plan(simulations)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ[objects.ROOT_VARIABLE] = str(folder / "store")
        trivial = {count: time_fill(square_plan(count), 2, folder) for count in (100, shards)}
        plain: dict[int, list[float]] = {1: [], 2: []}
        filled: dict[int, list[Filled]] = {1: [], 2: []}
        for _ in range(repeat):
            for processes in (1, 2):
                plain[processes].append(plain_seconds(plan, processes))
                filled[processes].append(time_fill(plan, processes, folder))
    ray.shutdown()
    report(plan.samples, plain, filled, trivial)


def report(
    simulations: int, plain: dict[int, list[float]], filled: dict[int, list[Filled]], trivial: dict[int, Filled]
) -> None:
    """Print the tables, and a last line with the ratios."""
    loop = {processes: median(times) for processes, times in plain.items()}
    seconds = {workers: median(one.seconds for one in runs) for workers, runs in filled.items()}
    print_row(f"{simulations} simulations", "plain, s", "filled, s", "overhead", "start-up, s")
    for workers, runs in filled.items():
        overhead, start_up = seconds[workers] / loop[workers] - 1, median(one.start_up for one in runs)
        cells = f"{loop[workers]:.2f}", f"{seconds[workers]:.2f}", f"{overhead:.1%}", f"{start_up:.1f}"
        print_row("in one process" if workers == 1 else "in two", *cells)
    print_row("speed-up", f"{loop[1] / loop[2]:.2f}", f"{seconds[1] / seconds[2]:.2f}")

    print_row("\npeak memory, MB", "driver: USS", "RSS", "worker: USS", "RSS", "ms per shard")
    for shards, one in trivial.items():
        sizes = (f"{size:.0f}" for size in (*one.memory["driver"], *one.memory["worker"]))
        print_row(f"{shards} trivial shards", *sizes, f"{one.seconds / shards * 1e3:.1f}")
    most = max(filled[1], key=lambda one: one.memory["worker"])
    sizes = (f"{size:.0f}" for size in (*most.memory["driver"], *most.memory["worker"]))
    print_row(f"{simulations} simulations", *sizes)

    print(f"\noverhead={seconds[1] / loop[1] - 1:.3f} speedup_2_workers={seconds[1] / seconds[2]:.2f}")


if __name__ == "__main__":
    run(main)
