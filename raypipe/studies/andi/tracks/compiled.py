"""The input of networks for tracks, in compiled code; see `seen` for what it contains."""

import math

import numpy as np

from raypipe.compiled import compiled


@compiled()
def fill(position: np.ndarray, length: np.ndarray, stride: int, windows: int, steepest: float, out: np.ndarray) -> None:
    """Write the input for tracks (n, time, axis) of the given lengths to `out` (n, time, channels), initially zeros."""
    dimensions = position.shape[2]
    for i in range(len(length)):
        steps = length[i] - 1
        step = np.empty((dimensions, steps))
        for axis in range(dimensions):
            for t in range(steps):
                step[axis, t] = position[i, t + 1, axis] - position[i, t, axis]
        step = _turned(step)
        scale = _over_root_mean_square(step)
        place, square = np.empty(steps), 0.0
        for axis in range(dimensions):
            at, mean = 0.0, 0.0
            for t in range(steps):
                value = step[axis, t] * scale
                out[i, t, axis] = min(max(value, -steepest), steepest)
                at += value
                place[t] = at
                mean += at
            mean /= steps
            for t in range(steps):
                value = place[t] - mean
                square += value * value
                out[i, t, dimensions + axis] = value
        size = math.sqrt(square / (steps * dimensions))
        scale = 1 / size if size > 0 else 1.0
        logarithm = math.log(steps / 100) / 2
        for t in range(steps):
            for axis in range(dimensions, 2 * dimensions):
                out[i, t, axis] *= scale
            out[i, t, 2 * dimensions] = 2 * (t + 0.5) / steps - 1
            out[i, t, 2 * dimensions + 1] = logarithm
        count = -(-steps // stride)
        for k in range(count):
            at = min(max((k + 0.5) / count * windows, 0.5), windows - 0.5)
            for window in range(windows):
                weight = 1 - abs(at - (window + 0.5))
                if weight > 0:
                    out[i, k * stride, 2 * dimensions + 2 + window] = weight * windows / count


@compiled()
def _turned(step: np.ndarray) -> np.ndarray:
    """Steps (axis, time) along the principal axes of their second moments, largest first, of positive third moment."""
    if len(step) > 1:
        _, axes = np.linalg.eigh(step @ step.T)
        step = np.ascontiguousarray(axes[:, ::-1].T) @ step
    for axis in range(len(step)):
        skewness = 0.0
        for value in step[axis]:
            skewness += value * value * value
        if skewness < 0:
            step[axis] = -step[axis]
    return step


@compiled()
def _over_root_mean_square(values: np.ndarray) -> float:
    """One over the root mean square of all values; 1 if all are zero."""
    square = 0.0
    for row in values:
        for value in row:
            square += value * value
    return 1 / math.sqrt(square / values.size) if square > 0 else 1.0
