"""Turn a plan into a store that can be filled: only one of many processes creates it, and none overwrites another.

The plan is written first, with a conditional write that succeeds for only one process; this claims the name. Everything
else follows from the plan, so any process with the same plan may write it again or finish it after the first was
killed. The metadata of the Zarr group are written last and show that the template is complete.
"""

import bisect
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe.errors import InputError
from raypipe.store import bounds, extension, objects
from raypipe.store.bounds import is_sharded
from raypipe.store.documents import (
    MOST_BYTES,
    SEAL,
    StoredPlan,
    damage,
    digest,
    group_path,
    line_path,
    mending,
    now,
    parse,
    plan_path,
    read_plan,
    seal,
)
from raypipe.store.template import COMPLETE, Plan, incomplete, seal_group, zarr_objects

_REQUESTS = 16
"""Number of stores that are looked up in parallel."""


def list_names(prefix: str = "", *, damaged: bool = False) -> list[str]:
    """Names of the stores with a complete template, sorted, such as `logistic/scan`.

    With `damaged`, this includes stores whose plan or metadata are missing.
    """
    folder, _, _ = prefix.rpartition("/")
    names = {name for name in _names(folder) if name.startswith(prefix)}
    with ThreadPoolExecutor(_REQUESTS) as pool:
        known = pool.map(lambda name: _is_there(name, damaged=damaged), names)
        return sorted(name for name, there in zip(names, known, strict=True) if there)


def _names(folder: str) -> Iterator[str]:
    """Names of the stores below a folder, without listing the many objects inside the stores."""
    for path in filter(objects.is_name, objects.folders(folder)):  # skips others, such as lost+found
        stem, dot, ending = path.rpartition(".")
        if dot and ending in ("zarr", "ledger"):
            yield stem
        else:
            yield from _names(path)


def _is_there(name: str, *, damaged: bool) -> bool:
    """Whether a store's plan and metadata exist or, with `damaged`, any part of the store."""
    known = documents_there(name)
    if damaged:
        return any(known) or bool(objects.paths(f"{name}.ledger") or objects.paths(f"{name}.zarr"))
    return all(known)


def documents_there(name: str) -> tuple[bool, bool]:
    """Whether a store's plan exists, and whether its metadata do."""
    return objects.exists(plan_path(name)), objects.exists(group_path(name))


def location(name: str) -> str:
    """Path or URL of a store's Zarr group, for `xarray.open_zarr`."""
    return f"{objects.root()}/{objects.checked(name)}.zarr"


def plan_of(name: str) -> StoredPlan:
    """The plan of an existing store.

    Raises:
        InputError: if there is no such store.
        DamageError: if its plan is damaged or missing, or its metadata are missing although shards are finished.
    """
    objects.checked(name)
    planned, made = documents_there(name)
    if planned and made:
        return read_plan(name)
    if planned and finished(name):
        raise damage(name, group_path(name), "it is missing")
    if made:
        raise damage(name, plan_path(name), "it is missing")
    known = ", ".join(list_names()) or "none"
    raise InputError(
        f"there is no data set {name!r} under {objects.root()} (available: {known}); make it, or set "
        f"{objects.ROOT_VARIABLE}"
    )


def sealed_group(name: str) -> dict[str, Any]:
    """The consolidated metadata of a store's Zarr group, after checking them only against their checksum.

    Raises:
        DamageError: if they are not what was written.
    """
    path = group_path(name)
    document = parse(name, path)
    attributes = document.get("attributes")
    if not isinstance(attributes, dict):
        raise damage(name, path, "it has no attributes")
    content = {**document, "attributes": {key: value for key, value in attributes.items() if key != SEAL}}
    if attributes.get(SEAL) != digest(content):
        raise damage(name, path, "it does not agree with its checksum")
    return document


