"""Verify that a store is what was written: check its documents against each other and against its values."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr

from raypipe.errors import DamageError, InputError
from raypipe.store import extension, objects, owner, strays
from raypipe.store.bounds import is_sharded
from raypipe.store.creation import (
    array_metadata,
    documents_there,
    finished,
    group_of,
    mark,
    plan_of,
    refuse_another,
    rewrite,
    sealed_group,
    sharded_metadata,
    understood,
)
from raypipe.store.documents import (
    Array,
    StoredPlan,
    damage,
    group_path,
    line_path,
    now,
    parse,
    plan_path,
    read_line,
    read_plan,
)
from raypipe.store.reading import arrays
from raypipe.store.shards import checksum
from raypipe.store.template import Plan, values_checksum
from raypipe.store.texts import decoded
from raypipe.store.values import fault


@dataclass
class Verification:
    """Result of verifying a store.

    Attributes:
        name: name of the store.
        documents: damage to plan, metadata or coordinates, one line each.
        shards: damaged shards, each with its problem.
        surplus: shards that are in the ledger but not in the plan.
        missing: shards that have not been made yet; this is not damage.
        strays: paths of leftovers from killed writes, and of chunks that are not in the plan; this is not damage.
        foreign: paths of other files, which raypipe never touches.
        unchecked: what could not be checked, one line each.
    """

    name: str
    documents: list[str] = field(default_factory=list)
    shards: dict[int, str] = field(default_factory=dict)
    surplus: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether no damage was found."""
        return not (self.documents or self.shards or self.surplus)

    @property
    def mendable(self) -> bool:
        """Whether a repair would have something to do."""
        return bool(self.missing or self.strays or not self.sound)

    def __str__(self) -> str:
        lines = [*self.documents]
        lines += [f"shard {shard}: {reason}" for shard, reason in self.shards.items()]
        lines += [f"the ledger has a line for shard {shard}, which the plan does not have" for shard in self.surplus]
        if self.missing:
            lines.append(f"{len(self.missing)} shards are not made yet: {_ranges(self.missing)}")
        lines += [f"{path} is left over from an interrupted write, or not part of the plan" for path in self.strays]
        lines += [f"{path} does not belong to raypipe" for path in self.foreign]
        return "\n".join([*lines, *(f"not checked: {one}" for one in self.unchecked)])


def _ranges(numbers: list[int]) -> str:
    """Format ascending numbers, with consecutive ones as a range: "3-7, 12"."""
    known = set(numbers)
    starts = [one for one in numbers if one - 1 not in known]
    ends = [one for one in numbers if one + 1 not in known]
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def verify(name: str, *, each: Callable[[], object] = lambda: None) -> Verification:
    """Check plan, metadata, coordinates, ledger and values of a store against each other; reads all of it.

    Args:
        name: name of the store.
        each: called after each shard.

    Returns:
        What was found; pass it to `raypipe.repair.repair` to repair the store.

    Raises:
        InputError: if there is no such store.
    """
    found = Verification(objects.checked(name))
    if not any(documents_there(name)) and not finished(name) and not objects.paths(f"{name}.zarr"):
        plan_of(name)  # raises an error that lists the existing stores
    plan = _plan(found)
    if plan is None:
        found.unchecked.append("everything else, until the plan is repaired")
        return found
    try:
        group = group_of(name, plan)
    except DamageError as error:
        found.documents.append(error.found)
        found.unchecked.append("coordinates and values, until the metadata are repaired")
        return found
    _check_arrays(found, plan, group)
    _check_shards(found, plan, group, each)
    try:
        at_work = owner.alive(name)
        if at_work is None or owner.is_own(at_work):
            found.strays, found.foreign = strays.find(name)  # by the present plan: it may have been extended meanwhile
        else:
            found.unchecked.append(f"leftovers of writes: {at_work} is writing there now")
    except InputError as error:  # for example without write permission, which `objects.age` needs
        found.unchecked.append(f"what writes have left: {error}")
    return found


def _plan(found: Verification) -> StoredPlan | None:
    try:
        return read_plan(found.name)
    except DamageError as error:
        found.documents.append(error.found)
        return None


def _check_arrays(found: Verification, plan: StoredPlan, group: Mapping[str, Any]) -> None:
    """Check each array's own metadata against the group's, and the values of coordinates against the plan."""
    opened = arrays(found.name)
    for name, metadata in array_metadata(group).items():
        path = f"{found.name}.zarr/{name}/zarr.json"
        try:
            if parse(found.name, path) != metadata:
                raise damage(found.name, path, "it does not agree with the group's metadata")
            if is_sharded(metadata):
                continue
            if _values_checksum(found.name, opened[name], metadata) != plan.arrays[name].checksum:
                raise damage(found.name, f"{found.name}.zarr/{name}", "its values are not those of the plan")
        except DamageError as error:
            found.documents.append(error.found)


