"""The trajectories of the study as plain values: models of anomalous diffusion, exponents, noise, splits and seeds.

The models are those of the AnDi challenge, Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021).
"""

from dataclasses import dataclass

import numpy as np

from raypipe.errors import InputError, choice

ANDI_MODELS = ("attm", "ctrw", "fbm", "lw", "sbm")
"""The five models of anomalous diffusion, in the order of the package andi-datasets."""

TRAJECTORY_LENGTH = 320
"""Number of positions of a trajectory."""

NOISE_LEVELS = (0.1, 0.5, 1.0)
"""Standard deviations of the localisation noise, in units of the displacements' standard deviation."""

_FIRST_SEED = {
    "train": 0,
    "val": 2**30,
    "test": 2 * 2**30,
    "train-challenge": 3 * 2**30,
    "val-challenge": 3 * 2**30 + 2**29,
}

TRAJECTORY_SPLITS = tuple(_FIRST_SEED)

MOST_TRAJECTORIES = 2**29
"""Largest number of trajectories of a split: with more, splits would share seeds."""

CHALLENGE_SPLITS = ("test", "train-challenge", "val-challenge")
"""Splits whose classes and exponents are those that the challenge's own function returns; the others are balanced."""

_EXPONENT_STEPS = {"attm": (1, 20), "ctrw": (1, 20), "fbm": (1, 39), "lw": (21, 40), "sbm": (1, 40)}

FEWEST_POSITIONS, MOST_POSITIONS = 2, 100_000
"""Smallest and largest number of positions of a trajectory."""

ALLOWED = {"attm": (0, 1), "ctrw": (0, 1), "fbm": (0, 2), "lw": (1, 2), "sbm": (0, 2)}
"""Exponents that a model may have: above the first number (lw: also the first itself), up to the second (fbm: below
it). For attm, see also _LEAST_ATTM."""


_LEAST_ATTM = 0.03
"""Smallest α of attm, because its σ must be at least 0.03 and at most α / (1 − α)."""


def may_have(model: str, exponent: float) -> bool:
    """Whether a model may have an anomalous exponent."""
    least, most = ALLOWED[model]
    if model == "attm":
        return _LEAST_ATTM <= exponent <= most
    return least < exponent < most or (exponent == least == 1) or (exponent == most and model != "fbm")


def check_exponent(model: str, exponent: float) -> None:
    """Make sure that a model may have an anomalous exponent.

    Raises:
        InputError: if it may not.
    """
    if not may_have(model, exponent):
        most = ALLOWED[model][1]
        between = {"attm": f"from {_LEAST_ATTM} to 1", "fbm": "above 0 and below 2", "lw": "from 1 to 2"}.get(
            model, f"above 0 and up to {most}"
        )
        raise InputError(f"exponent {exponent:g} of {model}; expected a number {between}")


def andi_exponents(model: int) -> np.ndarray:
    """Anomalous exponents α of a model, in steps of 0.05, by its index in ANDI_MODELS; float64."""
    first, last = _EXPONENT_STEPS[ANDI_MODELS[model]]
    return np.arange(first, last + 1) / 20


@dataclass(frozen=True)
class Trajectories:
    """Trajectories to make: `seed` (int64) and `label`, index in ANDI_MODELS (int64); None if the package draws it."""

    seed: np.ndarray
    label: np.ndarray | None


def trajectories(split: str, count: int, models: tuple[str, ...] | None = None) -> Trajectories:
    """Trajectories of a split; `models` are the classes of your own data set, which is balanced in every split.

    Trajectory i has the seed i + m with m = 0 (train), 2³⁰ (val), 2·2³⁰ (test), 3·2³⁰ (train-challenge) or 3.5·2³⁰
    (val-challenge). Except in CHALLENGE_SPLITS, classes alternate, so that any multiple of their number is balanced.

    Raises:
        InputError: if the split is unknown, or `count` is not positive, too large, or cannot be balanced.
    """
    first = _FIRST_SEED[choice("split", split, TRAJECTORY_SPLITS)]
    classes = len(models or ANDI_MODELS)
    if not 1 <= count <= MOST_TRAJECTORIES:
        raise InputError(f"{count} trajectories; expected from 1 to {MOST_TRAJECTORIES}")
    given = models is None and split in CHALLENGE_SPLITS
    if not given and count % classes:
        raise InputError(
            f"{count} trajectories cannot be balanced over {classes} classes; "
            f"take {count // classes * classes or classes}"
        )
    index = np.arange(count)
    labels = np.array([ANDI_MODELS.index(name) for name in models or ANDI_MODELS])
    return Trajectories(index + first, None if given else labels[index % classes])
