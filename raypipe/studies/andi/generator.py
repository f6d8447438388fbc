"""Trajectories of anomalous diffusion by raypipe's own generator: many at once, each from its own seed.

The recipe is the AnDi challenge's (Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021)), as the package andi-datasets has
it: of each axis the displacements are divided by their standard deviation, localisation noise is added to the
positions, and all displacements are multiplied by one normal number. A short trajectory is the beginning of a long
one, by which its displacements are scaled.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np

from raypipe.errors import InputError
from raypipe.studies.andi import walks
from raypipe.studies.andi.diffusion import ANDI_MODELS, FEWEST_POSITIONS, MOST_POSITIONS, check_exponent
from raypipe.studies.andi.draws import begin, normal, normals, uniform

_STRAIGHT = 1e-9
"""A walk of so small a standard deviation, as a share of the mean displacement, has not turned."""

_AT_ONCE = 2**17
"""Numbers of positions in work at a time: what a processor's cache holds."""

_TRANSFORMED_AT_ONCE = 64
"""Walks. Memory for few is used again; for many the system gives new pages each time, as slow as the work itself."""


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
        seed: of each trajectory, (n,), 0 … 2⁶³ − 1. What a trajectory is depends on nothing that is not its own.
        model: indices in ANDI_MODELS, (n,).
        exponent: anomalous exponents α, (n,): 0 < α ≤ 1 of attm and ctrw, 0 < α < 2 of fbm, 1 ≤ α ≤ 2 of lw, 0 < α ≤ 2
            of sbm.
        noise: standard deviation of the localisation noise along each axis, in units of the displacements' standard
            deviation, (n, dimensions), of 1 to 3 dimensions.
        length: positions of each trajectory, (n,), FEWEST_POSITIONS … MOST_POSITIONS.
        longest: positions of the walks of which these are the beginnings, and by which they are scaled; by default
            each trajectory is scaled by itself.
        as_package: whether attm in three dimensions has the package's fault, see `walks.attm`; the challenge's had it.

    Returns:
        Positions (n, max(length), dimensions), float64; each begins at 0, and after its length come zeros. A Lévy walk
        that does not turn has no standard deviation, and so neither scale nor noise: it is a straight line.

    Raises:
        InputError: if a length is out of its range or above `longest`, or an exponent is none of its model's.
    """
    count, dimensions = noise.shape
    walk_lengths = np.asarray(length, "int64") if longest is None else np.full(count, longest, "int64")
    _check(model, exponent, length, walk_lengths)
    positions = np.zeros((count, int(length.max(initial=0)), dimensions))
    # Walks of one length share their work, and so do fractional ones of one exponent.
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
    """Numbers from 0 to 1 by which to choose what a trajectory is to be, from its seed: (n, count), float64.

    They are independent of those that `generate` draws by the same seeds.
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
    """Of walks (n, dimensions, displacements)."""
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
    """What `of` gives for those of the exponents `kinds` that `which` counts, and zeros for the others, as rows."""
    rows = {int(i): of(float(kinds[i]), count) for i in np.unique(which)}
    table = np.zeros((len(kinds), max((len(row) for row in rows.values()), default=0)))
    for i, row in rows.items():
        table[i] = row
    return table


@numba.njit(cache=True, nogil=True)
def _begin(states: np.ndarray, seed: np.ndarray) -> None:
    for i in range(len(seed)):
        begin(states[i], seed[i])


@numba.njit(cache=True, nogil=True)
def _fill_uniform(states: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(out)):
        for at in range(out.shape[1]):
            out[i, at] = uniform(states[i])


@numba.njit(cache=True, nogil=True)
def _fill(states: np.ndarray, members: np.ndarray, amplitudes: np.ndarray, kind: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(members)):
        member = members[i]
        for axis in range(out.shape[1]):
            walks.spectrum(states[member], amplitudes[kind[member]], out[i, axis])


@numba.njit(cache=True, nogil=True)
def _walk(
    states: np.ndarray,
    model: np.ndarray,
    exponent: np.ndarray,
    deviations: np.ndarray,
    kind: np.ndarray,
    as_package: bool,
    out: np.ndarray,
) -> None:
    """Walks of all models but the fractional; `deviations[kind[i]]` are what `sbm_deviations` says of `exponent[i]`."""
    for i in range(len(model)):
        if model[i] == walks.ATTM:
            walks.attm(states[i], exponent[i], as_package, out[i])
        elif model[i] == walks.CTRW:
            walks.ctrw(states[i], exponent[i], out[i])
        elif model[i] == walks.LW:
            walks.lw(states[i], exponent[i], out[i])
        elif model[i] == walks.SBM:
            walks.sbm(states[i], deviations[kind[i]], out[i])


@numba.njit(cache=True, nogil=True)
def _finish(
    states: np.ndarray,
    displacements: np.ndarray,
    noise: np.ndarray,
    length: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Scale, add noise, multiply, and write the positions of trajectory i into row `rows[i]`."""
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


@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return mean, math.sqrt(squares / len(values))
