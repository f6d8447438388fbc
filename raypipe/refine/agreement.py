"""How well a refinement agrees with the whole scan, compared with the same number of random points."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from raypipe import store
from raypipe.errors import InputError
from raypipe.networks import artifact
from raypipe.refine.plane import interpolated, is_at
from raypipe.refine.rounds import Refinement, read

DRAWS = 10
"""Number of random selections of points."""


class Agreement(NamedTuple):
    """Shares of the scan's points that have the same class as in the whole scan.

    `agreement` is that of the refinement after `round`, with `simulations` in total; `random` is the mean over several
    selections of as many random points, `spread` their standard deviation; NaN if the scan has fewer points.
    """

    round: int
    simulations: int
    agreement: float
    random: float
    spread: float


def agreement(refinement: Refinement, against: str, count: int) -> Iterator[Agreement]:
    """Compute the agreement with a scan that the same network classified, after each round up to `count` simulations.

    Raises:
        InputError: if the scan is not one of the study, not classified by this network, or not of the same plane.
    """
    whole, classes = _whole(refinement, against)
    places = refinement.plane.cells[whole]
    ends = [refinement.start_of(number + 1) for number in range(refinement.round_of(count - 1))]
    for end in [*ends, count]:
        known = read(refinement.folder, refinement.plane.axes, end)
        said = interpolated(places, known.places, known.probability.astype("float64"))[0].argmax(axis=1)
        draws = [_random(places, classes, end, seed) for seed in range(DRAWS)] if end <= len(whole) else [np.nan]
        last = refinement.round_of(end - 1)
        yield Agreement(
            last, end, float(np.mean(said == classes.argmax(axis=1))), float(np.mean(draws)), float(np.std(draws))
        )


def _whole(refinement: Refinement, against: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the plane's cells that a classified scan has, and their probabilities (cell, class)."""
    study, (named, _, split) = refinement.study, against.partition("/")
    if named != study.name or study.declared(split) is None:
        raise InputError(f"{against} is not a data set of the study {study.name}; choose {refinement.scan.name}")
    predictions = f"predictions/{refinement.network}/{split}"
    if predictions not in store.list_names(predictions):
        made = study.job("classify_scan", network=refinement.network, split=split)
        raise InputError(f"there is no data set {predictions!r} to compare with; make it with {made}")
    data = store.open(predictions)
    if data.attrs["parameters"]["network_sha256"] != artifact.checksum(refinement.network):
        raise InputError(
            f"{predictions} is from another network of that name; remove it with raypipe remove {predictions}, and "
            f"classify {against} again"
        )
    inside = np.ones(data.sizes["sample"], bool)
    for name, value in refinement.at.items():
        inside &= is_at(data[name].values, value)
    cells = np.where(inside, refinement.plane.find(*(data[name].values for name in refinement.plane.axes)), -1)
    found, first = np.unique(cells, return_index=True)
    if not (found >= 0).any():
        raise InputError(f"{against} has no points in the refined plane; choose {refinement.scan.name}")
    return found[found >= 0], data["probability"].values[first[found >= 0]].astype("float64")


def _random(places: np.ndarray, classes: np.ndarray, count: int, seed: int) -> float:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(places))[:count])
    said = interpolated(places, places[chosen], classes[chosen])[0]
    return float(np.mean(said.argmax(axis=1) == classes.argmax(axis=1)))
