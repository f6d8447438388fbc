"""What does one more shard cost? Plans of 1 000, 10 000 and 100 000 trivial shards, and finding them complete.

    python benchmarks/scale.py [--shards 1000,10000,100000] [--store s3://bucket/prefix]

For each plan, the table has the driver's processor time per shard, the wall-clock time per shard from the first worker
on, the driver's peak private memory, and how long it takes to find the store complete and to list it, as a job does
that is run again. Goals: at most 2 ms of the driver's processor time per shard, however many shards there are; memory
that does not grow with them except for the rows of the plan; and 100 000 shards found complete in 2 s on a disk.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import measure
import typer
from framework import square_plan
from measure import print_row, time_fill

from raypipe import store
from raypipe.command import run
from raypipe.run.fill import fill
from raypipe.store import objects


def main(
    shards: Annotated[str, typer.Option(help="Numbers of shards, separated by commas.")] = "1000,10000,100000",
    place: Annotated[
        str | None, typer.Option("--store", help="Root of the stores, such as s3://bucket/prefix.  [default: a disk's]")
    ] = None,
) -> None:
    """Measure the driver's time per shard, and how long it takes to find a store complete."""
    measure.start_ray()
    import ray

    print_row("shards", "driver, ms", "clock, ms", "driver, MB", "complete, s", "list, s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ[objects.ROOT_VARIABLE] = place or str(folder / "store")
        time_fill(square_plan(10), 2, folder)  # warm-up, for what is imported once
        for count in map(int, shards.split(",")):
            plan = square_plan(count)
            began = time.process_time()
            filled = time_fill(plan, 2, folder)
            driver = time.process_time() - began
            again = replace(plan, name=filled.name, parameters={"marks": str(folder / filled.name)})
            began = time.perf_counter()
            fill(again)
            found = time.perf_counter()
            store.list_names()
            listed = time.perf_counter()
            print_row(
                str(count),
                f"{driver / count * 1e3:.2f}",
                f"{filled.seconds / count * 1e3:.2f}",
                f"{filled.memory['driver'][0]:.0f}",
                f"{found - began:.2f}",
                f"{listed - found:.2f}",
            )
            sys.stdout.flush()
    ray.shutdown()


if __name__ == "__main__":
    run(main)
