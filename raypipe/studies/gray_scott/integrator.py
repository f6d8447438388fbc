"""The Gray-Scott reaction-diffusion system on a periodic square grid: initial state and integration.

    du/dt = D_u ∇²u - u v² + f (1 - u)
    dv/dt = D_v ∇²v + u v² - (f + k) v

Grid spacing 1, forward Euler, and the 9-point Laplacian with centre -3, edge neighbours 1/2 and corners 1/4.

Sources: J. Pearson, Science 261 (1993); C. Scholz, S. Scholz, Am. J. Phys. (2022), arXiv:2110.07306.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from raypipe.errors import InputError

if TYPE_CHECKING:
    from raypipe.studies.gray_scott.kernel import Stepper

SMALLEST_SIZE = 21
STEPS_PER_CHECK = 1000
DATA_TYPES = ("float64", "float32")


class Frame(NamedTuple):
    """The fields u and v, each (size, size), at one time.

    `steps` is the number of steps computed so far. It is less than time / time step once an early end has been found.
    """

    time: float
    u: np.ndarray
    v: np.ndarray
    steps: int


def simulate(
    seed: int,
    f: float,
    k: float,
    *,
    diffusion_u: float = 0.2,
    diffusion_v: float = 0.1,
    size: int = 128,
    time_step: float = 0.25,
    frame_times: Sequence[float] = (14940, 14970, 15000),
    dtype: str = "float64",
    early_end: bool = True,
) -> np.ndarray:
    """Run one simulation from `initial_state(seed, size)` and return the field u, shape (size, size, frames).

    Raises:
        InputError: see `initial_state` and `integrate`, which also describe the parameters.
    """
    frames = integrate(
        *initial_state(seed, size),
        f,
        k,
        diffusion_u=diffusion_u,
        diffusion_v=diffusion_v,
        time_step=time_step,
        frame_times=frame_times,
        dtype=dtype,
        early_end=early_end,
    )
    return np.stack([frame.u for frame in frames], axis=-1)


def initial_state(seed: int, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Return the fields u and v at t = 0, each (size, size) float64; a seed always gives the same fields.

    Three squares of 20 x 20 cells in u = 1, v = 0: one in the centre and two that overlap at a random place. Squares
    are clipped at the border. The whole field is then rotated by a random angle and rolled by a random number of rows.
    The random numbers are those of NumPy's legacy RandomState(seed), with a seed from 0 to 2³² - 1.

    Raises:
        InputError: if the seed is out of range, or the size is too small for the square in the centre.
    """
    from scipy import ndimage

    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; expected an integer from 0 to {2**32 - 1}; choose another")
    if size < SMALLEST_SIZE:
        raise InputError(
            f"grid size is {size}; expected at least {SMALLEST_SIZE}, as the initial state has a square of 20 x 20 "
            "cells in its centre; choose a larger grid"
        )
    random = np.random.RandomState(seed)
    x = y = 0.5
    while not 0.2 <= max(abs(x - 0.5), abs(y - 0.5)) <= 0.4:
        x = 0.8 * random.rand() + 0.1
        y = 0.8 * random.rand() + 0.1
    centre, row, column = size // 2, round(size * x), round(size * y)

    u, v = np.ones((size, size)), np.zeros((size, size))
    for r, c, u_inside, v_inside in (
        (centre, centre, 0.5, 0.25),
        (row, column, 0.5, 0.25),
        (row + 6, column + 9, 0.99, 0.01),
    ):
        square = np.s_[max(r - 9, 0) : r + 11, max(c - 9, 0) : c + 11]
        u[square], v[square] = u_inside, v_inside

    # The study adds noise of amplitude 0, and draws a shift along the other axis that it does not use. Both are drawn
    # here too, so that the numbers drawn after them are the same.
    random.standard_normal((2, size, size))
    angle = random.randint(0, 89)
    random.uniform()
    shift = int(size * random.uniform())

    def turn(field: np.ndarray) -> np.ndarray:
        rotated = ndimage.rotate(field, angle, order=3, mode="wrap", prefilter=False, reshape=False)
        return np.roll(rotated, shift, axis=0)

    return turn(u), turn(v)


