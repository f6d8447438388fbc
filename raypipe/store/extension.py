"""Extend a store: append more samples of the same kind and keep the existing ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raypipe.store import objects
from raypipe.store.documents import StoredPlan, group_path, line_path, parse, plan_path, seal
from raypipe.store.template import Template, values_checksum


def fits(there: StoredPlan, template: Template) -> bool:
    """Whether a template extends a store's plan: it only adds samples and changes parameters named in `grows`."""
    wanted = template.plan({}, there.created)
    before, after = (_named(one.parameters) for one in (there, wanted))
    different = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return (
        bool(template.grows)
        and there.samples < template.samples
        and there.shard_samples == template.shard_samples
        and different <= set(template.grows)
        and _begins_with(template, there)
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


def _begins_with(template: Template, there: StoredPlan) -> bool:
    """Whether the template's arrays are the same up to the number of existing samples."""
    if set(there.arrays) != {*template.variables, *template.coordinates}:
        return False
    shapes = all(
        [there.samples, *variable.shape[1:]] == there.arrays[name].shape
        for name, variable in template.variables.items()
    )
    return shapes and all(
        there.arrays[name].checksum
        == values_checksum(np.asarray(one.values)[: there.samples if one.dims[0] == "sample" else None])
        for name, one in template.coordinates.items()
    )


def extend(template: Template, there: StoredPlan) -> StoredPlan:
    """Replace the plan of a store by that of a template that fits; arrays and coordinates are still to be written.

    If the last shard is shorter than the others, its ledger entry is deleted, so that it is computed again.
    """
    name, whole = template.name, there.samples // there.shard_samples
    if whole < there.shards and objects.exists(line_path(name, whole)):
        objects.delete(line_path(name, whole))
    plan = template.plan(there.provenance, there.created)
    objects.put(plan_path(name), seal(plan))
    return plan


def is_behind(name: str, plan: StoredPlan) -> bool:
    """Whether the Zarr group's metadata have fewer samples than the plan, because the store is being extended."""
    if not objects.exists(group_path(name)):
        return False
    attributes = parse(name, group_path(name)).get("attributes")
    samples = attributes.get("samples") if isinstance(attributes, dict) else None
    return isinstance(samples, int) and samples < plan.samples
