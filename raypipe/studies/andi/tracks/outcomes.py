"""What networks of tracks tell apart, each model with each anomalous exponent, and what follows from it.

One class per model and exponent, in steps of 0.05, so that a network says the one together with the other. The
probability of a model is then a sum over its exponents, that of an exponent one over the models; and who knows how
often which of them is met, corrects all by that, see `reweighted`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raypipe.studies.andi.diffusion import ANDI_MODELS, andi_exponents

STEP = 0.05
"""Between exponents; a class stands for those within half of it."""

_EXPONENTS = tuple(
    np.concatenate([[1.0], andi_exponents(model)]) if name == "lw" else andi_exponents(model)
    for model, name in enumerate(ANDI_MODELS)
)

MODEL = np.repeat(np.arange(len(ANDI_MODELS)), [len(values) for values in _EXPONENTS])
"""Of each class the index of its model in ANDI_MODELS."""

EXPONENT = np.concatenate(_EXPONENTS)
"""Of each class its exponent."""

CLASSES = tuple(f"{ANDI_MODELS[model]}_{exponent:.2f}" for model, exponent in zip(MODEL, EXPONENT, strict=True))

SHARE = 1 / len(ANDI_MODELS) / np.bincount(MODEL)[MODEL]
"""Of each class the share that networks learn with: models alike, and of each its exponents."""

LEVELS = np.round(np.arange(1, 41) * STEP, 2)
"""All exponents, from 0.05 to 2."""

STRANGERS = ("confined", "directed", "switching")
"""Motion that is none of the models', by which networks learn what they do not know."""

FAMILIAR_CLASSES = ("familiar", *STRANGERS)
"""What these networks tell apart."""

FLAGGED = 0.05
"""Share of the models' own tracks that are taken for none of them."""

TIMES = (16, 32, 64, 152, 336, 1000)
"""Steps up to which tracks share what they are flagged by, of those to which they are filled up, see `seen.SIZES`."""

_OF_LEVEL = (EXPONENT[:, None].round(2) == LEVELS).astype("float64")
_OF_MODEL = (MODEL[:, None] == np.arange(len(ANDI_MODELS))).astype("float64")


@dataclass(frozen=True)
class Outcome:
    """What is said of tracks.

    Attributes:
        probability: of the models, (n, 5), float64.
        exponent: the anomalous exponent α that is as probably too high as too low, (n,), 0.025 … 2.025.
        low: α is below it with half of the probability that the interval leaves out.
        high: α is above it with the other half.
    """

    probability: np.ndarray
    exponent: np.ndarray
    low: np.ndarray
    high: np.ndarray


def label(model: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """The classes (n,), int64, of models and exponents; an exponent belongs to the nearest that its model may have."""
    first = np.searchsorted(MODEL, model)
    last = np.searchsorted(MODEL, model, side="right") - 1
    found: np.ndarray = np.clip(first + np.rint((exponent - EXPONENT[first]) / STEP).astype("int64"), first, last)
    return found


def reweighted(probability: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities (n, class) for who meets the classes with these shares (class,) instead of with SHARE."""
    found = probability * (share / SHARE)
    return found / found.sum(axis=1, keepdims=True)


def outcome(probability: np.ndarray, interval: float = 0.9) -> Outcome:
    """What follows from probabilities (n, class); `interval` is how probably α is in its own.

    Within a step of the exponent all values are taken for equally probable.
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
    found: np.ndarray = (LEVELS[at] + (within - 0.5) * STEP)[:, 0]
    return found


def unfamiliarity(probability: np.ndarray) -> np.ndarray:
    """How probable it is that tracks are of none of the models, (n,), from what a network of familiar ones says."""
    found: np.ndarray = 1 - probability[:, 0].astype("float64")
    return found


def familiar_measures(outputs: np.ndarray, labels: np.ndarray, times: np.ndarray) -> dict[str, float]:
    """What unfamiliarity FLAGGED of the models' tracks exceed, and the share of STRANGERS that exceeds it.

    Args:
        outputs: logits, (n, class).
        labels: true classes, (n,), 0 of the models' tracks.
        times: those to which the tracks are filled up, (n,).

    Returns:
        By TIMES `threshold/<times>`, as tracks are the harder to tell the shorter they are; `flagged/<kind>`.
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


def is_flagged(found: np.ndarray, points: np.ndarray, metrics: Mapping[str, float]) -> np.ndarray:
    """Whether tracks of so many points and of this unfamiliarity are of none of the models, by a network's metrics."""
    limits = np.array([metrics[f"val_threshold/{most}"] for most in TIMES])
    flagged: np.ndarray = found > limits[np.searchsorted(TIMES, points - 1)]
    return flagged


def _softmax(outputs: np.ndarray) -> np.ndarray:
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True).astype("float64"))
    found: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return found


def measures(outputs: np.ndarray, labels: np.ndarray, _: np.ndarray) -> dict[str, float]:
    """Of logits (n, class) and true classes: accuracy of the model, and mean absolute error of the exponent."""
    said = outcome(_softmax(outputs))
    return {
        "model_accuracy": float((said.probability.argmax(axis=1) == MODEL[labels]).mean()),
        "exponent_error": float(np.abs(said.exponent - EXPONENT[labels]).mean()),
    }
