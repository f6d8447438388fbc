"""Trajectories of anomalous diffusion by the package andi-datasets; runs in the environment `andi`.

The recipe is that of the AnDi challenge (Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021)): displacements are scaled to
unit standard deviation, localisation noise is added to the positions, and the displacements are multiplied by one
normal number. `recipe` applies it to one trajectory after another, with balanced classes and equally frequent
exponents. `challenge` returns the data of the package's own `challenge_theory_dataset`. These are not exactly balanced
and, because the package does not shuffle before it cuts the classes to size, lack the highest exponents of every model
except Lévy walks.

The package spends most of its time joining the pieces of two models' walks one by one. `Walks` draws the same numbers
and joins all pieces at once, so that every value is bit for bit that of the package.
"""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe.studies.andi.diffusion import ANDI_MODELS, NOISE_LEVELS, TRAJECTORY_LENGTH, andi_exponents

with warnings.catch_warnings():
    # The package's video module warns that deeptrack is missing, which trajectories do not need.
    warnings.simplefilter("ignore")
    import stochastic.random
    from andi_datasets import datasets_challenge
    from andi_datasets.datasets_theory import datasets_theory
    from andi_datasets.models_theory import models_theory
    from andi_datasets.utils_trajectories import normalize

_EARLY = 10
_OVERFLOW = 1000.0

Shard = dict[str, np.ndarray]


def _seed(seed: int) -> None:
    """Seed both generators that the package draws from."""
    np.random.seed(seed)
    stochastic.random.seed(seed)


class Walks(models_theory._oneD):  # type: ignore[misc]
    """The package's models in one dimension, two of them faster. The package takes every method here for a model."""

    def lw(self, T: int, alpha: float) -> np.ndarray:
        """A Lévy walk: flights of constant speed and of power-law duration, each forwards or backwards.

        Args:
            T: number of positions.
            alpha: anomalous exponent, from 1 to 2.

        Returns:
            Positions (T,), float64.
        """
        tail = np.random.rand() if alpha == 2 else 3 - alpha
        durations = (1 - np.random.rand(T)) ** (-1 / tail)
        durations[durations > T] = T + 1
        speed = 10 * np.random.rand()
        steps = durations.astype(int)
        flights = min(T, int(np.searchsorted(np.cumsum(steps), T, side="right")) + 1)
        # Drawing the numbers at once gives the same ones as drawing them one by one.
        directions = 2 * np.random.randint(0, 2, size=flights) - 1
        displacements = np.repeat(speed * directions, steps[:flights])[:T]
        return np.cumsum(displacements) - displacements[0]

    def attm(self, T: int, alpha: float) -> np.ndarray:
        """Annealed transient time motion, regime 1: diffusivities that change; the lower one is, the longer it lasts.

        Args:
            T: number of positions.
            alpha: anomalous exponent, from 0.03 to 1.

        Returns:
            Positions (T,), float64.
        """
        while True:
            sigma = 3 * np.random.uniform(low=1e-2, high=1.1)
            gamma = sigma / alpha
            if sigma <= gamma <= sigma + 1:
                break
        parts, length = [np.zeros(1)], 1
        while length < T:
            diffusivity = (1 - np.random.uniform(low=0.1, high=0.99)) ** (1 / sigma)
            steps = int(min(diffusivity**-gamma, T))
            walk = np.cumsum(np.sqrt(2 * diffusivity) * np.random.randn(steps))
            parts.append(parts[-1][-1] + walk)
            length += steps
        return np.concatenate(parts)[:T]


def trajectory(seed: int, model: int) -> tuple[np.ndarray, float, float]:
    """One trajectory of the challenge's recipe.

    Args:
        seed: 0 … 2³² - 1.
        model: index in ANDI_MODELS.

    Returns:
        Positions, (TRAJECTORY_LENGTH,) float64, starting at 0, in units of the displacements' standard deviation before
        the last scaling; anomalous exponent; standard deviation of the localisation noise.
    """
    _seed(seed)
    simulate = getattr(Walks(), ANDI_MODELS[model])
    while True:
        exponent = float(np.random.choice(andi_exponents(model)))
        noise = float(np.random.choice(NOISE_LEVELS))
        made = simulate(TRAJECTORY_LENGTH, exponent)[None]
        if (position := _as_measured(made, np.array([noise]))) is not None:
            return position[0], exponent, noise


def _as_measured(walk: np.ndarray, noise: np.ndarray) -> np.ndarray | None:
    """Scale a walk (axis, time), add noise, and scale its displacements again; None if the scaling overflows."""
    noisy = normalize(walk) + noise[:, None] * np.random.randn(*walk.shape)
    position = np.zeros(walk.shape)
    position[:, 1:] = np.cumsum(np.diff(noisy) * np.random.randn(), axis=1)
    # The displacements of a Lévy walk that never turns have zero variance, up to rounding.
    return position if np.abs(position[:, :_EARLY]).max() <= _OVERFLOW else None


