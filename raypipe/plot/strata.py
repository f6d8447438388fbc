"""Where networks fail: accuracy, and recall of each class, against the parameters of the samples."""

import textwrap
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raypipe.errors import InputError
from raypipe.plot.classes import colours
from raypipe.plot.style import new_figure, styled

_MARKERS = "os^DvPXph*"
_FEW = 6
"""Up to this number of values, each value has a tick of its own."""


@styled
def accuracy_by_stratum(
    evaluations: Mapping[str, xr.Dataset], notes: Mapping[str, Mapping[float, str]] | None = None
) -> Figure:
    """Plot recall of each class and accuracy over the values of each stratum, a row per network, a column per stratum.

    Args:
        evaluations: results of `networks.evaluate.evaluate` by name of the network, all with the same strata.
        notes: by stratum, annotations of some of its values, see `study.Study.notes`.

    Raises:
        InputError: if there is no stratum.
    """
    first = next(iter(evaluations.values()))
    strata = [str(name).removeprefix("accuracy_by_") for name in first if str(name).startswith("accuracy_by_")]
    if not strata:
        raise InputError("the samples have no coordinates to break the accuracy down by; see Study.strata")
    # Widths are proportional to the number of values, within bounds.
    widths = [float(np.clip(first.sizes[stratum] / 10, 1, 3)) for stratum in strata]
    figure = new_figure(1.6 + 2 * sum(widths), 0.5 + 2.7 * len(evaluations))
    grid = figure.subplots(len(evaluations), len(strata), sharex="col", sharey=True, squeeze=False, width_ratios=widths)
    for row, (network, evaluation) in zip(grid, evaluations.items(), strict=True):
        row[0].set_title(network, loc="left")
        row[0].set_ylabel("recall, accuracy")
        for axes, stratum in zip(row, strata, strict=True):
            axes.xaxis.update_units(evaluation[stratum].values)  # gives texts their places, in this order
            for value in (notes or {}).get(stratum, {}):
                axes.axvline(value, color="#999999", linewidth=0.8, linestyle=":")
            _lines(axes, evaluation, stratum)
    for top, bottom, stratum in zip(grid[0], grid[-1], strata, strict=True):
        for value, note in (notes or {}).get(stratum, {}).items():
            place = {"ha": "center", "va": "bottom", "fontsize": 8, "color": "#666666"}
            top.text(value, 1.01, note, transform=top.get_xaxis_transform(), **place)
        bottom.set_xlabel(textwrap.fill(first[stratum].attrs.get("long_name", stratum), 30))
    grid[0, 0].set_ylim(-0.03, 1.03)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right center")
    return figure


def _lines(axes: Axes, evaluation: xr.Dataset, stratum: str) -> None:
    confusion = evaluation[f"confusion_by_{stratum}"]
    samples = confusion.sum("predicted")
    names = [str(name) for name in evaluation["label"].values]
    for number, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
        there = samples.sel(label=name) > 0
        recall = (confusion.sel(label=name, predicted=name) / samples.sel(label=name))[there]
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot(recall[stratum].values, recall, marker=marker, color=colour, label=name, markersize=3, linewidth=1)
    axes.plot(
        evaluation[stratum].values,
        evaluation[f"accuracy_by_{stratum}"],
        color="black",
        linewidth=1.8,
        label="all (accuracy)",
    )
    if evaluation.sizes[stratum] <= _FEW:
        axes.set_xticks(evaluation[stratum].values)
        axes.margins(x=0.08)
    axes.grid()
