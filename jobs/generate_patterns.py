"""Simulate a data set of Gray-Scott patterns and store it as gray_scott/<split>.

    python jobs/generate_patterns.py --split train

To continue an interrupted run, run the same command again.
"""

from typing import Annotated

import typer

from raypipe.command import Workers, run
from raypipe.run.fill import fill
from raypipe.studies.gray_scott import STUDY


def main(
    split: Annotated[
        str, typer.Option(help="train, val or test: 750 patterns of 15 classes; train2 or val2: 1645 patterns of 16.")
    ],
    per_class: Annotated[
        int | None, typer.Option(help="Number of patterns per class, with the seeds of the full set.  [default: all]")
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Precision of the integration and the store: float64 or float32.")
    ] = "float64",
    workers: Workers = None,
) -> None:
    """Integrate the Gray-Scott system on 128 x 128 cells to t = 15000 and store u at twelve times from t = 11400 on.

    A single simulation provides both the three frames of a 2-D sample and the ten frames of a 3-D sample. To continue
    an interrupted run, run the same command again.
    """
    fill(STUDY.plan(split, {"per_class": per_class, "dtype": dtype}), workers=workers)


if __name__ == "__main__":
    run(main)
