"""JSON documents that contain their own checksum: a store's plan, the entries of its ledger, its metadata."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from raypipe.errors import DamageError, one_line
from raypipe.store import objects

Model = TypeVar("Model", bound=BaseModel)

SEAL = "sha256"
"""Key of the checksum in a document: SHA-256 of everything else in it, as canonical JSON."""


MOST_SHARDS = 10**7
"""Maximum number of shards in a store: finished and planned shards are compared in memory."""


MOST_BYTES = 2**26
"""Maximum size of a document: a plan may list the samples that it uses, but is no place for data."""


class Array(BaseModel):
    """The plan's entry for an array: its shape and, for coordinates, which are known in advance, their checksum."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shape: list[NonNegativeInt]
    checksum: str | None = None


def shard_bounds(shard: int, shard_samples: int, samples: int) -> slice:
    """Range of samples in a shard of a store with so many samples, and so many in each shard but the last."""
    start = shard * shard_samples
    return slice(start, min(start + shard_samples, samples))


class StoredPlan(BaseModel):
    """What the complete store will contain: `plan.json` in its ledger. `grows` is that of the `Plan`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    samples: NonNegativeInt
    shard_samples: int
    shards: int
    parameters: dict[str, Any]
    created: str
    provenance: dict[str, Any]
    arrays: dict[str, Array]
    grows: list[str]

    def bounds(self, shard: int) -> slice:
        """Range of samples in a shard."""
        return shard_bounds(shard, self.shard_samples, self.samples)

    @model_validator(mode="after")
    def _shards_hold_the_samples(self) -> "StoredPlan":
        if self.shard_samples < 1 or self.shards != -(-self.samples // self.shard_samples):
            raise ValueError(f"{self.samples} samples in {self.shards} shards of {self.shard_samples}")
        if self.shards > MOST_SHARDS:
            raise ValueError(f"{self.shards} shards; at most {MOST_SHARDS} are allowed")
        return self


class Shard(BaseModel):
    """A finished shard's entry in the ledger, with the checksum of its values and its lowest and highest seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shard: int
    start: int
    stop: int
    checksum: str
    seeds: list[int] | None
    seconds: float
    attempt: str
    host: str
    written: str


def now() -> str:
    """The current time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def plan_path(name: str) -> str:
    """Path of a store's plan."""
    return f"{name}.ledger/plan.json"


def line_path(name: str, shard: int) -> str:
    """Path of a shard's entry in the ledger."""
    return f"{name}.ledger/{shard:06d}.json"


def group_path(name: str) -> str:
    """Path of the metadata of a store's Zarr group."""
    return f"{name}.zarr/zarr.json"


def mending(name: str) -> str:
    """The command that repairs a damaged store, as advice."""
    return f"repair it with: raypipe verify {name} --repair"


def damage(name: str, path: str, reason: str) -> DamageError:
    """The error for a damaged object of a store."""
    return DamageError(f"{objects.root()}/{path} is damaged: {' '.join(reason.split()).rstrip('.')}", mending(name))


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document as canonical JSON."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal(document: BaseModel) -> bytes:
    """A document with its checksum, as JSON."""
    content = document.model_dump(mode="json")
    return json.dumps({**content, SEAL: digest(content)}, indent=1).encode()


def read_plan(name: str) -> StoredPlan:
    """Read the plan of an existing store.

    Raises:
        DamageError: if it is not what was written.
    """
    return read_document(name, plan_path(name), StoredPlan)


def read_line(name: str, shard: int) -> Shard:
    """Read a shard's entry in the ledger; only `verify` compares it with the plan.

    Raises:
        DamageError: if it is not what was written.
    """
    return read_document(name, line_path(name, shard), Shard)


def read_document(name: str, path: str, model: type[Model]) -> Model:
    """Read a document of an existing store.

    Raises:
        DamageError: if it is not what was written.
    """
    content = parse(name, path)
    if content.pop(SEAL, None) != digest(content):
        raise damage(name, path, "it does not agree with its checksum")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise damage(name, path, one_line(error, Path(path).name)) from error


def parse(name: str, path: str) -> dict[str, Any]:
    """Parse a JSON object of a store, without further checks.

    Raises:
        DamageError: if it is missing, is not a JSON object, or exceeds MOST_BYTES, in which case it is not read.
    """
    try:
        data = objects.find(path, MOST_BYTES)
    except OverflowError as error:
        raise damage(name, path, str(error)) from error
    if data is None:
        raise damage(name, path, "it is missing")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damage(name, path, f"it is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise damage(name, path, f"it is a JSON {type(content).__name__}, not an object")
    return content
