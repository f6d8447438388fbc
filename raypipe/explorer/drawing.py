"""Pictures of samples as PNG files, in the way of their study."""

import io
from functools import lru_cache

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from raypipe.explorer.explored import Explored
from raypipe.plot.confused import drawing
from raypipe.plot.sequences import draw_sequence
from raypipe.plot.style import new_figure, styled
from raypipe.study import Sample

FRAME = "frame"

_SHOWN_FRAMES = 3
_DOTS = 100
_BLUR = 2.0
"""Of a map over a field, in grid spacings: single points say little."""


@styled
def sample(of: Explored, number: int) -> bytes:
    """A sample: of several frames the first, one in the middle and the last."""
    return made(of.study.seen, of.samples.isel(sample=number))


@styled
def made(seen: Sample, one: xr.Dataset) -> bytes:
    """The same of a sample that is not in a data set, with the coordinates that it was made with."""
    one = one.load()
    if is_sequence(seen):
        figure = new_figure(5.4, 2.6)
        drawing(seen)(figure.subplots(), one)
        return _png(figure)
    frames = one.sizes.get(FRAME, 1)
    shown = np.unique(np.linspace(0, frames - 1, _SHOWN_FRAMES).round().astype(int)) if frames > 1 else [0]
    figure = _fields(len(shown))
    for axes, frame in zip(figure.axes, shown, strict=True):
        drawing(seen)(axes, one.isel({FRAME: slice(frame, frame + 1)}) if frames > 1 else one)
        axes.set(xlabel=f"{FRAME} {one[FRAME].values[frame]:g}" if FRAME in one.coords else "")
    return _png(figure)


@styled
def frame(of: Explored, number: int, place: int) -> bytes:
    """One frame of a sample."""
    one = of.samples.isel({"sample": number, FRAME: slice(place, place + 1)}).load()
    figure = _fields(1)
    drawing(of.study.seen)(figure.axes[0], one)
    figure.axes[0].set(xlabel=f"{FRAME} {one[FRAME].values[0]:g}" if FRAME in one.coords else "")
    return _png(figure)


@lru_cache(maxsize=4096)
@styled
def thumbnail(of: Explored, number: int) -> bytes:
    """A small picture of a sample."""
    sequence = is_sequence(of.study.seen)
    figure = Figure(figsize=(1.5, 0.9) if sequence else (0.9, 0.9))
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    one = of.samples.isel(sample=number)
    drawing(of.study.seen)(axes, (one.isel({FRAME: slice(-1, None)}) if FRAME in one.dims else one).load())
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="", title="")
    axes.spines[:].set_visible(False)
    return _png(figure)


@styled
def explanation(seen: Sample, found: dict[str, np.ndarray]) -> bytes:
    """What `work.explained` found: a sequence with its relevance in colour, a field beside its saliency."""
    if is_sequence(seen):
        figure = new_figure(5.4, 2.6)
        draw_sequence(figure.subplots(), found[seen.variable], found["relevance"])
        return _png(figure)
    figure = _fields(2)
    left, right = figure.axes
    left.imshow(found[seen.variable], cmap="gray")
    left.set(xlabel=f"{seen.variable}, as the network sees it")
    right.imshow(gaussian_filter(found["saliency"], _BLUR), cmap="YlOrRd")
    right.set(xlabel="saliency")
    return _png(figure)


def is_sequence(seen: Sample) -> bool:
    """Whether samples are sequences; else they are fields."""
    return len(seen.dims) == 2


def _fields(count: int) -> Figure:
    """A figure with axes side by side, placed by hand: to have them placed takes as long as to draw them."""
    figure = Figure(figsize=(1.9 * count, 2.1))
    for place in range(count):
        axes = figure.add_axes((place / count, 0.12, 0.96 / count, 0.87))
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DOTS)
    return file.getvalue()
