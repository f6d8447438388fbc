"""A scan over the plane of two parameters: its classes, their uncertainty, where two networks differ, refinement.

A `Lattice` says which sample is in which cell of the plane; most functions take one, and values along `sample`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.ndimage import distance_transform_edt, label
from scipy.special import entr

from raypipe.errors import InputError
from raypipe.plot.classes import class_names, study_colours, symbol
from raypipe.plot.style import new_figure, styled

_LEAST_FILLED = 0.02
"""Default minimum share of a lattice that a scan fills; random points would fill less."""

_UNEVEN = 0.01
"""Maximum deviation of edges from those of cells of equal width, as a share of a cell's width."""

_SMALLEST_LABELLED = 2.0
"""Minimum radius, in cells, of the largest disc inside a region for the region to be labelled with its symbol."""

_LEAST_RANGE = 0.2
"""Minimum upper end of the entropy's colour range, so that a confident network does not look uncertain."""

_NO_PARAMETERS = ("label", "predicted", "seed")
"""Coordinates of samples that cannot be axes of a plane."""


@dataclass(frozen=True)
class Lattice:
    """The plane of two parameters as a lattice of cells, and which sample of a scan is in each cell.

    Attributes:
        axes: names of the two parameters, that of the horizontal axis first.
        x, y: their values along the sides of the lattice, ascending.
        samples: (y, x) numbers of the samples, int64; -1 in cells without a sample.
        labels: labels of the axes.
        limits: limits of the axes (left, right, bottom, top); by default the sides of the lattice.
        note: what readers must know about samples that are in no cell, see `shared`; empty if there are none.
    """

    axes: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    samples: np.ndarray
    labels: tuple[str, str]
    limits: tuple[float, float, float, float] | None = None
    note: str = ""

    def image(self, values: np.ndarray) -> np.ma.MaskedArray:
        """Return values (sample,) as an image (y, x), masked where there is no sample."""
        return np.ma.masked_array(np.asarray(values)[self.samples], self.samples < 0)

    def at(self, x: float, y: float) -> int:
        """Return the number of the sample whose cell contains a point; -1 if there is none."""
        columns, rows = self.edges
        if not (columns[0] <= x <= columns[-1] and rows[0] <= y <= rows[-1]):
            return -1
        column, row = (max(int(np.searchsorted(edges, at)) - 1, 0) for edges, at in ((columns, x), (rows, y)))
        return int(self.samples[row, column])

    def neighbours(self, number: int) -> list[int]:
        """Return the samples in the cells around that of a sample, row by row from the top."""
        there = np.argwhere(self.samples == number)
        if not len(there):
            return []
        row, column = there[0]
        rows, columns = self.samples.shape
        around = [(row + up, column + right) for up in (1, 0, -1) for right in (-1, 0, 1) if up or right]
        found = [self.samples[at] for at in around if 0 <= at[0] < rows and 0 <= at[1] < columns]
        return [int(one) for one in found if one >= 0]

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The edges of the columns and of the rows of cells, halfway between their values."""
        return _edges(self.x), _edges(self.y)

    @property
    def extent(self) -> tuple[float, float, float, float] | None:
        """Left, right, bottom and top of the lattice; None if its columns or rows are not equally wide."""
        x, y = self.edges
        for one in (x, y):
            even = np.linspace(one[0], one[-1], len(one))
            if np.abs(one - even).max() > _UNEVEN * (even[1] - even[0]):
                return None
        return float(x[0]), float(x[-1]), float(y[0]), float(y[-1])

    def draw(self, axes: Axes, values: np.ndarray, **colours: Any) -> Any:
        """Draw values (sample,), or an image of them, as coloured cells; `colours` are arguments of `pcolormesh`."""
        image = values if isinstance(values, np.ma.MaskedArray) else self.image(values)
        drawn = axes.pcolormesh(*self.edges, image, **colours)
        axes.set(xlabel=self.labels[0], ylabel=self.labels[1])
        if self.limits:
            axes.set(xlim=self.limits[:2], ylim=self.limits[2:])
        return drawn


def parameters(scan: xr.Dataset) -> list[str]:
    """Return the names of the samples' numeric coordinates that vary, except label, predicted class and seed."""
    return [
        str(name)
        for name, one in scan.coords.items()
        if one.dims == ("sample",) and name not in _NO_PARAMETERS and one.dtype.kind in "iuf" and np.ptp(one.values) > 0
    ]


def lattice(scan: xr.Dataset, axes: Sequence[str] = (), least_filled: float = _LEAST_FILLED) -> Lattice:
    """Return the plane of a scan.

    Args:
        scan: scan with its parameters as coordinates along `sample`.
        axes: two of the parameters; by default the two that vary. If several samples share a cell, the last one of
            their most frequent predicted class is in it.
        least_filled: minimum share of the cells that have a sample.

    Raises:
        InputError: if there are not exactly two parameters, or the points are not on a lattice.
    """
    chosen = tuple(axes) or tuple(parameters(scan))
    if len(chosen) != 2 or any(name not in scan.coords for name in chosen):
        raise InputError(
            f"a plane of {', '.join(chosen) or 'no parameters'}; expected two parameters of the scan, which has "
            f"{', '.join(parameters(scan)) or 'none that vary'}: name the axes, such as axes=A,B"
        )
    (x, column), (y, row) = (np.unique(scan[name].values, return_inverse=True) for name in chosen)
    # Counted before the lattice is made: one of scattered points would be too large for memory.
    cell = row * len(x) + column
    filled = len(np.unique(cell)) / (len(x) * len(y))
    if filled < least_filled:
        raise InputError(
            f"{len(row)} points fill {filled:.1%} of a lattice of {len(x)} × {len(y)} values of "
            f"{' and '.join(chosen)}; expected points on a lattice, such as raypipe.plan.product makes"
        )
    samples = np.full((len(y), len(x)), -1)
    _, kind, alike = np.unique(_kinds(scan, cell), return_inverse=True, return_counts=True)
    order = np.argsort(alike[kind], kind="stable")  # of samples in the same cell, the last one stays
    samples[row[order], column[order]] = order
    long = (scan[name].attrs.get("long_name", "") for name in chosen)
    labels = tuple(f"{said} {name}".strip() for said, name in zip(long, chosen, strict=True))
    return Lattice((chosen[0], chosen[1]), x, y, samples, (labels[0], labels[1]), note=shared(scan, cell))


def _kinds(scan: xr.Dataset, cell: np.ndarray) -> np.ndarray:
    """Return numbers (sample,) that are equal for samples of the same cell and, if classified, of the same class."""
    if "predicted" not in scan:
        return cell
    predicted: np.ndarray = scan["predicted"].values
    return cell * (predicted.max(initial=0) + 1) + predicted


def shared(scan: xr.Dataset, cell: np.ndarray) -> str:
    """Return a sentence that says how many samples are not shown, as others have the same place; "" if there are none.

    Args:
        scan: scan with its parameters and, if it has been classified, the `predicted` classes along `sample`.
        cell: (sample,) numbers of their cells, int64.
    """
    counts = np.unique(cell, return_counts=True)[1]
    several, hidden = int(np.sum(counts > 1)), len(cell) - len(counts)
    if not several:
        return ""
    which = "of the most frequent class" if "predicted" in scan else "the last"
    said = f"Cells with several samples ({several}) show one, {which}; {hidden} of {len(cell)} samples are not shown."
    if "predicted" not in scan:
        return said
    _, first = np.unique(_kinds(scan, cell), return_index=True)  # one sample of each class in a cell
    mixed = int(np.sum(np.unique(cell[first], return_counts=True)[1] > 1))
    return f"{said} In {mixed} of these cells the classes differ."


def _edges(values: np.ndarray) -> np.ndarray:
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5])
    between = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - between[0]], between, [2 * values[-1] - between[-1]]])


@styled
def class_plane(plane: Lattice, predicted: np.ndarray, colour_of: Mapping[str, str]) -> Figure:
    """Draw the class of each cell in its colour, with a legend, and its symbol where its largest region is widest.

    Args:
        plane: plane of the scan.
        predicted: (sample,) numbers of the classes.
        colour_of: colours by class name, for all classes in the order of their numbers.
    """
    figure = new_figure(8.4, 6.2)
    axes = figure.add_subplot()
    plane.draw(axes, predicted, cmap=_colour_map(colour_of), vmin=-0.5, vmax=len(colour_of) - 0.5)
    image = plane.image(predicted).filled(-1)
    _name_regions(axes, plane, image, colour_of)
    _legend(figure, image, colour_of, loc="outside right center", title="class", fontsize=11, labelspacing=0.7)
    return figure


