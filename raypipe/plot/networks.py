"""How well a network performs: its confusion matrix and its training history."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from raypipe.plot.classes import symbol
from raypipe.plot.style import BLUE, ORANGE, new_figure, styled

_SHORT = 8
"""Maximum number of characters of a name that fits below a column."""


@styled
def confusion_matrix(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix with counts and percentages of the row; rows are true classes, columns predicted ones.

    `counts` (classes, classes) has rows and columns in the order of `class_names`. Empty cells are left blank.
    """
    classes = len(class_names)
    totals = counts.sum(axis=1, keepdims=True)
    share = 100 * counts / np.maximum(totals, 1)
    matrix = 0.5 * max(classes, 5)
    figure = new_figure(matrix + 1.9, matrix + 0.8)
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.argwhere(counts > 0):
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{share[row, column]:.0f} %",
            ha="center",
            va="center",
            fontsize=7,
            linespacing=1.2,
            color="white" if share[row, column] > 55 else "black",
        )
    labels = [symbol(name) for name in class_names]
    upright = max(map(len, labels)) > _SHORT
    axes.set_xticks(range(classes), labels, rotation=90 if upright else 0)
    axes.set_yticks(range(classes), labels)
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#cccccc", linewidth=0.5)
    axes.tick_params(which="both", length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")
    bar = figure.colorbar(image, shrink=0.6, fraction=0.06, pad=0.02, aspect=25, ticks=(0, 50, 100))
    bar.set_label("share of the true class (%)")
    bar.outline.set_visible(False)
    return figure


@styled
def training_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Plot the loss and accuracy of training and validation over the epochs.

    `history` has one value per epoch of `loss`, `accuracy`, `val_loss` and `val_accuracy`; missing ones are not drawn.
    """
    figure = new_figure(8.4, 2.9)
    total = max(map(len, history.values()))
    marker = "o" if total <= 40 else None
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, name, colour, line in (
            (quantity, "training", BLUE, "-"),
            (f"val_{quantity}", "validation", ORANGE, "--"),
        ):
            values = history.get(key, [np.nan] * total)
            axes.plot(np.arange(total) + 1, values, line, color=colour, label=name, marker=marker, markersize=3.5)
        axes.set(xlabel="epoch", ylabel=quantity, xlim=(0.5, total + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid()
    figure.axes[0].set_ylim(bottom=0)
    figure.axes[1].legend(loc="lower right")
    return figure
