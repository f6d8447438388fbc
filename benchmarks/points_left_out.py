"""Measure the accuracy at points (k, f) that were left out of training, for each augmentation.

In each fold, every fifth point of each class is left out, chosen from the points of `train2` that `train` does not
have; each fold leaves out others. `test` is not used. Needs the store with gray_scott/train2; 20 epochs take a quarter
of an hour on one core.

    RAYPIPE_STORE=store python benchmarks/points_left_out.py --folds 2 free symmetric_or_free
    RAYPIPE_STORE=store python benchmarks/points_left_out.py --folds 2 --shear 0 free
"""

from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from raypipe import catalog
from raypipe.networks import fit, inputs
from raypipe.networks.training import training
from raypipe.studies.gray_scott import augment, tables
from raypipe.study import architecture

FOLDS = 5


def left_out(labels: np.ndarray, points: list[tuple[float, float]], fold: int) -> np.ndarray:
    """Return which patterns are at the points of a fold: of each class every fifth point, in the order of f, then k."""
    known = {(k, f) for _, k, f, _ in tables.pattern_points("train")}
    out = set()
    for label in np.unique(labels):
        own = {points[i] for i in np.flatnonzero(labels == label)} - known
        out |= {(label, *point) for point in sorted(own, key=lambda point: point[::-1])[fold::FOLDS]}
    return np.array([(label, *point) in out for label, point in zip(labels, points, strict=True)])


def main(
    augmentations: list[str],
    network: Annotated[str, typer.Option(help="Of the Gray-Scott study.")] = "pattern-2d-second",
    epochs: Annotated[int, typer.Option()] = 20,
    folds: Annotated[int, typer.Option(min=1, max=FOLDS, help="How many of the five.")] = FOLDS,
    shear: Annotated[float, typer.Option(min=0, help="Largest shear of free variants.")] = augment.SHEAR,
    zoom: Annotated[float, typer.Option(min=0, max=0.9, help="Their largest relative change of size.")] = augment.ZOOM,
) -> None:
    """Print one line per augmentation and fold, then the accuracy over all folds."""
    augment.SHEAR, augment.ZOOM = shear, zoom
    of, data = architecture(network), catalog.open("gray_scott/train2")
    samples = inputs.read(of, data, "gray_scott/train2")
    known = data.isel(sample=np.flatnonzero(inputs.labels_for(of, data) >= 0))
    points = [(float(k), float(f)) for k, f in zip(known["k"].values, known["f"].values, strict=True)]
    for augmentation in augmentations:
        right = []
        for fold in range(folds):
            out = left_out(samples.labels, points, fold)
            train, other = (inputs.Samples(samples.inputs[part], samples.labels[part]) for part in (~out, out))
            run = fit.Fit(of, training(of, epochs=epochs, augmentation=augmentation))
            for _ in tqdm(range(epochs), f"{augmentation}, fold {fold}", disable=None):
                for _ in run.epoch_in_parts(train, other):
                    pass
            right += [run.history["val_accuracy"][-1]] * len(other.labels)
            print(f"{augmentation} fold={fold} patterns={len(other.labels)} accuracy={right[-1]:.3f}", flush=True)
        print(f"{augmentation} folds={folds} patterns={len(right)} accuracy={np.mean(right):.3f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
