"""Grids of networks: accuracy by word and kernel size, accuracy against cost, and the effects of the factors."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from raypipe.networks.grid import Grid, unit
from raypipe.plot.style import BLUE, new_figure, styled

_DEPTH_COLOURS = LinearSegmentedColormap.from_list("depth", ["#bddf26", "#26ad81", "#31668e", "#440154"])
"""Colours from viridis; the deepest networks are darkest."""

_KERNEL_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


@styled
def grid_heat_map(table: pd.DataFrame, grid: Grid) -> Figure:
    """Draw the validation accuracy by word (rows, by depth) and kernel size (columns), averaged over everything else.

    `table` is the result of `grid_table.grid_table` for the grid. The average is over seeds and the other factors.
    Cells of networks that cannot be built are hatched, cells of networks that are not in the table are blank.
    """
    words, kernel_sizes = list(grid.words), grid.factors["kernel_size"]
    accuracy = table.pivot_table(index="word", columns="kernel_size", values="val_accuracy", aggfunc="mean")
    image = accuracy.reindex(index=words, columns=list(kernel_sizes)).to_numpy(dtype=float)
    figure = new_figure(6.4, max(0.27 * len(words) + 1.3, 4.2))
    axes = figure.add_subplot()
    shades = axes.imshow(np.ma.masked_invalid(image), cmap="viridis", aspect="auto")
    for row, column in np.argwhere(np.isfinite(image)):
        dark = image[row, column] < 0.4 * np.nanmin(image) + 0.6 * np.nanmax(image)
        axes.text(
            column,
            row,
            f"{image[row, column]:.3f}",
            ha="center",
            va="center_baseline",
            fontsize=8,
            color="white" if dark else "black",
        )
    hatched: dict[str, Any] = {"facecolor": "#f2f2f2", "edgecolor": "#b0b0b0", "hatch": "////", "linewidth": 0}
    impossible = {(one.word, one.kernel_size) for one in (grid.members[name] for name in grid.unbuildable)}
    for row, word in enumerate(words):
        for column, kernel in enumerate(kernel_sizes):
            if (word, kernel) in impossible:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **hatched))
        if row and len(grid.words[word]) > len(grid.words[words[row - 1]]):
            axes.axhline(row - 0.5, color="white", linewidth=4)
    axes.set_xticks(range(len(kernel_sizes)), [str(kernel) for kernel in kernel_sizes])
    axes.set_yticks(range(len(words)), words, family="DejaVu Sans Mono")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel=f"kernel size ({unit(grid)})", ylabel="layers: 1 convolution, 2 pooling, 3 normalisation")
    means = " and ".join(f"{name.replace('_', ' ').removesuffix('s')}s" for name in list(grid.factors)[1:])
    label = f"validation accuracy,\nmean over {means}" if means else "validation accuracy"
    bar = figure.colorbar(shades, shrink=1 if means else 0.5, aspect=30, pad=0.02, label=label)
    bar.outline.set_visible(False)
    if impossible:
        figure.legend(handles=[Patch(label="cannot be built", **hatched)], loc="outside lower right", fontsize=8)
    return figure


@styled
def accuracy_against_cost(table: pd.DataFrame, grid: Grid) -> Figure:
    """Plot validation accuracy against parameters and against training time, one point per network, mean over seeds.

    `table` is the result of `grid_table.grid_table` for the grid. Colours show the depth, markers the kernel size.
    """
    shades = map(to_hex, _DEPTH_COLOURS(np.linspace(0, 1, len(grid.depths))))
    depths = dict(zip(sorted(grid.depths), shades, strict=True))
    markers = dict(zip(grid.factors["kernel_size"], cycle(_KERNEL_MARKERS), strict=False))
    costs = {"parameters": "parameters", "seconds": "training time on one core (s)"}
    networks = table.groupby(["word", "depth", *grid.factors], as_index=False)[[*costs, "val_accuracy"]].mean()
    figure = new_figure(9.6, 3.9)
    for axes, (cost, title) in zip(figure.subplots(1, 2, sharey=True), costs.items(), strict=True):
        for row in networks.to_dict("records"):
            axes.plot(
                row[cost],
                row["val_accuracy"],
                linestyle="none",
                marker=markers[row["kernel_size"]],
                color=depths[row["depth"]],
                markersize=5,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
        axes.set(xscale="log", xlabel=title)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid()
    figure.axes[0].set_ylabel("validation accuracy")
    shape: dict[str, Any] = {"linestyle": "none", "markersize": 6}
    colours = [Line2D([], [], marker="o", color=colour, label=depth, **shape) for depth, colour in depths.items()]
    kernels = [
        Line2D([], [], marker=marker, color="#555555", label=kernel, **shape) for kernel, marker in markers.items()
    ]
    if len(colours) > 1:
        figure.legend(handles=colours, title="depth (blocks)", loc="outside right upper")
    figure.legend(handles=kernels, title="kernel size", loc="outside right lower")
    return figure


@styled
def effects_plot(effects: pd.DataFrame) -> Figure:
    """Plot each effect on the validation accuracy with its 95 % confidence interval, in percentage points.

    `effects` is the result of `effects.effects`. A grey bar extends from the smallest to the largest mean of a single
    seed.
    """
    new_factor = effects["factor"].ne(effects["factor"].shift())
    places = np.arange(len(effects)) + 0.6 * new_factor.cumsum().to_numpy()
    figure = new_figure(7.2, 0.25 * places[-1] + 0.9)
    axes = figure.add_subplot()
    difference, low, high = 100 * effects[["difference", "low", "high"]].to_numpy(dtype=float).T
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.hlines(places, 100 * effects["seed_low"], 100 * effects["seed_high"], color="#dddddd", linewidth=7)
    axes.errorbar(
        difference,
        places,
        xerr=[difference - low, high - difference],
        fmt="o",
        color=BLUE,
        markersize=4.5,
        linewidth=1.4,
    )
    axes.set_yticks(places, effects["comparison"])
    axes.set(ylim=(places[-1] + 0.6, places[0] - 0.6), xlabel="change of validation accuracy (percentage points)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    return figure
