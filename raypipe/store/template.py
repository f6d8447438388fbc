"""Plans of stores, and the template of a store: Zarr metadata and coordinates, which are written before any shard."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
import zarr.codecs
import zarr.storage

from raypipe.errors import InputError, choice
from raypipe.store import texts
from raypipe.store.documents import SEAL, Array, StoredPlan, digest, shard_bounds

COMPRESSIONS = {"zstd": 3, "lz4": 5}
"""Blosc codecs and their levels. For values that are noise apart from their order of magnitude, lz4 compresses as well
as zstd in an eighth of the time; for smooth or repeated values, zstd compresses better."""

COMPLETE = "complete"
"""Value of a store's attribute `status` once the store is complete, for those who open it with other tools."""


def incomplete(done: int, shards: int) -> str:
    """Value of a store's attribute `status` while shards are missing."""
    values = "NaN, integers as -1 or, without a sign, as the largest, and booleans as False"
    return f"incomplete: {done} of {shards} shards; the others read as {values}"


@dataclass(frozen=True)
class Variable:
    """An array that workers write: its first dimension is `sample`, and no chunk spans two shards.

    `shape` and `chunks` have one entry per dimension in `dims`; `dtype` is the name of a NumPy data type; `compression`
    is one of COMPRESSIONS.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    compression: str = "zstd"

    def __post_init__(self) -> None:
        choice("compression", self.compression, tuple(COMPRESSIONS))
        number_type(self.dtype)


def number_type(name: str) -> np.dtype[Any]:
    """The NumPy data type with this name; raises InputError if there is none or it is not numeric."""
    try:
        found = np.dtype(name)
    except TypeError as error:
        raise InputError(f"unknown data type {name!r}; expected one of NumPy's, such as float32") from error
    if found.kind not in "biufc":
        raise InputError(f"data type {name!r}; expected one of numbers, such as float32, int64 or bool")
    return found


@dataclass(frozen=True)
class Coordinate:
    """An array that is known in advance and written with the template."""

    dims: tuple[str, ...]
    values: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a store will hold, `samples` samples in shards of `shard_samples`, and how these are computed.

    `parameters` are JSON values and include everything that the data depend on: a store is continued only with equal
    parameters. The parameters named in `grows` only determine the number of samples: if they differ, the store is
    extended, provided that its samples, coordinates and shard size agree with the plan. In `grows`, "a.b" means key
    b of a parameter a that is a mapping.

    Attributes:
        compute: "module:factory". The factory gets the parameters, once per worker, and returns a function from the
            rows of a shard (`sample` indices and the named columns) to one array per variable.
        columns: names of the coordinates along `sample` that the function needs.
        per_sample: if given, `compute` is instead called for each sample, with its columns and the parameters of these
            names as keyword arguments, and returns one value per variable.
        environment: environment of the workers: name of one of raypipe's, or a lock file; None is the cluster's own.
    """

    name: str
    samples: int
    shard_samples: int
    variables: Mapping[str, Variable]
    coordinates: Mapping[str, Coordinate]
    parameters: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    grows: tuple[str, ...] = ()
    compute: str = ""
    columns: tuple[str, ...] = ()
    per_sample: tuple[str, ...] | None = None
    environment: str | None = None

    @property
    def shards(self) -> int:
        """Number of shards; the last one may be shorter."""
        return -(-self.samples // self.shard_samples)

    def bounds(self, shard: int) -> slice:
        """Range of samples in a shard."""
        return shard_bounds(shard, self.shard_samples, self.samples)

    def samples_in(self, shards: Iterable[int]) -> int:
        """Number of samples in shards."""
        return sum(bounds.stop - bounds.start for bounds in map(self.bounds, shards))

    def document(self, provenance: Mapping[str, Any], created: str) -> StoredPlan:
        """The document of this plan, for the ledger."""
        arrays = {name: Array(shape=list(variable.shape)) for name, variable in self.variables.items()}
        for name, coordinate in self.coordinates.items():
            values = np.asarray(coordinate.values)
            arrays[name] = Array(shape=list(values.shape), checksum=values_checksum(values))
        # Round trip through JSON, so that tuples and the like compare equal to what is stored.
        parameters, made_by = json.loads(json.dumps([dict(self.parameters), dict(provenance)]))
        return StoredPlan(
            samples=self.samples,
            shard_samples=self.shard_samples,
            shards=self.shards,
            parameters=parameters,
            created=created,
            provenance=made_by,
            arrays=arrays,
            grows=list(self.grows),
        )


def label_attributes(classes: tuple[str, ...]) -> dict[str, Any]:
    """CF attributes of a label: the number of each class."""
    return {
        "long_name": "class",
        "flag_values": list(range(len(classes))),
        "flag_meanings": " ".join(classes),
    }


def values_checksum(values: np.ndarray) -> str:
    """SHA-256 of the data type, shape and values of an array."""
    if texts.is_text(values):
        return digest({"string": values.tolist()})
    content = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    content.update(np.ascontiguousarray(values).data)
    return content.hexdigest()


def zarr_objects(plan: Plan, stored: StoredPlan) -> dict[str, bytes]:
    """The Zarr group without its shards: objects by their path in the group, its own metadata last.

    Every chunk has a checksum (CRC32C) and is written even if it contains only fill values, so that a missing chunk is
    always damage.
    """
    made: dict[str, Any] = {}
    group = zarr.create_group(
        zarr.storage.MemoryStore(made),
        attributes={
            "Conventions": "CF-1.11",
            **plan.attributes,
            "status": incomplete(0, stored.shards),
            "parameters": stored.parameters,
            "samples": stored.samples,
            "date_created": stored.created,
            **stored.provenance,
        },
    )
    for name, variable in plan.variables.items():
        group.create_array(
            name,
            shape=variable.shape,
            dtype=variable.dtype,
            chunks=variable.chunks,
            shards=(plan.shard_samples, *covering(variable)),
            compressors=_compressors(variable.compression),
            fill_value=_fill_value(np.dtype(variable.dtype)),
            dimension_names=variable.dims,
            attributes={**variable.attributes, "coordinates": " ".join(_auxiliary(plan))},
        )
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, coordinate in plan.coordinates.items():
            values, attributes = np.asarray(coordinate.values), dict(coordinate.attributes)
            if texts.is_text(values):
                values, attributes = texts.encoded(values, attributes)
            array = group.create_array(
                name,
                shape=values.shape,
                dtype=values.dtype,
                chunks=values.shape,
                compressors=_compressors("zstd"),
                dimension_names=coordinate.dims,
                attributes=attributes,
            )
            array[...] = values
    with warnings.catch_warnings():
        # One request instead of one per array; xarray looks for this first, other Zarr readers ignore it.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)
    objects = {path: buffer.to_bytes() for path, buffer in made.items()}
    own = json.loads(objects.pop("zarr.json"))
    return {**objects, "zarr.json": seal_group(own)}


def _fill_value(dtype: np.dtype[Any]) -> Any:
    """Value that is read where nothing has been written, see `incomplete`."""
    if dtype.kind == "u":
        return int(np.iinfo(dtype).max)
    return {"f": np.nan, "c": complex(np.nan, np.nan), "b": False}.get(dtype.kind, -1)


def _compressors(name: str) -> tuple[zarr.codecs.BloscCodec, zarr.codecs.Crc32cCodec]:
    blosc = zarr.codecs.BloscCodec(cname=name, clevel=COMPRESSIONS[name], shuffle="shuffle")  # type: ignore[arg-type]
    return blosc, zarr.codecs.Crc32cCodec()


def seal_group(document: Mapping[str, Any]) -> bytes:
    """The metadata of a group as JSON, with their checksum among the attributes."""
    attributes = {name: value for name, value in document["attributes"].items() if name != SEAL}
    content = {**document, "attributes": attributes}
    return json.dumps({**content, "attributes": {**attributes, SEAL: digest(content)}}, indent=2).encode()


def covering(variable: Variable) -> tuple[int, ...]:
    """Extent of a shard along all dimensions but the first: the full length, rounded up to whole chunks."""
    return tuple(
        -(-length // chunk) * chunk for length, chunk in zip(variable.shape[1:], variable.chunks[1:], strict=True)
    )


def _auxiliary(plan: Plan) -> list[str]:
    """Non-index coordinates and per-sample numbers; CF's attribute `coordinates` makes them coordinates in xarray."""
    known = [name for name in plan.coordinates if name not in plan.coordinates[name].dims]
    return known + [name for name, variable in plan.variables.items() if variable.dims == ("sample",)]
