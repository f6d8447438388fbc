"""The plane of a scan as a lattice of cells: which ones to simulate next, and how to interpolate the others.

A cell is a pair of integers, its place on the lattice. Everything here depends only on these integers and on the
network's predictions, and distances are compared as integers: the choice of cells is the same on any machine.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan

NEAREST = 3
"""Number of nearest simulated cells that determine a cell; others as near as the last of them count as well."""

_LOOKED_AT = 16
"""Maximum number of neighbours that are considered: on a lattice, there are rarely more at the same distance."""

UNSURE = 0.6
"""A simulated cell whose class has a lower probability makes the cells around it worth simulating."""

LEAST_FILLED = 0.1
"""Minimum share of a lattice that the points of a scan fill; random points would fill far less."""

SEED = "seed"
"""Name of the parameter that only affects random numbers."""


@dataclass(frozen=True)
class Plane:
    """The points of a scan in the plane of two of its parameters, and those between them if it is made finer.

    Attributes:
        axes: names of the two parameters.
        values: values of each parameter along its side of the lattice, ascending.
        cells: (cell, 2) places of the cells on the lattice, int64, in ascending order.
        samples: (cell,) number of the scan's first sample at a cell; -1 between the scan's points.
        finer: number of steps of the lattice per step of the scan.
    """

    axes: tuple[str, str]
    values: tuple[np.ndarray, np.ndarray]
    cells: np.ndarray
    samples: np.ndarray
    finer: int

    @property
    def of_scan(self) -> np.ndarray:
        """Whether each cell is a point of the scan (cell,)."""
        return self.samples >= 0

    def find(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the numbers of the cells with these values of the two parameters; -1 where there is none."""
        number = {tuple(cell): place for place, cell in enumerate(self.cells.tolist())}
        places = [np.searchsorted(axis, given) for axis, given in zip(self.values, (first, second), strict=True)]
        known = np.ones(len(first), bool)
        for axis, given, place in zip(self.values, (first, second), places, strict=True):
            known &= axis[np.minimum(place, len(axis) - 1)] == given
        pairs = zip(*(place.tolist() for place in places), strict=True)
        return np.array([number.get(pair, -1) if here else -1 for pair, here in zip(pairs, known, strict=True)])


