"""Plan simulations: one call of a function for each point in parameter space, including seeds."""

import inspect
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raypipe import modules
from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, Variable, label_attributes, number_type

Simulate = Callable[..., Mapping[str, Any]]

SHARD_BYTES = 2**25
"""Maximum size of a shard before compression; a single sample may exceed it."""

CHUNK_BYTES = 2**16
"""Smaller sample arrays share a chunk: reading a million chunks of a few bytes would take half an hour."""

RESERVED = {
    *("sample", "label", "class", "predicted", "probability", "origin"),
    *("score", "relevance", "saliency"),
}
"""Names of arrays that raypipe stores beside a sample's parameters, and of what networks compute for a sample."""

_AXIS = "expected a number, a list such as 0.03,0.04, or a range: 0.03:0.05:0.001 by steps, 0.03:0.05:21p by points"

_MOST_VALUES = 10**6
"""Maximum number of values along one axis; more are a mistake and would silently fill the memory."""


@dataclass(frozen=True)
class Output:
    """Describes one value that a simulation returns under a name: an array or a number.

    Attributes:
        dims: names of the dimensions; empty for a number. Networks see a dimension "frame" as channels.
        shape: shape of the array; it must be known in advance.
        dtype: name of a NumPy data type.
        units, long_name: metadata for those who open the data set.
        valid_range: lowest and highest possible value; a shard with a value outside this range, or NaN, is not written.
        compression: "zstd", or "lz4", which is faster and compresses noisy values equally well.
    """

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    units: str = "1"
    long_name: str = ""
    valid_range: tuple[float, float] | None = None
    compression: str = "zstd"


def product(**axes: Any) -> dict[str, np.ndarray]:
    """All combinations of the values of each axis as one-dimensional arrays by name; the last axis varies fastest."""
    grid = np.meshgrid(*(np.atleast_1d(np.asarray(values)) for values in axes.values()), indexing="ij")
    return {name: values.ravel() for name, values in zip(axes, grid, strict=True)}


def axis(name: str, given: Any) -> np.ndarray:
    """Parse the values of an axis: a one-dimensional float64 array without repeated values.

    Args:
        name: name of the parameter, for messages.
        given: a number, a sequence of numbers, or a text: "0.05", "0.03,0.04", "first:last:step", or "first:last:Np"
            with N points. A range includes both ends; its step must lead from one to the other.

    Raises:
        InputError: if `given` has another form, a range is reversed, empty or too long, or values are repeated or not
            finite.
    """
    found = _range(name, given) if isinstance(given, str) and ":" in given else _list(name, given)
    if not found.size or not np.isfinite(found).all():
        raise InputError(f"{name} is {given!r}; expected finite numbers")
    if len(np.unique(found)) < len(found):
        raise InputError(f"{name} is {given!r}, with repeated values; expected each once")
    return found


def _list(name: str, given: Any) -> np.ndarray:
    parts: Sequence[Any] = given.split(",") if isinstance(given, str) else np.atleast_1d(given).tolist()
    if any(isinstance(part, str) and re.match(r"0\d", part) for part in parts[1:]):
        raise InputError(f"{name} is {given!r}; write decimals with a point, such as 0.06")
    return np.array([_number(name, part, given) for part in parts])


def _number(name: str, part: Any, given: Any) -> float:
    try:
        return float(part)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {given!r}; {_AXIS}") from error


def _range(name: str, given: str) -> np.ndarray:
    parts = given.split(":")
    if len(parts) != 3:
        raise InputError(f"{name} is {given!r}; {_AXIS}")
    first, last = (_number(name, part, given) for part in parts[:2])
    if not (math.isfinite(first) and math.isfinite(last) and first < last):
        raise InputError(f"{name} is {given!r}, from {first:g} to {last:g}; expected the smaller number first")
    points = _points(name, given, first, last, parts[2])
    if points > _MOST_VALUES:
        raise InputError(f"{name} is {given!r}, which is {points} points; expected at most {_MOST_VALUES}")
    # Remove floating-point error: 0.03 + 3 · 0.001 must be 0.033.
    decimals = max(12, 9 - math.floor(math.log10(max(abs(first), abs(last)))))
    found = np.round(np.linspace(first, last, points), decimals)
    found[[0, -1]] = first, last
    return found


