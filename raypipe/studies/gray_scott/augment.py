"""Random variants of patterns for training, as in Scholz and Scholz, arXiv:2110.07306.

A pattern lives on a periodic plane, so whatever a variant takes from beyond the edge is taken from the other side.
Every translation is an exact symmetry of the equations; rotation, shear and zoom leave a seam at the edge.
"""

import numba
import numpy as np

ZOOM = 0.2
"""Largest relative change of size, along each axis."""

SHEAR = 0.2
"""Largest shear, as displacement along x over distance along y."""

INTENSITY = 0.05
"""Largest relative change of the values."""


def augment(patterns: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random variant of each pattern (sample, y, x, …), float32; all frames of a pattern change alike.

    Any rotation and shift, flips of both axes, shear, zoom up to 20 % and intensity up to 5 %, all uniform; values
    between grid points are interpolated linearly, beyond the edge they come from the other side.
    """
    samples, height, width = patterns.shape[:3]
    angle = random.uniform(0, 2 * np.pi, samples)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, 2, 2)
    shear = np.tile(np.eye(2), (samples, 1, 1))
    shear[:, 1, 0] = random.uniform(-SHEAR, SHEAR, samples)
    zoom = random.uniform(1 - ZOOM, 1 + ZOOM, (samples, 2)) * random.choice((-1, 1), (samples, 2))
    shift = random.uniform(0, (height, width), (samples, 2))
    intensity = random.uniform(1 - INTENSITY, 1 + INTENSITY, size=samples)
    variants: np.ndarray = _warp(
        patterns.reshape(samples, height, width, -1), rotation @ shear * zoom[:, None, :], shift, intensity
    )
    return variants.reshape(patterns.shape)


@numba.njit(nogil=True)
def _warp(patterns, matrix, shift, intensity):  # type: ignore[no-untyped-def]
    """Each pattern seen through an affine map of its (y, x) about the centre, times its intensity."""
    samples, height, width, frames = patterns.shape
    result = np.empty_like(patterns)
    for sample in range(samples):
        for row in range(height):
            for column in range(width):
                down, right = row - 0.5 * (height - 1), column - 0.5 * (width - 1)
                y = matrix[sample, 0, 0] * down + matrix[sample, 0, 1] * right + 0.5 * (height - 1) + shift[sample, 0]
                x = matrix[sample, 1, 0] * down + matrix[sample, 1, 1] * right + 0.5 * (width - 1) + shift[sample, 1]
                top, left = int(np.floor(y)), int(np.floor(x))
                lower, after = np.float32(y - top), np.float32((x - left) * intensity[sample])
                upper, before = np.float32(1) - lower, np.float32(intensity[sample]) - after
                top, left = top % height, left % width
                bottom = top + 1 if top + 1 < height else 0
                beside = left + 1 if left + 1 < width else 0
                for frame in range(frames):
                    result[sample, row, column, frame] = (
                        upper * before * patterns[sample, top, left, frame]
                        + upper * after * patterns[sample, top, beside, frame]
                        + lower * before * patterns[sample, bottom, left, frame]
                        + lower * after * patterns[sample, bottom, beside, frame]
                    )
    return result
