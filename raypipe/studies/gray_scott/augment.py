"""Random variants of patterns for training, as in Scholz and Scholz, arXiv:2110.07306.

A pattern lives on a periodic plane, so values beyond an edge are taken from the opposite side. Translations by whole
cells, reflections and quarter turns are symmetries of the equations and of the grid, so such a variant is itself a
solution: bit for bit, or with quarter turns up to rounding. Any other rotation, shear or zoom gives another window on
the plane: it is continuous inside, but its opposite edges do not match. The networks do not pad, so they never see
opposite edges side by side.
"""

import math

import numpy as np

from raypipe.compiled import compiled

ZOOM = 0.2
"""Largest relative change of size, along each axis."""

SHEAR = 0.2
"""Largest shear, as displacement along x over distance along y."""

INTENSITY = 0.05
"""Largest relative change of the values."""


def symmetric(patterns: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Apply a random exact symmetry to each pattern (sample, y, x, …) of equal height and width.

    The symmetry is one of the eight combinations of quarter turns and reflections, and a translation by whole cells,
    all equally likely. All frames of a pattern change alike.
    """
    samples, height, width = patterns.shape[:3]
    variants = np.empty_like(patterns)
    moves = random.integers(0, (4, 2, height, width), (samples, 4))
    for variant, pattern, (turns, reflected, down, right) in zip(variants, patterns, moves, strict=True):
        turned = np.rot90(pattern[::-1] if reflected else pattern, turns)
        variant[:] = np.roll(turned, (down, right), axis=(0, 1))
    return variants


def symmetric_or_free(patterns: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Apply `symmetric` or `free`, with equal probability, to each pattern (sample, y, x, …).

    Symmetric variants keep the wave number and the small changes from frame to frame that distinguish some classes;
    free variants show a network which differences to ignore.
    """
    exact = random.random(len(patterns)) < 0.5
    variants = np.empty_like(patterns)
    variants[exact] = symmetric(patterns[exact], random)
    variants[~exact] = free(patterns[~exact], random)
    return variants


def free(patterns: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Make a free variant of each pattern (sample, y, x, …), float32, as in the study; all its frames change alike.

    A variant has any rotation and shift, flips of both axes, shear up to 0.2, zoom up to 20 % along each axis and a
    change of intensity up to 5 %, all uniform. Values between grid points are interpolated linearly; values beyond an
    edge come from the opposite side.
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
        patterns.reshape(samples, height, width, math.prod(patterns.shape[3:])),
        rotation @ shear * zoom[:, None, :],
        shift,
        intensity,
    )
    return variants.reshape(patterns.shape)


@compiled()
def _warp(patterns, matrix, shift, intensity):  # type: ignore[no-untyped-def]
    """Sample each pattern at an affine map of its (y, x) about the centre, and multiply it by its intensity."""
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
