"""Pictures of Gray-Scott patterns: all of a class side by side, examples of each class, and saliency."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from raypipe.plot.classes import class_names, one_per_class, symbol
from raypipe.plot.style import new_figure, styled
from raypipe.studies.gray_scott.colours import FIELD_COLOURS, SALIENCY_COLOURS

MONTAGE_COLUMNS = 10

MONTAGE_MOST = 600
"""Most patterns in one montage: drawing each takes 3 MB of memory."""

_TILE_INCHES = 0.8
_GAP, _CAPTION = 10, 42

_GALLERY_COLUMNS = 8
_MOST_CHOSEN = 48
_SALIENCY_BLUR = 2.0


def montage_rows(patterns: int) -> int:
    """Rows of tiles that `montage` needs for a number of patterns."""
    return -(-patterns // MONTAGE_COLUMNS)


@styled
def montage(patterns: xr.Dataset) -> Figure:
    """Show the last frames of all patterns side by side in their order, each with its (k, f).

    `patterns` has `u` (sample, y, x, frame) and `k`, `f` along `sample`. The figure consists of a single axes, divided
    into `MONTAGE_COLUMNS` columns and `montage_rows` rows of equal tiles, filled row by row from the top.
    """
    u, k, f = patterns["u"].isel(frame=-1).values, patterns["k"].values, patterns["f"].values
    count, size_y, size_x = u.shape
    rows = montage_rows(count)
    tile_y, tile_x = size_y + _CAPTION, size_x + _GAP
    canvas = np.full((rows * tile_y, MONTAGE_COLUMNS * tile_x), np.nan, dtype=np.float32)
    figure = new_figure(_TILE_INCHES * MONTAGE_COLUMNS, _TILE_INCHES * rows * tile_y / tile_x)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for number in range(count):
        top, left = number // MONTAGE_COLUMNS * tile_y, number % MONTAGE_COLUMNS * tile_x + _GAP // 2
        canvas[top : top + size_y, left : left + size_x] = u[number]
        axes.text(
            left + size_x / 2,
            top + size_y + 2,
            f"k {float(k[number]):g}\nf {float(f[number]):g}",
            ha="center",
            va="top",
            fontsize=6,
            linespacing=1.1,
        )
    axes.imshow(
        canvas, cmap=FIELD_COLOURS, vmin=0, vmax=1, aspect="auto", extent=(0, canvas.shape[1], canvas.shape[0], 0)
    )
    return figure


def draw_pattern(axes: Axes, one: xr.Dataset) -> None:
    """Draw the last frame of u of one simulation, with its (k, f) below."""
    u = one["u"]
    axes.imshow(u.isel(frame=-1) if "frame" in u.dims else u, cmap=FIELD_COLOURS, vmin=0, vmax=1)
    axes.set(xticks=(), yticks=())
    if {"k", "f"} <= set(one.coords):
        axes.set_xlabel(f"k {float(one['k']):g}, f {float(one['f']):g}")


@styled
def class_gallery(patterns: xr.Dataset, examples: int = 3) -> Figure:
    """Show patterns of each class (last frame of u), one column per class.

    `patterns` has `u` (sample, y, x, frame) and `label`, `k`, `f` along `sample`. The `examples` of a class are evenly
    spaced among its samples, in their order, so that they have as many different (k, f) as possible.
    """
    names, label = class_names(patterns), patterns["label"].values
    present = np.unique(label)
    blocks = -(-len(present) // _GALLERY_COLUMNS)
    figure = new_figure(10.5, (1.5 * examples + 0.25) * blocks)
    grid = figure.subplots(examples * blocks, _GALLERY_COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, number in enumerate(present):
        block, column = divmod(place, _GALLERY_COLUMNS)
        members = np.flatnonzero(label == number)
        for row, sample in enumerate(members[np.arange(examples) * len(members) // examples]):
            one, axes = patterns.isel(sample=int(sample), frame=-1), grid[block * examples + row, column]
            heading = f"{symbol(names[number])}\n" if row == 0 else ""
            axes.set_title(f"{heading}k {float(one['k']):g}\nf {float(one['f']):g}", fontsize=7, linespacing=1.3)
            field = axes.imshow(one["u"].values, cmap=FIELD_COLOURS, vmin=0, vmax=1)
    figure.colorbar(field, ax=grid, ticks=(0, 0.5, 1), shrink=0.4, aspect=25).set_label("u", rotation=0)
    return figure


@styled
def pattern_gallery(saliency: xr.Dataset) -> Figure:
    """Show one pattern per class, or the chosen samples (last frame of u), and below each the saliency over it.

    `saliency` has `saliency` and `u` (sample, y, x), `predicted`, `k`, `f` along `sample`, and optionally `label`,
    negative where unknown. The saliency is blurred by a Gaussian of σ = 2 grid spacings, with the periodic boundaries
    of the field, and scaled to [0, 1] again.
    """
    names = class_names(saliency)
    chosen = saliency.attrs.get("parameters", {}).get("samples")
    examples = list(range(min(len(chosen), _MOST_CHOSEN))) if chosen else one_per_class(saliency)
    blocks, columns = -(-len(examples) // _GALLERY_COLUMNS), min(_GALLERY_COLUMNS, len(examples))
    figure = new_figure(1.2 * columns + 0.9, 2.95 * blocks)
    grid = figure.subplots(2 * blocks, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, sample in enumerate(examples):
        one = saliency.isel(sample=sample)
        block, column = divmod(place, _GALLERY_COLUMNS)
        above, below = grid[2 * block, column], grid[2 * block + 1, column]
        predicted = symbol(names[int(one["predicted"])])
        known = "label" in one.coords and int(one["label"]) >= 0
        name = symbol(names[int(one["label"])]) if known else predicted
        title = name if name == predicted else f"{name}, taken for {predicted}"
        above.set_title(f"{title}\nk {float(one['k']):g}\nf {float(one['f']):g}", fontsize=8, linespacing=1.3)
        for axes in (above, below):
            axes.set_axis_on()
            axes.set(xticks=(), yticks=())
            axes.spines[:].set(visible=True, color="#b0b0b0")
        field = above.imshow(one["u"].values, cmap=FIELD_COLOURS, vmin=0, vmax=1)
        below.imshow(one["u"].values, cmap="gray", vmin=-0.6, vmax=1.2)
        strength = gaussian_filter(one["saliency"].values, _SALIENCY_BLUR, mode="wrap")
        strength /= max(strength.max(), np.finfo(strength.dtype).tiny)
        below.imshow(strength, cmap=SALIENCY_COLOURS, vmin=0, vmax=1, alpha=strength)
    figure.colorbar(field, ax=grid[0], ticks=(0, 0.5, 1)).set_label("u", rotation=0)
    scale = ScalarMappable(cmap=SALIENCY_COLOURS)
    figure.colorbar(scale, ax=grid[1], label="saliency", ticks=(0, 0.5, 1))
    return figure
