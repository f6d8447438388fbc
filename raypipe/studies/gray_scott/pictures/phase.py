"""The phase diagram of the Gray-Scott system: which pattern appears at which kill rate k and feed rate f."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.ndimage import distance_transform_edt, label
from scipy.spatial import KDTree

from raypipe.plot.classes import class_names, symbol
from raypipe.plot.style import new_figure, styled
from raypipe.studies.gray_scott import tables
from raypipe.studies.gray_scott.pictures.colours import CLASS_COLOURS, class_colour_map

OUTSIDE = -1
"""Number of the cells that the scan does not reach."""

_SMALLEST_LABELLED = 2.0
"""Radius in cells of the largest disc inside a region, from which on the region gets its symbol."""


def phase_grid(predictions: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classified scan as an image: k (87), f (95) and class numbers (f, k), int64, OUTSIDE beyond the scan.

    `predictions` has `k`, `f` and `predicted` along `sample`. Every point of the full scan takes the class of the
    nearest point in `predictions`, counted in steps of the scan, so that a thinned scan fills the image too.
    """
    k, f = tables.scan_axes()
    steps = np.array([(k[-1] - k[0]) / (len(k) - 1), (f[-1] - f[0]) / (len(f) - 1)])
    scan = tables.scan_simulations()
    classified = KDTree(np.column_stack([predictions["k"].values, predictions["f"].values]) / steps)
    _, nearest = classified.query(np.column_stack([scan.k, scan.f]) / steps)
    image = np.full((len(f), len(k)), OUTSIDE, dtype=np.int64)
    image[np.searchsorted(f, scan.f), np.searchsorted(k, scan.k)] = predictions["predicted"].values[nearest]
    return k, f, image


@styled
def phase_diagram(predictions: xr.Dataset) -> Figure:
    """The classes of `predictions` (as in `phase_grid`, with the class names) over k and f, one colour each."""
    k, f, image = phase_grid(predictions)
    names = class_names(predictions)
    figure = new_figure(8.4, 6.2)
    axes = figure.add_subplot()
    half_k, half_f = (k[1] - k[0]) / 2, (f[1] - f[0]) / 2
    axes.imshow(
        np.ma.masked_equal(image, OUTSIDE),
        cmap=class_colour_map(names),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        extent=(k[0] - half_k, k[-1] + half_k, f[0] - half_f, f[-1] + half_f),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    axes.set(xlabel="kill rate k (per unit of time)", ylabel="feed rate f (per unit of time)")
    _name_regions(axes, k, f, image, names)
    present = [name for number, name in enumerate(names) if (image == number).any()]
    figure.legend(
        handles=[Patch(facecolor=CLASS_COLOURS[name], label=symbol(name)) for name in present],
        loc="outside right center",
        title="class",
        fontsize=11,
        labelspacing=0.7,
    )
    return figure


def _name_regions(axes: Axes, k: np.ndarray, f: np.ndarray, image: np.ndarray, names: tuple[str, ...]) -> None:
    """Write each class's symbol where its largest region is widest: colour alone does not tell 16 classes apart."""
    for number, name in enumerate(names):
        regions, found = label(np.pad(image == number, 1))
        if not found:
            continue
        largest = regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])
        depth = distance_transform_edt(largest)[1:-1, 1:-1]
        row, column = np.unravel_index(np.argmax(depth), depth.shape)
        if depth[row, column] >= _SMALLEST_LABELLED:
            axes.text(
                k[column],
                f[row],
                symbol(name),
                color="black" if _brightness(CLASS_COLOURS[name]) > 0.45 else "white",
                ha="center",
                va="center_baseline",
                fontsize=12,
            )


def _brightness(colour: str) -> float:
    """Perceived brightness of a hexadecimal colour, 0 to 1 (weights of ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue
