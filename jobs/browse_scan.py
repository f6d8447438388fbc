"""Look at a classified scan in a window: click a cell or a pattern to see what is there.

    python jobs/browse_scan.py --network pattern-2d-second
    python jobs/browse_scan.py --network pattern-2d-second --set montage_class=kappa
    python jobs/browse_scan.py --study my_study.py --network small

The pictures are those that the study has of the scan, such as a phase diagram and all patterns of a class; the keys n
and b turn the pages. Without a display, raypipe draw and raypipe report show the same pictures.
"""

from typing import Annotated

import typer

from raypipe.command import Settings, run, values
from raypipe.networks import artifact
from raypipe.report.browse import browse


def main(
    network: Annotated[str, typer.Option(help="Network that has classified the scan.")] = "pattern-2d-second",
    split: Annotated[str, typer.Option(help="The scan: a data set of the network's study.")] = "scan",
    settings: Settings = None,
) -> None:
    """Look at a classified scan in a window, and click on what you want to see."""
    browse(f"predictions/{artifact.at_hand(network)}/{split}", values(settings))


if __name__ == "__main__":
    run(main)
