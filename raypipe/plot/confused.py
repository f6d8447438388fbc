"""What a network confuses: samples of one class that it takes for another, between samples of both classes."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raypipe.plot.classes import class_names, symbol
from raypipe.plot.sequences import draw_sequence
from raypipe.plot.style import BLUE, RED, new_figure, styled
from raypipe.study import Sample

_MOST_MISTAKES = 4
"""Maximum number of mistakes that are drawn of a pair of classes."""


class Pair(Protocol):
    """Two classes, by name: `count` of the `samples` of the class `true` were taken for the class `predicted`."""

    @property
    def true(self) -> str: ...  # noqa: D102
    @property
    def predicted(self) -> str: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def samples(self) -> int: ...  # noqa: D102


@styled
def confused_samples(
    samples: xr.Dataset,
    predictions: xr.Dataset,
    probability: np.ndarray,
    pairs: Sequence[Pair],
    sample: Sample,
) -> Figure:
    """Draw a row for each pair of classes: confused samples, between one correctly classified sample of each class.

    Args:
        samples: the data set that was classified.
        predictions: its predictions, in the same order: `predicted` and `label` (sample), `class`.
        probability: (sample, class), as it is to be shown; the mistakes and the correctly classified samples that are
            drawn are those of the highest probability.
        pairs: the rows, see `evaluate.confused`.
        sample: what the study's networks see of a sample, and how a sample is drawn.
    """
    names, label, predicted = class_names(predictions), predictions["label"].values, predictions["predicted"].values
    draw = drawing(sample)
    wide = sample.is_sequence
    width, height = (2.0, 1.35) if wide else (1.45, 1.75)
    columns = min(_MOST_MISTAKES, max(pair.count for pair in pairs)) + 2
    figure = new_figure(width * columns + 1.1, height * len(pairs) + 0.3)
    grid = figure.subplots(len(pairs), columns, squeeze=False)
    for row, pair in zip(grid, pairs, strict=True):
        true, taken = names.index(pair.true), names.index(pair.predicted)
        surest = np.argsort(-probability[:, taken], kind="stable")
        wrong = [int(one) for one in surest if label[one] == true and predicted[one] == taken][: columns - 2]
        places = [(one, row[1 + place], taken, RED) for place, one in enumerate(wrong)]
        for number, axes in ((true, row[0]), (taken, row[-1])):
            right = np.flatnonzero((label == number) & (predicted == number))
            if len(right):
                best = int(right[probability[right, number].argmax()])
                places.append((best, axes, number, BLUE))
        for axes in row[1 + len(wrong) : -1]:
            axes.set_axis_off()
        for axes, number in ((row[0], true), (row[-1], taken)):
            if not any(axes is used for _, used, _, _ in places):
                axes.set_axis_off()
                axes.text(0.5, 0.5, f"no {symbol(names[number])}\nrecognised", ha="center", va="center")
        for one, axes, number, colour in places:
            draw(axes, samples.isel(sample=one))
            axes.xaxis.label.set_size(6.5)
            axes.tick_params(labelsize=6)
            axes.spines[:].set(visible=True, color=colour, linewidth=1.2)
            true_name = symbol(names[label[one]])
            said = true_name if label[one] == number else f"{true_name} taken for {symbol(names[number])}"
            axes.set_title(f"{said}, {100 * probability[one, number]:.0f} %", fontsize=8, color=colour)
        row[0].text(
            -0.12,
            0.5,
            f"{pair.count} of {pair.samples}\n{symbol(pair.true)} taken\nfor {symbol(pair.predicted)}",
            transform=row[0].transAxes,
            ha="right",
            va="center",
        )
    return figure


def drawing(sample: Sample) -> Callable[[Axes, xr.Dataset], None]:
    """Return the function that draws a sample into axes: that of the study, or a default one."""
    return sample.drawing or (lambda axes, one: _as_it_is(axes, one[sample.variable], sample.is_sequence))


def _as_it_is(axes: Axes, values: xr.DataArray, sequence: bool) -> None:
    """Draw a sequence as a line, a field as an image; of further dimensions, only the last entry is drawn."""
    if sequence:
        draw_sequence(axes, values.values)
    else:
        axes.imshow(values.values.reshape(*values.shape[:2], -1)[..., -1], cmap="viridis")
        axes.set(xticks=(), yticks=())
