"""How fast are trajectories generated? Compare the plain package andi-datasets in one process with the job.

    python benchmarks/trajectories.py [--trajectories 30000] [--repeat 3]

The plain package runs in its isolated environment and stores nothing. The job's plan is filled with one worker and with
two, into a store. All alternate; the figures are medians. Seconds are measured from when a process has imported the
package to the last trajectory, or to the end of `fill`, when its workers have ended and its ledger is complete. The
time until a first worker is ready is listed separately, as it does not grow with the work.

There are two data sets, as the job has two ways:

test: the job's shards are calls of `challenge_theory_dataset`, so that function is the peer. It is called for the same
numbers of trajectories with the shards' seeds, and the benchmark stops unless all values are those of the store. It is
also called once for 10 000 trajectories, which joins ever longer arrays. The faster of the two counts.

train: the job generates trajectory after trajectory, each from its own seed, and discards none. The peer is the
package's own functions with the same numbers of trajectories, one shard at a time: `create_dataset`, then the
challenge's scaling and noise for the whole array. (`challenge_theory_dataset` makes half as many again as it returns.)

Then the job generates OWN times as many with raypipe's own generator. The last line has its ratios to both peers; two
lines above are the ratios for `test`, where the values are the same to the last bit.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import measure
import numpy as np
import typer
from measure import BENCHMARKS, Filled, print_row, time_fill

from raypipe import store
from raypipe.command import run
from raypipe.run import environments
from raypipe.store import Plan, objects
from raypipe.studies.andi import own_trajectories, trajectory_sets

AT_ONCE = 10_000
OWN = 20
"""How many times more trajectories raypipe's own generator makes than the package, as it is so much faster."""

WAYS = {"train": "recipe", "test": "challenge"}
Process = subprocess.Popen[str]


