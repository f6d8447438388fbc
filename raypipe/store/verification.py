"""Verify that a store is what was written: check its documents against each other and against its values."""

from collections.abc import Callable, Mapping
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
    sharded_metadata,
    understood,
)
from raypipe.store.documents import (
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
    except InputError as error:  # for example without write permission, which `objects.age` needs
        found.unchecked.append(f"what writes have left: {error}")
        return found
    if at_work is None or owner.is_own(at_work):
        found.strays, found.foreign = strays.find(name, group)
    else:
        found.unchecked.append(f"leftovers of writes: {at_work} is writing there now")
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
            with understood(found.name):
                values = decoded(np.asarray(opened[name][...]), metadata["attributes"])
            if values_checksum(values) != plan.arrays[name].checksum:
                raise damage(found.name, f"{found.name}.zarr/{name}", "its values are not those of the plan")
        except DamageError as error:
            found.documents.append(error.found)


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
    start = shard * plan.shard_samples
    samples = slice(start, min(start + plan.shard_samples, plan.samples))
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
        InputError: if neither can be read.
    """
    for path, inner in ((plan_path(name), ()), (group_path(name), ("attributes",))):
        try:
            document: Any = parse(name, path)
            for key in inner:
                document = document[key]
            return dict(document["parameters"])
        except (InputError, KeyError, TypeError, ValueError):
            continue
    raise InputError(
        f"neither {plan_path(name)} nor {group_path(name)} under {objects.root()} can be read, so it is not known how "
        f"{name} was made; remove it with raypipe remove {name}, and make it again"
    )


def mend(plan: Plan, provenance: Mapping[str, Any], found: Verification) -> None:
    """Rewrite damaged plan, metadata and coordinates, remove damaged shards from the ledger, and delete leftovers.

    Raises:
        InputError: if the store was made from another plan.
    """
    name = plan.name
    stored = _readable_plan(name)
    if stored is not None and (found.documents or not extension.fits(stored, plan)):
        refuse_another(stored, plan)
    if found.documents:
        rewrite(plan, *_origin(name, stored, provenance))
        # Check what could not be checked before.
        found = verify(name)
    wrong = {*found.shards, *found.surplus}
    mark(name, done=len(set(finished(name)) - wrong))
    for shard in wrong:
        objects.delete(line_path(name, shard))
    objects.delete_files(found.strays)


def _readable_plan(name: str) -> StoredPlan | None:
    try:
        return read_plan(name)
    except InputError:
        return None


def _origin(name: str, plan: StoredPlan | None, provenance: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Provenance and creation time of a store, from the store itself if readable, else the current ones."""
    if plan is not None:
        return plan.provenance, plan.created
    try:
        attributes = parse(name, group_path(name))["attributes"]
        return {key: attributes[key] for key in provenance}, str(attributes["date_created"])
    except (InputError, KeyError, TypeError):
        return dict(provenance), now()
