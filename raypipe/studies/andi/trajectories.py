"""Trajectories of anomalous diffusion by the package andi-datasets; runs in the environment `andi`.

Two ways, one recipe, that of the AnDi challenge (Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021)): displacements
scaled to unit standard deviation, localisation noise added to the positions, displacements multiplied by one normal
number. `recipe` applies it to trajectory after trajectory, with balanced classes and all exponents alike; `challenge`
returns what the package's own `challenge_theory_dataset` returns, which is not exactly balanced and, for lack of
shuffling before it cuts the classes to size, leaves out the highest exponents of each model but Lévy walks'.

Most of the package's time goes into joining the pieces of two models' walks one by one; `Walks` draws the same numbers
and joins them at once, so that every value stays the package's, bit for bit.
"""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe.studies.andi.diffusion import ANDI_MODELS, NOISE_LEVELS, TRAJECTORY_LENGTH, andi_exponents

with warnings.catch_warnings():
    # The package's video module asks for deeptrack, which trajectories do not need.
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
    """The package's models in one dimension, two of them faster. No other method: the package lists all as models."""

    def lw(self, T: int, alpha: float) -> np.ndarray:
        """A Lévy walk: flights of constant speed and of power-law duration, each forwards or backwards.

        Args:
            T: steps.
            alpha: anomalous exponent, above 1 up to 2.

        Returns:
            Positions (T,), float64.
        """
        tail = np.random.rand() if alpha == 2 else 3 - alpha
        durations = (1 - np.random.rand(T)) ** (-1 / tail)
        durations[durations > T] = T + 1
        speed = 10 * np.random.rand()
        steps = durations.astype(int)
        flights = min(T, int(np.searchsorted(np.cumsum(steps), T, side="right")) + 1)
        # As many numbers at once are the same as one after another.
        directions = 2 * np.random.randint(0, 2, size=flights) - 1
        displacements = np.repeat(speed * directions, steps[:flights])[:T]
        positions: np.ndarray = np.cumsum(displacements) - displacements[0]
        return positions

    def attm(self, T: int, alpha: float) -> np.ndarray:
        """Annealed transient time motion, regime 1: Brownian motion whose diffusivity changes, the lower the longer.

        Args:
            T: steps.
            alpha: anomalous exponent, above 0 up to 1.

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
        Positions, (TRAJECTORY_LENGTH,) float64, from 0 on, in units of the displacements' standard deviation before
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
    """A walk (axis, time) scaled, with noise, and its displacements scaled again; None if scaling it overflows."""
    noisy = normalize(walk) + noise[:, None] * np.random.randn(*walk.shape)
    position = np.zeros(walk.shape)
    position[:, 1:] = np.cumsum(np.diff(noisy) * np.random.randn(), axis=1)
    # A Lévy walk that never turns has displacements of zero variance, up to rounding.
    return position if np.abs(position[:, :_EARLY]).max() <= _OVERFLOW else None


def recipe(parameters: dict[str, Any]) -> Callable[[Shard], Shard]:
    """Compute shards of trajectories with given `seed` and `label`."""

    def compute(rows: Shard) -> Shard:
        made = [trajectory(int(seed), int(label)) for seed, label in zip(rows["seed"], rows["label"], strict=True)]
        position, exponent, noise = (np.array(column) for column in zip(*made, strict=True))
        return {"position": position, "exponent": exponent, "noise": noise}

    return compute


class _Recorder(datasets_theory):  # type: ignore[misc]
    """Remembers the trajectories of a challenge data set: with models and exponents, and the noise added to them.

    `challenge_theory_dataset` returns neither exponents together with models nor, in 2.1.13, the noise of the
    trajectories that it returns: it permutes the noise by the indices of another array.
    """

    dataset: np.ndarray
    noise: np.ndarray

    def create_noisy_localization_dataset(self, dataset: np.ndarray, **options: Any) -> np.ndarray:
        added = options["noise_func"].std(axis=1, keepdims=True)
        _Recorder.noise = np.array(NOISE_LEVELS)[np.abs(added - NOISE_LEVELS).argmin(axis=1)]
        # The very array that the package goes on to change in place.
        _Recorder.dataset = super().create_noisy_localization_dataset(dataset, **options)
        return _Recorder.dataset


@contextlib.contextmanager
def _recording():  # type: ignore[no-untyped-def]
    """Let the package's function use Walks and _Recorder, and say nothing."""
    theory, walks = datasets_challenge.datasets_theory, models_theory._oneD
    datasets_challenge.datasets_theory, models_theory._oneD = _Recorder, Walks
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        datasets_challenge.datasets_theory, models_theory._oneD = theory, walks


def challenge_dataset(seed: int, count: int) -> Shard:
    """What `challenge_theory_dataset` returns for the classification task in one dimension.

    Returns:
        `position` (count, TRAJECTORY_LENGTH), `label`, `exponent`, `noise`, each (count,).
    """
    _seed(seed)
    with _recording():
        _, _, trajectories, labels, _, _ = datasets_challenge.challenge_theory_dataset(
            count, tasks=2, dimensions=1, min_T=TRAJECTORY_LENGTH, max_T=TRAJECTORY_LENGTH + 1
        )
    position = np.array(trajectories[0])
    # Positions after the first, which is 0 in all, tell one trajectory from another.
    rows = {made[3:].tobytes(): row for row, made in enumerate(_Recorder.dataset[:, : 2 + TRAJECTORY_LENGTH])}
    origin = np.array([rows[one[1:].tobytes()] for one in position])
    return {
        "position": position,
        "label": np.array(labels[0]).astype(np.int64),
        "exponent": _Recorder.dataset[origin, 1].round(2),
        "noise": _Recorder.noise[origin],
    }


def challenge(parameters: dict[str, Any]) -> Callable[[Shard], Shard]:
    """Compute shards of trajectories, each by one call of the package with the seed of its first row."""
    return lambda rows: challenge_dataset(int(rows["seed"][0]), len(rows["seed"]))


def track(seed: int, model: int, exponent: float, length: int, dimensions: int, walk: int) -> tuple[Any, Any]:
    """One track of the challenge's recipe: the beginning of a walk that is scaled as a whole.

    Args:
        seed: 0 … 2³² - 1.
        model: index in ANDI_MODELS.
        exponent: one that the model may have.
        length: points of the track, at most `walk`.
        dimensions: 1 to 3; each axis is scaled by itself, and has a noise of its own.
        walk: points of the walk.

    Returns:
        Positions (length, dimensions), float64, from 0 on, and the noise of each axis (dimensions,).
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
    """Compute shards of tracks of given `seed`, `label`, `exponent` and `length`; after its length a track has NaN."""
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
