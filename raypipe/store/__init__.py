"""Zarr stores that are filled shard by shard: template, whole-shard write, ledger, what is missing, verify, open.

A store `name` is two things under the root: `<name>.zarr`, which any Zarr v3 reader opens, and `<name>.ledger/`,
`plan.json`, which says what the store will hold, and one small JSON document per finished shard. Only the ledger tells
what is done: Zarr's own count of initialised chunks over-reports for shards.
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
from raypipe.store.documents import Shard, StoredPlan
from raypipe.store.failures import failed, failure, forget_failure, record_failure
from raypipe.store.reading import arrays, open
from raypipe.store.removal import remove
from raypipe.store.shards import checksum, ledger, write_shard
from raypipe.store.template import COMPRESSIONS, Coordinate, Plan, Template, Variable, label_attributes, number_type
from raypipe.store.values import finite
from raypipe.store.verification import Verification, mend, stored_parameters, verify

__all__ = [
    "COMPRESSIONS",
    "Coordinate",
    "Plan",
    "Shard",
    "StoredPlan",
    "Template",
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
