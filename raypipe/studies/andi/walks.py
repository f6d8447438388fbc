"""Walks of the five models of the AnDi challenge in one to three dimensions, as displacements, in compiled code.

The models are those of Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021). Their distributions are those of the package
andi-datasets, including what starts at time 0 and how times are converted to whole steps.

A walk of T positions has T − 1 displacements. The functions write them to `out`, shape (dimensions, T − 1), and draw
random numbers from `state`.
"""

import math

import numpy as np
import scipy.fft

from raypipe.compiled import compiled
from raypipe.studies.andi.draws import below, normal, normals, uniform

ATTM, CTRW, FBM, LW, SBM = range(5)
"""Indices in `diffusion.ANDI_MODELS`."""

_SPEED = 10.0
"""Largest speed of a Lévy walk; speeds are uniform from 0."""


@compiled()
def _in_any_direction(state: np.ndarray, length: float) -> tuple[float, float, float]:
    """A step in three dimensions: of the given length, in a direction that is uniform on the sphere."""
    x, y, z = normal(state), normal(state), normal(state)
    scale = length / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@compiled()
def _brownian(state: np.ndarray, deviation: float, out: np.ndarray, first: int, last: int) -> None:
    """Brownian steps as in the package: normal along each axis; in three dimensions, only their length is normal."""
    if out.shape[0] == 3:
        for at in range(first, last):
            out[0, at], out[1, at], out[2, at] = _in_any_direction(state, deviation * normal(state))
        return
    for axis in range(out.shape[0]):
        steps = out[axis, first:last]
        normals(state, steps)
        for at in range(len(steps)):
            steps[at] *= deviation


@compiled()
def _around_one_place(out: np.ndarray, first: int, last: int) -> None:
    """Turn steps that all start where the first one starts into the steps between their end points."""
    for axis in range(out.shape[0]):
        steps = out[axis]
        for at in range(last - 1, first, -1):
            steps[at] -= steps[at - 1]


@compiled()
def attm(state: np.ndarray, exponent: float, as_package: bool, out: np.ndarray) -> None:
    """Annealed transient time motion, regime 1: a diffusivity D is kept for a time D^(−γ); 0.03 ≤ α ≤ 1.

    P(D) ~ D^(σ − 1); σ is uniform from 0.03 to 3.3, restricted to σ ≤ γ ≤ σ + 1 with γ = σ/α. D is drawn as u^(1/σ)
    with u uniform from 0.01 to 0.9, which keeps it away from 0 and 1. In three dimensions, the package adds each step
    to the position where the present diffusivity began instead of to the last position; with `as_package`, this
    function does the same.
    """
    sigma = 0.0
    while True:
        sigma = 3 * (0.01 + 1.09 * uniform(state))
        if sigma / exponent <= sigma + 1:
            break
    steps, total = 0, out.shape[1]
    while steps < total:
        log = math.log(0.9 - 0.89 * uniform(state))
        # D^(−γ) is u^(−1/α).
        last = int(min(steps + math.exp(-log / exponent), total))
        _brownian(state, math.sqrt(2.0) * math.exp(log / (2 * sigma)), out, steps, last)
        if as_package and out.shape[0] == 3:
            _around_one_place(out, steps, last)
        steps = last


@compiled()
def ctrw(state: np.ndarray, exponent: float, out: np.ndarray) -> None:
    """Continuous-time random walk: normal jumps after waiting times of density ~ t^(−1 − α), t ≥ 1; 0 < α ≤ 1."""
    out[:] = 0.0
    time, total = 0.0, out.shape[1]
    while True:
        time += math.exp(-math.log(1 - uniform(state)) / exponent)
        if time >= total + 1:
            return
        _brownian(state, 1.0, out, int(time) - 1, int(time))


