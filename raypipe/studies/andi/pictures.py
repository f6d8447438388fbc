"""Trajectories of anomalous diffusion and the steps that decided their class."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from raypipe.networks.inputs import by_label
from raypipe.plot.classes import class_names, one_per_class
from raypipe.plot.style import RED, new_figure, styled

MARKED_STEPS = 25
"""How many of the most relevant steps are marked."""


@styled
def relevance(trajectories: xr.Dataset) -> Figure:
    """One trajectory per class, its 25 most relevant steps in red.

    `trajectories` has `position` and `relevance` (sample, time) and `label`, `predicted`, `exponent`, `noise` along
    `sample`. The most relevant steps are those with the largest, most positive relevance for the predicted class.
    """
    trajectories = by_label(trajectories)
    names = class_names(trajectories)
    examples = one_per_class(trajectories)
    figure = new_figure(9.5, 0.5 + 1.55 * len(examples))
    grid = figure.subplots(len(examples), 1, sharex=True, squeeze=False)[:, 0]
    for axes, sample in zip(grid, examples, strict=True):
        one = trajectories.isel(sample=sample)
        position = one["position"].values
        marked = np.argsort(-one["relevance"].values, kind="stable")[:MARKED_STEPS]
        axes.plot(position, color="#555555", linewidth=0.9, zorder=1)
        axes.scatter(marked, position[marked], s=11, color=RED, linewidths=0, zorder=2)
        true, predicted = names[int(one["label"])], names[int(one["predicted"])]
        axes.set_title(
            f"true class {true}, predicted {predicted}; exponent α = {float(one['exponent']):.2f}, "
            f"noise σ = {float(one['noise']):g}",
            loc="left",
        )
        axes.set(ylabel="x(t)", xlim=(-2, len(position) + 1))
        axes.margins(y=0.12)
    grid[-1].set_xlabel("time t (steps)")
    figure.align_ylabels(grid)
    return figure
