"""Check values against the CF attributes `valid_range` and `flag_values` of their array."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_ROUNDING = 64
"""Tolerance for floating-point values outside the range, in units in the last place of the range's larger end."""


def finite(dtype: str) -> dict[str, Any]:
    """Attributes for floating-point values that must be neither NaN nor infinite."""
    largest = float(np.finfo(dtype).max)
    return {"valid_range": [-largest, largest]}


def misfit(attributes: Mapping[str, Any]) -> str | None:
    """The problem with the attributes themselves; None if values can be checked against them."""
    for key in ("valid_range", "flag_values"):
        found = attributes.get(key, [0, 0])
        known = isinstance(found, list | tuple) and all(
            isinstance(one, int | float) and math.isfinite(one) for one in found
        )
        if not known or (key == "valid_range" and (len(found) != 2 or found[0] > found[1])):
            return f"the attribute {key} = {found!r}"
    return None


def fault(values: np.ndarray, attributes: Mapping[str, Any], start: int) -> str | None:
    """The first value that an array's attributes do not allow, in samples numbered from `start`; None if there is none.

    NaN and infinity are outside every range; without a range or flags, any value is allowed. A range beside flags may
    allow further values, such as -1 for a label that is not known.
    """
    if not values.size:
        return None
    flags, found = attributes.get("flag_values"), attributes.get("valid_range")
    if found is None and flags is not None:
        return _first(values, ~np.isin(values, flags), start, f"one of {', '.join(map(str, flags))}")
    if found is None:
        return None
    low, high = map(float, found)
    slack = 0.0
    if values.dtype.kind == "f":
        slack = _ROUNDING * float(np.finfo(values.dtype).eps) * max(abs(low), abs(high))
    least, most = float(values.min()), float(values.max())
    if math.isfinite(least) and math.isfinite(most) and low - slack <= least and most <= high + slack:
        return None
    wide = values.astype("float64")
    inside = np.isfinite(wide) & (low - slack <= wide) & (wide <= high + slack)
    any_number = high >= float(np.finfo("float32").max)
    return _first(values, ~inside, start, "a finite number" if any_number else f"from {low:g} to {high:g}")


def _first(values: np.ndarray, wrong: np.ndarray, start: int, expected: str) -> str | None:
    if not wrong.any():
        return None
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return f"sample {start + int(place[0])} is {values[place]}, expected {expected}"