@styled
def entropy_plane(plane: Lattice, entropy: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw how uncertain a network is in each cell, with the borders of its classes.

    Args:
        plane: plane of the scan.
        entropy: (sample,) entropy of the class probabilities, from 0 to 1, see `normalised_entropy`.
        predicted: (sample,) numbers of the classes.
    """
    figure = new_figure(8.4, 6.2)
    axes = figure.add_subplot()
    most = max(_LEAST_RANGE, float(np.ceil(10 * np.max(entropy)) / 10))
    drawn = plane.draw(axes, entropy, cmap="YlOrRd", vmin=0, vmax=most)
    _borders(axes, plane, plane.image(predicted).filled(-1), colors="black", linewidths=0.5)
    bar = figure.colorbar(drawn, shrink=0.7, aspect=30)
    bar.set_label("entropy of the class probabilities, 1 where all are equal")
    return figure


def normalised_entropy(probability: np.ndarray) -> np.ndarray:
    """Return the entropy of probabilities (sample, class) over its maximum, from 0 (sure) to 1, float64 (sample,)."""
    shares = np.asarray(probability, "float64")
    return np.clip(entr(shares).sum(axis=1) / np.log(max(2, shares.shape[1])), 0, 1)


@styled
def differing_planes(
    plane: Lattice,
    predicted: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str],
    colour_of: Mapping[str, str],
) -> Figure:
    """Draw the cells in which two networks differ: on the left the classes of the first, on the right of the second.

    Grey lines are the borders of each network's classes, black lines those of the cells that differ.

    Args:
        plane: plane of the scan.
        predicted: for each network, (sample,) numbers of the classes in `colour_of`.
        names: names of the networks.
        colour_of: colours by class name, for all classes in the order of their numbers.
    """
    figure = new_figure(10.4, 4.9)
    differs = plane.image(predicted[0] != predicted[1])
    there = np.zeros(len(colour_of), bool)
    for axes, said, name in zip(figure.subplots(1, 2, sharex=True, sharey=True), predicted, names, strict=True):
        image = plane.image(said)
        shown = np.ma.masked_where(~differs.filled(False), image)
        there[np.unique(shown.compressed())] = True
        plane.draw(axes, shown, cmap=_colour_map(colour_of), vmin=-0.5, vmax=len(colour_of) - 0.5)
        _borders(axes, plane, image.filled(-1), colors="#b0b0b0", linewidths=0.5)
        _borders(axes, plane, differs.filled(False).astype(int) - 1, colors="black", linewidths=0.5)
        axes.set_title(f"as classified by {name}")
    figure.axes[1].set_ylabel("")
    _legend(figure, np.flatnonzero(there), colour_of, loc="outside left center", title="class")
    return figure


def refined_scan(refined: xr.Dataset) -> Figure:
    """Draw the class of every cell of a refined scan on the left, and the simulated cells by round on the right."""
    of = str(refined.attrs["parameters"].get("source", "")).partition("/")[0]
    return refined_planes(refined, study_colours(class_names(refined), of))


@styled
def refined_planes(refined: xr.Dataset, colour_of: Mapping[str, str]) -> Figure:
    """Like `refined_scan`, with colours given by class name."""
    plane, names = lattice(refined, refined.attrs["parameters"]["axes"]), class_names(refined)
    colour_of = {name: colour_of[name] for name in names}
    predicted, simulated = refined["predicted"].values, refined["simulated"].values == 1
    figure = new_figure(10.4, 4.9)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    plane.draw(left, predicted, cmap=_colour_map(colour_of), vmin=-0.5, vmax=len(names) - 0.5)
    rounds = np.where(simulated, refined["round"].values, -1)
    plane.draw(right, np.zeros(len(simulated), int), cmap=ListedColormap(["#eeeeee"]))
    image = np.ma.masked_less(plane.image(rounds), 0)
    drawn = plane.draw(right, image, cmap="viridis_r", vmin=0, vmax=max(1, rounds.max()))
    figure.colorbar(drawn, ax=right, label="round in which a cell was simulated", ticks=range(rounds.max() + 1))
    left.set(title="class")
    right.set(ylabel="", title=f"{simulated.sum()} of {len(simulated)} cells simulated")
    _legend(figure, predicted, colour_of, loc="outside left center")
    return figure


def _colour_map(colour_of: Mapping[str, str]) -> ListedColormap:
    return ListedColormap(list(colour_of.values()))


def _legend(figure: Figure, numbers: np.ndarray, colour_of: Mapping[str, str], **options: Any) -> None:
    """Add a legend of the classes that occur."""
    present = [name for number, name in enumerate(colour_of) if (numbers == number).any()]
    figure.legend(handles=[Patch(facecolor=colour_of[name], label=symbol(name)) for name in present], **options)


def _borders(axes: Axes, plane: Lattice, image: np.ndarray, **options: Any) -> None:
    """Draw lines between cells of an image (y, x) with different values, and around those that are not -1."""
    x, y = plane.edges
    image = np.pad(image, 1, constant_values=-1)
    row, column = np.nonzero(image[1:-1, 1:] != image[1:-1, :-1])
    upright = np.stack([x[[column, column]], y[[row, row + 1]]], axis=-1)
    row, column = np.nonzero(image[1:, 1:-1] != image[:-1, 1:-1])
    level = np.stack([x[[column, column + 1]], y[[row, row]]], axis=-1)
    lines = np.concatenate([upright, level], axis=1).swapaxes(0, 1)
    axes.add_collection(LineCollection(list(lines), capstyle="projecting", **options), autolim=False)


def _name_regions(axes: Axes, plane: Lattice, image: np.ndarray, colour_of: Mapping[str, str]) -> None:
    """Write each class's symbol where its largest region is widest: colours alone do not distinguish 16 classes."""
    for number, (name, colour) in enumerate(colour_of.items()):
        regions, found = label(np.pad(image == number, 1))
        if not found:
            continue
        largest = regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])
        depth = distance_transform_edt(largest)[1:-1, 1:-1]
        row, column = np.unravel_index(np.argmax(depth), depth.shape)
        if depth[row, column] >= _SMALLEST_LABELLED:
            axes.text(
                plane.x[column],
                plane.y[row],
                symbol(name),
                color="black" if _brightness(colour) > 0.45 else "white",
                ha="center",
                va="center_baseline",
                fontsize=12,
            )


def _brightness(colour: str) -> float:
    """Return the perceived brightness of a colour, 0 to 1 (weights of ITU-R BT.601)."""
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue
