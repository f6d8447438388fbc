"""Zarr stores that are filled shard by shard: template, whole-shard write, ledger, what is missing, verify, open.

A store `name` is two things under the root: `<name>.zarr`, which any Zarr v3 reader opens, and `<name>.ledger/`,
one small JSON document per finished shard beside `plan.json`, which is written once the template is complete.
Only the ledger tells what is done: Zarr's own count of initialised chunks over-reports for shards.
"""

import hashlib
import json
import platform
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
import zarr.codecs
import zarr.storage

from raypipe import objects
from raypipe.errors import InputError

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Variable:
    """An array that workers write: its first dimension is `sample`, one chunk never spans two shards.

    `shape` and `chunks` have one entry per dimension of `dims`; `dtype` is a NumPy dtype's name.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Coordinate:
    """An array that is known beforehand and written with the template."""

    dims: tuple[str, ...]
    values: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Template:
    """What a store will hold: `samples` samples in shards of `shard_samples`.

    `parameters` are JSON values, everything that the data depend on: a store is continued only with equal ones.
    """

    name: str
    samples: int
    shard_samples: int
    variables: Mapping[str, Variable]
    coordinates: Mapping[str, Coordinate]
    parameters: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """Number of shards; the last one may be shorter."""
        return -(-self.samples // self.shard_samples)

    def bounds(self, shard: int) -> slice:
        """Samples of a shard."""
        start = shard * self.shard_samples
        return slice(start, min(start + self.shard_samples, self.samples))


def list_names(prefix: str = "") -> list[str]:
    """Names of the stores whose template is complete, sorted, such as `gray_scott/train`."""
    folder, _, _ = prefix.rpartition("/")
    names = (
        path.removesuffix(".ledger/plan.json") for path in objects.paths(folder) if path.endswith(".ledger/plan.json")
    )
    return [name for name in names if name.startswith(prefix)]


def location(name: str) -> str:
    """Path or URL of a store's Zarr group, for `xarray.open_zarr`."""
    return f"{objects.root()}/{name}.zarr"


def _ledger_path(name: str, shard: int) -> str:
    return f"{name}.ledger/{shard:06d}.json"


def _group(name: str, mode: str) -> zarr.Group:
    return zarr.open_group(_zarr_store(name, read_only=mode == "r"), mode=mode)  # type: ignore[arg-type]


def array(name: str, variable: str) -> zarr.Array[Any]:
    """An array of a store, for workers in environments without xarray."""
    found = _group(name, "r")[variable]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"{variable} of {name} is no array")
    return found


def _zarr_store(name: str, *, read_only: bool) -> zarr.storage.ObjectStore[Any]:
    return zarr.storage.ObjectStore(objects.object_store(location(name)), read_only=read_only)


def exists(name: str) -> bool:
    """Whether a store's template is complete: its plan is written last, and of no use without the Zarr group."""
    objects.checked(name)
    return objects.exists(f"{name}.ledger/plan.json") and objects.exists(f"{name}.zarr/zarr.json")


def plan_of(name: str) -> dict[str, Any]:
    """What a store was made to hold: samples, shard_samples, shards, parameters, created.

    Raises:
        InputError: if there is no such store.
    """
    if not exists(name):
        known = ", ".join(list_names()) or "none"
        raise InputError(
            f"there is no data set {name!r} under {objects.root()} (there: {known}); make it, or set "
            f"{objects.ROOT_VARIABLE}"
        )
    return json.loads(objects.get(f"{name}.ledger/plan.json"))


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    return "; ".join(f"{key} is {found.get(key)!r} there and {wanted.get(key)!r} here" for key in keys)


def create(template: Template, provenance: Mapping[str, Any]) -> None:
    """Write the template of a store, or find it already there.

    `provenance` joins the attributes of the Zarr group when it is made: versions, hosts.

    Raises:
        InputError: if the store is there and was made with other parameters, or cannot be written.
    """
    # Through JSON and back, so that tuples and NumPy numbers compare as they are stored.
    plan = json.loads(
        json.dumps(
            {
                "samples": template.samples,
                "shard_samples": template.shard_samples,
                "shards": template.shards,
                "parameters": dict(template.parameters),
            }
        )
    )
    if exists(template.name):
        there = plan_of(template.name)
        differences = _differences(there["parameters"], plan["parameters"]) or _differences(
            there, {**plan, "created": there["created"]}
        )
        if differences:
            raise InputError(
                f"{location(template.name)} was made with other parameters: {differences}; use the same ones to "
                f"continue it, delete it and {template.name}.ledger, or set {objects.ROOT_VARIABLE} to another folder"
            )
        return
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with objects.reaching(f"write {template.name}"):
        # A ledger without its store, or the reverse, was left by somebody who deleted half of it.
        for line in objects.paths(f"{template.name}.ledger"):
            objects.delete(line)
        group = _group(template.name, "w")
        for name, variable in template.variables.items():
            group.create_array(
                name,
                shape=variable.shape,
                dtype=variable.dtype,
                chunks=variable.chunks,
                shards=(template.shard_samples, *_covering(variable)),
                compressors=(
                    zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
                    zarr.codecs.Crc32cCodec(),
                ),
                fill_value=np.nan if np.dtype(variable.dtype).kind == "f" else -1,
                dimension_names=variable.dims,
                attributes={**variable.attributes, "coordinates": " ".join(_auxiliary(template))},
            )
        for name, coordinate in template.coordinates.items():
            values = np.asarray(coordinate.values)
            array = group.create_array(
                name,
                shape=values.shape,
                dtype=str if values.dtype.kind == "U" else values.dtype,
                chunks=values.shape,
                dimension_names=coordinate.dims,
                attributes=dict(coordinate.attributes),
            )
            array[...] = values
        group.attrs.update(
            {
                "Conventions": "CF-1.11",
                **template.attributes,
                "parameters": plan["parameters"],
                "samples": template.samples,
                "date_created": created,
                **provenance,
            }
        )
        _consolidate(group)
    objects.put(f"{template.name}.ledger/plan.json", json.dumps({**plan, "created": created}, indent=1).encode())


