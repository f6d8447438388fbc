"""Requests of the page that need a network or a simulation: run in another process, so that the page stays responsive.

The process is started when it is first needed, as loading TensorFlow takes a few seconds.
"""

import json
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from raypipe.errors import InputError


@cache
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def ask(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Call a function of this module in the other process."""
    try:
        return _pool().submit(function, *arguments)
    except BrokenExecutor:  # it was killed, perhaps because memory ran out
        end()
        return _pool().submit(function, *arguments)


def end() -> None:
    """End the other process, if there is one, whatever it is doing."""
    for process in multiprocessing.active_children():
        process.kill()  # otherwise the interpreter would wait at its exit for the request in progress
    if _pool.cache_info().currsize:
        _pool().shutdown(wait=False, cancel_futures=True)
        _pool.cache_clear()


@cache
def _computing(parameters: str, compute: str, per_sample: tuple[str, ...] | None) -> Callable[..., Any]:
    from raypipe.run.work import computing

    return computing(parameters, compute, per_sample)


def _computed(plan: Any, parameters: Mapping[str, Any], rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Apply a plan's function to the row of one sample."""
    compute = _computing(json.dumps(parameters), plan.compute, plan.per_sample)
    return {name: np.asarray(values)[0] for name, values in compute({**rows, "sample": np.zeros(1, "int64")}).items()}


def explained(network: str, split: str, number: int) -> dict[str, np.ndarray]:
    """Explain a network's prediction for a sample as `raypipe explain` does, without storing the result.

    Raises:
        InputError: if this needs an isolated environment; the message says what to do instead.
    """
    from raypipe.networks import explain

    plan = explain.plan(network, split, per_class=1, samples=[number])
    if plan.environment:
        raise InputError(
            f"{network} needs its own environment to be explained; run raypipe explain --network {network} --split "
            f"{split} --samples {number}: then it is shown here"
        )
    rows = {name: plan.coordinates[name].values for name in plan.columns}
    return _computed(plan, {name: value for name, value in plan.parameters.items() if name != "samples"}, rows)


def simulated(
    source: str, network: str, checksum: str, point: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Simulate a new sample of a data set at a point, and classify it.

    Args:
        source: name of the data set.
        network: name of the network that classifies the sample.
        checksum: its checksum.
        point: inputs of the simulation, by name.

    Returns:
        The variables of the sample, and the network's probabilities (class,) for it.

    Raises:
        InputError: if the data set cannot be made here, or another network has this name now.
    """
    import xarray as xr

    from raypipe import repair
    from raypipe.networks import artifact, classify, inputs

    if artifact.checksum(network) != checksum:
        raise InputError(f"{network} has been trained again since it classified {source}; classify that again")
    plan = repair.plan_of(source)
    if plan.environment:
        raise InputError(f"{source} needs its own environment; its samples cannot be made here")
    rows = {name: np.asarray([point[name]], plan.coordinates[name].values.dtype) for name in plan.columns}
    made = _computed(plan, plan.parameters, rows)
    new = xr.Dataset(
        {name: (plan.variables[name].dims, values[None]) for name, values in made.items()},
        {
            name: (one.dims, one.values)
            for name, one in plan.coordinates.items()
            if "sample" not in one.dims and len(one.dims) == 1
        },
    )
    trained = artifact.load(network)
    trained = replace(trained, architecture=inputs.fitted(trained.architecture, new))
    ((_, taken),) = inputs.groups(trained.architecture, new, slice(0, 1))
    return made, classify.classifier(trained)(taken)[0]
