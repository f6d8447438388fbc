"""The classes of networks of tracks, each a model with an anomalous exponent, and results from their probabilities.

There is one class per model and exponent, in steps of 0.05, so that a network predicts both jointly. The probability of
a model is then the sum over its exponents, that of an exponent the sum over the models. If it is known how frequent the
classes are in the data, `reweighted` corrects the probabilities.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raypipe.errors import InputError
from raypipe.studies.andi.diffusion import ANDI_MODELS, andi_exponents

STEP = 0.05
"""Step between exponents; a class covers exponents within half a step."""

_EXPONENTS = tuple(
    np.concatenate([[1.0], andi_exponents(model)]) if name == "lw" else andi_exponents(model)
    for model, name in enumerate(ANDI_MODELS)
)

MODEL = np.repeat(np.arange(len(ANDI_MODELS)), [len(values) for values in _EXPONENTS])
"""Index in ANDI_MODELS of the model of each class."""

EXPONENT = np.concatenate(_EXPONENTS)
"""Exponent of each class."""

CLASSES = tuple(f"{ANDI_MODELS[model]}_{exponent:.2f}" for model, exponent in zip(MODEL, EXPONENT, strict=True))

SHARE = 1 / len(ANDI_MODELS) / np.bincount(MODEL)[MODEL]
"""Share of each class in training: all models are equally frequent, and so are the exponents of each model."""

LEVELS = np.round(np.arange(1, 41) * STEP, 2)
"""All exponents, from 0.05 to 2."""

STRANGERS = ("confined", "directed", "switching")
"""Motion that follows none of the models, for training networks that recognise unfamiliar tracks."""

FAMILIAR_CLASSES = ("familiar", *STRANGERS)
"""Classes of the networks that recognise unfamiliar tracks."""

FLAGGED = 0.05
"""Share of tracks of the five models that are flagged as following none of them."""

TIMES = (16, 32, 64, 152, 336, 1000)
"""Upper limits of the ranges of steps in which tracks share a threshold for flagging; all are in `seen.SIZES`."""

_OF_LEVEL = (EXPONENT[:, None].round(2) == LEVELS).astype("float64")
_OF_MODEL = (MODEL[:, None] == np.arange(len(ANDI_MODELS))).astype("float64")


@dataclass(frozen=True)
class Outcome:
    """Outcome for tracks.

    Attributes:
        probability: of the models, (n, 5), float64.
        exponent: median of the anomalous exponent α, (n,), 0.025 … 2.025.
        low: lower end of the interval of α, (n,); half of the probability outside the interval is below it.
        high: upper end of the interval, (n,); the other half is above it.
    """

    probability: np.ndarray
    exponent: np.ndarray
    low: np.ndarray
    high: np.ndarray


def reweighted(probability: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Correct probabilities (n, class) for data in which the classes have other shares (class,) than SHARE."""
    found = probability * (share / SHARE)
    return found / found.sum(axis=1, keepdims=True)


def outcome(probability: np.ndarray, interval: float = 0.9) -> Outcome:
    """Outcome from probabilities (n, class); `interval` is the probability that α lies in its interval.

    Within a step of the exponent, all values are assumed to be equally probable.
    """
    of_level = probability @ _OF_LEVEL
    low, middle, high = (_quantile(of_level, share) for share in ((1 - interval) / 2, 0.5, (1 + interval) / 2))
    return Outcome(probability @ _OF_MODEL, middle, low, high)


def _quantile(of_level: np.ndarray, share: float) -> np.ndarray:
    below = np.cumsum(of_level, axis=1)
    at = np.minimum((below < share).sum(axis=1), len(LEVELS) - 1)[:, None]
    here = np.take_along_axis(of_level, at, axis=1)
    missing = share - (np.take_along_axis(below, at, axis=1) - here)
    within = np.clip(np.divide(missing, here, out=np.zeros_like(missing), where=here > 0), 0, 1)
    return (LEVELS[at] + (within - 0.5) * STEP)[:, 0]


def unfamiliarity(probability: np.ndarray) -> np.ndarray:
    """Probability that tracks follow none of the models, (n,), from the output of a network for FAMILIAR_CLASSES."""
    return 1 - probability[:, 0].astype("float64")


def familiar_measures(outputs: np.ndarray, labels: np.ndarray, times: np.ndarray) -> dict[str, float]:
    """Thresholds of unfamiliarity that a share FLAGGED of the models' tracks exceeds, and the STRANGERS above them.

    Args:
        outputs: logits, (n, class).
        labels: true classes, (n,), 0 for the models' tracks.
        times: numbers of steps to which the tracks are padded, (n,).

    Returns:
        `threshold/<times>` for each of TIMES, because shorter tracks are harder to distinguish, and `flagged/<kind>`,
        the share of each of STRANGERS above its threshold.
    """
    found, at = unfamiliarity(_softmax(outputs)), np.searchsorted(TIMES, times)
    figures, exceeds = {}, np.zeros(len(found), bool)
    for number, most in enumerate(TIMES):
        known = found[(at == number) & (labels == 0)]
        if len(known):
            figures[f"threshold/{most}"] = limit = float(np.quantile(known, 1 - FLAGGED))
            exceeds[at == number] = found[at == number] > limit
    for kind, name in enumerate(STRANGERS, start=1):
        if (labels == kind).any():
            figures[f"flagged/{name}"] = float(exceeds[labels == kind].mean())
    return figures


def thresholds(network: str, metrics: Mapping[str, float]) -> np.ndarray:
    """Thresholds of unfamiliarity, for each of TIMES, from the metrics of a network.

    Raises:
        InputError: if any is missing, as in a network that was trained elsewhere, or is not finite.
    """
    found = np.array([metrics.get(f"val_threshold/{most}", np.nan) for most in TIMES])
    if lacking := [str(most) for most, limit in zip(TIMES, found, strict=True) if not np.isfinite(limit)]:
        raise InputError(
            f"network {network} has no threshold for flagging tracks of up to {', '.join(lacking)} steps; expected one "
            "that train_network has trained and validated on tracks of all lengths; choose such a network"
        )
    return found


def is_flagged(found: np.ndarray, points: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Whether tracks of unfamiliarity `found` are flagged, by their number of points and the `thresholds`."""
    return found > limits[np.searchsorted(TIMES, points - 1)]


def _softmax(outputs: np.ndarray) -> np.ndarray:
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True).astype("float64"))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def measures(outputs: np.ndarray, labels: np.ndarray, _: np.ndarray) -> dict[str, float]:
    """Accuracy of the model and mean absolute error of the exponent, from logits (n, class) and true classes (n,)."""
    said = outcome(_softmax(outputs))
    return {
        "model_accuracy": float((said.probability.argmax(axis=1) == MODEL[labels]).mean()),
        "exponent_error": float(np.abs(said.exponent - EXPONENT[labels]).mean()),
    }
