"""Predictions to explore: the predicted classes of samples, their places in a plane, and selections of them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from raypipe import catalog, store, study
from raypipe.errors import InputError
from raypipe.networks import calibration, inputs
from raypipe.plot.classes import class_names, symbol
from raypipe.plot.plane import Lattice
from raypipe.report import scan
from raypipe.report.holdings import known, stores
from raypipe.store import objects

_MOST = 0.5
"""Labelled samples form a scan only if more than this share of the cells of their plane have a sample."""

MOST_OPTIONS = 60
"""Maximum number of values of a parameter to be offered as a list."""

_PER_VALUE = 2
"""Minimum number of samples per value of a parameter, on average, for the parameter to be an axis of a scan."""

_MADE_OF = ("network", "network_sha256", "source")
"""Parameters of a result that identify the network and the data set, besides the parameters of the data set itself."""

CLASS, CONFIDENCE, NOVELTY = "class", "confidence", "novelty"
"""Quantities by which a plane can be coloured."""


def at_hand() -> dict[str, study.Study]:
    """Return the complete predictions whose study and samples are available, as a mapping from name to study.

    Predictions that cannot be opened are logged and left out.
    """
    complete = {one.name: one for one in stores() if one.complete}
    found = {}
    for name, one in complete.items():
        of = known(one.study)
        if one.product == catalog.PREDICTIONS and one.parameters.get("source") in complete and of and of.sample:
            try:
                found[name] = explored(name).study
            except InputError as error:
                logging.getLogger(__name__).warning("%s is left out. %s", name, error)
    return found


def scans(names: Mapping[str, study.Study]) -> list[str]:
    """Return the names of those predictions that are of a scan, see `Explored.is_scan`."""
    return [name for name in names if explored(name).is_scan]


def explored(name: str) -> "Explored":
    """Return the predictions of this name, cached until they or their samples are made anew, or grow.

    They are also opened again when the network's temperature is fitted.

    Raises:
        InputError: if they do not exist, or were made from other samples than those in the store now.
    """
    plan = store.plan_of(name)
    temperature = objects.find(calibration.path(plan.parameters["network"]))
    return _explored(name, _age(plan), _age(store.plan_of(plan.parameters["source"])), temperature)


def _age(plan: store.StoredPlan) -> tuple[str, int]:
    return plan.created, plan.samples


@lru_cache(maxsize=1024)
def _explored(name: str, *_: tuple[str, int] | bytes | None) -> "Explored":
    predictions = catalog.open(name)
    source = predictions.attrs["parameters"]["source"]
    samples, of = catalog.open(source), study.find(source.partition("/")[0])
    scan.require_same_samples(predictions, samples)
    return Explored(name, of, predictions, samples)


@lru_cache(maxsize=64)
def _distance(name: str, _: tuple[str, int]) -> np.ndarray | None:
    """Return novelty distances (sample,) relative to the smallest flagged one; None if no sample is flagged."""
    found = catalog.open(name)
    distance, flagged = found["distance"].values, found["flagged"].values == 1
    return np.asarray(distance / distance[flagged].min()) if flagged.any() else None


@dataclass(frozen=True, eq=False)
class Explored:
    """Predictions and the samples that they classify.

    Attributes:
        name: name of the predictions.
        study: the study that they belong to.
        predictions: the output of the network.
        samples: the data set, whose values are read only when they are needed.
    """

    name: str
    study: study.Study
    predictions: xr.Dataset
    samples: xr.Dataset

    @property
    def network(self) -> str:
        """Name of the network."""
        return str(self.predictions.attrs["parameters"]["network"])

    @property
    def source(self) -> str:
        """Name of the data set."""
        return str(self.predictions.attrs["parameters"]["source"])

    @property
    def split(self) -> str:
        """The data set's name within its study."""
        return self.source.partition("/")[2]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return class_names(self.predictions)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Numbers of the predicted classes (sample,)."""
        return self.predictions["predicted"].values

    @cached_property
    def kinds(self) -> dict[str, np.ndarray]:
        """Names that samples can have, each with the numbers of its classes.

        Classes are merged into kinds, see `inputs.kind`, if there is more than one kind, at least twice as many classes
        as kinds, and no kind has the name of a class. Otherwise each class is used as it is.
        """
        kinds = [inputs.kind(name) for name in self.classes]
        if set(kinds) & set(self.classes) or len(set(kinds)) == 1 or 2 * len(set(kinds)) > len(kinds):
            kinds = list(self.classes)
        return {kind: np.flatnonzero([one == kind for one in kinds]) for kind in dict.fromkeys(kinds)}

    @cached_property
    def named(self) -> np.ndarray:
        """Numbers of the most probable kinds (sample,)."""
        if len(self.kinds) == len(self.classes):
            return self.predicted
        each = [self.probability[:, classes].sum(axis=1) for classes in self.kinds.values()]
        return np.stack(each, axis=1).argmax(axis=1)

    @property
    def probability(self) -> np.ndarray:
        """Class probabilities (sample, class) as shown to users: calibrated, if the network's temperature is known."""
        return self._shown[0]

    @cached_property
    def _shown(self) -> tuple[np.ndarray, float | None]:
        """Probabilities as shown, and the temperature, if it is known."""
        return scan.shown_probability(self.predictions)

    @cached_property
    def colour_of(self) -> Mapping[str, str]:
        """Colours of the classes by name."""
        return scan.class_colours(self.predictions)

    @cached_property
    def inputs(self) -> list[str]:
        """Coordinates of the samples that vary and are inputs, not computed; those that become axes come first."""
        return scan.parameters(self.predictions)

    @cached_property
    def parameters(self) -> list[str]:
        """Coordinates that describe the samples: `inputs`, or else those that vary, such as drawn exponents."""
        return self.inputs or scan.varying(self.predictions)

    @cached_property
    def further(self) -> dict[str, np.ndarray]:
        """The inputs after the first two with their values, ascending; none if one has too many values for a list."""
        found = {name: np.unique(self.predictions[name].values) for name in self.inputs[2:]}
        return found if all(len(values) <= MOST_OPTIONS for values in found.values()) else {}

    @cached_property
    def plane(self) -> Lattice | None:
        """All samples in the plane of their first two inputs; None if they do not lie on a lattice.

        If several share a cell, one of their most frequent class is in it.
        """
        return self._plane_of(np.arange(len(self.predicted)))

    def slice(self, further: Mapping[str, float]) -> Lattice | None:
        """Return the plane of the samples with these values of the further inputs, by default the highest."""
        chosen = {
            name: further[name] if further.get(name) in values else float(values[-1])
            for name, values in self.further.items()
        }
        if not chosen:
            return self.plane
        key = tuple(chosen.values())
        if key not in self._slices:
            hit = [self.predictions[name].values == value for name, value in chosen.items()]
            self._slices[key] = self._plane_of(np.flatnonzero(np.all(hit, axis=0))) or self.plane
        return self._slices[key]

    @cached_property
    def _slices(self) -> dict[tuple[float, ...], Lattice | None]:
        """The planes that were asked for, by their values of the further inputs."""
        return {}

    def _plane_of(self, numbers: np.ndarray) -> Lattice | None:
        if len(self.inputs) < 2 or not len(numbers):
            return None
        try:
            plane = scan.scan_of(self.predictions.isel(sample=numbers), ",".join(self.inputs[:2])).plane
        except InputError:
            return None
        return replace(plane, samples=np.where(plane.samples < 0, -1, numbers[plane.samples]))

    @property
    def is_scan(self) -> bool:
        """Whether there are, on average, several samples for each value of the first two parameters.

        Samples with labels must also not be a mere set of examples: each has a cell of its own, and they fill most
        cells.
        """
        if self.plane is None or len(self.predicted) < _PER_VALUE * max(self.plane.samples.shape):
            return False
        if self.study.takes_files and not self.study.declared(self.split):
            return False  # a user's files, whose samples have no chosen parameters
        if "label" not in self.predictions or self.predictions["label"].values.max() < 0:
            return True
        there = self.plane.samples >= 0
        return bool(there.sum() == len(self.predicted) and there.mean() > _MOST)

    def owns(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether a result with these parameters is from the same network and samples, not from earlier ones."""

        def made_of(known: Mapping[str, Any]) -> list[Any]:
            given = known.get("source_parameters") or {}
            of_source = {key: one for key, one in given.items() if key not in self._grows}
            return [*(known.get(name) for name in _MADE_OF), of_source]

        return made_of(parameters) == made_of(self.predictions.attrs["parameters"])

    @cached_property
    def _grows(self) -> list[str]:
        """Parameters that only set the number of samples; samples keep their numbers when more are added."""
        return store.plan_of(self.source).grows

    @property
    def distance(self) -> np.ndarray | None:
        """Distances (sample,) from the training samples, flagged from 1 on; None if unknown or if none is flagged."""
        name = f"novelty/{self.network}/{self.split}"
        if name not in store.list_names(name) or store.missing(name):
            return None
        plan = store.plan_of(name)
        found = _distance(name, _age(plan)) if self.owns(plan.parameters) else None
        return found if found is not None and len(found) == len(self.predicted) else None

    @property
    def colourings(self) -> list[str]:
        """Quantities by which the plane can be coloured."""
        return [CLASS, CONFIDENCE, *([NOVELTY] if self.distance is not None else [])]

    def place(self, number: int) -> tuple[float, float]:
        """Return the position of a sample in the plane."""
        x, y = (float(self.predictions[name].values[number]) for name in self.inputs[:2])
        return x, y

    def matching(self, called: str = "", within: Mapping[str, tuple[float, float]] | None = None) -> np.ndarray:
        """Return the numbers of the samples of a kind (any if empty) with parameters within these ranges.

        They are sorted by their parameters, those that become axes first.
        """
        hit = np.ones(len(self.predicted), bool)
        if called:
            hit &= self.named == list(self.kinds).index(called)
        for name, (low, high) in (within or {}).items():
            values = self.predictions[name].values
            hit &= (values >= low) & (values <= high)
        numbers = np.flatnonzero(hit)
        order = [self.predictions[name].values[numbers] for name in reversed(self.parameters)]
        return numbers[np.lexsort(order)] if order else numbers

    def said(self, number: int) -> str:
        """Return the parameters, seed, class and probability of a sample as text."""
        return scan.said(self.predictions, self.parameters, number, *self.ranking(number, 1)[0])

    def calibrated(self, probability: np.ndarray) -> np.ndarray:
        """Return the network's probabilities (class,) for another sample as `probability` has them."""
        temperature = self._shown[1]
        return calibration.calibrated(probability[None], temperature)[0] if temperature else probability

    def ranking(self, number: int, most: int = 6) -> list[tuple[str, float]]:
        """Return the most probable kinds of a sample, by symbol, with their probabilities."""
        return self.ranked(self.probability[number], most)

    def ranked(self, probability: np.ndarray, most: int = 6) -> list[tuple[str, float]]:
        """Like `ranking`, for any probabilities (class,)."""
        shares = {symbol(kind): float(probability[classes].sum()) for kind, classes in self.kinds.items()}
        return sorted(shares.items(), key=lambda one: -one[1])[:most]
