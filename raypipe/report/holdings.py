"""What there is to report on."""

from collections.abc import Iterator
from dataclasses import dataclass

import xarray as xr

from raypipe import catalog, store
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact

SCAN = "scan"
"""The split without labels: the fine scan."""


@dataclass(frozen=True)
class Holdings:
    """Data sets and networks under the root of the stores.

    `stores` maps names to (samples, shards, shards finished), `networks` names to trained networks.
    """

    stores: dict[str, tuple[int, int, int]]
    networks: dict[str, Artifact]

    @classmethod
    def all(cls) -> "Holdings":
        """Everything that is there."""
        plans = {name: store.plan_of(name) for name in store.list_names()}
        return cls(
            stores={name: (plan.samples, plan.shards, len(store.finished(name))) for name, plan in plans.items()},
            networks={name: artifact.load(name) for name in artifact.names()},
        )

    def complete(self, prefix: str = "") -> list[str]:
        """Names of the complete stores that begin with a prefix."""
        return [
            name
            for name, (_, shards, finished) in self.stores.items()
            if finished == shards and name.startswith(prefix)
        ]

    def results(self, product: str) -> Iterator[tuple[str, str, xr.Dataset]]:
        """Network, split and data set of each complete store `product/<network>/<split>`, but of no control."""
        for name in self.complete(f"{product}/"):
            network, _, split = name.removeprefix(f"{product}/").rpartition("/")
            if "control" not in store.plan_of(name).parameters:
                yield network, split, catalog.open(name)

    def labelled_predictions(self) -> list[tuple[str, str, xr.Dataset]]:
        """Network, split and predictions, of all splits but the scan."""
        return [one for one in self.results("predictions") if one[1] != SCAN]

    def scan_predictions(self) -> list[tuple[str, xr.Dataset]]:
        """Network and predictions of the scan."""
        return [(network, predictions) for network, split, predictions in self.results("predictions") if split == SCAN]
