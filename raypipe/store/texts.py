"""Store texts as integer codes: Zarr readers agree on numbers, but not on texts of variable length.

A coordinate of texts is stored as int64 indices into the attribute `names`. If no text contains spaces, CF's
`flag_values` and `flag_meanings` describe the same mapping.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

NAMES = "names"


def is_text(values: np.ndarray) -> bool:
    """Whether an array holds texts."""
    return values.dtype.kind in "UTO"


def encoded(values: np.ndarray, attributes: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Integer codes for texts, and attributes that include the mapping."""
    names = list(dict.fromkeys(values.ravel().tolist()))
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place[name] for name in values.ravel().tolist()], "int64").reshape(values.shape)
    flags = {"flag_values": list(range(len(names))), "flag_meanings": " ".join(names)}
    plain = all(name and not any(mark.isspace() for mark in name) for name in names)
    return codes, {**attributes, NAMES: names, **(flags if plain else {})}


def without_codes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of texts, without those that `encoded` has added."""
    return {key: value for key, value in attributes.items() if key not in (NAMES, "flag_values", "flag_meanings")}


def decoded(values: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """The texts for integer codes; other values are returned unchanged.

    Raises:
        IndexError: if a code has no text.
    """
    if NAMES not in attributes or is_text(values):
        return values
    if values.size and values.min() < 0:
        raise IndexError(f"{values.min()} is not an index of {len(attributes[NAMES])} names")
    return np.array(attributes[NAMES], dtype="U")[values]