def set_attributes(name: str, attributes: Mapping[str, Any]) -> None:
    """Add to what a store says of itself."""
    group = _group(name, "r+")
    group.attrs.update(attributes)
    _consolidate(group)


def _consolidate(group: zarr.Group) -> None:
    with warnings.catch_warnings():
        # One request instead of one per array, and what xarray looks for first; other Zarr readers ignore it.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)


def _covering(variable: Variable) -> tuple[int, ...]:
    """Extent of a shard along all dimensions but the first: the whole of each, in whole chunks."""
    return tuple(
        -(-length // chunk) * chunk for length, chunk in zip(variable.shape[1:], variable.chunks[1:], strict=True)
    )


def _auxiliary(template: Template) -> list[str]:
    """Coordinates that are not a dimension's own; CF's `coordinates` attribute makes xarray see them as such."""
    known = [name for name in template.coordinates if name not in template.coordinates[name].dims]
    return known + [name for name, variable in template.variables.items() if variable.dims == ("sample",)]


@dataclass(frozen=True)
class Shard:
    """A line of the ledger: one shard, finished."""

    shard: int
    start: int
    stop: int
    checksum: str
    seeds: list[int] | None
    seconds: float
    attempt: str
    host: str
    written: str


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the values of a shard, variable by variable in alphabetical order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def write_shard(
    name: str,
    shard: int,
    samples: slice,
    arrays: Mapping[str, np.ndarray],
    *,
    seeds: tuple[int, int] | None,
    seconds: float,
    attempt: str,
) -> Shard:
    """Write one whole shard, then its line in the ledger.

    Args:
        name: of the store, whose template is there.
        shard: number of the shard.
        samples: its samples.
        arrays: one array per variable of the store, the samples of the shard first.
        seeds: lowest and highest seed used, for the ledger.
        seconds: of computing, for the ledger.
        attempt: who wrote it, for the ledger.
    """
    group = _group(name, "r+")
    stored = {}
    with objects.reaching(f"write {name}"), zarr.config.set({"array.write_empty_chunks": True}):
        for variable, values in arrays.items():
            array = group[variable]
            if not isinstance(array, zarr.Array):
                raise TypeError(f"{variable} of {name} is no array")
            expected = (samples.stop - samples.start, *array.shape[1:])
            if values.shape != expected:
                raise ValueError(f"{variable} of {name}, shard {shard}: shape {values.shape}, expected {expected}")
            stored[variable] = np.ascontiguousarray(values, dtype=array.dtype)
            array[samples] = stored[variable]
    line = Shard(
        shard=shard,
        start=samples.start,
        stop=samples.stop,
        checksum=checksum(stored),
        seeds=list(seeds) if seeds else None,
        seconds=round(seconds, 3),
        attempt=attempt,
        host=platform.node(),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    objects.put(_ledger_path(name, shard), json.dumps(asdict(line)).encode())
    return line


def finished(name: str) -> list[int]:
    """Shards in the ledger, ascending."""
    lines = (Path(path).stem for path in objects.paths(f"{name}.ledger"))
    return sorted(int(stem) for stem in lines if stem.isdigit())


def missing(name: str) -> list[int]:
    """Shards still to be written, ascending."""
    return sorted(set(range(plan_of(name)["shards"])) - set(finished(name)))


def ledger(name: str) -> list[Shard]:
    """All lines of the ledger, by shard."""
    return [Shard(**json.loads(objects.get(_ledger_path(name, shard)))) for shard in finished(name)]


def verify(name: str) -> list[int]:
    """Read every finished shard and return those whose values are not those that were written.

    Delete the ledger's line of such a shard and run the job again: it is made anew.
    """
    group = _group(name, "r")
    variables = plan_variables(name)
    damaged = []
    for line in ledger(name):
        try:
            values = {variable: np.asarray(group[variable][line.start : line.stop]) for variable in variables}  # type: ignore[index]
        except (ValueError, RuntimeError, OSError):
            damaged.append(line.shard)
            continue
        if checksum(values) != line.checksum:
            damaged.append(line.shard)
    return damaged


def plan_variables(name: str) -> list[str]:
    """Names of the arrays that workers write: those that are sharded."""
    return [key for key, array in _group(name, "r").arrays() if array.shards is not None]


def open(name: str, *, partial: bool = False) -> "xarray.Dataset":
    """Open a store lazily.

    Args:
        name: such as `gray_scott/train`.
        partial: also if shards are missing; their values read as NaN, or -1 where they are integers.

    Raises:
        InputError: if there is no such store, or it is not complete.
    """
    import xarray

    plan = plan_of(name)
    done = len(finished(name))
    if done < plan["shards"] and not partial:
        raise InputError(
            f"data set {name!r} under {objects.root()} has {done} of {plan['shards']} shards; run the job that "
            "makes it again to complete it, or open it with partial=True"
        )
    return xarray.open_zarr(_zarr_store(name, read_only=True), chunks=None)
