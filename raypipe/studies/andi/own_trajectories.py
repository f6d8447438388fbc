"""Data sets from raypipe's own generator: any models, exponents, noise and lengths, in one to three dimensions."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raypipe.errors import InputError, choice
from raypipe.plan import axis
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.diffusion import FEWEST_POSITIONS, MOST_POSITIONS, check_exponent, may_have

MOST_NOISE = 100.0
"""Largest standard deviation of the localisation noise, in units of the displacements' standard deviation."""

Values = str | float | list[float]
"""See `raypipe.plan.axis`."""


@dataclass(frozen=True)
class Kinds:
    """Possible properties of your own trajectories; each value is equally likely.

    Attributes:
        models: names in ANDI_MODELS; they alternate from trajectory to trajectory.
        exponents: by model, its anomalous exponents.
        noise: standard deviations of the localisation noise along an axis, in units of the displacements' standard
            deviation.
        lengths: smallest and largest number of positions; all walks are made with the largest number, and cut.
        dimensions: 1 to 3.
    """

    models: tuple[str, ...]
    exponents: dict[str, list[float]]
    noise: list[float]
    lengths: tuple[int, int]
    dimensions: int

    def document(self) -> dict[str, Any]:
        """As JSON values, as `compute` needs them."""
        return asdict(self)


def kinds(
    models: str | Sequence[str] | None = None,
    exponents: Values | None = None,
    noise: Values | None = None,
    positions: str | int | None = None,
    dimensions: int | None = None,
) -> Kinds:
    """Check the requested properties; those that are None are as in the challenge.

    Args:
        models: names in ANDI_MODELS, such as "fbm,ctrw" or a list of them.
        exponents: anomalous exponents; each model gets those that it may have.
        noise: standard deviations of the localisation noise.
        positions: number of positions of a trajectory, or the smallest and the largest number, such as "10:1000".
        dimensions: 1 to 3.

    Raises:
        InputError: if an argument is invalid.
    """
    given = diffusion.ANDI_MODELS if models is None else models
    names = tuple(given.split(",") if isinstance(given, str) else np.atleast_1d(given).tolist())
    for name in names:
        choice("model", name, diffusion.ANDI_MODELS)
    if len(set(names)) < len(names):
        raise InputError(f"models are {models}; expected each once")
    levels = diffusion.NOISE_LEVELS if noise is None else axis("noise", noise).tolist()
    if min(levels) < 0 or max(levels) > MOST_NOISE:
        raise InputError(f"noise is {noise!r}; expected standard deviations from 0 to {MOST_NOISE:g}")
    if (found := 1 if dimensions is None else dimensions) not in (1, 2, 3):
        raise InputError(f"dimensions is {dimensions!r}; expected 1, 2 or 3")
    return Kinds(names, _exponents(names, exponents), list(levels), _lengths(positions), found)


def _exponents(models: tuple[str, ...], given: Values | None) -> dict[str, list[float]]:
    if given is None:
        return {name: diffusion.andi_exponents(diffusion.ANDI_MODELS.index(name)).tolist() for name in models}
    asked = axis("exponents", given).tolist()
    found = {name: [value for value in asked if may_have(name, value)] for name in models}
    for name, values in found.items():
        if not values:
            check_exponent(name, asked[0])
    return found


def _lengths(given: str | int | None) -> tuple[int, int]:
    if given is None:
        return diffusion.TRAJECTORY_LENGTH, diffusion.TRAJECTORY_LENGTH
    try:
        least, most = (int(part) for part in str(given).split(":")) if ":" in str(given) else (int(given), int(given))
    except ValueError:
        raise InputError(f"length is {given!r}; expected a number such as 320, or a range such as 10:1000") from None
    if not FEWEST_POSITIONS <= least <= most <= MOST_POSITIONS:
        raise InputError(f"length is {given!r}; expected from {FEWEST_POSITIONS} to {MOST_POSITIONS} positions")
    return least, most


def compute(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a function for `fill` that makes trajectories of given `seed` and `label`, with `parameters["kinds"]`."""
    from raypipe.studies.andi.generator import generate, uniforms  # compiled code, which planning does not need

    of = Kinds(**parameters["kinds"])
    least, most = of.lengths

    def made(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seed, label = rows["seed"], rows["label"]
        chances = uniforms(seed, 2 + of.dimensions)
        exponent = np.empty(len(seed))
        for model in np.unique(label):
            of_model = label == model
            values = np.array(of.exponents[diffusion.ANDI_MODELS[model]])
            exponent[of_model] = values[(chances[of_model, 0] * len(values)).astype("int64")]
        length = least + (chances[:, 1] * (most - least + 1)).astype("int64")
        noise = np.array(of.noise)[(chances[:, 2:] * len(of.noise)).astype("int64")]
        position = generate(seed, label, exponent, noise, length, longest=most)
        if least < most:
            position = np.pad(position, ((0, 0), (0, most - position.shape[1]), (0, 0)))
            position[np.arange(most) >= length[:, None]] = np.nan
        if of.dimensions == 1:
            position, noise = position[..., 0], noise[:, 0]
        found = {"position": position, "exponent": exponent, "noise": noise}
        return {**found, "length": length} if least < most else found

    return made
