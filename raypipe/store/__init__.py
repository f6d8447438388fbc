"""Zarr stores that are filled shard by shard: create, write whole shards, list what is missing, verify, open.

A store `name` consists of two folders under the root. `<name>.zarr` can be opened by any Zarr v3 reader.
`<name>.ledger/` contains `plan.json`, which describes the complete store, and one small JSON document per finished
shard. Only the ledger is used to decide which shards are finished: Zarr's own count of initialised chunks is too high
for sharded arrays.
"""

from raypipe.store.creation import (
    attributes,
    begun,
    create,
    finished,
    is_extended_by,
    is_finished,
    is_marked_complete,
    list_names,
    location,
    mark,
    missing,
    plan_of,
    size,
)
from raypipe.store.documents import StoredPlan
from raypipe.store.failures import failed, failure, forget_failure, record_failure
from raypipe.store.reading import arrays, open
from raypipe.store.removal import remove
from raypipe.store.shards import checksum, ledger, write_shard
from raypipe.store.template import COMPRESSIONS, Coordinate, Plan, Variable, label_attributes, number_type
from raypipe.store.values import finite
from raypipe.store.verification import Verification, mend, stored_parameters, verify

__all__ = [
    "COMPRESSIONS",
    "Coordinate",
    "Plan",
    "StoredPlan",
    "Variable",
    "Verification",
    "arrays",
    "attributes",
    "begun",
    "checksum",
    "create",
    "failed",
    "failure",
    "finished",
    "finite",
    "forget_failure",
    "is_extended_by",
    "is_finished",
    "is_marked_complete",
    "label_attributes",
    "ledger",
    "list_names",
    "location",
    "mark",
    "mend",
    "missing",
    "number_type",
    "open",
    "plan_of",
    "record_failure",
    "remove",
    "size",
    "stored_parameters",
    "verify",
    "write_shard",
]
