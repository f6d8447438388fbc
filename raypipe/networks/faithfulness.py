"""Faithfulness of relevance maps to the network that they explain: conservation, similarity, perturbation curves.

The comparison with a network of shuffled weights is from Adebayo et al., NeurIPS 2018; the removal of the most relevant
parts first is from Samek et al., IEEE Trans. Neural Netw. Learn. Syst. 28 (2017). The maps are the stores made by
raypipe explain; a network is only needed as a function that predicts.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from scipy import stats

from raypipe.errors import InputError

REMOVED = (0, 5, 10, 25, 50, 100, 160)
"""Numbers of steps that are removed, up to half of a trajectory."""

PATCHES = 16
"""Number of patches along each side of a field."""

REMOVED_PATCHES = (0, 4, 8, 16, 32, 64, 128)
"""Numbers of patches that are removed, up to half of a field."""

_SEED = 0
"""Seed of the random patches and shifts."""

ORDERS = ("relevant", "shifted", "random", "irrelevant")
"""Orders in which steps are removed, see `removal_orders`."""


def conservation(trajectories: xr.Dataset) -> np.ndarray:
    """Sum of relevance divided by the explained score, for each trajectory (sample): 1 if relevance is conserved.

    `trajectories` has `relevance` (sample, …), of sequences or fields, and `score` (sample). The result is NaN where
    the score is 0.

    Raises:
        InputError: if the data set has no relevance or score.
    """
    _check(trajectories, "relevance", "score")
    score = trajectories["score"].values.astype("float64")
    summed = np.sum(_flat(trajectories["relevance"]), axis=1, dtype="float64")
    return np.divide(summed, score, out=np.full_like(score, np.nan), where=score != 0)


def similarity(real: xr.Dataset, control: xr.Dataset) -> xr.Dataset:
    """Spearman's rank correlation between two relevance maps of each sample, over all its steps or points.

    Args:
        real: `relevance` (sample, time), or for fields `relevance` or else `saliency` (sample, y, x), and `origin`
            (sample), the number of the sample in its split.
        control: the same from a modified network.

    Returns:
        `signed` (sample), of the relevance, and `absolute` (sample), of its absolute value, from -1 to 1; NaN where a
        map is constant.

    Raises:
        InputError: if a data set has no relevance, or the two have different samples.
    """
    what = map_of(real)
    for maps in (real, control):
        _check(maps, what, "origin")
    if not np.array_equal(real["origin"], control["origin"]):
        raise InputError(
            f"the maps of {real.sizes['sample']} and {control.sizes['sample']} samples are not of the same samples; "
            "explain both networks with the same split and number per class"
        )
    first, second = _flat(real[what]), _flat(control[what])
    return xr.Dataset(
        {
            "signed": ("sample", _rank_correlations(first, second)),
            "absolute": ("sample", _rank_correlations(np.abs(first), np.abs(second))),
        }
    )


def perturbation_curve(
    trajectories: xr.Dataset,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    removed: Sequence[int] = REMOVED,
    seed: int = 0,
    variable: str = "position",
) -> xr.Dataset:
    """How well a network still recognises trajectories as more and more of their steps are removed.

    The positions of removed steps are interpolated, see `interpolated`. If the maps are faithful, removing the most
    relevant steps has a larger effect than removing the same number of other steps.

    Args:
        trajectories: `variable` (sample, time, …), `relevance` (sample, time), `predicted` (sample); at least two
            samples.
        predict: function from positions (sample, time, …), as stored, to probabilities (sample, class).
        removed: numbers of steps to remove, each from 0 to one less than a trajectory has.
        seed: seed of the random steps and shifts.
        variable: name of the variable that the network sees.

    Returns:
        `accuracy` (order, removed), the share of trajectories still classified as `predicted`, `probability` (order,
        removed), the mean probability of that class, and their standard errors over the trajectories, `accuracy_error`
        and `probability_error`. `order` is one of ORDERS.

    Raises:
        InputError: if a variable is missing, there are fewer than two trajectories or too few steps, or relevance is
            not finite.
    """
    _check(trajectories, variable, "relevance", "predicted")
    position, relevance = trajectories[variable].values, trajectories["relevance"].values
    predicted = trajectories["predicted"].values
    samples, steps = position.shape[:2]
    if samples < 2:
        raise InputError(f"{samples} trajectories for a perturbation curve; expected 2 or more: explain more per class")
    if unfit := [number for number in removed if not 0 <= number < steps]:
        raise InputError(f"{unfit[0]} steps to remove from trajectories of {steps}; expected from 0 to {steps - 1}")
    if not np.isfinite(relevance).all():
        raise InputError(
            "the data set has relevance that is not finite: explain the network again, or samples of one length"
        )
    return _curve(
        removal_orders(relevance, seed),
        lambda steps: predict(interpolated(position, steps)),
        predicted,
        removed,
        {"samples": samples, "seed": seed},
    )


def patch_curve(
    maps: xr.Dataset,
    fields: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    patches: int = PATCHES,
    removed: Sequence[int] = REMOVED_PATCHES,
) -> xr.Dataset:
    """How well a network still recognises fields as more and more patches of them are removed.

    Patches are ranked by the sum of their `relevance`, or else `saliency`. A removed patch is replaced by the mean of
    the field in each frame and channel.

    Args:
        maps: `relevance` or `saliency` (sample, y, x) and `predicted` (sample); at least two samples.
        fields: what the network sees of these samples (sample, y, x, …).
        predict: function from fields, as stored, to probabilities (sample, class).
        patches: number of patches along each side, from 2 to the points of the shorter side; if it does not divide a
            side, some patches are one point longer.
        removed: numbers of patches to remove, each from 0 to all.

    Returns:
        As `perturbation_curve`. In the order "shifted", the most salient patches are moved by a random displacement
        over the periodic plane: the same number of patches in the same arrangement.

    Raises:
        InputError: if there are fewer than two samples, `patches` or `removed` is out of range, or a map is not finite.
    """
    values = maps[map_of(maps)].values
    predicted, samples, sides = maps["predicted"].values, len(values), values.shape[1:]
    if samples < 2:
        raise InputError(f"{samples} samples for a perturbation curve; expected 2 or more: explain more per class")
    if not 2 <= patches <= min(sides):
        raise InputError(
            f"{patches} patches along sides of {' and '.join(map(str, sides))} points; "
            f"expected from 2 to {min(sides)}, the shorter one"
        )
    if unfit := [number for number in removed if not 0 <= number <= patches**2]:
        raise InputError(f"{unfit[0]} patches to remove of {patches**2}; expected from 0 to {patches**2}")
    if not np.isfinite(values).all():
        raise InputError("the data set has maps that are not finite; explain the network again")
    orders = patch_orders(patch_sums(values, patches), _SEED)
    return _curve(
        orders,
        lambda gone: predict(flattened(fields, gone, patches)),
        predicted,
        removed,
        {"samples": samples, "seed": _SEED, "patches": patches**2},
    )


def patch_sums(maps: np.ndarray, patches: int) -> np.ndarray:
    """Sums of maps (sample, y, x) over patches (sample, patches, patches), with `patches` along each side."""
    for axis in (1, 2):
        first = np.searchsorted(_patch_of(maps.shape[axis], patches), np.arange(patches))
        maps = np.add.reduceat(maps, first, axis=axis, dtype="float64")
    return maps


def _patch_of(side: int, patches: int) -> np.ndarray:
    """Number of the patch of each point along a side, with `patches` along it."""
    return np.arange(side) * patches // side


def patch_orders(sums: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Patches (sample, patch), numbered row by row, in the order in which they are removed, for each of ORDERS.

    As `removal_orders`, except that "shifted" patches are moved along both sides, with periodic boundaries.
    """
    random = np.random.default_rng(seed)
    samples, rows, columns = sums.shape
    shift = random.integers(1, rows * columns, (samples, 1))
    orders = removal_orders(sums.reshape(samples, -1), seed)
    row, column = divmod(orders["relevant"], columns)
    shifted = (row + shift // columns) % rows * columns + (column + shift % columns) % columns
    return {**orders, "shifted": shifted}


def flattened(fields: np.ndarray, removed: np.ndarray, patches: int) -> np.ndarray:
    """Fields (sample, y, x, …) with the patches `removed` (sample, …) set to the mean of each frame and channel."""
    gone = np.zeros((len(fields), patches * patches), bool)
    np.put_along_axis(gone, removed, True, axis=1)
    row, column = (_patch_of(side, patches) for side in fields.shape[1:3])
    mask = gone.reshape(-1, patches, patches)[:, row[:, None], column]
    mean = fields.mean(axis=(1, 2), keepdims=True)
    return np.where(mask.reshape(*mask.shape, *([1] * (fields.ndim - 3))), mean, fields)


def map_of(maps: xr.Dataset) -> str:
    """Name of the variable that is the map: the relevance, which has a sign, or else the saliency."""
    return "relevance" if "relevance" in maps or "saliency" not in maps else "saliency"


def _curve(
    orders: dict[str, np.ndarray],
    predict: Callable[[np.ndarray], np.ndarray],
    predicted: np.ndarray,
    removed: Sequence[int],
    attributes: dict[str, int],
) -> xr.Dataset:
    """A perturbation curve; `predict` classifies all samples without the given parts of each (sample, removed)."""
    samples = len(predicted)
    curves = np.empty((2, len(ORDERS), len(removed), samples))
    for row, order in enumerate(orders.values()):
        for column, number in enumerate(removed):
            probability = predict(order[:, :number])
            curves[0, row, column] = probability.argmax(axis=1) == predicted
            curves[1, row, column] = probability[np.arange(samples), predicted]
    mean, error = curves.mean(axis=-1), stats.sem(curves, axis=-1)
    dims = ("order", "removed")
    return xr.Dataset(
        {
            "accuracy": (dims, mean[0]),
            "accuracy_error": (dims, error[0]),
            "probability": (dims, mean[1]),
            "probability_error": (dims, error[1]),
        },
        coords={"order": list(ORDERS), "removed": list(removed)},
        attrs=attributes,
    )


def removal_orders(relevance: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Steps (sample, time) of each trajectory in the order in which they are removed, for each of ORDERS.

    "relevant": the largest, most positive relevance first; "irrelevant": the smallest, most negative first; "random":
    in random order; "shifted": the relevant steps moved cyclically by a random time. This keeps the clusters of steps,
    since interpolating over one long gap has a larger effect than over many short ones.
    """
    random = np.random.default_rng(seed)
    samples, steps = relevance.shape
    relevant = np.argsort(-relevance, axis=1, kind="stable")
    return {
        "relevant": relevant,
        "shifted": (relevant + random.integers(1, steps, (samples, 1))) % steps,
        "random": random.permuted(np.tile(np.arange(steps), (samples, 1)), axis=1),
        "irrelevant": relevant[:, ::-1],
    }


def interpolated(position: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Positions (sample, time, …) with the steps `removed` (sample, steps) interpolated linearly between kept ones.

    Before the first and after the last kept step, the position is constant.
    """
    filled = position.copy()
    for row, gone in zip(filled, removed, strict=True):
        kept = np.delete(np.arange(len(row)), gone)
        for axis in row.reshape(len(row), -1).T:
            axis[gone] = np.interp(gone, kept, axis[kept])
    return filled


def spread(values: np.ndarray) -> str:
    """Median and central 90 % of values as text, ignoring NaN."""
    low, middle, high = np.nanpercentile(values, (5, 50, 95))
    return f"median {middle:.3f}, nine of ten from {low:.3f} to {high:.3f}"


def table(curve: xr.Dataset) -> str:
    """A perturbation curve as lines of text: accuracy and its standard error for each number of removed steps."""
    lines = ["removed " + " ".join(f"{order:>15}" for order in curve["order"].values)]
    for number in curve["removed"].values:
        one = curve.sel(removed=number)
        cells = zip(one["accuracy"].values, one["accuracy_error"].values, strict=True)
        lines.append(f"{number:>7} " + " ".join(f"{accuracy:>7.3f} ± {error:.3f}" for accuracy, error in cells))
    return "\n".join(lines)


def _flat(maps: xr.DataArray) -> np.ndarray:
    return maps.values.reshape(maps.shape[0], -1)


def _rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return np.array([stats.spearmanr(*pair).statistic for pair in zip(first, second, strict=True)])


def _check(trajectories: xr.Dataset, *names: str) -> None:
    if missing := [name for name in names if name not in trajectories.variables]:
        raise InputError(
            f"the data set has no {', '.join(missing)}; expected relevance maps: make them with raypipe explain"
        )