def recipe(parameters: dict[str, Any]) -> Callable[[Shard], Shard]:
    """Return a function that computes shards of trajectories with given `seed` and `label`."""

    def compute(rows: Shard) -> Shard:
        made = [trajectory(int(seed), int(label)) for seed, label in zip(rows["seed"], rows["label"], strict=True)]
        position, exponent, noise = (np.array(column) for column in zip(*made, strict=True))
        return {"position": position, "exponent": exponent, "noise": noise}

    return compute


class _Recorder(datasets_theory):  # type: ignore[misc]
    """Records the trajectories of a challenge data set, with their models and exponents and the noise added to them.

    `challenge_theory_dataset` does not return exponents together with models. In version 2.1.13, it also does not
    return the noise of its trajectories, because it permutes the noise by the indices of another array.
    """

    dataset: np.ndarray
    noise: np.ndarray

    def create_noisy_localization_dataset(self, dataset: np.ndarray, **options: Any) -> np.ndarray:
        added = options["noise_func"].std(axis=1, keepdims=True)
        _Recorder.noise = np.array(NOISE_LEVELS)[np.abs(added - NOISE_LEVELS).argmin(axis=1)]
        # Not a copy: the package goes on to change this array in place.
        _Recorder.dataset = super().create_noisy_localization_dataset(dataset, **options)
        return _Recorder.dataset


@contextlib.contextmanager
def _recording():  # type: ignore[no-untyped-def]
    """Make the package's function use Walks and _Recorder, and suppress its output."""
    theory, walks = datasets_challenge.datasets_theory, models_theory._oneD
    datasets_challenge.datasets_theory, models_theory._oneD = _Recorder, Walks
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        datasets_challenge.datasets_theory, models_theory._oneD = theory, walks


def challenge_dataset(seed: int, count: int) -> Shard:
    """The trajectories that `challenge_theory_dataset` returns for the classification task in one dimension.

    Returns:
        `position` (count, TRAJECTORY_LENGTH), `label`, `exponent`, `noise`, each (count,).
    """
    _seed(seed)
    with _recording():
        _, _, trajectories, labels, _, _ = datasets_challenge.challenge_theory_dataset(
            count, tasks=2, dimensions=1, min_T=TRAJECTORY_LENGTH, max_T=TRAJECTORY_LENGTH + 1
        )
    position = np.array(trajectories[0])
    # The positions after the first, which is always 0, identify a trajectory.
    rows = {made[3:].tobytes(): row for row, made in enumerate(_Recorder.dataset[:, : 2 + TRAJECTORY_LENGTH])}
    origin = np.array([rows[one[1:].tobytes()] for one in position])
    return {
        "position": position,
        "label": np.array(labels[0]).astype(np.int64),
        "exponent": _Recorder.dataset[origin, 1].round(2),
        "noise": _Recorder.noise[origin],
    }


def challenge(parameters: dict[str, Any]) -> Callable[[Shard], Shard]:
    """Return a function that computes each shard by one call of the package, with the seed of its first row."""
    return lambda rows: challenge_dataset(int(rows["seed"][0]), len(rows["seed"]))


def track(seed: int, model: int, exponent: float, length: int, dimensions: int, walk: int) -> tuple[Any, Any]:
    """One track of the challenge's recipe: the beginning of a walk that is scaled as a whole.

    Args:
        seed: 0 … 2³² - 1.
        model: index in ANDI_MODELS.
        exponent: one that the model may have.
        length: number of points of the track, at most `walk`.
        dimensions: 1 to 3; each axis is scaled separately, and has its own noise.
        walk: number of points of the walk.

    Returns:
        Positions (length, dimensions), float64, starting at 0, and the noise of each axis (dimensions,).
    """
    _seed(seed)
    simulate = getattr(Walks(), ANDI_MODELS[model]) if dimensions == 1 else None
    while True:
        made = (
            simulate(walk, exponent)
            if simulate
            else getattr(models_theory(), ANDI_MODELS[model])(walk, exponent, dimensions)
        )
        noise = np.random.choice(NOISE_LEVELS, dimensions)
        if (position := _as_measured(np.reshape(made, (dimensions, walk)), noise)) is not None:
            return position[:, :length].T, noise


def tracks(parameters: dict[str, Any]) -> Callable[[Shard], Shard]:
    """Return a function for shards of tracks of given `seed`, `label`, `exponent`, `length`; NaN follows each track."""
    dimensions, walk = parameters["dimensions"], parameters["walk"]

    def compute(rows: Shard) -> Shard:
        position = np.full((len(rows["seed"]), walk - 1, dimensions), np.nan)
        noise = np.empty((len(position), dimensions))
        for i in range(len(position)):
            asked = (int(rows["seed"][i]), int(rows["label"][i]), float(rows["exponent"][i]), int(rows["length"][i]))
            made, noise[i] = track(*asked, dimensions, walk)
            position[i, : len(made)] = made
        return (
            {"position": position, "noise": noise}
            if dimensions > 1
            else {"position": position[..., 0], "noise": noise[:, 0]}
        )

    return compute