@compiled()
def lw(state: np.ndarray, exponent: float, out: np.ndarray) -> None:
    """Lévy walk: flights at constant speed, of durations with density ~ t^(−1 − σ), t ≥ 1, σ = 3 − α; 1 ≤ α ≤ 2.

    For α = 2, σ is drawn for each walk, uniform from 0 to 1. The first step of the first flight lies before position 0.
    """
    dimensions, total = out.shape
    sigma = uniform(state) if exponent == 2 else 3 - exponent
    speed = _SPEED * uniform(state)
    at = -1
    while at < total:
        duration = math.exp(-math.log(1 - uniform(state)) / sigma)
        last = total if duration > total + 1 else min(at + int(duration), total)
        x = y = z = 0.0
        if dimensions == 3:
            x, y, z = _in_any_direction(state, speed)
        elif dimensions == 2:
            angle = 2 * math.pi * uniform(state)
            x, y = speed * math.cos(angle), speed * math.sin(angle)
        else:
            x = speed if below(state, 2) else -speed
        for step in range(max(at, 0), last):
            out[0, step] = x
            if dimensions > 1:
                out[1, step] = y
            if dimensions > 2:
                out[2, step] = z
        at = last


def sbm_deviations(exponent: float, displacements: int) -> np.ndarray:
    """Standard deviations of the steps of scaled Brownian motion, with the variances (t + 1)^α − t^α, t = 1, 2, ….

    Args:
        exponent: α, above 0 and up to 2.
        displacements: number of displacements.

    Returns:
        (displacements,), float64.
    """
    return np.sqrt(np.diff(np.arange(1, displacements + 2, dtype="float64") ** exponent))


@compiled()
def sbm(state: np.ndarray, deviations: np.ndarray, out: np.ndarray) -> None:
    """Scaled Brownian motion: normal steps with the standard deviations from `sbm_deviations`."""
    for axis in range(out.shape[0]):
        steps = out[axis]
        normals(state, steps)
        for at in range(len(steps)):
            steps[at] *= deviations[at]


def amplitudes(exponent: float, displacements: int) -> np.ndarray:
    """Standard deviations of the spectrum of periodic fractional Gaussian noise, for the method of Davies and Harte.

    Args:
        exponent: α = 2 H, above 0 and below 2.
        displacements: number of displacements; the period n is at least twice as long.

    Returns:
        Standard deviations of the real and imaginary parts at the frequencies 0 to n/2, (n/2 + 1,), float64.
    """
    half = scipy.fft.next_fast_len(displacements, real=True)
    lag = np.arange(half + 1, dtype="float64")
    covariance = ((lag + 1) ** exponent + np.abs(lag - 1) ** exponent) / 2 - lag**exponent
    eigenvalues = scipy.fft.rfft(np.concatenate([covariance, covariance[-2:0:-1]])).real
    # They are positive (P. F. Craigmile, J. Time Ser. Anal. 24, 505 (2003)), apart from rounding errors.
    found: np.ndarray = np.sqrt(np.maximum(eigenvalues, 0.0) * half)
    # At the frequencies 0 and n/2 there is only a real part, which has the whole variance.
    found[[0, -1]] *= math.sqrt(2)
    return found


@compiled()
def spectrum(state: np.ndarray, deviations: np.ndarray, out: np.ndarray) -> None:
    """Draw a spectrum with the standard deviations from `amplitudes` into `out`, complex and of the same length."""
    last = len(out) - 1
    parts = out.view(np.float64)
    normals(state, parts[1 : 2 * last + 1])  # one per real part, and per imaginary part except the first and the last
    parts[0], parts[1], parts[2 * last + 1] = parts[1], 0.0, 0.0
    for i in range(last + 1):
        parts[2 * i] *= deviations[i]
        parts[2 * i + 1] *= deviations[i]


def fractional(spectra: np.ndarray, displacements: int) -> np.ndarray:
    """Fractional Gaussian noise, the displacements of fractional Brownian motion, by an exact method.

    The method is that of R. B. Davies, D. S. Harte, Biometrika 74, 95 (1987).

    Args:
        spectra: of each axis of each walk, (walks, dimensions, n/2 + 1), as `spectrum` draws them.
        displacements: number of displacements.

    Returns:
        (walks, dimensions, displacements), float64, with variance 1.
    """
    noise: np.ndarray = scipy.fft.irfft(spectra, n=2 * (spectra.shape[-1] - 1), axis=-1, overwrite_x=True)
    return noise[..., :displacements]
