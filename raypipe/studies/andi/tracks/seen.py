"""The input of networks of tracks, which does not change if a track is shifted, scaled, turned or mirrored.

The steps of a track are rotated into its own frame, along the principal axes of their second moments, largest first,
each with a positive third moment. They are then divided by their root mean square. The positions in this frame have
their mean subtracted and are divided by their own root mean square. Two more channels are the time, from −1 to 1, and
the logarithm of the number of steps.

Tracks of similar length go through a network together, padded with zeros at the end. Apart from grouping STRIDE times
into one, the networks look only back in time, and whatever they compute after the end of a track has no weight in the
windows. These are the last channels: each window has a weight at every STRIDE-th time. On average over the windows, the
weights of a window sum to 1 over time.
"""

import numpy as np

from raypipe.networks.architecture import Architecture

STRIDE = 8
"""Number of steps per value in the final output of a network's convolutions."""

WINDOWS = 8
"""Number of parts of a track over which a network averages. They overlap by half, and together weight all steps
equally."""

FEWEST, MOST = 10, 1000
"""Smallest and largest number of points of a track that a network can see; `collect` thins longer tracks."""

_STEEPEST = 10.0
"""Steps are clipped at this multiple of their root mean square."""


def _sizes() -> np.ndarray:
    found = [2 * STRIDE]
    while found[-1] < MOST:
        found.append(min(-(-int(found[-1] * 1.21) // STRIDE) * STRIDE, MOST))
    return np.array(found)


SIZES = _sizes()
"""Numbers of steps to which tracks are padded."""


def channels(dimensions: int) -> int:
    """Number of input channels: steps and positions along each axis, time, length, and the windows."""
    return 2 * dimensions + 2 + WINDOWS


def size(length: np.ndarray) -> np.ndarray:
    """The value of SIZES to which tracks with these numbers of points are padded."""
    return SIZES[np.searchsorted(SIZES, length - 1)]


def misfit(architecture: Architecture, shape: tuple[int, ...]) -> str | None:
    """Why the network cannot take tracks of this shape, (time,) or (time, axis); None if it can."""
    dimensions, found = (architecture.input_shape[-1] or 0) - channels(0), 2 * int(np.prod(shape[1:]))
    return None if found == dimensions else f"has tracks in {found // 2} dimensions, not {dimensions // 2}"


def seen(position: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The input of networks for tracks.

    Args:
        position: (n, at least max(length), dimensions), or without the last axis in one dimension. Values after the
            length of a track are ignored; all others must be finite.
        length: number of points of each track, (n,), FEWEST … MOST.

    Returns:
        (n, time, channels) float32, with as many times as `size` gives for the longest track.
    """
    from raypipe.studies.andi.tracks.compiled import fill  # planning does not need compiled code

    position = np.ascontiguousarray(position.reshape(*position.shape[:2], -1), "float64")
    found = np.zeros((len(position), int(size(length.max())), channels(position.shape[2])), "float32")
    fill(position, np.asarray(length, "int64"), STRIDE, WINDOWS, _STEEPEST, found)
    return found


def at_rest(taken: np.ndarray) -> np.ndarray:
    """The input (1, time, channels) for a track at rest with as many points as that of the input `taken`."""
    resting = taken[None].copy()
    resting[..., : -2 - WINDOWS] = 0
    return resting
