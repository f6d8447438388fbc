"""A refinement in rounds: each round has stores of samples and stores of a network's predictions for them.

Simulations are numbered in the order in which they are chosen. The choice depends on the network, the scan and the
predictions of earlier rounds; their number depends on the budget. A larger budget continues where a smaller one ended.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.networks import artifact, classify, inputs
from raypipe.refine.plane import Plane, choose, coarse, interpolated, plane_of, points
from raypipe.run.fill import fill
from raypipe.store import Coordinate, Plan, Variable

ROUNDS = 32
"""Each round after the first has the scan's points divided by this number, times the factor `finer` of the plane."""

LEAST_PER_ROUND = 16
"""Minimum number of simulations in a round: fewer would not be worth starting workers."""

SHARD_CELLS = 2**14
"""Maximum number of cells of a result that are interpolated and stored as one shard."""

_OWN = "refined."
"""Prefix of the parameters that a refinement adds to its stores."""


class Known(NamedTuple):
    """The simulations so far: (n, 2) places on the lattice, (n, class) probabilities, (n,) rounds."""

    places: np.ndarray
    probability: np.ndarray
    rounds: np.ndarray


@dataclass(frozen=True)
class Refinement:
    """What is refined, and how: everything except the budget, which may grow.

    Attributes:
        network: name of the trained network that classifies.
        split: a scan of its study; only its plan is needed, not its data.
        coarse: every n-th point of the scan along each axis is simulated first, n being this number.
        finer: number of cells per step of the scan.
        axes: two of the scan's parameters; by default the two that vary.
        at: values of further parameters at which the plane lies.
        settings: settings of the scan, see `study.DataSet`.
    """

    network: str
    split: str = "scan"
    coarse: int = 8
    finer: int = 1
    axes: tuple[str, ...] = ()
    at: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def study(self) -> study.Study:
        """The study."""
        return study.find(artifact.load(self.network).architecture.study)

    @cached_property
    def scan(self) -> Plan:
        """Plan of the whole scan."""
        return self.study.plan(self.split, self.settings)

    @cached_property
    def plane(self) -> Plane:
        """The scan's points, and those between them."""
        return plane_of(self.scan, self.axes, self.at, self.finer)

    @property
    def folder(self) -> str:
        """Prefix of the names of its stores."""
        return f"refined/{self.network}/{self.split}" + (f"-{self.finer}x" if self.finer > 1 else "")

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Parameters that its stores depend on."""
        own = {
            "network": self.network,
            "network_sha256": artifact.checksum(self.network),
            "source": self.scan.name,
            "coarse": self.coarse,
            "finer": self.finer,
            "axes": list(self.plane.axes),
            "at": dict(self.at),
            "settings": {**self.study.settings(self.split), **self.settings},
        }
        return {_OWN + key: value for key, value in own.items()}

    @cached_property
    def first(self) -> np.ndarray:
        """The cells of round 0."""
        return coarse(self.plane, self.coarse)

    @property
    def per_round(self) -> int:
        """Number of simulations in each round except the first."""
        return max(LEAST_PER_ROUND, int(self.plane.of_scan.sum()) * self.finer // ROUNDS)

    def allowed(self, budget: float) -> int:
        """Return the number of simulations for a budget, given as a share of the scan's points.

        Raises:
            InputError: if it is less than the first round, or more than all cells.
        """
        if not math.isfinite(budget):
            raise InputError(f"a budget of {budget}; expected a share of the scan's points, such as 0.25")
        points, cells = int(self.plane.of_scan.sum()), len(self.plane.cells)
        count = int(budget * points)
        if not len(self.first) <= count:
            raise InputError(
                f"a budget of {budget:g} is {count} of the {points} points of {self.scan.name}; "
                f"the first round, every {self.coarse}-th along each axis, takes {len(self.first)}: "
                "raise one of the two"
            )
        if count > cells:
            raise InputError(
                f"a budget of {budget:g} is {count} simulations, but there are only {cells} cells; expected at most "
                f"{math.floor(100 * cells / points) / 100:g}, such as 0.25"
            )
        return count

    def round_of(self, number: int) -> int:
        """Return the round of a simulation."""
        return 0 if number < len(self.first) else 1 + (number - len(self.first)) // self.per_round

    def start_of(self, number: int) -> int:
        """Return the first simulation of a round."""
        return 0 if number == 0 else len(self.first) + (number - 1) * self.per_round

    def cells(self, start: int, stop: int) -> np.ndarray:
        """Return the numbers of the cells of some simulations of one round; they depend on the rounds before."""
        if (begun := self.start_of(self.round_of(start))) == 0:
            return self.first[start:stop]
        known = read(self.folder, self.plane.axes, begun)
        sides = tuple(len(values) for values in self.plane.values)
        own, simulated = (np.ravel_multi_index(tuple(one.T), sides) for one in (self.plane.cells, known.places))
        return choose(self.plane, np.searchsorted(own, simulated), known.probability, stop - begun)[start - begun :]

    def simulated(self, start: int, stop: int) -> Plan:
        """Plan the samples of some simulations of one round."""
        chosen = self.cells(start, stop)
        count = len(chosen)
        shard = min(self.scan.shard_samples, -(-count // 64))
        others = {name: one for name, one in self.scan.coordinates.items() if one.dims != ("sample",)}
        # The scan's command would simulate all of it.
        attributes = {name: value for name, value in self.scan.attributes.items() if name != "command"}
        return replace(
            self.scan,
            name=f"{self.folder}/simulated-{start:06d}-{stop:06d}",
            samples=count,
            shard_samples=shard,
            variables={name: _resized(one, count, shard) for name, one in self.scan.variables.items()},
            coordinates={
                **others,
                **points(self.scan, self.plane, chosen),
                **self._places(chosen),
                "round": Coordinate(("sample",), np.full(count, self.round_of(start)), {"long_name": "round"}),
            },
            parameters={**self.parameters, **self.scan.parameters},
            attributes={**attributes, "title": f"Simulations {start} to {stop - 1} of {self.folder}"},
        )

    def classified(self, start: int, stop: int) -> Plan:
        """Plan the network's predictions for these samples, once they exist.

        Raises:
            InputError: if the network has been replaced since `parameters` were computed.
        """
        samples, name = (f"{self.folder}/{what}-{start:06d}-{stop:06d}" for what in ("simulated", "classified"))
        plan = classify.plan_of(self.network, samples, name, self.parameters)
        if plan.parameters["network_sha256"] != self.parameters[f"{_OWN}network_sha256"]:
            raise InputError(
                f"network {self.network} was replaced while {self.folder} was being refined; to begin again with the "
                f"new one, delete the folder {self.folder} under {store.objects.root()}"
            )
        return plan

    def result(self, count: int) -> Plan:
        """Plan the result for all cells from the first `count` simulations."""
        plane, cells = self.plane, len(self.plane.cells)
        every = np.arange(cells)
        meanings = {"flag_values": [0, 1], "flag_meanings": "interpolated simulated"}
        shard = min(cells, SHARD_CELLS)
        classes = artifact.load(self.network).architecture.classes
        variables: dict[str, tuple[str, dict[str, Any]]] = {
            "predicted": ("int64", {"long_name": "most probable class", "valid_range": [0, len(classes) - 1]}),
            "confidence": ("float32", {"long_name": "probability of this class", "units": "1", "valid_range": [0, 1]}),
            "simulated": ("int8", {"long_name": "whether the class is a simulation's or its neighbours'", **meanings}),
            "round": ("int64", {"long_name": "round in which it was simulated, -1 if it was not"}),
        }
        return Plan(
            name=f"{self.folder}/first-{count:06d}",
            samples=cells,
            shard_samples=shard,
            variables={
                name: Variable(("sample",), (cells,), dtype, (shard,), attributes)
                for name, (dtype, attributes) in variables.items()
            },
            coordinates={
                **{
                    name: Coordinate(("sample",), values[plane.cells[:, side]], self.scan.coordinates[name].attributes)
                    for side, (name, values) in enumerate(zip(plane.axes, plane.values, strict=True))
                },
                **self._places(every),
                "class": Coordinate(
                    ("class",),
                    list(classes),
                    {"long_name": "name of the class"},
                ),
            },
            parameters={
                **self.parameters,
                "network": self.network,
                "source": self.scan.name,
                "folder": self.folder,
                "axes": list(plane.axes),
                "simulations": count,
            },
            compute="raypipe.refine.rounds:interpolate",
            columns=self._names,
            attributes={
                "title": f"Classes of {self.scan.name} by network {self.network}, from {count} simulations",
                "comment": "Cells that were not simulated have the most probable class of the mean of the nearest ones "
                "that were, weighted by the inverse squared distance on the lattice; `simulated` tells them apart.",
            },
        )

    @property
    def _own_names(self) -> set[str]:
        """Names that a refinement adds to the scan's coordinates."""
        return {"round", "predicted", "probability", "confidence", "simulated", "class", *self._names}

    @property
    def _names(self) -> tuple[str, ...]:
        return _place_names(self.plane.axes)

    def _places(self, chosen: np.ndarray) -> dict[str, Coordinate]:
        return {
            name: Coordinate(("sample",), self.plane.cells[chosen, side], {"long_name": f"place along {axis}"})
            for side, (name, axis) in enumerate(zip(self._names, self.plane.axes, strict=True))
        }

    def check(self) -> None:
        """Make sure that all samples can be planned, and that the network can classify them.

        Raises:
            InputError: if it cannot, the scan uses names that a refinement needs, or its seeds leave too few others.
        """
        import xarray

        points(self.scan, self.plane, np.arange(len(self.plane.cells)))
        if taken := sorted(self._own_names & {*self.scan.coordinates, *self.scan.variables}):
            raise InputError(f"{self.scan.name} has a variable {taken[0]}, a name that refinements use; rename it")
        variables = {
            name: (one.dims, np.broadcast_to(np.zeros((), one.dtype), one.shape))
            for name, one in self.scan.variables.items()
        }
        coordinates = {name: (one.dims, one.values, one.attributes) for name, one in self.scan.coordinates.items()}
        planned = xarray.Dataset(variables, coordinates)
        architecture = inputs.fitted(artifact.load(self.network).architecture, planned)
        classify.check(architecture, planned, self.scan.name)


