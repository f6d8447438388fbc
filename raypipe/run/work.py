"""From a plan to the work of its workers: the cluster that they run in, their environment, and what they compute."""

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
Work = tuple[str, str, Sequence[str] | None]


def join(plan: Plan) -> None:
    """Join the cluster, in which a plan's workers can run.

    Raises:
        InputError: if there is none, no node of it has room for a worker, or one lacks the workers' environment.
    """
    if plan.environment:
        environments.warm(plan.environment)
    cluster.connect()
    cluster.require({"CPU": 1}, f"each worker of {plan.name}")
    if plan.environment:
        environments.require(plan.environment)


def runtime_env(plan: Plan) -> dict[str, Any]:
    """Ray's runtime environment of a plan's workers."""
    # A worker has one core: TensorFlow's threads would fight for those of the others.
    one_thread = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    variables = {**objects.place(), "TF_CPP_MIN_LOG_LEVEL": "2", **one_thread}
    return {**environments.runtime_env(plan.environment), "env_vars": variables}


def work_of(plan: Plan) -> Work:
    """What `computing` takes of a plan, as strings for any environment."""
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
    """From the rows of a shard to its arrays, by one call of `simulate` for each sample."""

    def compute(rows: Rows) -> dict[str, np.ndarray]:
        columns = {name: values.tolist() for name, values in rows.items() if name != "sample"}
        made = []
        for number in range(len(rows["sample"])):
            point = {name: values[number] for name, values in columns.items()}
            try:
                with exits_told():
                    found = simulate(**point, **constants)
                # A copy: what a function returns may be a buffer that it uses again.
                made.append({name: np.array(value) for name, value in found.items()})
            except Exception as error:
                error.add_note("at " + ", ".join(f"{name} = {value!r}" for name, value in point.items()))
                raise
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    return compute


def failure_of(shard: Mapping[str, Any], error: Exception) -> tuple[str, str]:
    """What went wrong with a shard, as strings: environments do not share the classes that an error may hold.

    `shard` is what `row_of` returned.

    Returns:
        The message, and the traceback; empty for a user's mistake, which needs none.
    """
    said, traceback = in_texts(error)
    which = f"samples {shard['start']} to {shard['stop'] - 1}"
    if shard["stop"] - shard["start"] == 1:
        which = f"sample {shard['start']}"
    notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
    return plain(f"{shard['store']}, shard {shard['shard']} ({which}): {said}{notes}"), traceback


def row_of(plan: Plan, shard: int) -> dict[str, Any]:
    """A shard as strings and numbers only: environments do not share a NumPy that could read another's arrays."""
    bounds = plan.bounds(shard)
    columns = {name: np.asarray(plan.coordinates[name].values)[bounds].tolist() for name in plan.columns}
    place = {"store": plan.name, "shard": shard, "start": bounds.start, "stop": bounds.stop}
    return {**place, "columns": json.dumps(columns)}


def rows_of(shard: Mapping[str, Any]) -> Rows:
    """What a plan's function computes a shard from, of what `row_of` returned."""
    rows = {column: _array(values) for column, values in json.loads(shard["columns"]).items()}
    return {**rows, "sample": np.arange(shard["start"], shard["stop"])}


def _array(values: list[Any]) -> np.ndarray:
    found = np.asarray(values)
    # Integers on both sides of 2⁶³, as 64-bit seeds are, would become floats, and other integers.
    whole = found.dtype.kind == "f" and all(isinstance(one, int) for one in values)
    return np.asarray(values, "uint64") if whole else found
