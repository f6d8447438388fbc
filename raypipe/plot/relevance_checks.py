"""Relevance over the time steps of a trajectory, and checks of relevance maps: see `raypipe.networks.faithfulness`."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raypipe.errors import InputError
from raypipe.plot.classes import class_names
from raypipe.plot.style import BLUE, ORANGE, RED, new_figure, styled

GREY = "#777777"

ORDER_LINES = {
    "relevant": ("most relevant first", RED, "o-"),
    "shifted": ("the same, shifted", ORANGE, "s--"),
    "random": ("random", GREY, "^-."),
    "irrelevant": ("least relevant first", BLUE, "D:"),
}
"""Name, colour and line of each order in which steps are removed."""

_TAIL = 1
"""Percentage of a histogram's values at either end that are counted in its outermost bins."""


@styled
def mean_relevance(trajectories: xr.Dataset) -> Figure:
    """Plot mean relevance and mean share of the absolute relevance of each step, for each class, with standard errors.

    `trajectories` has `relevance` (sample, time), `label` and `predicted` (sample). The means are over the trajectories
    of a class that are classified correctly. On the left, a few maps with large relevance can dominate the mean; on the
    right, all maps have equal weight, and the dashed line is where all steps are equally relevant.

    Raises:
        InputError: if every class has fewer than two correctly classified trajectories.
    """
    relevance = trajectories["relevance"].values
    label, predicted = trajectories["label"].values, trajectories["predicted"].values
    members = {
        name: relevance[(label == number) & (predicted == number)]
        for number, name in enumerate(class_names(trajectories))
    }
    members = {name: maps for name, maps in members.items() if len(maps) > 1}
    if not members:
        raise InputError("fewer than two trajectories of every class are classified correctly; explain more per class")
    figure = new_figure(9.5, 0.6 + 1.3 * len(members))
    rows = figure.subplots(len(members), 2, sharex=True, squeeze=False)
    time = np.arange(relevance.shape[1])
    for (left, right), (name, maps) in zip(rows, members.items(), strict=True):
        size = np.abs(maps)
        total = size.sum(axis=1, keepdims=True)
        share = 100 * np.divide(size, total, out=np.zeros_like(size), where=total > 0)
        for axes, values, colour in ((left, maps, RED), (right, share, BLUE)):
            mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
            axes.fill_between(time, mean - error, mean + error, color=colour, alpha=0.3, linewidth=0)
            axes.plot(time, mean, color=colour, linewidth=0.8)
            axes.set_xlim(0, len(time) - 1)
            axes.margins(y=0.1)
        left.axhline(0, color="black", linewidth=0.5)
        right.axhline(100 / len(time), color="black", linewidth=0.5, linestyle="--")
        right.set_ylim(bottom=0)
        left.set_title(f"{name}: mean relevance of {len(maps)} trajectories (units of the score)", loc="left")
        right.set_title(f"{name}: mean share of the absolute relevance (%)", loc="left")
    for axes in rows[-1]:
        axes.set_xlabel("time t (steps)")
    return figure


@styled
def perturbation_curve(curve: xr.Dataset, what: str = "steps") -> Figure:
    """Plot accuracy and mean probability of the class against the number of removed steps; bars are standard errors.

    `curve` is the result of `faithfulness.perturbation_curve`, or of `patch_curve` for patches; `what` was removed.
    """
    figure = new_figure(8.4, 3.1)
    for axes, quantity, name in zip(
        figure.subplots(1, 2),
        ("accuracy", "probability"),
        ("share still of the same class", "mean probability of the class"),
        strict=True,
    ):
        for order, (label, colour, line) in ORDER_LINES.items():
            one = curve.sel(order=order)
            axes.errorbar(
                one["removed"],
                one[quantity],
                one[f"{quantity}_error"],
                fmt=line,
                color=colour,
                label=label,
                markersize=3.5,
                linewidth=1.1,
            )
        axes.set(xlabel=f"removed {what}", ylabel=name, ylim=(0, 1.03))
        axes.grid()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


@styled
def conservation(ratios: Mapping[str, np.ndarray], samples: str = "trajectories") -> Figure:
    """Plot histograms of the sum of relevance over the score, and of its deviation from 1, for each network.

    `ratios` maps names for the networks to values of `faithfulness.conservation`. The outermost bins include values
    beyond them. `samples` is the plural noun for the samples.
    """
    figure = new_figure(8.4, 3.1)
    left, right = figure.subplots(1, 2)
    finite = {name: values[np.isfinite(values)] for name, values in ratios.items()}
    _histograms(left, finite, samples)
    left.axvline(1, color="black", linewidth=0.7)
    left.set_xlabel("sum of relevance / score")
    # Deviations below the resolution of float32 are none.
    resolution = np.finfo("float32").eps
    deviations = {name: np.log10(np.maximum(np.abs(values - 1), resolution)) for name, values in finite.items()}
    _histograms(right, deviations, samples)
    right.xaxis.set_major_formatter(lambda power, _: f"$10^{{{power:g}}}$")
    right.set_xlabel("| sum of relevance / score − 1 |")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(ratios))
    return figure


@styled
def rank_correlations(similarity: xr.Dataset, samples: str = "trajectories", *, signed: bool = True) -> Figure:
    """Plot histograms of the rank correlations between the maps of two networks, for relevance and its absolute value.

    `similarity` is the result of `faithfulness.similarity`; 1 means that the order of the steps is the same. For maps
    without a sign, there is one histogram. `samples` is the plural noun for the samples.
    """
    figure = new_figure(5.2, 3.1)
    axes = figure.add_subplot()
    kinds = [("signed", "relevance", RED), ("absolute", "absolute relevance", BLUE)]
    if not signed:
        kinds = [("absolute", "saliency", BLUE)]
    for name, label, colour in kinds:
        values = similarity[name].values
        axes.hist(
            values[np.isfinite(values)],
            bins=np.linspace(-1, 1, 81).tolist(),
            histtype="stepfilled",
            color=colour,
            alpha=0.5,
            label=f"{label}, median {np.nanmedian(values):.2f}",
        )
    axes.axvline(0, color="black", linewidth=0.5)
    axes.set(xlabel="rank correlation with the map after shuffling", ylabel=samples, xlim=(-1, 1))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _histograms(axes: Axes, series: Mapping[str, np.ndarray], samples: str) -> None:
    """Draw histograms with the same bins; values beyond them are counted in the outermost ones."""
    everything = np.concatenate(list(series.values()))
    low, high = np.percentile(everything, (_TAIL, 100 - _TAIL))
    bins = np.linspace(low, high, 61).tolist()
    for (name, values), colour in zip(series.items(), (RED, BLUE), strict=False):
        axes.hist(np.clip(values, low, high), bins, histtype="stepfilled", color=colour, alpha=0.6, label=name)
    axes.set_ylabel(samples)