def plane_of(scan: Plan, axes: tuple[str, ...] = (), at: Mapping[str, Any] | None = None, finer: int = 1) -> Plane:
    """Return the plane of a scan.

    Args:
        scan: plan of the scan.
        axes: two of its parameters; by default the two that vary.
        at: values of further parameters at which the plane lies.
        finer: number of parts into which each step of the scan is divided, wherever all surrounding points of the
            lattice are in the scan.

    Raises:
        InputError: if there is no such plane, or its points are not on a lattice.
    """
    columns = {name: np.asarray(scan.coordinates[name].values) for name in scan.columns}
    there = np.ones(scan.samples, bool)
    for name, value in (at or {}).items():
        if name not in columns:
            raise InputError(f"{name} is not a parameter of {scan.name}; it has {', '.join(columns)}")
        there &= is_at(columns[name], value)
        if not there.any():
            known = ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in np.unique(columns[name]))
            raise InputError(f"{scan.name} has no points at {name} = {value}; it has {name} = {known}")
    varying = [name for name, values in columns.items() if name != SEED and len(np.unique(values[there])) > 1]
    chosen = axes or tuple(varying)
    if unknown := [name for name in chosen if name not in columns]:
        raise InputError(f"{unknown[0]} is not a parameter of {scan.name}; choose two of {', '.join(columns)}")
    if len(chosen) != 2 or set(chosen) != set(varying):
        others = [name for name in varying if name not in chosen] if axes else varying
        raise InputError(
            f"the points of {scan.name} vary in {', '.join(varying) or 'nothing'}, and the axes are "
            f"{', '.join(chosen) or 'none'}; expected two axes, and one value of all else but {SEED}: name two axes, "
            f"and values for the rest of {', '.join(others)}"
        )
    if finer < 1:
        raise InputError(f"{finer} times finer; expected 1 or more")
    values, places = [], []
    for name in chosen:
        given = columns[name][there]
        if given.dtype.kind not in "iuf" or (finer > 1 and given.dtype.kind != "f"):
            raise InputError(f"{name} has values of the type {given.dtype}; expected numbers that can be subdivided")
        axis, place = np.unique(given, return_inverse=True)
        values.append(_divided(axis, finer))
        places.append(place)
    points, first = np.unique(np.stack(places, axis=1), axis=0, return_index=True)
    lattice = [-(-len(one) // finer) for one in values]
    if len(points) < LEAST_FILLED * np.prod(lattice):
        raise InputError(
            f"the {len(points)} points of {scan.name} fill {len(points) / np.prod(lattice):.1%} of a lattice of "
            f"{' × '.join(map(str, lattice))}; expected points on a lattice, such as raypipe.plan.product makes"
        )
    cells = _between(points, finer)
    samples = np.full(len(cells), -1)
    samples[(cells % finer == 0).all(axis=1)] = np.flatnonzero(there)[first]
    return Plane((chosen[0], chosen[1]), (values[0], values[1]), cells, samples, finer)


def is_at(values: np.ndarray, value: Any) -> np.ndarray:
    """Return which values of a parameter equal a given one up to rounding, such as that of `np.linspace`."""
    numbers = values.dtype.kind in "iuf" and isinstance(value, int | float)
    return np.isclose(values, value, rtol=1e-9, atol=0) if numbers else values == value


def _divided(axis: np.ndarray, finer: int) -> np.ndarray:
    """Divide each step of an axis; the original values stay the same, bit for bit."""
    if finer == 1:
        return axis
    parts = axis[:-1, None] + np.diff(axis)[:, None] * (np.arange(finer) / finer)
    divided = np.append(parts.ravel(), axis[-1])
    divided[::finer] = axis
    return divided


def _between(points: np.ndarray, finer: int) -> np.ndarray:
    """Return the cells of a finer lattice that lie on points or between points that all exist; ascending."""
    there = np.zeros(points.max(axis=0) + 2, bool)
    there[tuple(points.T)] = True
    fine = np.stack(np.meshgrid(*(np.arange((size - 2) * finer + 1) for size in there.shape), indexing="ij"), axis=-1)
    low, high = fine // finer, -(-fine // finer)
    inside = np.ones(fine.shape[:2], bool)
    for row in (low, high):
        for column in (low, high):
            inside &= there[row[..., 0], column[..., 1]]
    return fine[inside].astype("int64")


def points(scan: Plan, plane: Plane, chosen: np.ndarray) -> dict[str, Coordinate]:
    """Return the coordinates of the samples at some cells, given by number: the scan's own values where it has them.

    If the scan's seeds vary, the seed of a cell between its points follows from the place on the lattice, and is above
    all seeds of the scan.

    Raises:
        InputError: if the data type of the seeds does not hold those between the points.
    """
    here = plane.samples[chosen]
    own, made = here >= 0, {}
    for name, coordinate in scan.coordinates.items():
        if coordinate.dims != ("sample",):
            continue
        values = np.asarray(coordinate.values)
        taken = values[here]
        if name in plane.axes:
            side = plane.axes.index(name)
            taken = plane.values[side][plane.cells[chosen, side]]
        elif name == SEED and values.min() < values.max():
            taken[~own] = _further_seeds(scan.name, values, plane, chosen[~own])
        elif name not in scan.columns and len(np.unique(values)) > 1:
            continue  # unknown between the points
        elif not own.all():
            taken = np.full(len(chosen), values[plane.samples[plane.of_scan][0]], values.dtype)
        made[name] = Coordinate(("sample",), taken, coordinate.attributes)
    return made


def _further_seeds(name: str, seeds: np.ndarray, plane: Plane, chosen: np.ndarray) -> np.ndarray:
    """Return the seeds of cells between the points, from exact integers: NumPy's wrap around or become floats."""
    columns, first = len(plane.values[1]), int(seeds.max()) + 1
    last = first + len(plane.values[0]) * columns - 1
    most = np.iinfo(seeds.dtype).max if seeds.dtype.kind in "iu" else 2 ** (np.finfo(seeds.dtype).nmant + 1)
    if len(chosen) and last > most:
        raise InputError(
            f"{SEED} of {name} is up to {first - 1}, and points in between need seeds up to {last}; expected at most "
            f"{most} for the type {seeds.dtype}: plan smaller seeds, or do not divide the steps"
        )
    return np.array([first + row * columns + column for row, column in plane.cells[chosen].tolist()], seeds.dtype)


def coarse(plane: Plane, every: int) -> np.ndarray:
    """Return the numbers of the cells to start with: every n-th of the scan's points along each axis, n being `every`.

    Raises:
        InputError: if there are fewer than `NEAREST`.
    """
    if every < 1:
        raise InputError(f"every {every}-th point at first; expected 1 or more")
    found = np.flatnonzero((plane.cells % (every * plane.finer) == 0).all(axis=1))
    if len(found) < NEAREST:
        raise InputError(
            f"every {every}-th point along each axis is {len(found)} of {plane.of_scan.sum()} in all; expected at "
            f"least {NEAREST} to begin with: take a smaller number"
        )
    return found


def choose(plane: Plane, known: np.ndarray, probability: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of up to `count` cells to simulate next, in order.

    Cells come first if their nearest simulated cells have different classes, or if one of these is `UNSURE`. Among
    these cells, and then among all, the next one is always the cell farthest from all that are simulated or chosen. A
    larger `count` therefore begins with the same cells.

    Args:
        plane: plane of the scan.
        known: numbers of the simulated cells.
        probability: (known cell, class) probabilities of these.
        count: number of cells to choose.
    """
    squares, near, speaks = _neighbours(plane.cells, plane.cells[known])
    predicted, unsure = probability.argmax(axis=1)[near], (probability.max(axis=1) < UNSURE)[near]
    open_question = (speaks & ((predicted != predicted[:, :1]) | unsure)).any(axis=1)
    nearest, (row, column) = squares[:, 0], np.ascontiguousarray(plane.cells.T)
    extra = np.where(nearest == 0, 0, (nearest.max() + 1) * open_question)
    rank = nearest + extra
    # Cells are sorted by row. For cells farther away than this, a chosen one is never the nearest.
    reach = math.isqrt(int(nearest.max()))
    chosen = []
    for _ in range(min(count, len(plane.cells) - len(known))):
        one = int(np.argmax(rank))
        chosen.append(one)
        extra[one] = 0
        around = slice(*np.searchsorted(row, (row[one] - reach, row[one] + reach + 1)))
        squares = (row[around] - row[one]) ** 2 + (column[around] - column[one]) ** 2
        rank[around] = np.minimum(rank[around], squares + extra[around])
    return np.array(chosen, "int64")


def interpolated(cells: np.ndarray, known: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities (cell, class) of all cells, and which of them are simulated (cell,).

    A simulated cell has its own probabilities. Any other has the mean of those of its nearest simulated cells, see
    `NEAREST`, weighted by the inverse of the squared distance.

    Args:
        cells: (cell, 2) places.
        known: (known cell, 2) places of the simulated cells.
        probability: (known cell, class) probabilities of these.
    """
    squares, near, speaks = _neighbours(cells, known)
    simulated = squares[:, 0] == 0
    weight = np.where(speaks, 1 / np.maximum(squares, 1), 0.0)
    weight[simulated] = np.eye(1, weight.shape[1])
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("cn,cnk->ck", weight, probability[near]), simulated


def _neighbours(cells: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (cell, neighbour): squared distances to known cells, ascending, their numbers, and which ones count."""
    count = min(_LOOKED_AT, len(known))
    _, near = KDTree(known).query(cells, k=range(1, count + 1))
    squares = ((cells[:, None] - known[near]) ** 2).sum(axis=-1)
    order = np.argsort(squares * len(known) + near, axis=1)  # ties in the order of their numbers, not of the tree
    squares, near = np.take_along_axis(squares, order, 1), np.take_along_axis(near, order, 1)
    return squares, near, squares <= squares[:, [min(NEAREST, count) - 1]]
