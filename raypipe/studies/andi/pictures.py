"""Pictures of trajectories of anomalous diffusion, with the steps that decided their class."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raypipe.networks.inputs import by_label, is_labelled, kind
from raypipe.plot.classes import class_names, one_per_class
from raypipe.plot.sequences import draw_sequence
from raypipe.plot.style import RED, new_figure, styled

MARKED_STEPS = 25
"""Number of most relevant steps that are marked."""

_TILES = 3
"""Tracks in a plane that are shown side by side."""


@styled
def relevance(trajectories: xr.Dataset) -> Figure:
    """Show one trajectory per class, with its 25 most relevant steps in red; in a plane, each step by its relevance.

    `trajectories` has `position` (sample, time) or (sample, time, axis), `relevance` (sample, time) and `predicted`,
    and optionally `label`, `exponent` and `noise` along `sample`. The most relevant steps are those with the most
    positive relevance for the predicted class. Without labels, one trajectory per predicted model is shown.
    """
    trajectories = by_label(trajectories)
    names = class_names(trajectories)
    labelled = is_labelled(trajectories)
    examples = one_per_class(trajectories) if labelled else _one_per_kind(trajectories, names)
    plane = trajectories["position"].ndim > 2
    columns = _TILES if plane else 1
    rows = -(-len(examples) // columns)
    figure = new_figure(9.5, 0.5 + (3.0 if plane else 1.55) * rows)
    grid = figure.subplots(rows, columns, sharex=not plane, squeeze=False).ravel()
    for axes in grid[len(examples) :]:
        axes.set_axis_off()
    for axes, sample in zip(grid, examples, strict=False):
        one = trajectories.isel(sample=sample)
        position, of_steps = one["position"].values, one["relevance"].values
        if plane:
            draw_sequence(axes, position, of_steps)
        else:
            _marked(axes, position, of_steps)
        said = [f"true class {names[int(one['label'])]}"] if labelled else []
        said = [", ".join([*said, f"predicted {names[int(one['predicted'])]}"])]
        said += [
            f"{what} = {float(one[name]):{form}}"
            for name, what, form in (("exponent", "exponent α", ".2f"), ("noise", "noise σ", "g"))
            if name in one.coords and not one[name].ndim
        ]
        axes.set_title("; ".join([said[0], ", ".join(said[1:])]).removesuffix("; "), loc="left")
    if not plane:
        grid[-1].set_xlabel("time t (steps)")
    figure.align_ylabels(grid)
    return figure


def _one_per_kind(trajectories: xr.Dataset, names: tuple[str, ...]) -> list[int]:
    """The first trajectory of each model that was predicted."""
    kinds = [kind(names[number]) for number in trajectories["predicted"].values]
    return [kinds.index(one) for one in dict.fromkeys(kinds)]


def _marked(axes: Axes, position: np.ndarray, relevance: np.ndarray) -> None:
    """Draw a trajectory over time, with its most relevant steps in red."""
    marked = np.argsort(-relevance, kind="stable")[:MARKED_STEPS]
    axes.plot(position, color="#555555", linewidth=0.9, zorder=1)
    axes.scatter(marked, position[marked], s=11, color=RED, linewidths=0, zorder=2)
    axes.set(ylabel="x(t)", xlim=(-2, len(position) + 1))
    axes.margins(y=0.12)
