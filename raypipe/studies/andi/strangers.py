"""Motion that none of the five models describes, so that a network can learn to recognise unfamiliar tracks.

Confined motion (in a box, or held by a spring), directed motion (diffusion with drift), and switching between two
diffusivities: all are common under the microscope. The strength of each ranges from hardly visible in a track of the
given length to obvious. The overall scale of a track is arbitrary.
"""

import math

import numpy as np

from raypipe.compiled import compiled
from raypipe.studies.andi.draws import begin, normal, uniform

_CONFINED = (1.0, 0.35)
"""Half the width of a box, or s of a spring that holds the standard deviation at √(1 + s²), in units of a step: from
the first number to the second times √T, log-uniform, for a track of T points."""

_DIRECTED = (4.0, 20.0)
"""Ratio of the drift over the whole track to its diffusive spread, √T steps. The drift per step is at most _FASTEST."""

_FASTEST = 3.0

_RATIO = (6.0, 100.0)
"""Ratio of the two diffusivities between which a track switches."""

_SWITCHES = (1.0, 8.0)
"""T divided by the mean dwell time; dwell times are exponentially distributed."""


def generate(seed: np.ndarray, kind: np.ndarray, noise: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Make tracks.

    Args:
        seed: of each track, (n,), 0 … 2⁶³ − 1.
        kind: indices in `outcomes.STRANGERS`, (n,).
        noise: standard deviation of the localisation noise along each axis, in units of the displacements' standard
            deviation, (n, dimensions).
        length: number of positions of each track, (n,), 2 or more.

    Returns:
        Positions (n, max(length), dimensions), float64; each track is followed by zeros.
    """
    found = np.zeros((len(seed), int(length.max(initial=0)), noise.shape[1]))
    _generate(seed.astype("uint64"), kind, noise, length, found)
    return found


@compiled()
def _between(state: np.ndarray, least: float, most: float) -> float:
    """A log-uniform random number."""
    return least * (max(most, least) / least) ** uniform(state)


@compiled()
def _generate(seed: np.ndarray, kind: np.ndarray, noise: np.ndarray, length: np.ndarray, out: np.ndarray) -> None:
    state = np.empty(4, "uint64")
    for i in range(len(seed)):
        begin(state, seed[i])
        track = out[i, : length[i]]
        if kind[i] == 0:
            _confined(state, track)
        elif kind[i] == 1:
            _directed(state, track)
        else:
            _switching(state, track)
        for axis in range(track.shape[1]):
            sigma = noise[i, axis] * np.std(track[1:, axis] - track[:-1, axis])
            for at in range(len(track)):
                track[at, axis] += sigma * normal(state)


@compiled()
def _confined(state: np.ndarray, out: np.ndarray) -> None:
    size = _between(state, _CONFINED[0], _CONFINED[1] * math.sqrt(len(out)))
    spring, kept = uniform(state) < 0.5, math.sqrt(1 - 1 / (1 + size * size))
    for axis in range(out.shape[1]):
        x = size * normal(state) if spring else size * (2 * uniform(state) - 1)
        for at in range(len(out)):
            out[at, axis] = x
            x = kept * x + normal(state) if spring else x + normal(state)
            while not spring and abs(x) > size:  # walls reflect
                x = math.copysign(2 * size, x) - x


@compiled()
def _directed(state: np.ndarray, out: np.ndarray) -> None:
    dimensions = out.shape[1]
    drift = np.array([normal(state) for _ in range(dimensions)])
    drift *= min(_between(state, *_DIRECTED) / math.sqrt(len(out)), _FASTEST) / math.sqrt((drift * drift).sum())
    for at in range(1, len(out)):
        for axis in range(dimensions):
            out[at, axis] = out[at - 1, axis] + drift[axis] + normal(state)


@compiled()
def _switching(state: np.ndarray, out: np.ndarray) -> None:
    deviation = math.sqrt(_between(state, *_RATIO))
    dwell = len(out) / _between(state, *_SWITCHES)
    fast, until = uniform(state) < 0.5, 0.0
    for at in range(1, len(out)):
        while until < at:
            fast, until = not fast, until - dwell * math.log(1 - uniform(state))
        for axis in range(out.shape[1]):
            out[at, axis] = out[at - 1, axis] + (deviation if fast else 1.0) * normal(state)
