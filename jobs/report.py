"""Draw the report of everything in the stores: one HTML page, and its pictures as PNG files beside it.

    python jobs/report.py --output report
    python jobs/report.py --montage-class kappa

The page, index.html, needs no other file and no network. Sections without data say which job makes them.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import report
from raypipe.command import run


def main(
    output: Annotated[Path, typer.Option(help="Folder for the page and the pictures.")] = Path("report"),
    montage_class: Annotated[
        str | None,
        typer.Option(
            help="Pattern class, such as kappa, of which all patterns of the scan are shown. [default: the commonest]"
        ),
    ] = None,
) -> None:
    """Draw the report of everything in the stores."""
    print(report.build(output, montage_class))


if __name__ == "__main__":
    run(main)
