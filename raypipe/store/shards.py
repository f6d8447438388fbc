"""Write whole shards and their ledger entries, each atomically; only the ledger shows which shards are finished."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
import zarr.storage
from zarr.core.buffer import default_buffer_prototype

from raypipe.errors import InputError, ValuesError
from raypipe.store import objects
from raypipe.store.creation import finished, group_of, sharded_metadata, understood
from raypipe.store.documents import Shard, line_path, now, read_line, read_plan, seal
from raypipe.store.values import fault

_REQUESTS = 32
"""Number of ledger entries read in parallel: an object store takes some 30 ms for each."""


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the values of a shard, variable by variable in alphabetical order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _holds(stored: np.ndarray, values: np.ndarray) -> bool:
    """Whether the conversion to the array's data type has kept the values, apart from rounding."""
    if stored.dtype == values.dtype:
        return True
    if stored.dtype.kind in "fc":
        return bool((np.isfinite(stored) | ~np.isfinite(values)).all())
    return np.array_equal(stored, values)


def write_shard(
    name: str,
    shard: int,
    samples: slice,
    arrays: Mapping[str, np.ndarray],
    *,
    seeds: tuple[int, int] | None,
    seconds: float,
    attempt: str,
    created: str | None = None,
) -> Shard:
    """Write one whole shard, then its ledger entry.

    The shard is encoded in memory and written in one piece per variable; an existing one is replaced without being
    read.

    Args:
        name: name of the store, whose template must exist.
        shard: number of the shard.
        samples: samples in the shard.
        arrays: one array per variable of the store, with the samples of the shard along the first dimension.
        seeds: lowest and highest seed used, for the ledger.
        seconds: computing time, for the ledger.
        attempt: identifier of the worker process, for the ledger.
        created: when the store was created for which the shard was computed; None if it cannot have been replaced.

    Raises:
        InputError: if the arrays are not the store's variables, or one has another shape or data type; if the store
            cannot be written, or its plan or metadata are damaged; or if it has been made again or extended, so that
            this is not one of its shards.
        ValuesError: if the data type or attributes of an array do not allow its values.
    """
    plan = read_plan(name)
    if created not in (None, plan.created) or plan.bounds(shard) != samples:
        raise InputError(
            f"{name} was made again or extended while its shard {shard} was computed; the shard is not written: run "
            "the same command again"
        )
    metadata = sharded_metadata(group_of(name, plan))
    if set(arrays) != set(metadata):
        raise InputError(f"the results are {', '.join(sorted(arrays))}; expected {', '.join(sorted(metadata))}")
    stored: dict[str, np.ndarray] = {}
    encoded: dict[str, Any] = {}
    for variable, values in arrays.items():
        expected = (samples.stop - samples.start, *metadata[variable]["shape"][1:])
        if values.shape != expected:
            if values.shape[:1] == expected[:1]:
                raise InputError(f"{variable} of a sample has the shape {values.shape[1:]}; expected {expected[1:]}")
            raise InputError(f"{variable} has {len(values) if values.shape else 'no'} samples; expected {expected[0]}")
        own = default_buffer_prototype().buffer.from_bytes(json.dumps(metadata[variable]).encode())
        memory: dict[str, Any] = {f"{variable}/zarr.json": own}
        with zarr.config.set({"array.write_empty_chunks": True}), understood(name):
            array: Any = zarr.open_array(zarr.storage.MemoryStore(memory), path=variable, mode="r+")
            if not np.can_cast(values.dtype, array.dtype, "same_kind"):
                raise InputError(f"{variable} has the data type {values.dtype}; expected {array.dtype}")
            with np.errstate(over="ignore", invalid="ignore"):
                stored[variable] = np.ascontiguousarray(values, dtype=array.dtype)
            if not _holds(stored[variable], values):
                raise ValuesError(
                    f"{variable} has values from {values.min()} to {values.max()}, which {array.dtype} cannot hold; "
                    "plan another data type, remove the data set and make it again"
                )
            if wrong := fault(stored[variable], metadata[variable]["attributes"], samples.start):
                raise ValuesError(f"{variable} of {wrong}: nothing is written; fix what computes it")
            array[samples] = stored[variable]
        encoded |= {path: chunk for path, chunk in memory.items() if chunk is not own}
    for path, chunk in encoded.items():
        objects.put(f"{name}.zarr/{path}", chunk.as_buffer_like())
    line = Shard(
        shard=shard,
        start=samples.start,
        stop=samples.stop,
        checksum=checksum(stored),
        seeds=list(seeds) if seeds else None,
        seconds=round(seconds, 3),
        attempt=attempt,
        host=platform.node(),
        written=now(),
    )
    objects.put(line_path(name, shard), seal(line))
    return line


def ledger(name: str, shards: Iterable[int] | None = None) -> list[Shard]:
    """Read the entries of the ledger, of all finished shards or of the given ones.

    Raises:
        DamageError: if one is not what was written.
    """
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(pool.map(lambda shard: read_line(name, shard), finished(name) if shards is None else shards))
