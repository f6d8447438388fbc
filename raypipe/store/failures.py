"""Shards whose computation raised an exception: kept in the ledger until they are computed successfully."""

import platform
import re

from pydantic import BaseModel, ConfigDict

from raypipe.errors import InputError
from raypipe.store import objects
from raypipe.store.documents import now, read_document, seal


class Failure(BaseModel):
    """A failed shard: the error in one line, its traceback, and the total number of attempts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shard: int
    error: str
    traceback: str
    attempts: int
    host: str
    written: str


def failure_path(name: str, shard: int) -> str:
    """Path of a shard's failure record in the ledger."""
    return f"{name}.ledger/failed-{shard:06d}.json"


def failed(name: str) -> list[int]:
    """Numbers of the shards that raised an exception and have not been computed since, ascending."""
    found = (re.fullmatch(r".*/failed-([0-9]{6,})\.json", path) for path in objects.paths(f"{name}.ledger"))
    return sorted(int(one[1]) for one in found if one)


def failure(name: str, shard: int) -> Failure:
    """Read the failure record of a shard.

    Raises:
        DamageError: if it is not what was written, or is missing.
    """
    return read_document(name, failure_path(name, shard), Failure)


def record_failure(name: str, shard: int, error: str, traceback: str) -> None:
    """Record the failure of a shard and count its attempts."""
    try:
        attempts = failure(name, shard).attempts
    except InputError:  # there is no record, or it is damaged: write a new one
        attempts = 0
    one = Failure(
        shard=shard,
        error=error,
        traceback=traceback,
        attempts=attempts + 1,
        host=platform.node(),
        written=now(),
    )
    objects.put(failure_path(name, shard), seal(one))


def forget_failure(name: str, shard: int) -> None:
    """Delete the failure record of a shard that has been computed after all."""
    objects.delete(failure_path(name, shard))
