"""Novel samples: where they are in the plane of a scan, the most novel ones, and groups of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.plot.classes import class_names, colours, symbol
from raypipe.plot.confused import drawing
from raypipe.plot.plane import lattice, parameters
from raypipe.plot.style import RED, new_figure, styled

_RESULTS = {"nearest", "flagged", "group", "distance", "novelty"}
_LEAST_FILLED = 0.1
"""Minimum share of a lattice that points must fill to be drawn as an image: fewer are easier to see as points."""

_MOST_ROWS = 12


@styled
def novelty_map(found: xr.Dataset, axes: str = "") -> Figure:
    """Draw where samples are novel in the plane of two parameters: left their distance, right which ones are flagged.

    Args:
        found: result of `raypipe find_novel`.
        axes: names of the two parameters, such as "k,f"; by default the first two floating-point ones that vary, in the
            order of the plan.

    Raises:
        InputError: if the samples do not have these parameters.
    """
    x, y = _plane(found, axes)
    distance, group, flagged = (found[name].values for name in ("distance", "group", "flagged"))
    limit = distance[flagged == 1].min() if flagged.any() else distance.max()
    figure = new_figure(10.6, 4.9)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    relative = np.maximum(distance / max(limit, np.finfo(float).tiny), 0.1)
    shown = _draw(left, found, (x, y), relative, cmap="RdYlBu_r", norm=LogNorm(0.1, max(2.0, relative.max())))
    bar = figure.colorbar(shown, ax=left, label="distance from the training samples (flagged from 1 on)")
    bar.ax.axhline(1, color="black", linewidth=1)
    present = [int(number) for number in np.unique(group[group >= 0])]
    palette = [*colours(max(1, len(present))), "#000000", "#eeeeee"]
    place = {number: index for index, number in enumerate(present)}
    values = np.array([place.get(int(number), len(palette) - 2) for number in group])
    values[flagged == 0] = len(palette) - 1
    _draw(right, found, (x, y), values, cmap=ListedColormap(palette), vmin=-0.5, vmax=len(palette) - 0.5)
    handles = [
        Patch(facecolor=palette[place[number]], label=f"group {number}: {np.sum(group == number)}")
        for number in present
    ]
    alone = int(np.sum((flagged == 1) & (group < 0)))
    handles += [Patch(facecolor="#000000", label=f"in no group: {alone}")] if alone else []
    handles.append(Patch(facecolor="#eeeeee", label=f"not flagged: {int(np.sum(flagged == 0))}"))
    figure.legend(handles=handles, loc="outside right center")
    left.set(xlabel=x, ylabel=y, title="how novel")
    right.set(xlabel=x, ylabel="", title=f"{int(flagged.sum())} of {len(flagged)} samples flagged")
    return figure


@styled
def most_novel(found: xr.Dataset, count: int = 10) -> Figure:
    """Draw the samples that are farthest from the training samples, farthest first, in the way of their study."""
    order = np.argsort(-found["distance"].values, kind="stable")[: max(1, count)]
    columns = min(5, len(order))
    rows = -(-len(order) // columns)
    samples, draw, wide = _samples(found)
    figure = new_figure((2.0 if wide else 1.75) * columns + 0.3, (1.5 if wide else 2.15) * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(order) :]:
        axes.set_axis_off()
    for axes, number in zip(grid.flat, order, strict=False):
        _one(axes, samples.isel(sample=int(number)), draw)
        axes.set_title(f"{found['distance'].values[number]:.3g}, like {_nearest(found, number)}", fontsize=8, color=RED)
    return figure


@styled
def novel_groups(found: xr.Dataset, examples: int = 8) -> Figure:
    """Draw a row of examples for each group of flagged samples, largest group first, evenly chosen by distance."""
    group, distance = found["group"].values, found["distance"].values
    present, counts = np.unique(group[group >= 0], return_counts=True)
    if not len(present):
        raise InputError("no group of novel samples; there is nothing to draw")
    present = present[np.argsort(-counts, kind="stable")][:_MOST_ROWS]
    samples, draw, wide = _samples(found)
    width, height = (2.0, 1.35) if wide else (1.4, 1.75)
    figure = new_figure(width * examples + 1.2, height * len(present) + 0.2)
    grid = figure.subplots(len(present), examples, squeeze=False)
    for row, number in zip(grid, present, strict=True):
        members = np.flatnonzero(group == number)
        members = members[np.argsort(-distance[members], kind="stable")]
        chosen = members[np.unique(np.linspace(0, len(members) - 1, examples).round().astype(int))]
        for axes in row[len(chosen) :]:
            axes.set_axis_off()
        for axes, one in zip(row, chosen, strict=False):
            _one(axes, samples.isel(sample=int(one)), draw)
            axes.set_title(f"like {_nearest(found, one)}", fontsize=7.5)
        row[0].text(
            -0.12,
            0.5,
            f"group {number}\n{len(members)} samples",
            transform=row[0].transAxes,
            ha="right",
            va="center",
        )
    return figure


def _one(axes: Axes, sample: xr.Dataset, draw: Callable[[Axes, xr.Dataset], None]) -> None:
    draw(axes, sample)
    axes.xaxis.label.set_fontsize(6.5)
    axes.tick_params(labelsize=6)


def _nearest(found: xr.Dataset, number: int) -> str:
    return symbol(class_names(found)[int(found["nearest"].values[number])])


def _samples(found: xr.Dataset) -> tuple[xr.Dataset, Callable[[Axes, xr.Dataset], None], bool]:
    """Return the data set that was searched, how one of its samples is drawn, and whether as a line."""
    made = found.attrs["parameters"]
    source = made["source"]
    if store.plan_of(source).parameters != made["source_parameters"]:
        raise InputError(
            f"{source} was made again, with other parameters, after this novelty was found; use raypipe remove "
            "for its novelty/ and features/, and run find_novel again"
        )
    seen = study.find(source.partition("/")[0]).seen
    return store.open(source), drawing(seen), seen.is_sequence


def _plane(found: xr.Dataset, axes: str) -> tuple[str, str]:
    of, _, split = found.attrs["parameters"]["source"].partition("/")
    columns = study.find(of).plan(split).columns
    varying = [name for name in parameters(found) if name not in _RESULTS]
    known = sorted(varying, key=[*columns, *varying].index)
    chosen = axes.split(",") if axes else [name for name in known if found[name].dtype.kind == "f"][:2]
    if len(chosen) != 2 or not set(chosen) <= set(known):
        raise InputError(
            f"axes {', '.join(chosen) or 'none'} of a novelty map; expected two of the samples' parameters: "
            f"{', '.join(known) or 'there are none'}"
        )
    return chosen[0], chosen[1]


def _draw(axes: Axes, found: xr.Dataset, plane: tuple[str, str], values: np.ndarray, **how: Any) -> Any:
    """Draw values over the plane: as an image if the points are on a lattice, otherwise as points."""
    try:
        return lattice(found, plane, _LEAST_FILLED).draw(axes, values, **how)
    except InputError:
        return axes.scatter(found[plane[0]].values, found[plane[1]].values, c=values, s=12, **how)
