"""What there is to report on."""

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
    """A store: its name, how much of it there is, and what it was made with."""

    name: str
    samples: int
    shards: int
    finished: int
    parameters: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self.finished == self.shards

    @property
    def is_control(self) -> bool:
        """Whether it is a check of another store: no result of its own."""
        return "control" in self.parameters

    @property
    def product(self) -> str:
        """What it is of a network, such as "predictions"; empty for a study's own data set."""
        first = self.name.partition("/")[0]
        return first if first in RESERVED else ""

    @property
    def study(self) -> str:
        """Name of the study that it belongs to, or that the network is of which made it."""
        of = self.parameters.get("refined.source") or self.parameters.get("source", self.name)
        return str(of).partition("/")[0]

    @property
    def title(self) -> str:
        """What a reader knows it by."""
        if self.product in ("", "refined"):
            return self.name
        network, _, split = self.name.removeprefix(f"{self.product}/").rpartition("/")
        return f"{network} on {split}"


def stores(damaged: dict[str, str] | None = None) -> list[Store]:
    """All stores under the root, by name, but those of which the plan is damaged.

    What is wrong with these, and what mends it, is put into `damaged` by their names, if that is given.
    """
    found = []
    for name in store.list_names(damaged=True):
        try:
            plan = store.plan_of(name)
        except DamageError as error:
            if damaged is not None:
                damaged[name] = str(error)
        except InputError:
            continue  # it is being made: of its template not all is there
        else:
            found.append(Store(name, plan.samples, plan.shards, len(store.finished(name)), plan.parameters))
    return found


@dataclass(frozen=True)
class Holdings:
    """Data sets and networks under the root of the stores; of what is damaged, by its name, what mends it."""

    stores: list[Store]
    networks: list[Artifact]
    damaged: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def all(cls) -> "Holdings":
        """Everything that is there."""
        damaged: dict[str, str] = {}
        damaged_networks: dict[str, str] = {}
        found, networks = stores(damaged), artifact.sound(damaged_networks)
        return cls(found, networks, damaged | {f"network {name}": why for name, why in damaged_networks.items()})

    @property
    def complete(self) -> list[Store]:
        """The complete stores."""
        return [one for one in self.stores if one.complete]

    def of(self, study: str) -> "Holdings":
        """What there is of one study."""
        return Holdings(
            [one for one in self.stores if one.study == study],
            [one for one in self.networks if one.architecture.study == study],
        )

    @property
    def studies(self) -> list[str]:
        """Names of the studies of which there is something, in the order of their names."""
        return sorted({one.study for one in self.stores} | {one.architecture.study for one in self.networks})


def known(study: str) -> Study | None:
    """The study called so; None if its file or package is not there, as where another's results are looked at."""
    try:
        return find(study)
    except InputError:
        return None
