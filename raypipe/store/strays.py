"""Find files in a store's folders that do not belong to the store.

On disk, a killed write leaves a file `path#1` next to its target, and there may be chunks that are not in the plan. Any
other file was put there by someone else: it is reported and left alone.
"""

import re
from collections.abc import Mapping
from typing import Any

from raypipe.store import objects
from raypipe.store.creation import array_metadata, group_of
from raypipe.store.documents import group_path, line_path, plan_path, read_plan
from raypipe.store.failures import failure_path

_CHUNK = re.compile(r"c(/(0|[1-9][0-9]*))*")


def find(name: str) -> tuple[list[str], list[str]]:
    """Paths of leftovers in a store, and paths of files that are not raypipe's.

    Ledger entries for shards outside the plan are neither; `verify` reports them as damage.

    Raises:
        DamageError: if the plan or metadata of the store are damaged.
    """
    arrays = array_metadata(group_of(name, read_plan(name)))
    left, foreign = [], []
    for path in (*objects.everything(f"{name}.ledger"), *objects.everything(f"{name}.zarr")):
        place = re.sub(r"#[0-9]+$", "", path)
        array, _, key = place.removeprefix(f"{name}.zarr/").partition("/")
        if _belongs(name, place, arrays):
            left += [path] if path != place else []
        elif array in arrays and _CHUNK.fullmatch(key):
            left.append(path)
        else:
            foreign.append(path)
    return left, foreign


def _belongs(name: str, place: str, arrays: Mapping[str, Any]) -> bool:
    """Whether this is the path of an object of the store."""
    if line := re.fullmatch(rf"{re.escape(name)}\.ledger/(failed-)?([0-9]+)\.json", place):
        return place in (line_path(name, int(line[2])), failure_path(name, int(line[2])))
    array, _, key = place.removeprefix(f"{name}.zarr/").partition("/")
    if array not in arrays:
        return place in (plan_path(name), group_path(name))
    return key == "zarr.json" or (_CHUNK.fullmatch(key) is not None and _is_planned(key, arrays[array]))


def _is_planned(chunk: str, metadata: Mapping[str, Any]) -> bool:
    """Whether an array has a chunk, or a shard, with this key."""
    extents = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [-(-length // extent) for length, extent in zip(metadata["shape"], extents, strict=True)]
    index = [int(one) for one in chunk.split("/")[1:]]
    return len(index) == len(counts) and all(one < count for one, count in zip(index, counts, strict=True))
