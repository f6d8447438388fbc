"""Single figures for a paper, by name: those of networks, and those that a study has of its data sets."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from raypipe import catalog, plot, study
from raypipe.errors import InputError, choice
from raypipe.networks import artifact
from raypipe.networks.evaluate import evaluate
from raypipe.networks.grid_table import read_grid_table
from raypipe.report import pictures
from raypipe.report.holdings import stores


def _history(name: str) -> Figure:
    """Plot the loss and accuracy of a network after each epoch."""
    trained = artifact.load(artifact.at_hand(name))
    if not trained.epochs:
        raise InputError(f"network {name} was imported and has no training history")
    return plot.training_history(trained.history)


def _confusion(name: str) -> Figure:
    """Draw the confusion matrix of predictions, given by name."""
    confusion = evaluate(catalog.open(name).load())["confusion"]
    return plot.confusion_matrix(confusion.values, confusion["label"].values.tolist())


def _grid(name: str) -> Figure:
    """Draw the accuracies of a grid of networks, given by the file of its table."""
    grid = (study.chosen() or next(one for one in study.all_studies() if one.grid)).grid
    if grid is None:
        raise InputError("the study has no grid; name another with --study")
    return plot.grid_heat_map(read_grid_table(grid, Path(name)), grid)


OF_NETWORKS: Mapping[str, Callable[[str], Figure]] = {"history": _history, "confusion": _confusion, "grid": _grid}
"""Figures that all studies share, by name."""


def figure(what: str, name: str, settings: Mapping[str, Any] | None = None) -> Figure:
    """Draw a figure.

    Args:
        what: one of OF_NETWORKS, or the name of a function that draws a picture of the study, such as phase-diagram.
        name: the network for a history, the file of a table for a grid, otherwise a complete data set.
        settings: settings of the picture, see `study.Picture`.

    Raises:
        InputError: if there is no such network, data set, figure or setting.
    """
    if what in OF_NETWORKS:
        if settings:
            raise InputError(f"{', '.join(settings)} for {what}, which has no settings; leave them out")
        return OF_NETWORKS[what](name)
    of = {one.name: one for one in stores() if one.complete}
    data_set = of[choice("data set", name, list(of))]
    known = pictures.named(study.find(data_set.study), data_set)
    if what not in known:
        raise InputError(f"no figure {what} of {name}; there are {', '.join([*OF_NETWORKS, *known])}")
    found = pictures.figures(known[what], data_set, settings)
    if not found:
        raise InputError(f"{name} has nothing to show as {what}; raypipe report says why")
    return found[0]
