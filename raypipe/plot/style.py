"""One look for all pictures: class colours, fonts, an empty figure, and how it becomes an image."""

import io

import matplotlib
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

CLASS_COLOURS = {
    "alpha": "#2dc3b4",
    "beta": "#a50f3c",
    "gamma": "#6987ff",
    "delta": "#ff6978",
    "epsilon": "#f0d21e",
    "zeta": "#a55a00",
    "eta": "#5af096",
    "theta": "#3c4b00",
    "iota": "#780f78",
    "kappa": "#87960f",
    "lambda": "#a5b4ff",
    "mu": "#3c5ac3",
    "nu": "#f0a569",
    "pi": "#d269c3",
    "l": "#707070",
    "h": "#e6e6e6",
}
"""One colour per pattern class. Chosen by maximising the smallest difference between any two, in normal vision and in
the three kinds of colour blindness, with more weight on classes that touch in the phase diagram."""

FIELD_COLOURS = "YlGnBu_r"
"""Colour map of the field u, from 0 to 1."""

SALIENCY_COLOURS = "YlOrRd"
"""Colour map of the saliency, from 0 to 1."""

RED = "#d7191c"
BLUE = "#2b6ca3"
ORANGE = "#d9730d"

styled = matplotlib.rc_context(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "figure.constrained_layout.w_pad": 0.08,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.facecolor": "white",
        "figure.dpi": 144,
    }
)
"""Decorator of every function that draws: the settings hold while it runs and nowhere else."""


def class_colour_map(names: tuple[str, ...] | list[str]) -> ListedColormap:
    """Colours of the pattern classes `names`, in their order."""
    return ListedColormap([CLASS_COLOURS[name] for name in names])


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure, in inches, that belongs to no window and needs no closing."""
    return Figure(figsize=(width, height), layout="constrained")


def raster(figure: Figure, dots_per_inch: int, *, palette: bool = False) -> Image.Image:
    """The figure as an image.

    With a palette of 256 colours its file is a third of the size: enough for one colour map, visible as steps where
    there are two.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots_per_inch)
    image = Image.open(file).convert("RGB")
    return image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE) if palette else image