def _points(name: str, given: str, first: float, last: float, spacing: str) -> int:
    if spacing.endswith("p"):
        if not spacing[:-1].isdecimal() or int(spacing[:-1]) < 2:
            raise InputError(f"{name} is {given!r}; expected two points or more, such as 0.03:0.05:21p")
        return int(spacing[:-1])
    step = _number(name, spacing, given)
    if not 0 < step <= (last - first) * (1 + 1e-9):
        raise InputError(f"{name} is {given!r}; expected a step above 0 that fits into the range")
    steps = (last - first) / step
    if abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
        nearest = first + round(steps) * step
        raise InputError(
            f"{name} is {given!r}; steps of {step:g} from {first:g} do not end at {last:g}; the nearest is {nearest:g}"
        )
    return round(steps) + 1


def simulations(
    simulate: Simulate,
    points: Mapping[str, Any],
    outputs: Mapping[str, Output],
    *,
    constants: Mapping[str, Any] | None = None,
    coordinates: Mapping[str, tuple[str, Sequence[Any] | np.ndarray]] | None = None,
    label: Any = None,
    classes: Sequence[str] = (),
    per_shard: int | None = None,
    environment: str | None = None,
    title: str = "",
    grows: Sequence[str] = (),
) -> Plan:
    """Plan a data set in which a function simulates one sample for each point.

    Args:
        simulate: function that takes one value of each of `points` and `constants` as keyword arguments and returns one
            value for each of `outputs`, by name. Workers import its module and call it. Its random numbers must come
            from a seed among the points, so that the data are the same for any number of workers.
        points: parameters and seeds: one-dimensional arrays of equal length, by name. They become coordinates.
        outputs: what `simulate` returns, by name. An output `label`, of whole numbers, is the class of the sample if
            only the simulation knows it: the number of one of `classes`, or -1 where it is unknown.
        constants: numbers and texts that are the same for all points; stored with the data.
        coordinates: values along dimensions of the outputs, such as the times of frames: (dimension, values), by name.
        label: class number of each point, starting at 0, if it is known in advance; -1 where it is unknown.
        classes: names of the classes, in the order of their numbers.
        per_shard: number of samples that are computed and stored together, a few seconds of work. By default as many as
            fit in 32 MiB, but at most 1/64 of all samples, so that many workers can share the work.
        environment: lock file, in the folder of the study, of the packages that `simulate` needs, if these are not the
            cluster's own.
        title: one-line description of the data.
        grows: settings of the data set (see `study.DataSet`) that only determine the number of points. If a larger
            value appends points at the end, an existing store is extended. Set `per_shard` as well, so that it does not
            depend on the number of points.

    Raises:
        InputError: if `simulate` cannot be imported or takes other arguments, `points` are empty, differ in length or,
            as also `coordinates`, are neither numbers nor texts, a name is used twice or reserved, or `label`,
            `classes`, an output `label` or `per_shard` are not valid.
    """
    columns = {name: _native(name, values) for name, values in points.items()}
    fixed = {name: one.item() if isinstance(one, np.generic) else one for name, one in (constants or {}).items()}
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise InputError(f"points have the shapes {lengths}; expected one-dimensional arrays of equal length")
    ((samples,),) = set(lengths.values())
    if not samples:
        raise InputError(f"there are no points: {', '.join(columns)} are empty; expected at least one value of each")
    reserved = RESERVED - ({"label"} & set(outputs))  # a simulation may determine the class itself
    groups = [set(columns), set(fixed), set(outputs), set(coordinates or {})]
    taken = {name for one, other in itertools.combinations(groups, 2) for name in one & other}
    if taken := taken | reserved & {*columns, *outputs, *(coordinates or {})}:
        raise InputError(
            f"{', '.join(sorted(taken))} is the name of more than one thing; expected another name for each point, "
            f"constant, output and coordinate, and none that raypipe uses itself, {', '.join(sorted(RESERVED))}"
        )
    _check_arguments(simulate, {*columns, *fixed})
    names = tuple(classes)
    _check_classes(names)
    if "label" in outputs:
        if label is not None:
            raise InputError("label is given for the points and is an output, too; expected one of them")
        _check_label(outputs["label"], names)
    elif label is not None:
        columns["label"] = _checked_labels(np.asarray(label), names, samples)
    elif names:
        raise InputError(f"classes {', '.join(names)}, but no labels; give label=…, or leave the classes out")
    if per_shard is not None and not (isinstance(per_shard, int) and per_shard >= 1):
        raise InputError(f"{per_shard} samples per shard; expected a whole number of 1 or more")
    size = sum(number_type(one.dtype).itemsize * math.prod(one.shape) for one in outputs.values())
    shard = per_shard or max(1, min(SHARD_BYTES // max(1, size), -(-samples // 64)))
    return Plan(
        name="",
        samples=samples,
        shard_samples=shard,
        variables={
            name: Variable(
                ("sample", *one.dims),
                (samples, *one.shape),
                one.dtype,
                (_samples_in_chunk(one, shard), *one.shape),
                _attributes(name, one, names),
                one.compression,
            )
            for name, one in outputs.items()
        },
        coordinates={
            **{
                name: Coordinate(("sample",), values, label_attributes(names) if name == "label" else {})
                for name, values in columns.items()
            },
            **{
                name: Coordinate((dimension,), _native(name, values))
                for name, (dimension, values) in (coordinates or {}).items()
            },
        },
        parameters=fixed,
        attributes={"title": title} if title else {},
        compute=modules.reference(simulate),
        per_sample=tuple(fixed),
        columns=tuple(points),
        environment=environment,
        grows=tuple(grows),
    )


def _native(name: str, values: Any) -> np.ndarray:
    """Convert to an array in this machine's byte order; arrays from files may have the other one.

    Raises:
        InputError: if the values are neither real numbers nor booleans nor texts: only these become JSON for workers.
    """
    found = np.asarray(values)
    if found.dtype.kind not in "biufUTO" or (
        found.dtype.kind == "O" and not all(isinstance(one, str) for one in found.ravel())
    ):
        raise InputError(
            f"{name} has values of the data type {found.dtype}; expected real numbers or texts: give complex numbers "
            "as two parameters, and dates as numbers, such as days"
        )
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _samples_in_chunk(of: Output, shard: int) -> int:
    """Samples per chunk: the divisor of `shard` that is nearest to CHUNK_BYTES; for numbers the whole shard."""
    if not of.shape:
        return shard
    wanted = max(1, CHUNK_BYTES // max(1, number_type(of.dtype).itemsize * math.prod(of.shape)))
    divisors = (count for count in range(1, shard + 1) if shard % count == 0)
    return min(divisors, key=lambda count: abs(math.log(count / wanted)))


def _check_classes(classes: tuple[str, ...]) -> None:
    if wrong := [name for name in classes if not name or len(name.split()) != 1] or (
        [name for name in classes if classes.count(name) > 1]
    ):
        raise InputError(
            f"a class is called {wrong[0]!r}; expected names without spaces, each once, such as no_pattern"
        )


def _check_label(of: Output, classes: tuple[str, ...]) -> None:
    if of.shape or number_type(of.dtype).kind not in "iu" or not classes:
        raise InputError(
            f"the output label has the shape {of.shape} and the data type {of.dtype}, for {len(classes)} classes; "
            'expected class numbers, Output(dtype="int64"), and classes=…, their names'
        )


def _checked_labels(label: np.ndarray, classes: tuple[str, ...], samples: int) -> np.ndarray:
    if label.shape != (samples,) or label.dtype.kind not in "iu":
        raise InputError(f"labels of shape {label.shape} and data type {label.dtype}; expected {samples} class numbers")
    if not -1 <= label.min() <= label.max() < len(classes):
        raise InputError(
            f"labels are from {label.min()} to {label.max()}; expected numbers from 0 to {len(classes) - 1} for "
            f"{len(classes)} classes, or -1 where the class is unknown"
        )
    return label


def _attributes(name: str, of: Output, classes: tuple[str, ...]) -> dict[str, Any]:
    if name == "label":
        return {**label_attributes(classes), "valid_range": [-1, len(classes) - 1]}
    return {
        "units": of.units,
        **({"long_name": of.long_name} if of.long_name else {}),
        **({"valid_range": list(of.valid_range)} if of.valid_range else {}),
    }


def _check_arguments(simulate: Simulate, given: set[str]) -> None:
    try:
        inspect.signature(simulate).bind(**dict.fromkeys(given))
    except TypeError as error:
        takes = ", ".join(inspect.signature(simulate).parameters)
        raise InputError(
            f"{simulate.__name__} takes {takes}; the points and constants are {', '.join(sorted(given))}: {error}"
        ) from error
