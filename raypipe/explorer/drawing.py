"""Pictures of samples as PNG files, drawn as their study defines."""

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
"""Standard deviation of the Gaussian blur of saliency maps, in grid spacings: single points mean little."""


@styled
def sample(explored: Explored, number: int) -> bytes:
    """Draw a sample; if it has several frames, draw the first, a middle one and the last."""
    return made(explored.study.seen, explored.samples.isel(sample=number))


@styled
def made(seen: Sample, one: xr.Dataset) -> bytes:
    """Draw a sample that is not in a data set, given with the coordinates that it was made with."""
    one = one.load()
    if seen.is_sequence:
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
def frame(explored: Explored, number: int, place: int) -> bytes:
    """Draw one frame of a sample."""
    one = explored.samples.isel({"sample": number, FRAME: slice(place, place + 1)}).load()
    figure = _fields(1)
    drawing(explored.study.seen)(figure.axes[0], one)
    figure.axes[0].set(xlabel=f"{FRAME} {one[FRAME].values[0]:g}" if FRAME in one.coords else "")
    return _png(figure)


@lru_cache(maxsize=4096)
@styled
def thumbnail(explored: Explored, number: int) -> bytes:
    """Draw a small picture of a sample."""
    sequence = explored.study.seen.is_sequence
    figure = Figure(figsize=(1.5, 0.9) if sequence else (0.9, 0.9))
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    one = explored.samples.isel(sample=number)
    drawing(explored.study.seen)(axes, (one.isel({FRAME: slice(-1, None)}) if FRAME in one.dims else one).load())
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="", title="")
    axes.spines[:].set_visible(False)
    return _png(figure)


@styled
def explanation(seen: Sample, found: dict[str, np.ndarray]) -> bytes:
    """Draw the result of `work.explained`: a sequence coloured by its relevance, or a field beside its saliency."""
    if seen.is_sequence:
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


def _fields(count: int) -> Figure:
    """Create a figure with axes side by side, placed by hand: automatic layout would take as long as drawing."""
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
