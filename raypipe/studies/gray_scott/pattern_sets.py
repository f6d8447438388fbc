"""Plans of the data sets of patterns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raypipe.errors import choice
from raypipe.store import Coordinate, Plan, Variable, finite, label_attributes
from raypipe.studies.gray_scott import integrator, starts, tables

Rows = dict[str, np.ndarray]

PATTERNS_PER_SHARD = 25
"""Some seconds of work: little is lost if a worker fails, no worker waits long for the others at the end, and the
overhead of Ray and Zarr for each shard is comparatively small."""

_CONCENTRATION = {"units": "1", "long_name": "concentration of the substrate"}
_STEPS = {"long_name": "time steps computed: fewer than 60000 where a step changed nothing and the rest was known"}
_POINTS = {
    "k": {"long_name": "kill rate", "units": "1"},
    "f": {"long_name": "feed rate", "units": "1"},
    "diffusion_u": {"long_name": "diffusion coefficient of u", "units": "1"},
    "diffusion_v": {"long_name": "diffusion coefficient of v", "units": "1"},
    "seed": {"long_name": "seed of the initial state"},
}
_UNKNOWN = {"long_name": "class, not known"}

USUAL = {"diffusion_u": 0.2, "diffusion_v": 0.1, "size": 128, "time_step": 0.25}
"""The study's settings of a simulation."""

_MIXING = {"start": "study", **{key: value for key, value in USUAL.items() if key != "size"}}


def patterns(split: str, per_class: int | None = None, dtype: str = "float64") -> Plan:
    """Plan of a pattern data set, `gray_scott/<split>`: u at the twelve times of the 2-D and 3-D samples.

    Args:
        split: train, val, test, train2 or val2.
        per_class: number of patterns of each class; by default all.
        dtype: data type for integration and storage, float64 or float32.

    Raises:
        InputError: if the split, the number per class or the data type is invalid.
    """
    points = _columns(tables.pattern_simulations(split, per_class))
    settings = {"frame_times": list(tables.PATTERN_FRAME_TIMES), "dtype": dtype, "per_class": per_class}
    return planned(f"gray_scott/{split}", points, settings, label_attributes(tables.pattern_classes(split)))


def scan(every: int = 1, dtype: str = "float64") -> Plan:
    """Plan of the fine scan of parameter space, `gray_scott/scan`: u at the three times of the 2-D sample.

    Args:
        every: use only every n-th of the 5481 simulations.
        dtype: as in `patterns`.

    Raises:
        InputError: if `every` or the data type is invalid.
    """
    settings = {"frame_times": list(tables.FRAME_TIMES_2D), "dtype": dtype, "every": every}
    return planned("gray_scott/scan", _columns(tables.scan_simulations(every)), settings)


def _columns(simulations: tables.Simulations) -> Rows:
    return {name: getattr(simulations, name) for name in ("k", "f", "seed", "label")}


def planned(
    name: str, points: Mapping[str, np.ndarray], settings: Mapping[str, Any], label: Mapping[str, Any] = _UNKNOWN
) -> Plan:
    """Plan of simulations that store u.

    Args:
        name: of the store.
        points: by name, one value per simulation: k, f, seed, label, and any settings that vary.
        settings: those common to all simulations: frame_times, dtype, start, and values that differ from `USUAL`.
            Others are only stored with the data.
        label: attributes of the label.

    Raises:
        InputError: if the data type is unknown.
    """
    settings = {**{key: value for key, value in USUAL.items() if key not in points}, **settings}
    choice("dtype", settings["dtype"], integrator.DATA_TYPES)
    samples, size, times = len(points["seed"]), settings["size"], settings["frame_times"]
    shard = max(1, PATTERNS_PER_SHARD * USUAL["size"] ** 2 // size**2)
    described = {**_POINTS, "label": label}
    return Plan(
        name=name,
        samples=samples,
        shard_samples=shard,
        variables={
            "u": Variable(
                ("sample", "y", "x", "frame"),
                (samples, size, size, len(times)),
                settings["dtype"],
                (1, size, size, len(times)),
                _concentration(settings),
            ),
            "steps": Variable(("sample",), (samples,), "int64", (shard,), _STEPS),
        },
        coordinates={
            **{key: Coordinate(("sample",), values, described[key]) for key, values in points.items()},
            "frame": Coordinate(("frame",), np.array(times), {"long_name": "time", "units": "1"}),
        },
        parameters=settings,
        compute="raypipe.studies.gray_scott.pattern_sets:simulated_patterns",
        columns=tuple(key for key in points if key != "label"),
    )


def _concentration(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of u: from 0 to 1 with the study's settings, where a step mixes existing values; otherwise finite."""
    usual = all({"start": "study", **settings}.get(key) == value for key, value in _MIXING.items())
    return {**_CONCENTRATION, **({"valid_range": [0, 1]} if usual else finite(settings["dtype"]))}


def simulated_patterns(parameters: dict[str, Any]) -> Any:
    """Return a function that computes `u` and `steps` from `seed`, `f`, `k` and any other parameters that vary."""
    names = ("diffusion_u", "diffusion_v", "time_step", "frame_times", "dtype")
    settings = {key: parameters[key] for key in names if key in parameters}
    size, start = parameters["size"], parameters.get("start", "study")

    def compute(rows: Rows) -> Rows:
        columns = {key: values.tolist() for key, values in rows.items() if key != "sample"}
        samples = len(rows["sample"])
        u = np.empty((samples, size, size, len(parameters["frame_times"])), parameters["dtype"])
        steps = np.empty(samples, "int64")
        for number in range(samples):
            point = {key: values[number] for key, values in columns.items()}
            seed, f, k = (point.pop(key) for key in ("seed", "f", "k"))
            state = starts.state(start, seed, size, f, k)
            for place, frame in enumerate(integrator.integrate(*state, f, k, **{**settings, **point})):
                u[number, ..., place] = frame.u
            steps[number] = frame.steps
        return {"u": u, "steps": steps}

    return compute
