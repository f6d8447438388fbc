"""Plans of simulations: one call of a function for each point of parameter space, seeds and all."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raypipe import modules
from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, Variable, label_attributes

Simulate = Callable[..., Mapping[str, Any]]

SHARD_BYTES = 2**25
"""Size of a shard before compression that is not exceeded, unless by a single sample."""


RESERVED = {"sample", "label", "class", "predicted", "probability", "origin"}
"""Names of what is kept beside the parameters of a sample."""


@dataclass(frozen=True)
class Output:
    """What a simulation gives under one name: an array of these dimensions, shape and data type, or a number.

    Attributes:
        dims: names of the dimensions, none for a number. A dimension "frame" holds what networks see as channels.
        shape: of the array, known beforehand.
        dtype: name of NumPy's data type.
        units, long_name: for those who open the data set.
    """

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    units: str = "1"
    long_name: str = ""


def product(**axes: Any) -> dict[str, np.ndarray]:
    """All combinations of the values of each axis, the last one varying fastest: one-dimensional arrays by name."""
    grid = np.meshgrid(*(np.atleast_1d(np.asarray(values)) for values in axes.values()), indexing="ij")
    return {name: values.ravel() for name, values in zip(axes, grid, strict=True)}


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

    Raises:
        InputError: if `simulate` cannot be imported or takes other arguments, the points are none or not of equal
            length, or a name is taken.
    """
    columns = {name: np.asarray(values) for name, values in points.items()}
    fixed = dict(constants or {})
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) != 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise InputError(f"points have the shapes {lengths}; expected one-dimensional arrays of one length")
    ((samples,),) = set(lengths.values())
    if not samples:
        raise InputError(f"there are no points: {', '.join(columns)} are empty; expected at least one value of each")
    if taken := (set(columns) & RESERVED) | (set(columns) | set(fixed)) & set(outputs):
        raise InputError(
            f"{', '.join(sorted(taken))} cannot name a parameter: outputs and parameters have names of their own, and "
            f"raypipe itself uses {', '.join(sorted(RESERVED))}"
        )
    _check_arguments(simulate, {*columns, *fixed})
    if label is not None:
        columns["label"] = np.asarray(label)
    size = sum(np.dtype(one.dtype).itemsize * int(np.prod(one.shape)) for one in outputs.values())
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
                (1 if one.shape else shard, *one.shape),
                {"units": one.units, **({"long_name": one.long_name} if one.long_name else {})},
            )
            for name, one in outputs.items()
        },
        coordinates={
            **{
                name: Coordinate(("sample",), values, label_attributes(tuple(classes)) if name == "label" else {})
                for name, values in columns.items()
            },
            **{
                name: Coordinate((dimension,), np.asarray(values))
                for name, (dimension, values) in (coordinates or {}).items()
            },
        },
        parameters=fixed,
        attributes={"title": title} if title else {},
        compute=modules.reference(simulate),
        per_sample=tuple(fixed),
        columns=tuple(points),
        environment=environment,
    )


def _check_arguments(simulate: Simulate, given: set[str]) -> None:
    try:
        inspect.signature(simulate).bind(**dict.fromkeys(given))
    except TypeError as error:
        takes = ", ".join(inspect.signature(simulate).parameters)
        raise InputError(
            f"{simulate.__name__} takes {takes}; the points and constants are {', '.join(sorted(given))}: {error}"
        ) from error
