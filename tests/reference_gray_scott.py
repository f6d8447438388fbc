"""The Gray-Scott system in plain NumPy, straight from the published description: a reference for the tests.

Deliberately independent of the package: no import from it, `np.roll` for every neighbour, one expression per line of
the description. C. Scholz, S. Scholz, Am. J. Phys. (2022), arXiv:2110.07306.
"""

import numpy as np
from scipy import ndimage


def initial_state(seed: int, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Return the fields u and v at t = 0, each (size, size), from NumPy's legacy generator."""
    generator = np.random.RandomState(seed)
    sx, sy = 0.5, 0.5
    while not 0.2 <= max(abs(sx - 0.5), abs(sy - 0.5)) <= 0.4:
        sx = 0.8 * generator.rand() + 0.1
        sy = 0.8 * generator.rand() + 0.1

    u = np.ones((size, size))
    v = np.zeros((size, size))
    row, column = round(size * sx), round(size * sy)
    for r, c, u_inside, v_inside in [
        (size // 2, size // 2, 0.5, 0.25),
        (row, column, 0.5, 0.25),
        (row + 6, column + 9, 0.99, 0.01),
    ]:
        for y in range(max(r - 9, 0), min(r + 11, size)):
            for x in range(max(c - 9, 0), min(c + 11, size)):
                u[y, x] = u_inside
                v[y, x] = v_inside

    generator.randn(size, size)
    generator.randn(size, size)
    angle = generator.randint(0, 89)
    u = ndimage.rotate(u, angle, order=3, mode="wrap", prefilter=False, reshape=False)
    v = ndimage.rotate(v, angle, order=3, mode="wrap", prefilter=False, reshape=False)
    generator.uniform()
    shift = int(size * generator.uniform())
    return np.roll(u, shift, axis=0), np.roll(v, shift, axis=0)


def laplacian(field: np.ndarray) -> np.ndarray:
    """Compute the periodic 9-point Laplacian: centre -3, edge neighbours 1/2, corners 1/4."""
    north, south = np.roll(field, 1, axis=0), np.roll(field, -1, axis=0)
    west, east = np.roll(field, 1, axis=1), np.roll(field, -1, axis=1)
    corners = np.roll(north, 1, axis=1) + np.roll(north, -1, axis=1) + np.roll(south, 1, axis=1)
    corners = corners + np.roll(south, -1, axis=1)
    return 0.5 * (north + south + west + east) + 0.25 * corners - 3 * field


def integrate(
    u: np.ndarray,
    v: np.ndarray,
    f: float,
    k: float,
    steps: int,
    diffusion_u: float = 0.2,
    diffusion_v: float = 0.1,
    time_step: float = 0.25,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fields after `steps` forward Euler steps, in the precision of u and v."""
    for _ in range(steps):
        reaction = u * v * v
        u_change = diffusion_u * laplacian(u) - reaction + f * (1 - u)
        v_change = diffusion_v * laplacian(v) + reaction - (f + k) * v
        u = u + time_step * u_change
        v = v + time_step * v_change
    return u, v
