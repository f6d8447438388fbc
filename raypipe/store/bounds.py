"""Limits on arrays: what Zarr understands, raypipe writes and memory can hold, checked without allocating anything."""

import copy
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from zarr.core.metadata.v3 import ArrayV3Metadata

from raypipe.errors import InputError
from raypipe.store import values
from raypipe.store.documents import MOST_BYTES, MOST_SHARDS
from raypipe.store.template import Plan, covering

CHUNK_BYTES = 2**31 - 1
"""Maximum size of a chunk, which is Blosc's own limit; a coordinate is a single chunk."""

SHARD_BYTES = 2**33
"""Maximum size of a shard: writing or verifying one needs all of it in memory."""

SHARD_CHUNKS = 2**24
"""Maximum number of chunks in a shard: reading a single chunk reads the index of the whole shard."""

_NUMBERS = {"scale_factor", "add_offset", "_FillValue", "missing_value"}
"""Attributes that xarray uses in calculations, but only when values are read."""


def check_plan(plan: Plan) -> None:
    """Raise InputError if a plan exceeds what could be read back."""
    try:
        size = len(json.dumps(dict(plan.parameters), indent=4, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{plan.name}: parameters {dict(plan.parameters)}; expected finite numbers and texts: {error}"
        ) from error
    problems: dict[str, str | None] = {}
    if plan.shards > MOST_SHARDS:
        problems["it"] = f"{plan.shards} shards; at most {MOST_SHARDS} are allowed"
    if size > MOST_BYTES // 2:
        problems["the document of its parameters"] = f"{size} bytes as JSON; at most {MOST_BYTES // 2} are allowed"
    for name, variable in plan.variables.items():
        shard = (plan.shard_samples, *covering(variable))
        if problem := values.misfit(variable.attributes):
            raise InputError(f"{plan.name}: {name} has {problem}; expected finite numbers, the smaller one first")
        problems[name] = _excess(np.dtype(variable.dtype).itemsize, variable.chunks, shard)
    for name, coordinate in plan.coordinates.items():
        known = np.asarray(coordinate.values)
        problems[name] = _excess(known.itemsize, known.shape)
    for name, problem in problems.items():
        if problem:
            raise InputError(f"{plan.name}: {name} has {problem}; plan smaller pieces, or several stores")


def is_sharded(metadata: Mapping[str, Any]) -> bool:
    """Whether workers write this array, shard by shard."""
    return metadata["codecs"][0]["name"] == "sharding_indexed"


def misfit(metadata: Mapping[str, Any]) -> str | None:
    """The problem with an array that has such metadata; None if it can be opened.

    Raises:
        Exception: of any type, if this is not valid array metadata; Zarr and its codecs do not agree on one type.
    """
    parsed = ArrayV3Metadata.from_dict(copy.deepcopy(dict(metadata)))
    names = parsed.dimension_names
    if not names or len(names) != len(parsed.shape) or not all(names) or len(set(names)) < len(names):
        return f"{len(parsed.shape)} dimensions called {names}"
    if parsed.storage_transformers:
        return f"the storage transformers {parsed.storage_transformers}"
    keys = metadata["chunk_key_encoding"]
    if keys["name"] != "default" or keys.get("configuration", {}).get("separator", "/") != "/":
        return f"the chunk key encoding {keys}"
    numpy_type = parsed.data_type.to_native_dtype()
    for key in _NUMBERS & set(parsed.attributes):
        if numpy_type.kind not in "iuf" or not isinstance(parsed.attributes[key], int | float):
            return f"the attribute {key} = {parsed.attributes[key]!r}"
    if problem := values.misfit(parsed.attributes):
        return problem
    # Variable-length texts are objects: at least one pointer each.
    itemsize = np.dtype("O").itemsize if numpy_type.kind == "O" else max(numpy_type.itemsize, 1)
    chunk = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    if not is_sharded(metadata):
        return _excess(itemsize, chunk) or _excess(itemsize, parsed.shape)
    own = metadata["codecs"][0]["configuration"]
    if names[0] != "sample" or len(metadata["codecs"]) > 1 or "sharding_indexed" in json.dumps(own["codecs"]):
        return "shards of another kind"
    inner = own["chunk_shape"]
    if any(part < 1 or whole % part for part, whole in zip(inner, chunk, strict=True)):
        return f"shards of {chunk} in chunks of {inner}"
    if any(part < length for part, length in zip(chunk[1:], parsed.shape[1:], strict=True)):
        return f"shards of {chunk}, which do not hold whole samples"
    return _excess(itemsize, inner, chunk)


def _excess(itemsize: int, chunk: Sequence[int], shard: Sequence[int] | None = None) -> str | None:
    """What is too large about an array with such chunks, and such shards if it has any; None if nothing is."""
    if (size := itemsize * math.prod(chunk)) > CHUNK_BYTES:
        return f"{size} bytes in a chunk; at most {CHUNK_BYTES} are allowed"
    if shard is None:
        return None
    if (size := itemsize * math.prod(shard)) > SHARD_BYTES:
        return f"{size} bytes in a shard; at most {SHARD_BYTES} are allowed"
    if (chunks := math.prod(shard) // max(math.prod(chunk), 1)) > SHARD_CHUNKS:
        return f"{chunks} chunks in a shard; at most {SHARD_CHUNKS} are allowed"
    return None
