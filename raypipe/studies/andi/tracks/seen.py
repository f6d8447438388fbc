"""What networks of tracks see of a track: the same however it is shifted, scaled, turned or mirrored.

A track's steps are turned into a frame of its own, along the axes in which it spreads most and least, and divided by
their root mean square. Tracks of like length go through a network together, filled up with zeros at the end: the
networks look only back in time, and what they see of the end of a track they forget by `windows`.
"""

import numpy as np

from raypipe.networks.architecture import Architecture

STRIDE = 8
"""Steps per value of what a network's convolutions give in the end."""

WINDOWS = 8
"""Parts of a track over which a network takes means: they overlap by half, and all together weigh every step alike."""

FEWEST, MOST = 10, 1000
"""Points of a track that a network can see; those of a longer one are seen in parts."""

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
    position = position.reshape(*position.shape[:2], -1)
    steps, times = length - 1, int(size(length.max()))
    count, _, dimensions = position.shape
    time = np.arange(times)
    inside = time < steps[:, None]
    step = np.zeros((count, times, dimensions))
    given = min(times, position.shape[1] - 1)
    step[:, :given] = np.diff(position[:, : given + 1], axis=1) * inside[:, :given, None]
    step = _unit(_turned(step), steps)
    place = np.cumsum(step, axis=1)
    place = (place - (place * inside[..., None]).sum(axis=1, keepdims=True) / steps[:, None, None]) * inside[..., None]
    found = np.zeros((count, times, channels(dimensions)), "float32")
    found[..., :dimensions] = np.clip(step, -_STEEPEST, _STEEPEST)
    found[..., dimensions : 2 * dimensions] = _unit(place, steps)
    found[..., 2 * dimensions] = (2 * (time + 0.5) / steps[:, None] - 1) * inside
    found[..., 2 * dimensions + 1] = (np.log(steps / 100) / 2)[:, None] * inside
    found[..., 2 * dimensions + 2 :] = _windows(steps, times)
    return found


def _turned(step: np.ndarray) -> np.ndarray:
    """Steps (n, time, axis) along the axes of their second moments, the largest first, each of positive skewness."""
    if step.shape[2] > 1:
        _, axes = np.linalg.eigh(np.einsum("nti,ntj->nij", step, step))
        step = np.einsum("nti,nij->ntj", step, axes[:, :, ::-1])
    skewness = np.einsum("nti,nti,nti->ni", step, step, step)
    turned: np.ndarray = step * np.where(skewness < 0, -1.0, 1.0)[:, None]
    return turned


def _unit(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values (n, time, axis) over their root mean square over steps and axes; zeros stay zeros."""
    square = np.einsum("nti,nti->n", values, values) / (steps * values.shape[2])
    unit: np.ndarray = values / np.sqrt(np.where(square > 0, square, 1))[:, None, None]
    return unit


def _windows(steps: np.ndarray, times: int) -> np.ndarray:
    """Weights (n, time, window) of every STRIDE-th time, 0 at others and after a track's end; a window's mean is 1."""
    time = np.arange(times)
    count = -(-steps // STRIDE)[:, None]
    at = np.clip((time // STRIDE + 0.5) / count * WINDOWS, 0.5, WINDOWS - 0.5)
    weight = np.clip(1 - np.abs(at[..., None] - (np.arange(WINDOWS) + 0.5)), 0, None)
    here = (time < steps[:, None]) & (time % STRIDE == 0)
    found: np.ndarray = weight * (here * WINDOWS / count)[..., None]
    return found