@contextmanager
def plain_package(processes: int) -> Iterator[list[Process]]:
    """Start processes in the environment `andi` that have imported the package and wait for requests."""
    environments.warm("andi")
    isolated = environments.command(environments.lock("andi"), *environments.QUIET)
    command = [*isolated, "python", str(BENCHMARKS / "andi_package.py")]
    checkout = BENCHMARKS.parent
    started = [
        subprocess.Popen(
            command,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for process in started:
            if (found := _read(process)) != "ready":
                raise RuntimeError(f"the plain package answered {found!r} instead of 'ready'")
        yield started
    finally:
        for process in started:
            process.communicate()  # it ends when its standard input is closed


def _read(process: Process) -> str:
    return process.stdout.readline().strip()


def time_plain(processes: Sequence[Process], way: str, calls: list[tuple[int, int]]) -> tuple[float, list[str]]:
    """Return the mean seconds of processes that share the calls, and the checksums of all calls, in order."""
    for number, process in enumerate(processes):
        print(json.dumps([way, calls[number :: len(processes)]]), file=process.stdin, flush=True)
    answers = [json.loads(_read(process)) for process in processes]
    checksums = [""] * len(calls)
    for number, (_, of_process) in enumerate(answers):
        checksums[number :: len(processes)] = of_process
    return fmean(seconds for seconds, _ in answers), checksums


def plan_of(split: str, trajectories: int) -> Plan:
    """Return the job's plan, computed by workers that signal when they are ready."""
    return replace(trajectory_sets.trajectories(split, trajectories), compute=f"andi_package:{WAYS[split]}")


def own_plan(trajectories: int) -> Plan:
    """Return the plan of OWN times as many trajectories of train, by raypipe's own generator."""
    plan = trajectory_sets.trajectories("train", OWN * trajectories, generator="raypipe")
    return replace(plan, compute="trajectories:own")


def own(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return what computes them, in a worker that signals when it is ready, with its code compiled."""
    compute = own_trajectories.compute(parameters)
    compute({"seed": np.arange(5), "label": np.arange(5)})
    measure.leave_mark(parameters["marks"])
    return compute


def calls_of(plan: Plan) -> list[tuple[int, int]]:
    """Return the seed and number of trajectories of each shard."""
    bounds = [plan.bounds(shard) for shard in range(plan.shards)]
    seeds = np.asarray(plan.coordinates["seed"].values)
    return [(int(seeds[one.start]), one.stop - one.start) for one in bounds]


def check_same(plan: Plan, name: str, checksums: list[str]) -> None:
    """Exit unless the shards of store `name` are what the plain package returned."""
    arrays = store.arrays(name)
    made = {variable: np.asarray(arrays[variable][:]) for variable in ("position", "label")}
    for shard, expected in enumerate(checksums):
        rows = plan.bounds(shard)
        if store.checksum({variable: values[rows] for variable, values in made.items()}) != expected:
            raise SystemExit(f"shard {shard} of {name} is not what the package returns; a ratio would mean nothing")


def main(
    trajectories: Annotated[int, typer.Option(help="So many of each data set; a multiple of 2000 is best.")] = 30_000,
    repeat: Annotated[int, typer.Option(help="Rounds, of which medians are taken.")] = 3,
) -> None:
    """Measure the trajectories per second of the plain package and of the job."""
    measure.start_ray()
    import ray

    plans = {split: plan_of(split, trajectories) for split in WAYS}
    plain: dict[tuple[str, int], list[float]] = {(split, number): [] for split in WAYS for number in (1, 2)}
    at_once: list[float] = []
    filled: dict[tuple[str, int], list[Filled]] = {(split, number): [] for split in WAYS for number in (1, 2)}
    by_own: dict[int, list[Filled]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as temporary, plain_package(2) as processes:
        folder = Path(temporary)
        os.environ[objects.ROOT_VARIABLE] = str(folder / "store")
        for _ in range(repeat):
            for split, plan in plans.items():
                calls = calls_of(plan)
                for number in (1, 2):
                    seconds, checksums = time_plain(processes[:number], WAYS[split], calls)
                    plain[split, number].append(seconds)
                    filled[split, number].append(time_fill(plan, number, folder))
                    if split == "test":
                        check_same(plan, filled[split, number][-1].name, checksums)
            for number in (1, 2):
                by_own[number].append(time_fill(own_plan(trajectories), number, folder))
            at_once.append(time_plain(processes[:1], WAYS["test"], [(0, AT_ONCE)])[0] * trajectories / AT_ONCE)
    ray.shutdown()
    report(trajectories, plain, at_once, filled)
    peers = {"train": median(plain["train", 1]), "test": min(median(plain["test", 1]), median(at_once))}
    report_own(trajectories, peers, by_own)


def report_own(trajectories: int, peers: Mapping[str, float], filled: Mapping[int, Sequence[Filled]]) -> None:
    """Print how fast the job is with raypipe's own generator, and its ratios to the package in one process."""
    seconds = {number: median(one.seconds for one in runs) / OWN for number, runs in filled.items()}
    rates = ", ".join(f"{trajectories / one:.0f}/s by {number}" for number, one in seconds.items())
    print(f"by raypipe's own generator: {rates}; {OWN * trajectories} trajectories")
    print(" ".join(f"own_{n}_to_{way}={peers[way] / seconds[n]:.1f}" for way in peers for n in seconds))


def report(
    trajectories: int,
    plain: dict[tuple[str, int], list[float]],
    at_once: list[float],
    filled: dict[tuple[str, int], list[Filled]],
) -> None:
    """Print a table for each data set, and a last line with the ratios of `test`."""

    def rate(seconds: float) -> str:
        return f"{trajectories / seconds:.0f}"

    for split in WAYS:
        peer = median(plain[split, 1])
        print_row(f"{split}, {trajectories}", "plain, 1/s", "job, 1/s", "plain gains", "job gains", "start-up, s")
        if split == "test":
            peer = min(peer, median(at_once))
            print_row("one call for 10000", rate(median(at_once)))
        gains = {}
        for number, label in ((1, "in one process"), (2, "in two")):
            alone, job = median(plain[split, number]), median(one.seconds for one in filled[split, number])
            gains[number] = peer / job
            start_up = median(one.start_up for one in filled[split, number])
            print_row(label, rate(alone), rate(job), f"{peer / alone:.2f}", f"{gains[number]:.2f}", f"{start_up:.1f}")
        print(f"{split}: speedup_1={gains[1]:.3f} speedup_2={gains[2]:.3f}\n")
    print(f"speedup_1={gains[1]:.3f} speedup_2={gains[2]:.3f}")


if __name__ == "__main__":
    run(main)
