"""States from which a simulation starts, beside the study's own: fields u and v at t = 0.

Sources: J. Pearson, Science 261 (1993), for his square; R. Munafo, mrob.com/pub/comp/xmorphia, for the inverse start.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from raypipe.errors import InputError
from raypipe.store import objects
from raypipe.studies.gray_scott.integrator import initial_state

Fields = tuple[np.ndarray, np.ndarray]

NAMED = ("study", "inverse", "noise", "pearson")
"""Starts that need no file."""

_DIGEST = 64
"""Letters of a SHA-256, by which a start from a file is known."""


def blue_state(f: float, k: float) -> tuple[float, float]:
    """The homogeneous state (u, v) of low u; where it does not exist, the one at which it would appear first.

    It solves u v² = f (1 - u) = (f + k) v; real if 4 (f + k)² ≤ f. (1, 0) where nothing is fed.
    """
    if not f:
        return 1.0, 0.0
    root = np.sqrt(max(0.0, 1 - 4 * (f + k) ** 2 / f))
    u = float(1 - root) / 2
    return u, f * (1 - u) / (f + k)


def state(start: str, seed: int, size: int, f: float, k: float) -> Fields:
    """The fields u and v at t = 0, each (size, size) float64.

    Args:
        start: study, that of `integrator.initial_state`; inverse, the study's squares of u = 1, v = 0 dug into
            `blue_state`; noise, in each cell u from 0.5 to 1 and v from 0 to 0.25, uniform; pearson, in u = 1, v = 0 a
            square of a twelfth of the grid's width with u = 0.5, v = 0.25 and 1 % of noise; or what `keep` returned.
        seed: of what is random, 0 to 2³² - 1.
        size: of the grid.
        f: feed rate.
        k: kill rate.

    Raises:
        InputError: as `integrator.initial_state`, or if there is no such start.
    """
    if start == "study":
        return initial_state(seed, size)
    if start == "inverse":
        squares = 2 * (1 - initial_state(seed, size)[0])  # 1 inside, 0 outside
        u, v = blue_state(f, k)
        return u + (1 - u) * squares, v * (1 - squares)
    random = np.random.default_rng(seed)
    if start == "noise":
        return random.uniform(0.5, 1, (size, size)), random.uniform(0, 0.25, (size, size))
    if start == "pearson":
        fields = np.stack([np.ones((size, size)), np.zeros((size, size))])
        inside = slice(size // 2 - size // 24, size // 2 + size // 24 + 1)
        square = fields[:, inside, inside]
        square[:] = np.array([0.5, 0.25])[:, None, None] * (1 + 0.01 * random.uniform(-1, 1, square.shape))
        return fields[0], fields[1]
    return _kept(start, size)


def _path(digest: str) -> str:
    return f"gray_scott/starts/{digest}.npy"


def check(start: str) -> None:
    """Raise InputError unless there is such a start."""
    if start not in NAMED and not (len(start) == _DIGEST and objects.exists(_path(start))):
        raise InputError(f"unknown start {start!r}; choose one of {', '.join(NAMED)}, or a file with u and v")


def keep(file: Path) -> str:
    """Put the fields of a file beside the data sets that start from them; returns what they are called there.

    Args:
        file: .npz with u and v, each (size, size), or .npy with both, (2, size, size).

    Raises:
        InputError: if it cannot be read, or holds no such fields.
    """
    try:
        with file.open("rb") as opened:
            found = np.load(opened, allow_pickle=False)
            fields = np.stack([found["u"], found["v"]]) if isinstance(found, np.lib.npyio.NpzFile) else found
            fields = np.asarray(fields, "float64")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {file}: {error}; expected .npz with u and v, or .npy with both") from error
    if fields.ndim != 3 or len(fields) != 2 or fields.shape[1] != fields.shape[2] or not np.isfinite(fields).all():
        raise InputError(
            f"{file} holds numbers of shape {fields.shape}; expected finite u and v on a square grid, (2, size, size)"
        )
    data = io.BytesIO()
    np.save(data, fields)
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    objects.create(_path(digest), data.getvalue())
    return digest


def size_of(start: str) -> int | None:
    """Grid points along each side of a start that `keep` returned; None of others, which are of any size."""
    return None if start in NAMED else len(_fields(start)[0])


def check_size(cells: int, size: int) -> None:
    """Raise InputError unless a start of so many grid points along each side is that of a simulation of this size."""
    if cells != size:
        raise InputError(
            f"the start has {cells} × {cells} cells, the simulation {size} × {size}; give it --size {cells}"
        )


def _kept(digest: str, size: int) -> Fields:
    u, v = _fields(digest)
    check_size(len(u), size)
    return u, v


def _fields(digest: str) -> Fields:
    data = objects.get(_path(digest))
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError(f"the start {_path(digest)} is damaged; remove it, and give its file again with --start")
    u, v = np.load(io.BytesIO(data), allow_pickle=False)
    return u, v
