"""Find samples that are unlike those that a network was trained on, and group them.

    python jobs/find_novel.py --network pattern-2d
    python jobs/find_novel.py --network pattern-2d --split val2
    python jobs/find_novel.py --study my_study.py --network small --calibration test --threshold 0.95

The features that the network computes for its training samples, for the calibration samples and for the split are
stored as the data sets `features/<network>/…`, the result as `novelty/<network>/<split>`; raypipe draw shows it. To
continue an interrupted run, run the same command again.
"""

from typing import Annotated

import numpy as np
import typer

from raypipe import catalog, store
from raypipe.command import Workers, run
from raypipe.networks import artifact
from raypipe.novelty.find import THRESHOLD, VARIANTS, Search, detection, find


def main(
    network: Annotated[str, typer.Option(help="Trained network.")],
    split: Annotated[str, typer.Option(help="Data set of the network's study, labelled or not.")] = "scan",
    reference: Annotated[
        str | None,
        typer.Option(help="Labelled split that the network was trained on.  [default: that of its training]"),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(help="Labelled split that shows how far familiar samples lie.  [default: that of its validation]"),
    ] = None,
    variants: Annotated[
        int | None,
        typer.Option(
            help=f"Variants of each training sample, including itself.  [default: {VARIANTS} if the study augments]"
        ),
    ] = None,
    augmentation: Annotated[
        str | None, typer.Option(help="Augmentation that makes the variants.  [default: the study's first]")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Flag samples of this novelty or more.")] = THRESHOLD,
    workers: Workers = None,
) -> None:
    """Find and count the samples of a split that are novel to a trained network."""
    network = artifact.at_hand(network)
    search = Search(network, split, reference, calibration, variants, augmentation, threshold)
    found = catalog.open(name := find(search, workers=workers)).load()
    flagged, group = found["flagged"].values == 1, found["group"].values
    print(f"{flagged.sum()} of {len(flagged)} samples have a novelty of {threshold:g} or more")
    names = [str(one) for one in found["class"].values]
    for number in np.unique(group[flagged]):
        members = flagged & (group == number)
        counts = np.bincount(found["nearest"].values[members], minlength=len(names))
        like = ", ".join(f"{names[one]} {counts[one]}" for one in np.argsort(-counts)[:3] if counts[one])
        print(f"{'in no group' if number < 0 else f'group {number}':<12} {members.sum():>5}  nearest: {like}")
    if detected := detection(found):
        print(detected)
    print(store.location(name))


if __name__ == "__main__":
    run(main)
