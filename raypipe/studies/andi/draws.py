"""Random numbers in compiled code: a generator for each trajectory, from its own seed.

The generator is xoshiro256++, begun by SplitMix64 (D. Blackman, S. Vigna, ACM TOMS 47, 36 (2021)); normal numbers come
by the ziggurat of 256 layers (G. Marsaglia, W. W. Tsang, J. Stat. Softw. 5, 8 (2000)), with 53 random bits. A
generator of NumPy's takes longer to be made than a trajectory.
"""

import math

import numba
import numpy as np

_TAIL = 3.6541528853610088
"""Where the lowest of 256 layers of equal area under exp(−x²/2) ends in the tail."""


def _layers() -> tuple[np.ndarray, np.ndarray]:
    """Right ends of the layers, from the lowest up, and exp(−x²/2) there."""
    ends = np.zeros(257)
    area = _TAIL * math.exp(-_TAIL * _TAIL / 2) + math.sqrt(math.pi / 2) * math.erfc(_TAIL / math.sqrt(2))
    ends[0], ends[1] = area / math.exp(-_TAIL * _TAIL / 2), _TAIL
    for i in range(2, 256):
        ends[i] = math.sqrt(-2 * math.log(area / ends[i - 1] + math.exp(-(ends[i - 1] ** 2) / 2)))
    return ends, np.exp(-(ends**2) / 2)


_ENDS, _HEIGHTS = _layers()


@numba.njit(cache=True, nogil=True)
def begin(state: np.ndarray, seed: int) -> None:
    """Set the four words of `state`, uint64, from a seed of 64 bits."""
    word = np.uint64(seed)
    for i in range(4):
        word += np.uint64(0x9E3779B97F4A7C15)
        mixed = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state[i] = mixed ^ (mixed >> np.uint64(31))


@numba.njit(cache=True, nogil=True, inline="always")
def _rotated(word: np.uint64, bits: int) -> np.uint64:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@numba.njit(cache=True, nogil=True, inline="always")
def _word(state: np.ndarray) -> np.uint64:
    """The next 64 bits."""
    found = _rotated(state[0] + state[3], 23) + state[0]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = _rotated(state[3], 45)
    return found


@numba.njit(cache=True, nogil=True, inline="always")
def uniform(state: np.ndarray) -> float:
    """A number from 0, included, to 1, excluded."""
    return (_word(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@numba.njit(cache=True, nogil=True, inline="always")
def below(state: np.ndarray, count: int) -> int:
    """A whole number from 0 to count − 1, for counts far below 2⁵³."""
    return int(uniform(state) * count)


@numba.njit(cache=True, nogil=True)
def normal(state: np.ndarray) -> float:
    """A number of the standard normal distribution."""
    while True:
        word = _word(state)
        layer = int(word & np.uint64(255))
        # The uppermost 53 bits with their sign: none of them chose the layer.
        x = (np.int64(word) >> np.int64(11)) * (1.0 / 4503599627370496.0) * _ENDS[layer]
        if abs(x) < _ENDS[layer + 1]:
            return x
        if layer == 0:
            # Marsaglia's tail.
            while True:
                far = -math.log(1.0 - uniform(state)) / _TAIL
                if -2.0 * math.log(1.0 - uniform(state)) > far * far:
                    return math.copysign(_TAIL + far, x)
        if _HEIGHTS[layer] + uniform(state) * (_HEIGHTS[layer + 1] - _HEIGHTS[layer]) < math.exp(-x * x / 2):
            return x
