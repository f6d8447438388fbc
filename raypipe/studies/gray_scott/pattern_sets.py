"""Plans of the data sets of patterns."""

from typing import Any

import numpy as np

from raypipe.errors import choice
from raypipe.store import Coordinate, Plan, Variable, label_attributes
from raypipe.studies.gray_scott import integrator, tables

Rows = dict[str, np.ndarray]

PATTERNS_PER_SHARD = 25
"""Some seconds of work: little is lost with a worker, at the end none waits long for another, and what Ray and Zarr
need for each shard is small beside it."""

_CONCENTRATION = {"units": "1", "long_name": "concentration of the substrate"}
_STEPS = {"long_name": "time steps computed: fewer than 60000 where a step changed nothing and the rest was known"}


def patterns(split: str, per_class: int | None = None, dtype: str = "float64") -> Plan:
    """Plan of a pattern data set, `gray_scott/<split>`: u at the twelve times of the 2-D and 3-D samples.

    Args:
        split: train, val, test, train2 or val2.
        per_class: only so many of each class.
        dtype: in which the system is integrated and stored, float64 or float32.

    Raises:
        InputError: if the split, the number per class or the data type is not possible.
    """
    return _simulations(
        f"gray_scott/{split}",
        tables.pattern_simulations(split, per_class),
        tables.PATTERN_FRAME_TIMES,
        dtype,
        {"per_class": per_class},
        label_attributes(tables.pattern_classes(split)),
    )


def scan(every: int = 1, dtype: str = "float64") -> Plan:
    """Plan of the fine scan of parameter space, `gray_scott/scan`: u at the three times of the 2-D sample.

    Args:
        every: only every so many-th simulation of the 5481.
        dtype: as in `patterns`.

    Raises:
        InputError: if `every` or the data type is not possible.
    """
    return _simulations(
        "gray_scott/scan",
        tables.scan_simulations(every),
        tables.FRAME_TIMES_2D,
        dtype,
        {"every": every},
        {"long_name": "class, not known"},
    )


def _simulations(
    name: str,
    simulations: tables.Simulations,
    times: tuple[int, ...],
    dtype: str,
    subset: dict[str, int | None],
    label: dict[str, Any],
) -> Plan:
    choice("dtype", dtype, integrator.DATA_TYPES)
    samples, size = len(simulations), 128
    return Plan(
        name=name,
        samples=samples,
        shard_samples=PATTERNS_PER_SHARD,
        variables={
            "u": Variable(
                ("sample", "y", "x", "frame"),
                (samples, size, size, len(times)),
                dtype,
                (1, size, size, len(times)),
                _CONCENTRATION,
            ),
            "steps": Variable(("sample",), (samples,), "int64", (PATTERNS_PER_SHARD,), _STEPS),
        },
        coordinates={
            "k": Coordinate(("sample",), simulations.k, {"long_name": "kill rate", "units": "1"}),
            "f": Coordinate(("sample",), simulations.f, {"long_name": "feed rate", "units": "1"}),
            "seed": Coordinate(("sample",), simulations.seed, {"long_name": "seed of the initial state"}),
            "label": Coordinate(("sample",), simulations.label, label),
            "frame": Coordinate(("frame",), np.array(times), {"long_name": "time", "units": "1"}),
        },
        parameters={
            "diffusion_u": 0.2,
            "diffusion_v": 0.1,
            "size": size,
            "time_step": 0.25,
            "frame_times": list(times),
            "dtype": dtype,
            **subset,
        },
        compute="raypipe.studies.gray_scott.pattern_sets:simulated_patterns",
        columns=("k", "f", "seed"),
    )


def simulated_patterns(parameters: dict[str, Any]) -> Any:
    """Compute shards of `u` and `steps` for given `seed`, `f` and `k`."""
    settings = {key: parameters[key] for key in ("diffusion_u", "diffusion_v", "time_step", "frame_times", "dtype")}

    def compute(rows: Rows) -> Rows:
        size, seeds = parameters["size"], rows["seed"].tolist()
        u = np.empty((len(seeds), size, size, len(parameters["frame_times"])), parameters["dtype"])
        steps = np.empty(len(seeds), "int64")
        for number, (seed, f, k) in enumerate(zip(seeds, rows["f"].tolist(), rows["k"].tolist(), strict=True)):
            state = integrator.initial_state(seed, size)
            for place, frame in enumerate(integrator.integrate(*state, f, k, **settings)):
                u[number, ..., place] = frame.u
            steps[number] = frame.steps
        return {"u": u, "steps": steps}

    return compute
