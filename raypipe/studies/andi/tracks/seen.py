"""What networks of tracks see of a track: the same however it is shifted, scaled, turned or mirrored.

A track's steps are turned into a frame of its own, along the axes in which they are largest and smallest, each of
positive skewness, and divided by their root mean square. So are the positions, less their mean. Beside both stand the
time, from −1 to 1, and the logarithm of the number of steps.

Tracks of like length go through a network together, filled up with zeros at the end. The networks look only back in
time, beyond STRIDE times, and what they see after the end of a track has no weight in the windows, which are the last
channels: weights of every STRIDE-th time, of mean 1.
"""

import numpy as np

from raypipe.networks.architecture import Architecture

STRIDE = 8
"""Steps per value of what a network's convolutions give in the end."""

WINDOWS = 8
"""Parts of a track over which a network takes means: they overlap by half, and all together weigh every step alike."""

FEWEST, MOST = 10, 1000
"""Points of a track that a network can see; of a longer one it sees every so many, see `collect`."""

_STEEPEST = 10.0
"""A step larger than so many root mean squares is seen as so large."""


def _sizes() -> np.ndarray:
    found = [2 * STRIDE]
    while found[-1] < MOST:
        found.append(min(-(-int(found[-1] * 1.21) // STRIDE) * STRIDE, MOST))
    return np.array(found)


SIZES = _sizes()
"""Numbers of steps to which tracks are filled up."""


def channels(dimensions: int) -> int:
    """How many numbers a network sees of a time: steps and positions by axis, time, length, and the windows."""
    return 2 * dimensions + 2 + WINDOWS


def size(length: np.ndarray) -> np.ndarray:
    """To which of SIZES tracks of so many points are filled up."""
    found: np.ndarray = SIZES[np.searchsorted(SIZES, length - 1)]
    return found


def misfit(architecture: Architecture, shape: tuple[int, ...]) -> str | None:
    """Why the network cannot see tracks of this shape, (time,) or (time, axis); None if it can."""
    dimensions, found = (architecture.input_shape[-1] or 0) - channels(0), 2 * int(np.prod(shape[1:]))
    return None if found == dimensions else f"has tracks in {found // 2} dimensions, not {dimensions // 2}"


def seen(position: np.ndarray, length: np.ndarray) -> np.ndarray:
    """What networks see of tracks.

    Args:
        position: (n, at least max(length), dimensions), or without the last in one dimension; finite, but for what
            comes after the length of a track, which is not looked at.
        length: points of each track, (n,), FEWEST … MOST.

    Returns:
        (n, time, channels) float32, of as many times as `size` says for the longest.
    """
    from raypipe.studies.andi.tracks.compiled import fill  # planning does without compiled code

    position = np.ascontiguousarray(position.reshape(*position.shape[:2], -1), "float64")
    found = np.zeros((len(position), int(size(length.max())), channels(position.shape[2])), "float32")
    fill(position, np.asarray(length, "int64"), STRIDE, WINDOWS, _STEEPEST, found)
    return found


def at_rest(taken: np.ndarray) -> np.ndarray:
    """Of what a network sees of a track, (time, channels), the same of one of as many points that does not move."""
    resting = taken[None].copy()
    resting[..., : -2 - WINDOWS] = 0
    return resting