def refine(refinement: Refinement, *, budget: float = 0.25, workers: int | None = None) -> str:
    """Simulate and classify where classes meet or the network is uncertain, in rounds, until the budget is spent.

    Args:
        refinement: what is refined, and how.
        budget: number of simulations, as a share of the scan's points.
        workers: maximum number of worker processes; by default as many as the cluster has room for.

    Returns:
        Name of the result, `refined/<network>/<split>/first-<simulations>`, which has for every cell its class, the
        network's confidence, whether it was simulated, and in which round.

    Raises:
        InputError: if the network is not trained or does not fit the samples; if the scan has no such plane; if the
            budget is less than the first round; or if stores exist that were made in another way, or before those that
            they were made from.
    """
    refinement.check()
    allowed, done, parts = refinement.allowed(budget), 0, []
    while done < allowed:
        start, done = done, _stop(refinement, done, allowed)
        simulated = refinement.simulated(start, done)
        fill(simulated, workers=workers, last=False)
        classified = refinement.classified(start, done)
        _refuse_older(classified, [simulated])
        fill(classified, workers=workers, last=False)
        parts.append(classified)
    result = refinement.result(allowed)
    _refuse_older(result, parts)
    fill(result, workers=workers)
    return result.name


def _refuse_older(plan: Plan, parts: Iterable[Plan]) -> None:
    """Raise InputError if a store is older than a part that it was made from, which was then made again."""
    if not store.begun(plan):
        return
    created = store.plan_of(plan.name).created
    for part in parts:
        if created < store.plan_of(part.name).created:
            raise InputError(
                f"{plan.name} is older than {part.name}, which has been made again since; remove it with raypipe "
                f"remove {plan.name}, and give the command again"
            )


