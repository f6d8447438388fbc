"""Simulate the fine scan of the Gray-Scott system's parameter space into the store gray_scott/scan.

python jobs/generate_scan.py --every 10
"""

from typing import Annotated

import typer

from raypipe.command import run
from raypipe.run.fill import fill
from raypipe.studies.gray_scott import STUDY


def main(
    every: Annotated[int, typer.Option(help="Only every so many-th of the 5481 simulations.")] = 1,
    dtype: Annotated[
        str, typer.Option(help="Precision of the integration and the store: float64 or float32.")
    ] = "float64",
    workers: Annotated[
        int | None, typer.Option(help="At most so many processes, one core each.  [default: all of the cluster]")
    ] = None,
) -> None:
    """Integrate the Gray-Scott system over the plane of kill rate k and feed rate f; store u near t = 15000.

    Three frames, t = 14940, 14970, 15000. k from 0.02375 to 0.0775 in steps of 0.000625, f from 0.0015 to 0.119 in
    steps of 0.00125. Runs that were interrupted continue when the same command is given again.
    """
    fill(STUDY.plan("scan", {"every": every, "dtype": dtype}), workers=workers)


if __name__ == "__main__":
    run(main)