def _values_checksum(name: str, array: zarr.Array[Any], metadata: Mapping[str, Any]) -> str:
    """Checksum of the values of a stored coordinate."""
    with understood(name):
        return values_checksum(decoded(np.asarray(array[...]), metadata["attributes"]))


def _check_shards(found: Verification, plan: StoredPlan, group: Mapping[str, Any], each: Callable[[], object]) -> None:
    """Check each entry of the ledger against the plan, and the values of its shard against the entry."""
    done = finished(found.name)  # before opening the arrays, which then know at least these shards
    found.missing = sorted(set(range(plan.shards)) - set(done))
    sharded = sharded_metadata(group)
    opened = {name: array for name, array in arrays(found.name).items() if name in sharded}
    for shard in done:
        if shard >= plan.shards:
            found.surplus.append(shard)
        elif problem := _problem(found.name, shard, plan, opened):
            found.shards[shard] = problem
        each()


def _problem(name: str, shard: int, plan: StoredPlan, opened: Mapping[str, zarr.Array[Any]]) -> str | None:
    """The problem with a shard, or None."""
    samples = plan.bounds(shard)
    try:
        line = read_line(name, shard)
        if (line.shard, line.start, line.stop) != (shard, samples.start, samples.stop):
            raise damage(
                name,
                line_path(name, shard),
                f"it is the line of shard {line.shard}, samples {line.start} to {line.stop - 1}, not of shard {shard}, "
                f"samples {samples.start} to {samples.stop - 1}",
            )
        found = {variable: np.asarray(array[samples]) for variable, array in opened.items()}
        if checksum(found) != line.checksum:
            return "its values are not those that were written"
        for variable, array in opened.items():
            if wrong := fault(found[variable], array.attrs.asdict(), samples.start):
                return f"{variable} of {wrong}"
    except DamageError as error:
        return error.found
    return None


def stored_parameters(name: str) -> dict[str, Any]:
    """The parameters that a store was made with, from its plan or, if that is damaged, from its metadata.

    Raises:
        InputError: if neither is what was written.
    """
    with suppress(DamageError):
        return read_plan(name).parameters
    with suppress(DamageError):
        return dict(sealed_group(name)["attributes"]["parameters"])
    raise InputError(
        f"both {plan_path(name)} and {group_path(name)} under {objects.root()} are damaged, so it is not known how "
        f"{name} was made; remove it with raypipe remove {name}, and make it again"
    )


def mend(plan: Plan, provenance: Mapping[str, Any], found: Verification) -> None:
    """Rewrite damaged plan, metadata and coordinates, remove damaged shards from the ledger, and delete leftovers.

    The caller should own the store. If the stored plan and metadata are both damaged, nothing shows that the shards are
    those of this plan: all of them are removed from the ledger.

    Raises:
        InputError: if the store was made from another plan.
    """
    name = plan.name
    known = _known_plan(plan, provenance)
    if known is not None and (found.documents or not extension.fits(known, plan)):
        refuse_another(known, plan)
    if found.documents:
        kept = known or plan.document(provenance, now())
        rewrite(plan, kept.provenance, kept.created)
        # Check what could not be checked before.
        found = verify(name)
    # Another job may have extended the store since it was verified: what is beyond the plan is looked up again.
    shards, done = read_plan(name).shards, finished(name)
    wrong = {shard for shard in done if known is None or shard in found.shards or shard >= shards}
    mark(name, done=len(done) - len(wrong))
    for shard in wrong:
        objects.delete(line_path(name, shard))
    leftovers, _ = strays.find(name)
    objects.delete_files(leftovers)


def _known_plan(plan: Plan, provenance: Mapping[str, Any]) -> StoredPlan | None:
    """The stored plan of a store or, if it is damaged, what the metadata say of it; None if they are damaged too.

    Args:
        plan: plan for a repair; coordinates that cannot be read are assumed to be as in this plan.
        provenance: provenance whose entries are looked up in the metadata.
    """
    name = plan.name
    with suppress(DamageError):
        return read_plan(name)
    try:
        group = sealed_group(name)
    except DamageError:
        return None
    attributes, metadata = group["attributes"], array_metadata(group)
    chunks = [one["chunk_grid"]["configuration"]["chunk_shape"] for one in sharded_metadata(group).values()]
    per_shard = chunks[0][0] if chunks else plan.shard_samples
    known = StoredPlan(
        samples=attributes["samples"],
        shard_samples=per_shard,
        shards=-(-attributes["samples"] // per_shard),
        parameters=attributes["parameters"],
        created=attributes["date_created"],
        provenance={key: attributes[key] for key in provenance if key in attributes},
        arrays={key: Array(shape=one["shape"]) for key, one in metadata.items()},
        grows=list(plan.grows),
    )
    opened, planned = arrays(name, known), plan.document({}, "").arrays
    for key in metadata.keys() - sharded_metadata(group).keys():
        there = planned[key].checksum if key in planned else None
        with suppress(DamageError):
            there = _values_checksum(name, opened[key], metadata[key])
        known.arrays[key] = known.arrays[key].model_copy(update={"checksum": there})
    return known
