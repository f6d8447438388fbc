"""Look at a classified scan in a window: a click on a cell or a pattern tells what is there, and shows it.

    python jobs/browse_scan.py --network pattern-2d-second
    python jobs/browse_scan.py --network pattern-2d-second --set montage_class=kappa
    python jobs/browse_scan.py --study my_study.py --network small

The pictures are those that the study has of the scan, such as a phase diagram and all patterns of a class; n and b turn
the pages. Without a display, raypipe draw and raypipe report show the same.
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
    """Look at a classified scan in a window, and click on what is to be told and shown."""
    browse(f"predictions/{artifact.at_hand(network)}/{split}", values(settings))


if __name__ == "__main__":
    run(main)
