"""Sequences over time, or in the plane that they move in, with the relevance of their points in colour."""

import numpy as np
from matplotlib.axes import Axes


def draw_sequence(axes: Axes, values: np.ndarray, relevance: np.ndarray | None = None) -> None:
    """Draw a sequence (time,) over time, or a sequence (time, axis) in the plane of its first two axes.

    Args:
        axes: axes of matplotlib.
        values: the sequence, NaN after its end.
        relevance: (time,), for each point that of the step that leads to it: red supports the class, blue contradicts
            it.
    """
    there = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    values = values[there]
    plane = values.ndim > 1 and values.shape[1] > 1
    x, y = (values[:, 0], values[:, 1]) if plane else (np.arange(len(values)), values.reshape(-1))
    if relevance is None:
        axes.plot(x, y, color="black", linewidth=0.7)
    else:
        relevance = relevance[there]
        most = np.quantile(np.abs(relevance), 0.98) or 1
        axes.plot(x, y, color="#bbbbbb", linewidth=0.7, zorder=1)
        axes.scatter(x, y, c=relevance, s=6, cmap="coolwarm", vmin=-most, vmax=most, linewidths=0, zorder=2)
    if plane:
        axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(labelsize=7)
