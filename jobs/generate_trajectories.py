"""Generate trajectories of anomalous diffusion into the store andi/<split>.

python jobs/generate_trajectories.py --split train --count 50000
"""

from typing import Annotated

import typer

from raypipe.command import run
from raypipe.run.fill import fill
from raypipe.studies.andi import STUDY


def main(
    split: Annotated[
        str,
        typer.Option(help="train, val: balanced; test, train-challenge, val-challenge: from challenge_theory_dataset."),
    ],
    count: Annotated[
        int | None,
        typer.Option(
            help="Of train and val a multiple of 5.  [default: 50000 train, 1000000 train-challenge, else 10000]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="At most so many processes, one core each.  [default: all of the cluster]")
    ] = None,
) -> None:
    """Generate 1-D trajectories of 320 steps by andi-datasets, in its isolated environment.

    Positions are in units of the displacements' standard deviation before the last scaling. Runs that were
    interrupted continue when the same command is given again.
    """
    fill(STUDY.plan(split, {"trajectories": count}), workers=workers)


if __name__ == "__main__":
    run(main)
