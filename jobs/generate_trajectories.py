"""Generate trajectories of anomalous diffusion: the AnDi challenge's, or with your own models, exponents and lengths.

    python jobs/generate_trajectories.py --split train --count 50000
    python jobs/generate_trajectories.py --split train --name short --length 10:100 --dimensions 2 --count 100000
    python jobs/generate_trajectories.py --split val --name slow --models ctrw,fbm --exponents 0.2:0.8:0.1 --noise 0,0.2

The challenge's trajectories are stored as `andi/<split>`, your own with their name added, such as andi/train-short.
Each model gets only those exponents that it allows: attm and ctrw up to 1, fbm below 2, lw from 1, sbm up to 2.
"""

from typing import Annotated

import typer

from raypipe.command import Workers, run
from raypipe.errors import InputError
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
            help="Number of trajectories; for balanced sets a multiple of the number of models.  "
            "[default: 50000 train, 1000000 train-challenge, else 10000]"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of your own set: letters, digits, '.', '_', '-'.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            help="andi-datasets or raypipe, which is far faster.  [default: andi-datasets; for your own sets raypipe]"
        ),
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Models, such as fbm,ctrw.  [default: attm,ctrw,fbm,lw,sbm]")
    ] = None,
    exponents: Annotated[
        str | None, typer.Option(help="Anomalous exponents, such as 0.3:0.7:0.05.  [default: all in steps of 0.05]")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(help="Standard deviations of the localisation noise.  [default: 0.1,0.5,1]")
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(help="Positions per trajectory, 2 to 100000, or a range such as 10:1000.  [default: 320]"),
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Dimensions: 1, 2 or 3.  [default: 1]")] = None,
    workers: Workers = None,
) -> None:
    """Generate trajectories with andi-datasets in its isolated environment or with raypipe's own generator.

    Displacements are scaled to unit standard deviation; then localisation noise is added, and they are multiplied by a
    random factor. Positions are in these units. To continue an interrupted run, run the same command again.
    """
    own = {"models": models, "exponents": exponents, "noise": noise, "positions": length, "dimensions": dimensions}
    given = {key: value for key, value in own.items() if value is not None}
    if given and name is None:
        raise InputError(f"{', '.join(given)} without a name for your own set; give it one: --name mine")
    if name is not None and not given:
        raise InputError(f"the set {name} has only a name; expected --models, --length or another")
    settings = {"trajectories": count, "generator": generator, **given}
    fill(STUDY.plan(split if name is None else f"{split}-{name}", settings), workers=workers)


if __name__ == "__main__":
    run(main)