def group_of(name: str, stored: StoredPlan) -> dict[str, Any]:
    """The consolidated metadata of a store's Zarr group, after checking them against their checksum and the plan.

    The check also covers the arrays: opening one can then neither fail in Zarr nor exceed the memory.

    Raises:
        DamageError: if a check fails.
    """
    path, document = group_path(name), sealed_group(name)
    try:
        problems = _contradictions(stored, document)
        misfits = {array: bounds.misfit(metadata) for array, metadata in array_metadata(document).items()}
    except Exception as error:
        raise damage(name, path, f"it is not consolidated metadata of Zarr 3: {error!r}") from error
    if problems:
        raise damage(name, path, f"it does not agree with the plan: {'; '.join(problems)}")
    for array, misfit in misfits.items():
        if misfit:
            raise damage(name, path, f"{array} has {misfit}")
    return document


@contextmanager
def understood(name: str) -> Iterator[None]:
    """Turn any error of Zarr or xarray about a store's metadata into a one-line DamageError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # they and their codecs raise errors of any type
        reason = f"it cannot be opened: {type(error).__name__}: {error}"
        raise damage(name, group_path(name), reason) from error


def array_metadata(group: Mapping[str, Any]) -> dict[str, Any]:
    """Zarr's metadata of each array in a group, by name."""
    return group["consolidated_metadata"]["metadata"]


def sharded_metadata(group: Mapping[str, Any]) -> dict[str, Any]:
    """Zarr's metadata of each array in a group that workers write, by name."""
    return {name: metadata for name, metadata in array_metadata(group).items() if is_sharded(metadata)}


def _contradictions(stored: StoredPlan, group: Mapping[str, Any]) -> list[str]:
    """Differences between the group's metadata and the plan; the plan's value is second."""
    attributes, arrays = group["attributes"], array_metadata(group)
    pairs = {
        "samples": (attributes["samples"], stored.samples),
        "parameters": (attributes["parameters"], stored.parameters),
        "arrays": (sorted(arrays), sorted(stored.arrays)),
    }
    for name, metadata in arrays.items():
        shape = metadata["shape"]
        if name in stored.arrays:
            pairs[f"shape of {name}"] = (shape, stored.arrays[name].shape)
        if "sample" in (dims := metadata["dimension_names"]):
            pairs[f"samples of {name}"] = (shape[dims.index("sample")], stored.samples)
        if is_sharded(metadata):
            chunk = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
            pairs[f"samples in a shard of {name}"] = (chunk, stored.shard_samples)
    return [f"{what} {found!r}, not {planned!r}" for what, (found, planned) in pairs.items() if found != planned]


def finished(name: str, plan: StoredPlan | None = None) -> list[int]:
    """Numbers of the shards in the ledger, ascending; with `plan`, only of those that it has."""
    found = (re.fullmatch(r".*/([0-9]{6,})\.json", path) for path in objects.paths(f"{objects.checked(name)}.ledger"))
    numbers = sorted(int(line[1]) for line in found if line and line[0] == line_path(name, int(line[1])))
    return numbers if plan is None else numbers[: bisect.bisect_left(numbers, plan.shards)]


def is_finished(name: str, shard: int) -> bool:
    """Whether a shard is in the ledger."""
    return objects.exists(line_path(name, shard))


def missing(name: str) -> list[int]:
    """Numbers of the shards that are still to be written, ascending."""
    return sorted(set(range(plan_of(name).shards)) - set(finished(name)))


def begun(plan: Plan) -> bool:
    """Whether the store already has a complete template with the same plan; False if it is to be extended.

    Raises:
        InputError: if the store was made from another plan or with other data types, or the plan is too large.
        DamageError: if its plan or metadata are damaged, or are missing although there are data.
    """
    bounds.check_plan(plan)
    name = plan.name
    remedy = f"{mending(name)}, or remove it with: raypipe remove {name}"
    if not objects.exists(plan_path(objects.checked(name))):
        done = len(finished(name))
        if not (done or objects.paths(f"{name}.zarr")):
            return False
        if not objects.exists(plan_path(name)):  # it comes first: no other process has just made this
            lost = damage(name, plan_path(name), f"it is missing, but {done} finished shards are there")
            raise lost.with_remedy(remedy)
    there = read_plan(name)
    longer = extension.fits(there, plan)
    if not longer:
        refuse_another(there, plan)
    if longer or (plan.grows and extension.is_behind(name, there)):
        return False
    if objects.exists(group_path(name)):
        _refuse_other_types(plan, group_of(name, there))
        return True
    if done := len(finished(name)):
        lost = damage(name, group_path(name), f"it is missing, but the ledger has {done} finished shards")
        raise lost.with_remedy(remedy)
    return False


