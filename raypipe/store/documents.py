"""JSON documents that carry a checksum of themselves: a store's plan, the lines of its ledger, its metadata."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, model_validator

from raypipe.errors import DamageError, one_line
from raypipe.store import objects

Model = TypeVar("Model", bound=BaseModel)

SEAL = "sha256"
"""Name of the checksum in a document: SHA-256 of everything else in it, as canonical JSON."""


MOST_SHARDS = 10**7
"""Of a store: what is done is held against what is planned shard by shard, in memory."""


MOST_BYTES = 2**26
"""Of a document: a plan may list the samples that it was made of, but is no place for data."""


class Array(BaseModel):
    """What the plan says of an array: its shape, and for coordinates, which are known beforehand, their checksum."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shape: list[NonNegativeInt]
    checksum: str | None = None


class StoredPlan(BaseModel):
    """What a store was made to hold: `plan.json` in its ledger.

    Stores that were made before documents had checksums have neither `provenance` nor `arrays`. `grows` are those of
    the template.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    samples: NonNegativeInt
    shard_samples: int
    shards: int
    parameters: dict[str, Any]
    created: str
    provenance: dict[str, Any] | None = None
    arrays: dict[str, Array] | None = None
    grows: list[str] = []

    @model_validator(mode="after")
    def _shards_hold_the_samples(self) -> "StoredPlan":
        if self.shard_samples < 1 or self.shards != -(-self.samples // self.shard_samples):
            raise ValueError(f"{self.samples} samples in {self.shards} shards of {self.shard_samples}")
        if self.shards > MOST_SHARDS:
            raise ValueError(f"{self.shards} shards; at most {MOST_SHARDS} are allowed")
        return self


class Shard(BaseModel):
    """A line of the ledger: one shard, finished. `checksum` is that of its values, `seeds` the lowest and highest."""

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


def plan_path(name: str) -> str:
    """Path of a store's plan."""
    return f"{name}.ledger/plan.json"


def line_path(name: str, shard: int) -> str:
    """Path of a shard's line in the ledger."""
    return f"{name}.ledger/{shard:06d}.json"


def group_path(name: str) -> str:
    """Path of the metadata of a store's Zarr group."""
    return f"{name}.zarr/zarr.json"


def mending(name: str) -> str:
    """What mends a damaged store."""
    return f"repair it with: raypipe verify {name} --repair"


def damage(name: str, path: str, reason: str) -> DamageError:
    """The error that tells of damage to an object of a store."""
    return DamageError(f"{objects.root()}/{path} is damaged: {' '.join(reason.split()).rstrip('.')}", mending(name))


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document as canonical JSON."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal(document: BaseModel) -> bytes:
    """A document with its checksum, as JSON."""
    content = document.model_dump(mode="json")
    return json.dumps({**content, SEAL: digest(content)}, indent=1).encode()


def read_plan(name: str) -> StoredPlan:
    """The plan of a store that is there.

    Raises:
        DamageError: if it is not what was written.
    """
    plan, sealed = _read(name, plan_path(name), StoredPlan)
    if not sealed and plan.arrays is not None:
        raise damage(name, plan_path(name), "its checksum is missing")
    return plan


def read_line(name: str, shard: int) -> Shard:
    """The line of a shard in the ledger, held against the plan only by `verify`.

    Raises:
        DamageError: if it is not what was written.
    """
    return _read(name, line_path(name, shard), Shard)[0]


def read_document(name: str, path: str, model: type[Model]) -> Model:
    """A document of a store that is there.

    Raises:
        DamageError: if it is not what was written.
    """
    return _read(name, path, model)[0]


def _read(name: str, path: str, model: type[Model]) -> tuple[Model, bool]:
    """A document, and whether it has a checksum."""
    content = parse(name, path)
    given = content.pop(SEAL, None)
    if given not in (None, digest(content)):
        raise damage(name, path, "it does not agree with its checksum")
    try:
        return model.model_validate(content), given is not None
    except ValidationError as error:
        raise damage(name, path, one_line(error, Path(path).name)) from error


def parse(name: str, path: str) -> dict[str, Any]:
    """A JSON object of a store, unchecked.

    Raises:
        DamageError: if it is missing, none, or larger than MOST_BYTES, and then it is not read.
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
