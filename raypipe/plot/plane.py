"""A refined scan: the classes of its plane, and which of its cells were simulated, and when."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from raypipe.plot.classes import class_names, colours, symbol
from raypipe.plot.style import new_figure, styled


def refined_scan(refined: xr.Dataset) -> Figure:
    """Left the class of every cell of a refined scan, right the cells that were simulated, coloured by their round."""
    names = class_names(refined)
    return refined_planes(refined, dict(zip(names, colours(len(names)), strict=True)))


@styled
def refined_planes(refined: xr.Dataset, colour_of: Mapping[str, str]) -> Figure:
    """The same with colours of one's own, by the names of the classes."""
    axes, names = refined.attrs["parameters"]["axes"], class_names(refined)
    simulated = refined["simulated"].values == 1
    figure = new_figure(10.4, 4.9)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    classes = ListedColormap([colour_of[name] for name in names])
    left.pcolormesh(*_image(refined, refined["predicted"].values), cmap=classes, vmin=-0.5, vmax=len(names) - 0.5)
    rounds = np.where(simulated, refined["round"].values, -1)
    right.pcolormesh(*_image(refined, np.zeros(len(simulated), int)), cmap=ListedColormap(["#eeeeee"]))
    drawn = right.pcolormesh(*_image(refined, rounds), cmap="viridis_r", vmin=0, vmax=max(1, rounds.max()))
    figure.colorbar(drawn, ax=right, label="round in which a cell was simulated", ticks=range(rounds.max() + 1))
    left.set(xlabel=axes[0], ylabel=axes[1], title="class")
    right.set(xlabel=axes[0], title=f"{simulated.sum()} of {len(simulated)} cells simulated")
    present = [name for number, name in enumerate(names) if (refined["predicted"].values == number).any()]
    handles = [Patch(facecolor=colour_of[name], label=symbol(name)) for name in present]
    figure.legend(handles=handles, loc="outside left center")
    return figure


def _image(refined: xr.Dataset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Sides of the lattice, and values on it, masked where there are none or they are negative: for `pcolormesh`."""
    axes = refined.attrs["parameters"]["axes"]
    places = [refined[f"{axis}_place"].values for axis in axes]
    sides = [np.unique(refined[axis].values) for axis in axes]
    image = np.full((len(sides[1]), len(sides[0])), -1)
    image[places[1], places[0]] = values
    return sides[0], sides[1], np.ma.masked_less(image, 0)
