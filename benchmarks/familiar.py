"""Measure the share of tracks flagged as motion of none of the five models, for such motion and for the models' tracks.

    python benchmarks/familiar.py                  # networks that come with raypipe
    python benchmarks/familiar.py --dimensions 2 --network longer/familiar-2d

The models' tracks are a test set like the AnDi challenge's, generated with andi-datasets if it does not exist. The
other tracks are of the kinds that the network was trained on, with other seeds, and of two kinds that no network was
trained on: circling, and stuck for part of the time. The last line has the share of the models' tracks that is flagged,
for the number of dimensions where it is largest.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from scores import LENGTHS

from raypipe import store
from raypipe.networks import artifact, classify, inputs
from raypipe.run.fill import fill
from raypipe.studies.andi import STUDY, strangers
from raypipe.studies.andi.tracks import outcomes

_SEED = 7 * 2**40

Probability = Callable[[np.ndarray], np.ndarray]


def _circling(random: np.random.Generator, length: np.ndarray, dimensions: int) -> np.ndarray:
    """Generate diffusion whose drift, 1 to 3 standard deviations per step, turns 2 to 8 times; in 1-D, to and fro."""
    time = np.arange(length.max())
    angle = 2 * np.pi * random.uniform(2, 8, (len(length), 1)) * time / length[:, None]
    drift = random.uniform(1, 3, (len(length), 1, 1)) * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    steps = random.standard_normal((*angle.shape, dimensions)) + drift[..., :dimensions]
    return steps.cumsum(axis=1)


def _stuck(random: np.random.Generator, length: np.ndarray, dimensions: int) -> np.ndarray:
    """Generate diffusion that stands still in the middle third of the track."""
    steps = random.standard_normal((len(length), length.max(), dimensions))
    share = np.arange(length.max()) / length[:, None]
    steps[(share > 1 / 3) & (share < 2 / 3)] = 0
    return steps.cumsum(axis=1)


def _flagged(trained: artifact.Artifact, probability: Probability, position: np.ndarray, length: np.ndarray) -> float:
    """Return the share of tracks that is flagged as motion of none of the models."""
    found = np.empty((len(length), len(trained.architecture.classes)))
    for places, taken in inputs.grouped(trained.architecture, position, length):
        found[places] = probability(taken)
    limits = outcomes.thresholds(trained.name, trained.metrics)
    return float(outcomes.is_flagged(outcomes.unfamiliarity(found), length, limits).mean())


def main(
    dimensions: Annotated[list[int], typer.Option(help="1, 2 or 3; as often as needed.")] = [1, 2, 3],  # noqa: B006
    network: Annotated[str, typer.Option(help="{} is 1, 2 or 3.")] = "shipped/familiar-{}d",
    count: Annotated[int, typer.Option(help="Tracks of each kind and range of lengths.")] = 1000,
) -> None:
    """Print a table for each number of dimensions: the share of each kind that is flagged, by length."""
    flagged = []
    for number in dimensions:
        trained = artifact.load(artifact.at_hand(network.format(number)))
        share = partial(_flagged, trained, classify.classifier(trained))
        split = f"challenge-model-{number}d"
        fill(STUDY.plan(split))
        known = store.open(f"andi/{split}")
        flagged.append(share(known["position"].values, known["length"].values))
        rows = {}
        for first, last in LENGTHS:
            random = np.random.default_rng((number, first))
            length = random.integers(first, last + 1, count)
            noise = 0.05 * 30 ** random.random((count, 1)) * np.ones(number)
            some = known.isel(sample=((known["length"] >= first) & (known["length"] <= last)).values)
            row = {"the models'": share(some["position"].values, some["length"].values)}
            for kind, name in enumerate(outcomes.STRANGERS):
                seed = _SEED + 2**20 * first + np.arange(count)
                row[name] = share(strangers.generate(seed, np.full(count, kind), noise, length), length)
            for make in (_circling, _stuck):
                position = make(random, length, number)
                deviation = np.diff(position, axis=1).std(axis=1, keepdims=True)
                position += noise[:, None] * deviation * random.standard_normal(position.shape)
                row[make.__name__[1:]] = share(position, length)
            rows[f"{first} to {last}"] = row
        print(f"{trained.name}: flagged, by points; of all tracks of the models {flagged[-1]:.4f}")
        print(pd.DataFrame(rows).T.to_string(float_format="%.3f"), flush=True)
    print(f"flagged_of_the_models={max(flagged):.4f}")


if __name__ == "__main__":
    typer.run(main)
