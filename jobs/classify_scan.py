"""Classify every sample of a scan of parameter space with a trained network.

Class and probabilities are written beside the scan, as the data set predictions/<network>/scan:

    python jobs/classify_scan.py --network pattern-2d-second
    python jobs/classify_scan.py --study my_study.py --network small --split fine-scan

The scan is that of jobs/generate_scan.py or of a study of yours, the network one that was trained here or imported.
Run again, it continues.
"""

from typing import Annotated

import numpy as np
import typer

from raypipe import catalog
from raypipe.command import run
from raypipe.networks import artifact
from raypipe.networks.classify import classify


def main(
    network: Annotated[
        str, typer.Option(help="Trained pattern network; pattern-3d needs ten frames, which the scan does not have.")
    ] = "pattern-2d-second",
    split: Annotated[str, typer.Option(help="Data set of the network's study.")] = "scan",
    workers: Annotated[
        int | None, typer.Option(help="At most so many worker processes, one core each. [default: all cores]")
    ] = None,
) -> None:
    """Classify every sample of a scan; run again, it continues where it was."""
    network = artifact.at_hand(network)
    predictions = catalog.open(classify(network, split, workers=workers))
    names = predictions["class"].values
    counts = np.bincount(predictions["predicted"], minlength=len(names))
    print("\n".join(f"{name:<8} {count:>5}" for name, count in zip(names, counts, strict=True)))


if __name__ == "__main__":
    run(main)
