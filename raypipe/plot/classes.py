"""The classes of a data set: their names, symbols and colours, and one example of each."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap, to_hex

from raypipe import study
from raypipe.errors import InputError, choice

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip

_OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Colours that can be told apart with every kind of colour vision."""

_MANY = 20


def symbol(name: str) -> str:
    """Return the Greek letter of a class that is named after one; return any other name as it is."""
    return _GREEK.get(name, name)


def colours(classes: int, colour_map: str = "") -> list[str]:
    """Return a colour for each class, from the named matplotlib colour map or, without a name, ones easy to tell apart.

    Raises:
        InputError: if there is no such colour map.
    """
    if colour_map:
        found = matplotlib.colormaps[choice("colour map", colour_map, list(matplotlib.colormaps))]
        listed = isinstance(found, ListedColormap) and found.N in range(classes, _MANY + 1)
        return [to_hex(colour) for colour in found(range(classes) if listed else np.linspace(0, 1, classes))]
    if classes <= len(_OKABE_ITO):
        return list(_OKABE_ITO[:classes])
    name, steps = ("tab20", range(classes)) if classes <= _MANY else ("turbo", np.linspace(0, 1, classes))
    return [to_hex(colour) for colour in matplotlib.colormaps[name](steps)]


def study_colours(names: Sequence[str], study_name: str, colour_map: str = "") -> dict[str, str]:
    """Return colours by class name, from the named matplotlib colour map or else from the study, if it has any.

    Raises:
        InputError: if there is no such colour map.
    """
    usual = dict(zip(names, colours(len(names), colour_map), strict=True))
    if colour_map:
        return usual
    try:
        own = study.find(study_name).class_colours
    except InputError:  # its file or package is not available
        return usual
    return {name: to_hex(own[name]) if name in own else usual[name] for name in names}


def class_names(dataset: xr.Dataset) -> tuple[str, ...]:
    """Return class names in the order of their numbers, from the coordinate `class` or the flag meanings of `label`."""
    if "class" in dataset.coords:
        return tuple(str(name) for name in dataset["class"].values)
    return tuple(dataset["label"].attrs["flag_meanings"].split())


def one_per_class(dataset: xr.Dataset) -> list[int]:
    """Return the positions along `sample` of one example per class in `label`, in the order of the classes.

    The example is the first sample that the network classified correctly, or the first one if there is none.
    """
    label, predicted = dataset["label"].values, dataset["predicted"].values
    examples = []
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        right = members[predicted[members] == number]
        examples.append(int(right[0] if len(right) else members[0]))
    return examples