def integrate(
    u: np.ndarray,
    v: np.ndarray,
    f: float,
    k: float,
    *,
    diffusion_u: float = 0.2,
    diffusion_v: float = 0.1,
    time_step: float = 0.25,
    frame_times: Sequence[float] = (14940, 14970, 15000),
    dtype: str = "float64",
    early_end: bool = True,
) -> Iterator[Frame]:
    """Advance the fields by forward Euler and yield a `Frame` at each of `frame_times`; steps are computed on demand.

    Args:
        u: field at t = 0, (size, size) with a size of at least 2; not modified.
        v: field at t = 0, of the same shape; not modified.
        f: feed rate, at least 0, per unit of time.
        k: kill rate, at least 0, per unit of time.
        diffusion_u: diffusion coefficient of u, at least 0, in squared grid spacings per unit of time.
        diffusion_v: diffusion coefficient of v, likewise.
        time_step: above 0 and at most the diffusion limit, the smaller of 2 / (4 D_u + f) and 2 / (4 D_v + f + k).
        frame_times: multiples of the time step, at least 0, increasing.
        dtype: precision of the computation and of the frames, "float64" or "float32".
        early_end: whether to stop computing once the fields are bit for bit the same as two steps before. From then on
            they repeat for ever, so later frames are known. The frames are bit for bit the same with and without it.

    Raises:
        InputError: at the call, if an argument is not as described here; at a frame, if the fields have diverged.
    """
    steps = checked_steps(f, k, diffusion_u, diffusion_v, time_step, frame_times)
    if dtype not in DATA_TYPES:
        raise InputError(f"dtype is {dtype!r}; expected one of {', '.join(DATA_TYPES)}; choose one of them")
    if u.shape != v.shape or u.ndim != 2 or u.shape[0] != u.shape[1] or u.shape[0] < 2:
        raise InputError(f"the fields have shapes {u.shape} and {v.shape}; expected two equal squares of 2 x 2 or more")
    # Imported here because numba takes a second or two to import, and initial states do not need it.
    from raypipe.studies.gray_scott.kernel import Stepper

    stepper = Stepper(u.astype(dtype), v.astype(dtype), f, k, diffusion_u, diffusion_v, time_step)
    return _frames(stepper, steps, frame_times, early_end)


def _frames(stepper: "Stepper", steps: list[int], times: Sequence[float], early_end: bool) -> Iterator[Frame]:
    reached = computed = 0
    repeats = False
    for step, time in zip(steps, times, strict=True):
        while reached < step and not repeats:
            count = min(step - reached, STEPS_PER_CHECK)
            repeats = stepper.advance(count) and early_end
            reached += count
            computed += count
        if repeats:
            rest = (step - reached) % 2
            stepper.advance(rest)
            reached = step
            computed += rest
        frame = Frame(float(time), stepper.u, stepper.v, computed)
        if not (np.isfinite(frame.u).all() and np.isfinite(frame.v).all()):
            raise InputError(f"the fields have diverged before t = {time}; expected finite ones; shorten the time step")
        yield frame


def checked_steps(
    f: float, k: float, diffusion_u: float, diffusion_v: float, time_step: float, frame_times: Sequence[float]
) -> list[int]:
    """Return the number of steps from t = 0 to each frame.

    Raises:
        InputError: if `integrate` does not accept these settings.
    """
    _check_equation(f, k, diffusion_u, diffusion_v, time_step)
    return _steps_to(frame_times, time_step)


def _check_equation(f: float, k: float, diffusion_u: float, diffusion_v: float, time_step: float) -> None:
    rates = {"feed rate f": f, "kill rate k": k, "diffusion of u": diffusion_u, "diffusion of v": diffusion_v}
    for name, rate in rates.items():
        if not (math.isfinite(rate) and rate >= 0):
            raise InputError(f"{name} is {rate}; expected a finite number of at least 0; choose another")
    if not (math.isfinite(time_step) and time_step > 0):
        raise InputError(f"time step is {time_step}; expected a finite number above 0; choose another")
    # A plane wave whose phase advances by a and b from cell to cell along the two axes is an eigenvector of the
    # Laplacian, with the eigenvalue (1 + cos a)(1 + cos b) - 4 ≥ -4. Including the linear loss, a step multiplies the
    # wave by a factor of at least 1 - time_step (4 D + loss), which must not be below -1.
    for formula, rate in (("4 D_u + f", 4 * diffusion_u + f), ("4 D_v + f + k", 4 * diffusion_v + f + k)):
        if time_step * rate > 2:
            raise InputError(
                f"time step is {time_step}; expected no more than the diffusion limit of forward Euler, "
                f"2 / ({formula}) = {2 / rate:.6g}; shorten the time step"
            )


def _steps_to(frame_times: Sequence[float], time_step: float) -> list[int]:
    steps: list[int] = []
    for time in frame_times:
        if not (math.isfinite(time) and time >= 0):
            raise InputError(f"frame time is {time}; expected finite times of at least 0; leave it out")
        step = round(time / time_step)
        if not math.isclose(step * time_step, time, rel_tol=1e-9):
            raise InputError(
                f"frame time is {time}; expected a multiple of the time step {time_step}; "
                f"the nearest is {step * time_step:.6g}"
            )
        if steps and step <= steps[-1]:
            raise InputError(f"frame time {time} follows a later or equal one; expected them to increase; sort them")
        steps.append(step)
    if not steps:
        raise InputError("there are no frame times; expected at least one; add the last time of interest")
    return steps
