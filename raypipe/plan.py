"""Plans of simulations: one call of a function for each point of parameter space, seeds and all."""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raypipe import modules
from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, Variable, label_attributes, number_type

Simulate = Callable[..., Mapping[str, Any]]

SHARD_BYTES = 2**25
"""Size of a shard before compression that is not exceeded, unless by a single sample."""

CHUNK_BYTES = 2**16
"""Arrays of a sample that are smaller share a chunk: a million of a few bytes would take half an hour to read."""

RESERVED = {
    *("sample", "label", "class", "predicted", "probability", "origin"),
    *("score", "relevance", "saliency"),
}
"""Names of what is kept beside the parameters of a sample, and of what networks say of it."""

_AXIS = "expected a number, a list such as 0.03,0.04, or a range: 0.03:0.05:0.001 by steps, 0.03:0.05:21p by points"

_MOST_VALUES = 10**6
"""Along one axis; more are a mistake, and would fill the memory before anybody notices."""


@dataclass(frozen=True)
class Output:
    """What a simulation gives under one name: an array of these dimensions, shape and data type, or a number.

    Attributes:
        dims: names of the dimensions, none for a number. A dimension "frame" holds what networks see as channels.
        shape: of the array, known beforehand.
        dtype: name of NumPy's data type.
        units, long_name: for those who open the data set.
        valid_range: lowest and highest possible value; a shard with another one, or with NaN, is not written.
        compression: "zstd", or "lz4", which is faster and leaves as much where values are noise.
    """

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    units: str = "1"
    long_name: str = ""
    valid_range: tuple[float, float] | None = None
    compression: str = "zstd"


def product(**axes: Any) -> dict[str, np.ndarray]:
    """All combinations of the values of each axis, the last one varying fastest: one-dimensional arrays by name."""
    grid = np.meshgrid(*(np.atleast_1d(np.asarray(values)) for values in axes.values()), indexing="ij")
    return {name: values.ravel() for name, values in zip(axes, grid, strict=True)}


def axis(name: str, given: Any) -> np.ndarray:
    """The values of an axis: float64, one-dimensional, different from each other.

    Args:
        name: of the parameter, for messages.
        given: a number, a sequence of numbers, or a text: "0.05", "0.03,0.04", "first:last:step", or "first:last:Np"
            with N points. Both ends belong to a range; its step has to lead from one to the other.

    Raises:
        InputError: if it is none of these, a range is reversed or empty, or values are not finite or twice the same.
    """
    found = _range(name, given) if isinstance(given, str) and ":" in given else _list(name, given)
    if not found.size or not np.isfinite(found).all():
        raise InputError(f"{name} is {given!r}; expected finite numbers")
    if len(np.unique(found)) < len(found):
        raise InputError(f"{name} is {given!r}, with repeated values; expected each once")
    return found


def _list(name: str, given: Any) -> np.ndarray:
    parts: Sequence[Any] = given.split(",") if isinstance(given, str) else np.atleast_1d(given).tolist()
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
    # Without the digits that come of adding up: 0.03 + 3 · 0.001 is to be 0.033.
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
    """Plan of a data set that a function simulates, one sample for each point.

    Args:
        simulate: from one value of each of `points` and `constants`, by name, to one value of each of `outputs`. It is
            called in workers, which import its module. What is random in it comes from a seed among the points: the
            data are then the same for any number of workers.
        points: one-dimensional arrays of equal length, by name: parameters, seeds. They become coordinates.
        outputs: what `simulate` returns, by name.
        constants: numbers and texts that are the same for all points; kept with the data.
        coordinates: values along dimensions of the outputs, by name: (dimension, values), such as the times of frames.
        label: number of the class of each point, from 0 up, where it is known beforehand; -1 where it is not.
        classes: names of the classes, in the order of their numbers.
        per_shard: samples that are computed and stored as one piece, some seconds of work; by default as many as fit in
            32 MiB, but at most a 64th of all, so that there is work for many workers.
        environment: lock file, beside the study's, of the packages that `simulate` needs instead of the cluster's.
        title: what the data are, in one line.
        grows: settings of the data set, see `study.DataSet`, that say only how many points there are: with more, which
            come behind, a store is extended. Give `per_shard` too, so that it does not depend on how many.

    Raises:
        InputError: if `simulate` cannot be imported or takes other arguments, the points are none or not of equal
            length, or a name is taken.
    """
    columns = {name: _native(values) for name, values in points.items()}
    fixed = {name: one.item() if isinstance(one, np.generic) else one for name, one in (constants or {}).items()}
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise InputError(f"points have the shapes {lengths}; expected one-dimensional arrays of equal length")
    ((samples,),) = set(lengths.values())
    if not samples:
        raise InputError(f"there are no points: {', '.join(columns)} are empty; expected at least one value of each")
    reserved = RESERVED - ({"label"} & set(outputs))  # a simulation may find out the class itself
    groups = [set(columns), set(fixed), set(outputs), set(coordinates or {})]
    taken = {name for one, other in itertools.combinations(groups, 2) for name in one & other}
    if taken := taken | reserved & {*columns, *outputs, *(coordinates or {})}:
        raise InputError(
            f"{', '.join(sorted(taken))} is the name of more than one thing; expected another name for each point, "
            f"constant, output and coordinate, and none that raypipe uses itself, {', '.join(sorted(RESERVED))}"
        )
    _check_arguments(simulate, {*columns, *fixed})
    if label is not None:
        columns["label"] = _checked_labels(np.asarray(label), tuple(classes), samples)
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
                _attributes(one),
                one.compression,
            )
            for name, one in outputs.items()
        },
        coordinates={
            **{
                name: Coordinate(("sample",), values, label_attributes(tuple(classes)) if name == "label" else {})
                for name, values in columns.items()
            },
            **{
                name: Coordinate((dimension,), _native(values))
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


def _native(values: Any) -> np.ndarray:
    """As an array in this machine's byte order, which those of other files may not be in."""
    found = np.asarray(values)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _samples_in_chunk(of: Output, shard: int) -> int:
    """So many that a chunk is not much smaller than CHUNK_BYTES, if there are several; all where each is a number."""
    if not of.shape:
        return shard
    most = CHUNK_BYTES // max(1, number_type(of.dtype).itemsize * math.prod(of.shape))
    return max((count for count in range(1, most + 1) if shard % count == 0), default=1)


def _checked_labels(label: np.ndarray, classes: tuple[str, ...], samples: int) -> np.ndarray:
    if wrong := [name for name in classes if not name or len(name.split()) != 1] or (
        [name for name in classes if classes.count(name) > 1]
    ):
        raise InputError(
            f"a class is called {wrong[0]!r}; expected names without spaces, each once, such as no_pattern"
        )
    if label.shape != (samples,) or label.dtype.kind not in "iu":
        raise InputError(f"labels of shape {label.shape} and data type {label.dtype}; expected {samples} class numbers")
    if not -1 <= label.min() <= label.max() < len(classes):
        raise InputError(
            f"labels are from {label.min()} to {label.max()}; expected numbers from 0 to {len(classes) - 1} for "
            f"{len(classes)} classes, or -1 where the class is unknown"
        )
    return label


def _attributes(of: Output) -> dict[str, Any]:
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