def _stop(refinement: Refinement, start: int, allowed: int) -> int:
    """Return where the simulations from `start` end: with the round, with the budget, or where another run planned."""
    usual = min(allowed, refinement.start_of(refinement.round_of(start) + 1))
    return dict(_parts(refinement.folder, "simulated")).get(start, usual)


def _parts(folder: str, what: str) -> Iterator[tuple[int, int]]:
    for name in store.list_names(f"{folder}/{what}-"):
        if found := re.fullmatch(r".*-(\d+)-(\d+)", name):
            yield int(found[1]), int(found[2])


def _resized(variable: Variable, count: int, shard: int) -> Variable:
    chunk = variable.chunks[0]
    chunks = (chunk if shard % chunk == 0 else shard, *variable.chunks[1:])
    return replace(variable, shape=(count, *variable.shape[1:]), chunks=chunks)


def _place_names(axes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{axis}_place" for axis in axes)


def read(folder: str, axes: tuple[str, ...], count: int) -> Known:
    """Read the first `count` simulations of a refinement and their predictions.

    Raises:
        InputError: if some of them are missing.
    """
    # A start can have predictions of another refinement, whose simulations were removed: these are not read.
    ends, classified = dict(_parts(folder, "simulated")), set(_parts(folder, "classified"))
    found, start = [], 0
    while start < count:
        end = ends.get(start, start)
        if (start, end) not in classified:
            raise InputError(f"{folder} has {start} of {count} simulations; run the refinement again")
        data = store.open(f"{folder}/classified-{start:06d}-{end:06d}")
        places = np.stack([data[name].values for name in _place_names(axes)], axis=1)
        found.append((places, data["probability"].values, data["round"].values))
        start = end
    return Known(*(np.concatenate(one)[:count] for one in zip(*found, strict=True)))


def interpolate(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a function for `fill` that computes the result for cells, from the first `simulations` in a `folder`."""
    axes = tuple(parameters["axes"])
    known = read(parameters["folder"], axes, parameters["simulations"])
    at = {tuple(place): number for place, number in zip(known.places.tolist(), known.rounds.tolist(), strict=True)}

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        cells = np.stack([rows[name] for name in _place_names(axes)], axis=1)
        probability, simulated = interpolated(cells, known.places, known.probability.astype("float64"))
        return {
            "predicted": probability.argmax(axis=1),
            "confidence": probability.max(axis=1).astype("float32"),
            "simulated": simulated.astype("int8"),
            "round": np.array([at.get(tuple(cell), -1) for cell in cells.tolist()]),
        }

    return compute


def planned(name: str, parameters: Mapping[str, Any]) -> Plan:
    """Plan a store of a refinement, from the parameters stored with it; for repairs."""
    own = {key.removeprefix(_OWN): value for key, value in parameters.items() if key.startswith(_OWN)}
    refinement = Refinement(
        own["network"],
        own["source"].rpartition("/")[2],
        own["coarse"],
        own["finer"],
        tuple(own["axes"]),
        own["at"],
        own["settings"],
    )
    what, *numbers = name.rpartition("/")[2].split("-")
    plans: dict[str, Callable[..., Plan]] = {
        "simulated": refinement.simulated,
        "classified": refinement.classified,
        "first": refinement.result,
    }
    return plans[what](*map(int, numbers))
