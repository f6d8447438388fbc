"""Turn a plan into work for its workers: the cluster, their environment, and the function that they call."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raypipe import modules
from raypipe.errors import exits_told, in_texts, plain
from raypipe.run import cluster, environments
from raypipe.store import Plan, objects

Rows = dict[str, np.ndarray]
Compute = Callable[[Rows], Mapping[str, np.ndarray]]
Work = tuple[str, str, tuple[str, ...] | None]


def join(plan: Plan) -> None:
    """Join a cluster in which a plan's workers can run.

    Raises:
        InputError: if there is none, no node has room for a worker, or a node lacks the workers' environment.
    """
    if plan.environment:
        environments.warm(plan.environment)
    cluster.connect()
    cluster.require({"CPU": 1}, f"each worker of {plan.name}")
    if plan.environment:
        environments.require(plan.environment)


def runtime_env(plan: Plan) -> dict[str, Any]:
    """Ray runtime environment of a plan's workers."""
    # A worker has one core: more TensorFlow threads would compete for the cores of other workers.
    one_thread = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    variables = {**objects.place(), "TF_CPP_MIN_LOG_LEVEL": "2", **one_thread}
    return {**environments.runtime_env(plan.environment), "env_vars": variables}


def work_of(plan: Plan) -> Work:
    """The arguments of `computing` for a plan, as plain values that can be read in any environment."""
    return json.dumps(dict(plan.parameters)), plan.compute, plan.per_sample


def computing(parameters: str, compute: str, per_sample: Sequence[str] | None) -> Compute:
    """The function from rows to arrays that a plan names; `parameters` are the plan's, as JSON."""
    with exits_told():
        function, known = modules.function(compute), json.loads(parameters)
        if per_sample is not None:
            return _one_by_one(function, {name: known[name] for name in per_sample})
        made = function(known)

    def told(rows: Rows) -> Mapping[str, np.ndarray]:
        with exits_told():
            return made(rows)

    return told


def _one_by_one(simulate: Callable[..., Mapping[str, Any]], constants: Mapping[str, Any]) -> Compute:
    """Build the function from a shard's rows to its arrays, with one call of `simulate` per sample."""

    def compute(rows: Rows) -> dict[str, np.ndarray]:
        columns = {name: values.tolist() for name, values in rows.items() if name != "sample"}
        made = []
        for number in range(len(rows["sample"])):
            point = {name: values[number] for name, values in columns.items()}
            try:
                with exits_told():
                    found = simulate(**point, **constants)
                # A copy, because the function may return a buffer that it reuses.
                made.append({name: np.array(value) for name, value in found.items()})
            except Exception as error:
                error.add_note("at " + ", ".join(f"{name} = {value!r}" for name, value in point.items()))
                raise
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    return compute


def failure_of(shard: Mapping[str, Any], error: Exception) -> tuple[str, str]:
    """Describe the failure of a shard as strings, because environments do not share the classes an error may contain.

    `shard` is a row from `row_of`.

    Returns:
        The message and the traceback, which is empty for a user's mistake.
    """
    said, traceback = in_texts(error)
    which = f"samples {shard['start']} to {shard['stop'] - 1}"
    if shard["stop"] - shard["start"] == 1:
        which = f"sample {shard['start']}"
    notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
    return plain(f"{shard['store']}, shard {shard['shard']} ({which}): {said}{notes}"), traceback


def row_of(plan: Plan, shard: int) -> dict[str, Any]:
    """A shard as plain strings and numbers: the NumPy of one environment may not read arrays from another."""
    bounds = plan.bounds(shard)
    columns = {name: np.asarray(plan.coordinates[name].values)[bounds].tolist() for name in plan.columns}
    place = {"store": plan.name, "shard": shard, "start": bounds.start, "stop": bounds.stop}
    return {**place, "columns": json.dumps(columns)}


def rows_of(shard: Mapping[str, Any]) -> Rows:
    """The rows from which a plan's function computes a shard, rebuilt from the result of `row_of`."""
    rows = {column: _array(values) for column, values in json.loads(shard["columns"]).items()}
    return {**rows, "sample": np.arange(shard["start"], shard["stop"])}


def _array(values: list[Any]) -> np.ndarray:
    found = np.asarray(values)
    # Integers below and above 2⁶³, such as 64-bit seeds, would become floats and lose digits.
    whole = found.dtype.kind == "f" and all(isinstance(one, int) for one in values)
    return np.asarray(values, "uint64") if whole else found
