"""How reliable a network is: the recall of each class, and its accuracy compared with its confidence."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from raypipe.plot.classes import symbol
from raypipe.plot.style import BLUE, ORANGE, new_figure, styled

_GREY = "#777777"
_LINES = ((_GREY, "o"), (ORANGE, "s"), (BLUE, "D"), ("#009e73", "^"), ("#cc79a7", "v"))


@styled
def recalls(evaluations: Mapping[str, xr.Dataset]) -> Figure:
    """Plot the recall of each class with its 95 % interval, for each split.

    `evaluations` maps the names of splits to results of `evaluate.evaluate`, all with the same classes.
    """
    first = next(iter(evaluations.values()))
    names = [str(name) for name in first["label"].values]
    figure = new_figure(max(4.5, 0.55 * len(names) + 1.5), 3.0)
    axes = figure.add_subplot()
    lowest = 1.0
    for place, (split, one) in enumerate(evaluations.items()):
        colour, marker = _LINES[place % len(_LINES)]
        x = np.arange(len(names)) + 0.16 * (place - (len(evaluations) - 1) / 2)
        recall = one["recall"].values
        reach = np.stack([recall - one["recall_low"].values, one["recall_high"].values - recall]).clip(min=0)
        axes.errorbar(
            x,
            recall,
            reach,
            fmt=marker,
            color=colour,
            markersize=4,
            elinewidth=1,
            label=f"{split}: accuracy {one['accuracy'].item():.3f}",
        )
        lowest = min(lowest, float(np.nanmin(one["recall_low"].values)))
    axes.set_xticks(range(len(names)), [symbol(name) for name in names], fontsize=10)
    axes.set(ylabel="recall", xlim=(-0.6, len(names) - 0.4), ylim=(max(0.0, np.floor(lowest * 10 - 0.2) / 10), 1.01))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=min(len(evaluations), 3))
    return figure


@styled
def reliability(found: Mapping[str, Mapping[str, xr.Dataset]]) -> Figure:
    """Plot accuracy against confidence, and below it the number of samples, in one column for each split.

    `found` maps the names of splits to one or two results of `calibration.reliability` by name, such as those of the
    original and of the calibrated probabilities. Each bin is drawn at its mean confidence, with Wilson's 95 % interval
    of the accuracy. On the diagonal, accuracy and confidence agree.
    """
    figure = new_figure(3.1 * len(found) + 0.6, 4.3)
    grid = figure.subplots(2, len(found), sharex=True, squeeze=False, height_ratios=(3, 1))
    for (above, below), (split, results) in zip(grid.T, found.items(), strict=True):
        above.plot((0, 1), (0, 1), color="black", linewidth=0.6)
        bins = next(iter(results.values())).sizes["bin"]
        title = [split]
        for place, (name, one) in enumerate(results.items()):
            colour, marker = ((ORANGE, "s"), (BLUE, "o"))[place % 2]
            filled = one.isel(bin=np.flatnonzero(one["count"].values))
            accuracy = filled["accuracy"].values
            reach = np.stack([accuracy - filled["accuracy_low"].values, filled["accuracy_high"].values - accuracy])
            above.errorbar(
                filled["confidence"].values,
                accuracy,
                reach.clip(min=0),
                fmt=marker,
                color=colour,
                markersize=4,
                elinewidth=0.8,
                label=name,
            )
            below.stairs(one["count"].values, np.arange(bins + 1) / bins, color=colour, linewidth=1.2)
            title.append(f"{name}: error {one['error'].item():.3f}")
        above.set_title("\n".join(title), loc="left")
        above.set(xlim=(0, 1.01), ylim=(0, 1.03))
        below.set(xlabel="confidence")
        below.set_yscale("symlog", linthresh=1)
        below.set_ylim(0, 1.5 * max(one["count"].values.max() for one in results.values()))
        for axes in (above, below):
            axes.grid()
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("samples")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
