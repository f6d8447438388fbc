"""Extend a store: append more samples of the same kind and keep the existing ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raypipe.store import objects
from raypipe.store.documents import StoredPlan, group_path, line_path, parse, plan_path, seal
from raypipe.store.template import Plan, values_checksum


def fits(there: StoredPlan, plan: Plan) -> bool:
    """Whether a plan extends that of a store: it only adds samples and changes parameters named in `grows`."""
    wanted = plan.document({}, there.created)
    before, after = (_named(one.parameters) for one in (there, wanted))
    different = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return (
        bool(plan.grows)
        and there.samples < plan.samples
        and there.shard_samples == plan.shard_samples
        and different <= set(plan.grows)
        and _begins_with(plan, there)
    )


def _named(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name; those inside a mapping get the name "mapping.key"."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            found[name] = value
    return found


def _begins_with(plan: Plan, there: StoredPlan) -> bool:
    """Whether the plan's arrays are the same up to the number of existing samples."""
    if set(there.arrays) != {*plan.variables, *plan.coordinates}:
        return False
    shapes = all(
        [there.samples, *variable.shape[1:]] == there.arrays[name].shape for name, variable in plan.variables.items()
    )
    return shapes and all(
        there.arrays[name].checksum
        == values_checksum(np.asarray(one.values)[: there.samples if one.dims[0] == "sample" else None])
        for name, one in plan.coordinates.items()
    )


def extend(plan: Plan, there: StoredPlan) -> StoredPlan:
    """Replace the plan of a store by one that fits; arrays and coordinates are still to be written.

    If the last shard is shorter than the others, its ledger entry is deleted, so that it is computed again.
    """
    name, whole = plan.name, there.samples // there.shard_samples
    if whole < there.shards and objects.exists(line_path(name, whole)):
        objects.delete(line_path(name, whole))
    stored = plan.document(there.provenance, there.created)
    objects.put(plan_path(name), seal(stored))
    return stored


def is_behind(name: str, stored: StoredPlan) -> bool:
    """Whether the Zarr group's metadata have fewer samples than the plan, because the store is being extended."""
    if not objects.exists(group_path(name)):
        return False
    attributes = parse(name, group_path(name)).get("attributes")
    samples = attributes.get("samples") if isinstance(attributes, dict) else None
    return isinstance(samples, int) and samples < stored.samples
