"""Look at a classified scan in a window: click a cell or a pattern to see what is there.

    python jobs/browse_scan.py --network pattern-2d-second
    python jobs/browse_scan.py --network pattern-2d-second --set montage_class=kappa
    python jobs/browse_scan.py --study my_study.py --network small

The window shows the study's pictures of the scan, such as a phase diagram or all patterns of a class; the keys n and b
show the next and the previous one. Without a display, use raypipe draw or raypipe report, which show the same pictures.
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
    """Show a classified scan in a window; click a cell to see its sample."""
    browse(f"predictions/{artifact.at_hand(network)}/{split}", values(settings))


if __name__ == "__main__":
    run(main)
