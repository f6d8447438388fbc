"""Open stores so that damage is reported with the object's name, and never read as valid data.

For Zarr, a missing chunk is filled with the fill value. Here, every chunk of a finished shard or of a coordinate must
exist, and chunks of a shard that is not in the ledger are ignored, whatever they contain.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zarr
import zarr.registry
import zarr.storage
from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.storage import StorePath

from raypipe.errors import InputError
from raypipe.store import objects
from raypipe.store.creation import finished, group_of, location, plan_of, sharded_metadata, understood
from raypipe.store.documents import StoredPlan, damage
from raypipe.store.texts import NAMES, decoded, without_codes

if TYPE_CHECKING:
    import xarray


_Objects = zarr.storage.ObjectStore[Any]


class StrictStore(zarr.storage.WrapperStore[_Objects]):
    """The objects of one Zarr group; a missing chunk counts as damage."""

    def __init__(self, store: "_Objects", name: str, sharded: frozenset[str], shards: frozenset[int]) -> None:
        """Wrap the objects of the store `name`.

        Args:
            store: the objects.
            name: name of the store, for messages.
            sharded: names of the arrays that workers write.
            shards: numbers of the finished shards.
        """
        super().__init__(store)
        self.name, self._sharded, self._shards = name, sharded, shards

    def _with_store(self, store: _Objects) -> "StrictStore":
        return StrictStore(store, self.name, self._sharded, self._shards)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Read an object, or part of it; None for a chunk of an unfinished shard.

        Raises:
            DamageError: if a required chunk is missing or empty.
            InputError: if the objects cannot be reached.
        """
        variable, _, chunk = key.partition("/")
        is_chunk = chunk == "c" or chunk.startswith("c/")
        if is_chunk and variable in self._sharded and int(chunk.split("/")[1]) not in self._shards:
            return None
        path = f"{self.name}.zarr/{key}"
        try:
            with objects.reaching(f"read {path}"):
                found = await super().get(key, prototype, byte_range)
        except InputError as error:
            # The shard's index, though its own checksum is right, may belong to another shard.
            if not isinstance(byte_range, RangeByteRequest) or byte_range.start < objects.size(path):
                raise
            reason = f"its index points to byte {byte_range.start}, but it has only {objects.size(path)}"
            raise damage(self.name, path, reason) from error
        if is_chunk and (found is None or not len(found)):
            raise damage(self.name, path, "it is missing" if found is None else "it is empty")
        return found


class NamingPipeline(BatchedCodecPipeline):
    """Zarr's pipeline from chunks to values, with errors that name the unreadable object."""

    async def read_batch(self, batch_info: Iterable[Any], out: Any, drop_axes: tuple[int, ...] = ()) -> None:
        """Read a batch, which has one chunk.

        Raises:
            DamageError: if a chunk is not what was written.
        """
        batch = list(batch_info)
        try:
            await super().read_batch(batch, out, drop_axes)
        except InputError:
            raise
        except Exception as error:  # codecs raise errors of any type: ValueError, RuntimeError, …
            getter = batch[0][0]
            if not (isinstance(getter, StorePath) and isinstance(getter.store, StrictStore)):
                raise
            name = getter.store.name
            raise damage(name, f"{name}.zarr/{getter.path}", f"it cannot be decoded: {error}") from error


zarr.registry.register_pipeline(NamingPipeline)
_PIPELINE = {"codec_pipeline.path": f"{NamingPipeline.__module__}.{NamingPipeline.__qualname__}"}


@contextmanager
def _strict(name: str, plan: StoredPlan, shards: Iterable[int]) -> Iterator[StrictStore]:
    """The objects of a store with the finished `shards`; arrays opened within the context report damage when read."""
    sharded = sharded_metadata(group_of(name, plan))
    chunks = zarr.storage.ObjectStore(objects.object_store(location(name)), read_only=True)
    store = StrictStore(chunks, name, frozenset(sharded), frozenset(shards))
    with zarr.config.set(_PIPELINE), understood(name):
        yield store


def arrays(name: str, plan: StoredPlan | None = None) -> dict[str, zarr.Array[Any]]:
    """The arrays of a store, by name; for workers in environments without xarray.

    Args:
        name: name of the store.
        plan: its plan, by default the stored one.

    Raises:
        InputError: if there is no such store.
        DamageError: if its plan or metadata are damaged; later, when damaged values are read.
    """
    with _strict(name, plan or plan_of(name), finished(name)) as store:
        return dict(zarr.open_group(store, mode="r").arrays())


def open(name: str, *, partial: bool = False) -> "xarray.Dataset":
    """Open a store lazily.

    Args:
        name: name of the store, such as `logistic/scan`.
        partial: whether to open it even if shards are missing; their values read as NaN, or -1 for integers.

    Raises:
        InputError: if there is no such store, or it is not complete.
        DamageError: if its plan or metadata are damaged; later, when damaged values are read.
    """
    import xarray

    plan = plan_of(name)
    shards = finished(name, plan)
    if len(shards) < plan.shards and not partial:
        command = group_of(name, plan)["attributes"].get("command", "the job that makes it")
        raise InputError(
            f"data set {name!r} under {objects.root()} has {len(shards)} of {plan.shards} shards; to complete it, run "
            f"{command} (in Python, partial=True opens it as it is)"
        )
    with _strict(name, plan, shards) as store:
        opened = xarray.open_zarr(store, chunks=None)
        texts = {
            str(key): (one.dims, decoded(one.values, one.attrs), without_codes(one.attrs))
            for key, one in opened.variables.items()
            if NAMES in one.attrs
        }
        return opened.assign_coords(texts)
