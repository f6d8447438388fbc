"""Classify every sample of a scan of parameter space with a trained network.

Classes and probabilities are written as the data set `predictions/<network>/scan`:

    python jobs/classify_scan.py --network pattern-2d-second
    python jobs/classify_scan.py --network pattern-2d-second --against pattern-2d
    python jobs/classify_scan.py --study my_study.py --network small --split scan-fine

Make the scan with jobs/generate_scan.py or with a study of your own. The network is one that you trained or imported,
or one that comes with raypipe (shipped/…). The job prints the number and share of samples in each class; with
--against, it also classifies the scan with a second network and prints both side by side. To continue an interrupted
run, run the same command again.
"""

from typing import Annotated

import typer

from raypipe import catalog
from raypipe.command import Workers, run
from raypipe.networks import artifact
from raypipe.networks.classify import classify_each
from raypipe.networks.evaluate import shares


def main(
    network: Annotated[
        str, typer.Option(help="Trained pattern network; pattern-3d needs ten frames, which the scan does not have.")
    ] = "pattern-2d-second",
    split: Annotated[str, typer.Option(help="Data set of the network's study.")] = "scan",
    against: Annotated[str | None, typer.Option(help="Another network to compare with.  [default: none]")] = None,
    workers: Workers = None,
) -> None:
    """Classify every sample of a scan; if run again, continue where it stopped."""
    names = [artifact.at_hand(one) for one in (network, against) if one]
    said = classify_each([(name, split) for name in names], workers=workers)
    print(shares({name: catalog.open(said[name, split]) for name in names}))


if __name__ == "__main__":
    run(main)
