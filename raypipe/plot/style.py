"""A common style for all pictures: colours, fonts, an empty figure, and its conversion to an image."""

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

RED = "#d7191c"
BLUE = "#2b6ca3"
ORANGE = "#d9730d"

DOTS_PER_INCH = 144
"""Resolution of the pictures: 1.5 times that of a screen, for print and for phones."""

styled = matplotlib.rc_context(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "axes.axisbelow": True,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": "#e5e5e5",
        "grid.linewidth": 0.5,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "figure.constrained_layout.w_pad": 0.08,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.facecolor": "white",
        "figure.dpi": DOTS_PER_INCH,
    }
)
"""Decorator of every function that draws: the settings apply only while the function runs."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure, size in inches, that belongs to no window and does not need to be closed."""
    return Figure(figsize=(width, height), layout="constrained")


def raster(figure: Figure, dots_per_inch: int = DOTS_PER_INCH, *, palette: bool = False) -> Image.Image:
    """Return the figure as an image.

    With a palette of 256 colours, the file is a third of the size; this is enough for one colour map, but steps are
    visible where there are two.
    """
    usual = figure.dpi
    try:
        figure.dpi = dots_per_inch
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # once; savefig would draw twice, and its file would have to be read again
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    finally:
        figure.dpi = usual
    return image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE) if palette else image
