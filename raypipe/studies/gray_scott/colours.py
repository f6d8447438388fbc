"""Colours of the pattern classes, of the field u and of the saliency."""

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
