"""Random numbers in compiled code: a generator for each trajectory, from its own seed.

The generator is xoshiro256++, seeded by SplitMix64 (D. Blackman, S. Vigna, ACM TOMS 47, 36 (2021)). Normal numbers are
drawn by the ziggurat method with 256 layers (G. Marsaglia, W. W. Tsang, J. Stat. Softw. 5, 8 (2000)), with 53 random
bits. Creating a NumPy generator would take longer than making a trajectory.
"""

import math

import numpy as np

from raypipe.compiled import compiled

_TAIL = 3.6541528853610088
"""Position x at which the tail begins in the lowest of 256 layers of equal area under exp(−x²/2)."""


def _layers() -> tuple[np.ndarray, np.ndarray]:
    """Right ends of the layers, from the lowest up, and exp(−x²/2) there."""
    ends = np.zeros(257)
    area = _TAIL * math.exp(-_TAIL * _TAIL / 2) + math.sqrt(math.pi / 2) * math.erfc(_TAIL / math.sqrt(2))
    ends[0], ends[1] = area / math.exp(-_TAIL * _TAIL / 2), _TAIL
    for i in range(2, 256):
        ends[i] = math.sqrt(-2 * math.log(area / ends[i - 1] + math.exp(-(ends[i - 1] ** 2) / 2)))
    return ends, np.exp(-(ends**2) / 2)


_ENDS, _HEIGHTS = _layers()
_UNITS = _ENDS / 2.0**52
"""Factors that scale a signed 53-bit integer to a position within each layer."""

_Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""State of a generator, as compiled code keeps it in registers."""


@compiled()
def begin(state: np.ndarray, seed: int) -> None:
    """Initialise the four words of `state`, uint64, from a 64-bit seed."""
    word = np.uint64(seed)
    for i in range(4):
        word += np.uint64(0x9E3779B97F4A7C15)
        mixed = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state[i] = mixed ^ (mixed >> np.uint64(31))


@compiled()
def _rotated(word: np.uint64, bits: int) -> np.uint64:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@compiled()
def _next(words: _Words) -> tuple[np.uint64, _Words]:
    """The next 64 random bits, and the state of the generator after them."""
    a, b, c, d = words
    found = _rotated(a + d, 23) + a
    c, d, shifted = c ^ a, d ^ b, b << np.uint64(17)
    return found, (a ^ d, b ^ c, c ^ shifted, _rotated(d, 45))


@compiled()
def _words(state: np.ndarray) -> _Words:
    return state[0], state[1], state[2], state[3]


@compiled()
def _keep(state: np.ndarray, words: _Words) -> None:
    state[0], state[1], state[2], state[3] = words


@compiled()
def _as_share(word: np.uint64) -> float:
    return (word >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled()
def uniform(state: np.ndarray) -> float:
    """A uniform random number in [0, 1)."""
    word, words = _next(_words(state))
    _keep(state, words)
    return _as_share(word)


@compiled()
def below(state: np.ndarray, count: int) -> int:
    """A random integer from 0 to count − 1, for counts far below 2⁵³."""
    return int(uniform(state) * count)


@compiled()
def normals(state: np.ndarray, out: np.ndarray) -> None:
    """Fill `out`, (n,), with standard normal numbers.

    The state stays in registers meanwhile, so drawing many numbers at once takes a third of the time.
    """
    words = _words(state)
    for i in range(len(out)):
        out[i], words = _normal(words)
    _keep(state, words)


@compiled()
def normal(state: np.ndarray) -> float:
    """A standard normal number."""
    x, words = _normal(_words(state))
    _keep(state, words)
    return x


@compiled()
def _normal(words: _Words) -> tuple[float, _Words]:
    x, layer, words = _within(words)
    return (x, words) if abs(x) < _ENDS[layer + 1] else _outside(x, layer, words)


@compiled()
def _within(words: _Words) -> tuple[float, int, _Words]:
    """A random position in a random layer, and the index of the layer."""
    word, words = _next(words)
    layer = int(word & np.uint64(255))
    # The uppermost 53 bits as a signed number: none of them was used to choose the layer.
    return (np.int64(word) >> np.int64(11)) * _UNITS[layer], layer, words


@compiled()
def _outside(x: float, layer: int, words: _Words) -> tuple[float, _Words]:
    """Finish the draw of an `x` outside the part of its layer that is wholly under the curve: 1 in 80 draws."""
    while True:
        if layer == 0:
            # Marsaglia's tail.
            while True:
                first, words = _next(words)
                second, words = _next(words)
                far = -math.log(1.0 - _as_share(first)) / _TAIL
                if -2.0 * math.log(1.0 - _as_share(second)) > far * far:
                    return math.copysign(_TAIL + far, x), words
        word, words = _next(words)
        if _HEIGHTS[layer] + _as_share(word) * (_HEIGHTS[layer + 1] - _HEIGHTS[layer]) < math.exp(-x * x / 2):
            return x, words
        x, layer, words = _within(words)
        if abs(x) < _ENDS[layer + 1]:
            return x, words
