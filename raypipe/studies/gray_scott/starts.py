"""Initial states of simulations, the study's and others: fields u and v at t = 0.

Sources: J. Pearson, Science 261 (1993), for the square; R. Munafo, mrob.com/pub/comp/xmorphia, for the inverse start.
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
"""Initial states that need no file."""

_DIGEST = 64
"""Characters of the SHA-256 digest that identifies an initial state from a file."""


def blue_state(f: float, k: float) -> tuple[float, float]:
    """The homogeneous state (u, v) of low u; where it does not exist, with u = 1/2, the value at which it appears.

    It solves u v² = f (1 - u) = (f + k) v, and exists if 4 (f + k)² ≤ f. For f = 0, returns (1, 0).
    """
    if not f:
        return 1.0, 0.0
    root = np.sqrt(max(0.0, 1 - 4 * (f + k) ** 2 / f))
    u = float(1 - root) / 2
    return u, f * (1 - u) / (f + k)


def state(start: str, seed: int, size: int, f: float, k: float) -> Fields:
    """The fields u and v at t = 0, each (size, size) float64.

    Args:
        start: "study", as `integrator.initial_state`; "inverse", `blue_state` with u = 1, v = 0 in the study's squares;
            "noise", u and v of each cell uniform from 0.5 to 1 and from 0 to 0.25; "pearson", u = 1, v = 0 with a
            square of a twelfth of the grid's width in the centre, where u = 0.5, v = 0.25 with 1 % of noise; or a name
            returned by `keep`.
        seed: of the random numbers, 0 to 2³² - 1.
        size: of the grid.
        f: feed rate.
        k: kill rate.

    Raises:
        InputError: see `integrator.initial_state`; also if the initial state is unknown.
    """
    if start == "study":
        return initial_state(seed, size)
    if start == "inverse":
        squares = 2 * (1 - initial_state(seed, size)[0])  # 1 inside, 0 outside; 0.02 in the square of u = 0.99
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
    """Raise InputError unless this initial state exists."""
    if start not in NAMED and not (len(start) == _DIGEST and objects.exists(_path(start))):
        raise InputError(f"unknown start {start!r}; choose one of {', '.join(NAMED)}, or a file with u and v")


def keep(file: Path) -> str:
    """Copy the fields of a file into the store, beside the data sets that start from them, and return their name there.

    Args:
        file: .npz with u and v, each (size, size), or .npy with both, (2, size, size).

    Raises:
        InputError: if the file cannot be read, or does not contain such fields.
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
    """Grid points along each side of an initial state from `keep`; None for the others, which can have any size."""
    return None if start in NAMED else len(_fields(start)[0])


def check_size(cells: int, size: int) -> None:
    """Raise InputError unless the initial state's `cells` along each side are the simulation's `size`."""
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
