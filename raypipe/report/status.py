"""The stores, networks and trainings under the root, with their progress, size and origin."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from raypipe import store
from raypipe.errors import DamageError, InputError
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.report.holdings import Store, stores
from raypipe.store import objects

_SOURCES = ("source", "refined.source", "reference", "reference_features", "calibration")
"""Parameters of stores that name another store from which they were made."""


@dataclass(frozen=True)
class Status:
    """A store, a network, or an unfinished training.

    Attributes:
        name: its name.
        kind: data, network, training, or the kind of a network's result, such as predictions.
        state: complete, "3 of 10 shards, 1 failed", "12 epochs", or damaged.
        samples: number of samples of a store.
        size: size in bytes, as stored.
        seconds: time that it took so far, of a processor core or of the training; None if it is not known.
        created: when a store was begun, or a network was finished; ISO 8601.
        of: the command that makes a data set, or what it was made from.
    """

    name: str
    kind: str
    state: str
    samples: int | None = None
    size: int = 0
    seconds: float | None = None
    created: str = ""
    of: str = ""


def status() -> Iterator[Status]:
    """Yield everything under the root, by kind and name; for damaged items only that they are damaged."""
    damaged: dict[str, str] = {}
    for one in stores(damaged):
        try:
            found = _store(one)
        except DamageError as error:  # in a line of its ledger
            damaged[one.name] = str(error)
        else:
            yield found
    yield from _networks(damaged)
    yield from _trainings(damaged)
    for name, why in damaged.items():
        logging.getLogger(__name__).warning("%s", why)
        yield Status(name, "", "damaged", of="see raypipe verify")


def made_from(name: str) -> list[str]:
    """Return the names of the stores that were made from a store, and of the networks that were trained on it."""
    made = [one.name for one in stores() if name in map(one.parameters.get, _SOURCES)]
    learnt = [one for one in artifact.sound() if name in _learnt_from(one)]
    return made + [f"network {one.name}" for one in learnt]


def _learnt_from(network: Artifact) -> list[str]:
    data = network.made_from.get("data") or {}
    return [data[key]["name"] for key in ("train", "validation") if key in data]


def _store(one: Store) -> Status:
    lines = store.ledger(one.name)
    return Status(
        name=one.name,
        kind=one.product or "data",
        state=_state(one),
        samples=one.samples,
        size=store.size(one.name),
        seconds=sum(line.seconds for line in lines),
        created=store.plan_of(one.name).created,
        of=_origin(one),
    )


def _state(one: Store) -> str:
    if one.complete:
        return "complete"
    failed = len(store.failed(one.name))
    return f"{one.finished} of {one.shards} shards" + (f", {failed} failed" if failed else "")


def _origin(one: Store) -> str:
    if one.product:
        prefix = "refined." if one.product == "refined" else ""
        made = [one.parameters.get(prefix + key) for key in ("network", "source")]
        return " on ".join(str(part) for part in made if part)
    return str(store.attributes(one.name).get("command", ""))


def _networks(damaged: dict[str, str]) -> Iterator[Status]:
    for network in artifact.sound(damaged):
        yield Status(
            name=network.name,
            kind="network",
            state="complete",
            size=objects.size(artifact.path(network.name)),
            seconds=network.provenance.get("seconds"),
            created=network.provenance.get("created", ""),
            of=", ".join(_learnt_from(network)),
        )


def _trainings(damaged: dict[str, str]) -> Iterator[Status]:
    for path in objects.paths("training"):
        try:
            _, documents = artifact.unpack(objects.get(path), path)
        except InputError as error:
            damaged[path] = str(error)
            continue
        epochs, seconds = len(documents["history"]["loss"]), documents["seconds"]
        yield Status(
            path.removesuffix(artifact.ENDING), "training", f"{epochs} epochs", None, objects.size(path), seconds
        )