def is_extended_by(plan: Plan) -> bool:
    """Whether there is a store that the plan extends."""
    return all(documents_there(plan.name)) and extension.fits(read_plan(plan.name), plan)


def refuse_another(there: StoredPlan, plan: Plan) -> None:
    """Raise InputError if a store was made from another plan."""
    if differences := _differences(there, plan.document({}, there.created)):
        raise InputError(
            f"{location(plan.name)} was made with other parameters: {differences}; use the same ones to continue "
            f"it, remove it with: raypipe remove {plan.name}, or set {objects.ROOT_VARIABLE} to another folder"
        )


def _refuse_other_types(plan: Plan, group: Mapping[str, Any]) -> None:
    """Raise InputError if a stored variable has another data type than in the plan."""
    for variable, there in array_metadata(group).items():
        if variable not in plan.variables:
            continue
        here = np.dtype(plan.variables[variable].dtype).name
        if there["data_type"] != here:
            raise InputError(
                f"{variable} of {location(plan.name)} has the data type {there['data_type']}; expected {here}: use "
                f"the same, or remove it with: raypipe remove {plan.name}"
            )


def _as_there(plan: Plan, group: Mapping[str, Any]) -> Plan:
    """The plan with the chunks and compression of the existing shards, made perhaps from an earlier plan."""
    known = {}
    for name, variable in plan.variables.items():
        own = array_metadata(group)[name]["codecs"][0]["configuration"]
        (blosc,) = (codec["configuration"] for codec in own["codecs"] if codec["name"] == "blosc")
        known[name] = replace(variable, chunks=tuple(own["chunk_shape"]), compression=blosc["cname"])
    return replace(plan, variables=known)


def _differences(found: StoredPlan, wanted: StoredPlan) -> str:
    """Differences between the existing plan and the wanted one, with both values."""
    pairs: dict[str, tuple[Any, Any]] = {
        key: (found.parameters.get(key), wanted.parameters.get(key)) for key in {*found.parameters, *wanted.parameters}
    }
    if all(there == here for there, here in pairs.values()):
        pairs = {key: (getattr(found, key), getattr(wanted, key)) for key in ("samples", "shard_samples", "shards")}
    different = [f"{key} was {there!r}, now {here!r}" for key, (there, here) in sorted(pairs.items()) if there != here]
    if not different:
        names = {*found.arrays, *wanted.arrays}
        changed = sorted(name for name in names if found.arrays.get(name) != wanted.arrays.get(name))
        different = [f"the values or shape of {name} have changed" for name in changed]
    return "; ".join(different)


def create(plan: Plan, provenance: Mapping[str, Any]) -> None:
    """Write the template of a store, unless it is already there; a store that the plan extends is extended.

    `provenance` (versions, hosts) is added to the attributes of a new Zarr group.

    Raises:
        InputError: if the store exists and was made with other parameters, or it cannot be written.
        DamageError: if its plan or metadata are damaged, or are missing although there are data.
    """
    if begun(plan):
        return
    name = plan.name
    stored = plan.document(provenance, now())
    made = _checked_layout(plan, stored)  # before the name is claimed, which would make a mistake permanent
    if not objects.create(plan_path(name), seal(stored)):
        if begun(plan):  # another process was faster
            return
        stored = read_plan(name)
        if plan.grows and objects.exists(group_path(name)):
            with understood(name):
                group = sealed_group(name)
                _refuse_other_types(plan, group)
                plan = _as_there(plan, group)
        if extension.fits(stored, plan):
            stored = extension.extend(plan, stored)
        made = zarr_objects(plan, stored)
    *others, (last, metadata) = made.items()
    for path, data in others:
        objects.put(f"{name}.zarr/{path}", data)
    if extension.is_behind(name, stored):
        objects.put(f"{name}.zarr/{last}", metadata)
    else:
        objects.create(f"{name}.zarr/{last}", metadata)


