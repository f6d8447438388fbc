"""Trajectories of anomalous diffusion by raypipe's own generator: many at once, each from its own seed.

The recipe is the AnDi challenge's (Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021)), as implemented in the package
andi-datasets: along each axis, the displacements are divided by their standard deviation, then localisation noise is
added to the positions, and finally all displacements are multiplied by one normally distributed number. A short
trajectory can be the beginning of a longer walk; its displacements are then divided by the standard deviation of the
whole walk.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from raypipe.compiled import compiled
from raypipe.errors import InputError
from raypipe.studies.andi import walks
from raypipe.studies.andi.diffusion import ANDI_MODELS, FEWEST_POSITIONS, MOST_POSITIONS, check_exponent
from raypipe.studies.andi.draws import begin, normal, normals, uniform

_STRAIGHT = 1e-9
"""A walk has not turned if the standard deviation of its displacements is at most this multiple of their mean."""

_AT_ONCE = 2**17
"""Number of coordinates processed at a time: as many as fit into a processor's cache."""

_TRANSFORMED_AT_ONCE = 64
"""Number of fractional walks transformed at a time. Memory for few walks is reused; for many, the operating system
provides new pages each time, which takes as long as the computation itself."""


def generate(
    seed: np.ndarray,
    model: np.ndarray,
    exponent: np.ndarray,
    noise: np.ndarray,
    length: np.ndarray,
    *,
    longest: int | None = None,
    as_package: bool = True,
) -> np.ndarray:
    """Make trajectories.

    Args:
        seed: of each trajectory, (n,), 0 … 2⁶³ − 1. A trajectory does not depend on the other trajectories.
        model: indices in ANDI_MODELS, (n,).
        exponent: anomalous exponents α, (n,): 0.03 ≤ α ≤ 1 for attm, 0 < α ≤ 1 for ctrw, 0 < α < 2 for fbm, 1 ≤ α ≤ 2
            for lw, 0 < α ≤ 2 for sbm.
        noise: standard deviation of the localisation noise along each axis, in units of the displacements' standard
            deviation, (n, dimensions), for 1 to 3 dimensions.
        length: number of positions of each trajectory, (n,), FEWEST_POSITIONS … MOST_POSITIONS.
        longest: number of positions of the walks that are simulated and scaled; trajectories are their beginnings. By
            default, each walk is as long as its trajectory.
        as_package: whether attm in three dimensions reproduces the package's error, as in the challenge; see
            `walks.attm`.

    Returns:
        Positions (n, max(length), dimensions), float64. Each trajectory begins at 0, and is followed by zeros. A Lévy
        walk that does not turn has no standard deviation, so it is not scaled and gets no noise: it is a straight line.

    Raises:
        InputError: if a length is out of range or above `longest`, or a model does not allow its exponent.
    """
    count, dimensions = noise.shape
    walk_lengths = np.asarray(length, "int64") if longest is None else np.full(count, longest, "int64")
    _check(model, exponent, length, walk_lengths)
    positions = np.zeros((count, int(length.max(initial=0)), dimensions))
    # Walks of the same length are made together; fractional walks of the same exponent share their amplitudes.
    for walk_length in np.unique(walk_lengths):
        members = np.flatnonzero(walk_lengths == walk_length)
        at_once = max(1, _AT_ONCE // int(walk_length * dimensions))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            states = np.empty((len(some), 4), "uint64")
            _begin(states, seed[some].astype("uint64"))
            displacements = _displacements(
                states, model[some], exponent[some], (dimensions, int(walk_length) - 1), as_package
            )
            _finish(states, displacements, noise[some], length[some], some, positions)
    return positions


def uniforms(seed: np.ndarray, count: int) -> np.ndarray:
    """Uniform random numbers in [0, 1) for choosing the properties of trajectories, by seed: (n, count), float64.

    They are independent of the numbers that `generate` draws for the same seeds.
    """
    states = np.empty((len(seed), 4), "uint64")
    _begin(states, seed.astype("uint64") | np.uint64(2**63))
    found = np.empty((len(seed), count))
    _fill_uniform(states, found)
    return found


def _check(model: np.ndarray, exponent: np.ndarray, length: np.ndarray, walk_lengths: np.ndarray) -> None:
    if len(length) and not FEWEST_POSITIONS <= length.min() <= length.max() <= MOST_POSITIONS:
        raise InputError(
            f"trajectories of {length.min()} to {length.max()} positions; "
            f"expected from {FEWEST_POSITIONS} to {MOST_POSITIONS}"
        )
    if (length > walk_lengths).any():
        raise InputError(
            f"trajectories of {length.max()} positions from walks of {walk_lengths.max()}; use longer walks"
        )
    for kind in np.unique(model):
        for value in np.unique(exponent[model == kind]):
            check_exponent(ANDI_MODELS[kind], value)


_amplitudes = lru_cache(maxsize=512)(walks.amplitudes)
_sbm_deviations = lru_cache(maxsize=512)(walks.sbm_deviations)


def _displacements(
    states: np.ndarray, model: np.ndarray, exponent: np.ndarray, shape: tuple[int, int], as_package: bool
) -> np.ndarray:
    """Displacements of walks, (n, dimensions, displacements)."""
    found = np.empty((len(model), *shape))
    kinds, kind = np.unique(exponent, return_inverse=True)
    deviations = _by_kind(kinds, kind[model == walks.SBM], _sbm_deviations, shape[1])
    _walk(states, model, exponent, deviations, kind, as_package, found)
    fractional = np.flatnonzero(model == walks.FBM)
    amplitudes = _by_kind(kinds, kind[fractional], _amplitudes, shape[1])
    for start in range(0, len(fractional), _TRANSFORMED_AT_ONCE):
        some = fractional[start : start + _TRANSFORMED_AT_ONCE]
        spectra = np.empty((len(some), shape[0], amplitudes.shape[1]), "complex128")
        _fill(states, some, amplitudes, kind, spectra)
        found[some] = walks.fractional(spectra, shape[1])
    return found


def _by_kind(kinds: np.ndarray, which: np.ndarray, of: Callable[[float, int], np.ndarray], count: int) -> np.ndarray:
    """Table with a row for each exponent in `kinds`: `of(exponent, count)` if its index is in `which`, else zeros."""
    rows = {int(i): of(float(kinds[i]), count) for i in np.unique(which)}
    table = np.zeros((len(kinds), max((len(row) for row in rows.values()), default=0)))
    for i, row in rows.items():
        table[i] = row
    return table


@compiled()
def _begin(states: np.ndarray, seed: np.ndarray) -> None:
    for i in range(len(seed)):
        begin(states[i], seed[i])


@compiled()
def _fill_uniform(states: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(out)):
        for at in range(out.shape[1]):
            out[i, at] = uniform(states[i])


@compiled()
def _fill(states: np.ndarray, members: np.ndarray, amplitudes: np.ndarray, kind: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(members)):
        member = members[i]
        for axis in range(out.shape[1]):
            walks.spectrum(states[member], amplitudes[kind[member]], out[i, axis])


@compiled()
def _walk(
    states: np.ndarray,
    model: np.ndarray,
    exponent: np.ndarray,
    deviations: np.ndarray,
    kind: np.ndarray,
    as_package: bool,
    out: np.ndarray,
) -> None:
    """Make the walks of all models except fbm; `deviations[kind[i]]` are the `sbm_deviations` of `exponent[i]`."""
    for i in range(len(model)):
        if model[i] == walks.ATTM:
            walks.attm(states[i], exponent[i], as_package, out[i])
        elif model[i] == walks.CTRW:
            walks.ctrw(states[i], exponent[i], out[i])
        elif model[i] == walks.LW:
            walks.lw(states[i], exponent[i], out[i])
        elif model[i] == walks.SBM:
            walks.sbm(states[i], deviations[kind[i]], out[i])


@compiled()
def _finish(
    states: np.ndarray,
    displacements: np.ndarray,
    noise: np.ndarray,
    length: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Scale, add noise, multiply by a normal number, and write the positions of trajectory i into row `rows[i]`."""
    drawn = np.empty(displacements.shape[2] + 1)
    for i in range(len(rows)):
        state = states[i]
        factor = normal(state)
        for axis in range(displacements.shape[1]):
            steps = displacements[i, axis]
            mean, deviation = _mean_and_deviation(steps)
            straight = deviation <= _STRAIGHT * abs(mean)
            scale = 1.0 if straight else 1 / deviation
            sigma = 0.0 if straight and mean != 0 else noise[i, axis]
            normals(state, drawn[: length[i]])
            clean, first = 0.0, sigma * drawn[0]
            for at in range(1, length[i]):
                clean += steps[at - 1] * scale
                positions[rows[i], at, axis] = factor * (clean + sigma * drawn[at] - first)


@compiled(fastmath={"reassoc"})
def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return mean, math.sqrt(squares / len(values))
