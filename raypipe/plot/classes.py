"""The classes of a data set: their names, their symbols, one example of each."""

import numpy as np
import xarray as xr

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "pi": "π",
}  # fmt: skip


def symbol(name: str) -> str:
    """The Greek letter of a pattern class; any other name as it is."""
    return _GREEK.get(name, name)


def class_names(dataset: xr.Dataset) -> tuple[str, ...]:
    """Names in the order of the class numbers: the coordinate `class`, or else the flag meanings of `label`."""
    if "class" in dataset.coords:
        return tuple(str(name) for name in dataset["class"].values)
    return tuple(dataset["label"].attrs["flag_meanings"].split())


def one_per_class(dataset: xr.Dataset) -> list[int]:
    """Positions along `sample` of one example per class that occurs in `label`, in the order of the classes.

    The first one that the network got right; the first one where it got none right.
    """
    label, predicted = dataset["label"].values, dataset["predicted"].values
    examples = []
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        right = members[predicted[members] == number]
        examples.append(int(right[0] if len(right) else members[0]))
    return examples