def _checked_layout(plan: Plan, stored: StoredPlan) -> dict[str, bytes]:
    """The result of `zarr_objects`; raises InputError if it could not be written or opened again."""
    lengths: dict[str, tuple[int, str]] = {"sample": (plan.samples, "the plan")}
    shapes = {name: (one.dims, one.shape) for name, one in plan.variables.items()}
    shapes |= {name: (one.dims, np.shape(one.values)) for name, one in plan.coordinates.items()}
    for name, (dims, shape) in shapes.items():
        objects.checked(name)
        if len(dims) != len(shape) or len(set(dims)) < len(dims):
            raise InputError(
                f"{name} has the dimensions {', '.join(dims)} and the shape {shape}; expected one name each"
            )
        for dim, length in zip(dims, shape, strict=True):
            known, of = lengths.setdefault(dim, (length, name))
            if length != known:
                raise InputError(f"{name} has the length {length} along {dim}; expected {known}, as {of} has")
    if both := sorted(set(plan.variables) & set(plan.coordinates)):
        raise InputError(f"{', '.join(both)} is the name of a coordinate and of an output; give one of them another")
    try:
        made = zarr_objects(plan, stored)
        metadata = made["zarr.json"]
        group = json.loads(metadata)
        problems = _contradictions(stored, group)
        misfits = {name: bounds.misfit(one) for name, one in array_metadata(group).items()}
    except InputError:
        raise
    except Exception as error:  # Zarr and its codecs raise errors of any type
        raise InputError(f"{plan.name} cannot be made: {error}; plan values that Zarr can hold") from error
    problems += [f"{name} has {misfit}" for name, misfit in misfits.items() if misfit]
    if len(metadata) > MOST_BYTES:
        problems.append(
            f"its metadata have {len(metadata)} bytes; there may be {MOST_BYTES}: use fewer different texts"
        )
    if problems:
        raise InputError(f"{plan.name} cannot be made: {'; '.join(problems)}")
    return made


def rewrite(plan: Plan, provenance: Mapping[str, Any], created: str) -> None:
    """Replace damaged plan, coordinates and metadata by new ones; shards and their ledger entries are kept."""
    stored = plan.document(provenance, created)
    with suppress(InputError, KeyError, TypeError, ValueError):  # if the metadata are damaged
        plan = _as_there(plan, group_of(plan.name, stored))
    objects.put(plan_path(plan.name), seal(stored))
    for path, data in zarr_objects(plan, stored).items():
        objects.put(f"{plan.name}.zarr/{path}", data)


def mark(name: str, *, done: int | None = None, **attributes: Any) -> None:
    """Record in a store's attributes how many shards are done, or by default that it is complete, and `attributes`."""
    stored = read_plan(name)
    group = group_of(name, stored)
    status = COMPLETE if done is None else incomplete(done, stored.shards)
    group["attributes"] |= {"status": status, **attributes}
    objects.put(group_path(name), seal_group(group))


def is_marked_complete(name: str) -> bool:
    """Whether the attributes of a store say that it is complete."""
    return attributes(name).get("status") == COMPLETE


def size(name: str) -> int:
    """Size of a store in bytes, including its ledger."""
    return objects.size(f"{name}.zarr") + objects.size(f"{name}.ledger")


def attributes(name: str) -> dict[str, Any]:
    """The attributes of a store's Zarr group."""
    return group_of(name, read_plan(name))["attributes"]
