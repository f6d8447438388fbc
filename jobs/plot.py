"""Draw one figure for a paper, as PDF, SVG or PNG, with lines and text as vectors in PDF and SVG.

    python jobs/plot.py phase-diagram predictions/shipped/pattern-2d-second/scan --output phases.pdf
    python jobs/plot.py phase-diagram predictions/pattern-2d/scan --set colours=tab20 --output others.pdf
    python jobs/plot.py montage predictions/pattern-2d/scan --set montage_class=kappa --output kappa.pdf
    python jobs/plot.py confusion predictions/andi-study/test --output confusion.svg
    python jobs/plot.py history shipped/pattern-2d --output history.pdf
    python jobs/plot.py grid results/andi_grid.csv --output grid.pdf

All pictures that a study draws of a data set are available; an unknown name lists them. By default, the colours of up
to six classes, and those of the Gray-Scott patterns, can be told apart with every kind of colour vision; --set colours
chooses one of matplotlib's colour maps instead.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe.command import Settings, run, values
from raypipe.errors import choice, make_folder_of
from raypipe.files import write
from raypipe.report.figures import figure

ENDINGS = (".pdf", ".svg", ".png")


def main(
    what: Annotated[str, typer.Argument(help="phase-diagram, montage, confusion, relevance, history, grid, …")],
    name: Annotated[str, typer.Argument(help="Data set to draw; for history a network, for grid a table.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, .pdf, .svg or .png.")] = Path(
        "figure.pdf"
    ),
    dots: Annotated[int, typer.Option(help="Dots per inch, where there are no vectors.")] = 300,
    settings: Settings = None,
) -> None:
    """Draw one figure into a file."""
    choice("file ending", output.suffix, ENDINGS)
    make_folder_of(output)
    drawn = figure(what, name, values(settings))
    write(output, lambda path: drawn.savefig(path, dpi=dots))
    print(output)


if __name__ == "__main__":
    run(main)
