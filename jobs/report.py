"""Create a report on everything in the stores: one HTML page, and its pictures as PNG files beside it.

    python jobs/report.py --output report
    python jobs/report.py --set montage_class=kappa

The page, index.html, is self-contained and works offline. Sections without data name the job that makes it. The
settings (--set) depend on the pictures of the studies that have data; an unknown name lists those available.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe.command import Settings, run, values
from raypipe.errors import make_folder
from raypipe.report.build import build


def main(
    output: Annotated[Path, typer.Option(help="Folder for the page and the pictures.")] = Path("report"),
    settings: Settings = None,
) -> None:
    """Create a report on everything in the stores."""
    make_folder(output)
    print(build(output, values(settings)))


if __name__ == "__main__":
    run(main)
