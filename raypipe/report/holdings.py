"""The stores and networks under the root, which the report shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raypipe import store
from raypipe.errors import DamageError, InputError
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.study import RESERVED, Study, find


@dataclass(frozen=True)
class Store:
    """A store: its name, its size and progress, and the parameters that it was made with."""

    name: str
    samples: int
    shards: int
    finished: int
    parameters: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether all shards are finished."""
        return self.finished == self.shards

    @property
    def is_control(self) -> bool:
        """Whether it only serves to check another store, and is not a result itself."""
        return "control" in self.parameters

    @property
    def is_outdated(self) -> bool:
        """Whether it was made by an earlier network of the name that a network has now."""
        network, made_by = str(self.parameters.get("network")), self.parameters.get("network_sha256")
        return bool(made_by and artifact.exists(network) and artifact.checksum(network) != made_by)

    @property
    def product(self) -> str:
        """Kind of a network's result, such as "predictions"; empty for a study's own data set."""
        first = self.name.partition("/")[0]
        return first if first in RESERVED else ""

    @property
    def study(self) -> str:
        """Name of the study that it belongs to, or that the network which made it belongs to."""
        of = self.parameters.get("refined.source") or self.parameters.get("source", self.name)
        return str(of).partition("/")[0]

    @property
    def title(self) -> str:
        """Title for readers."""
        if self.product in ("", "refined"):
            return self.name
        network, _, split = self.name.removeprefix(f"{self.product}/").rpartition("/")
        return f"{network} on {split}"


def stores(damaged: dict[str, str] | None = None) -> list[Store]:
    """Return all stores under the root, sorted by name, except those whose plan is damaged.

    What is wrong with the damaged ones, and how to repair them, is added to `damaged` by name, if that is given.
    """
    found = []
    for name in store.list_names(damaged=True):
        try:
            plan = store.plan_of(name)
        except DamageError as error:
            if damaged is not None:
                damaged[name] = str(error)
        except InputError:
            continue  # it is being created; its template is not complete yet
        else:
            found.append(Store(name, plan.samples, plan.shards, len(store.finished(name, plan)), plan.parameters))
    return found


@dataclass(frozen=True)
class Holdings:
    """Stores and networks under the root; `damaged` says by name what is damaged and how to repair it."""

    stores: list[Store]
    networks: list[Artifact]
    damaged: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def all(cls) -> "Holdings":
        """Find everything under the root."""
        damaged: dict[str, str] = {}
        damaged_networks: dict[str, str] = {}
        found, networks = stores(damaged), artifact.sound(damaged_networks)
        return cls(found, networks, damaged | {f"network {name}": why for name, why in damaged_networks.items()})

    @property
    def complete(self) -> list[Store]:
        """The complete stores."""
        return [one for one in self.stores if one.complete]

    def of(self, study: str) -> "Holdings":
        """Return the stores and networks of one study."""
        return Holdings(
            [one for one in self.stores if one.study == study],
            [one for one in self.networks if one.architecture.study == study],
        )

    @property
    def studies(self) -> list[str]:
        """Names of the studies that have stores or networks, sorted."""
        return sorted({one.study for one in self.stores} | {one.architecture.study for one in self.networks})


def known(study: str) -> Study | None:
    """Return the study of this name; None if its file or package is not available, as with results of other people."""
    try:
        return find(study)
    except InputError:
        return None
