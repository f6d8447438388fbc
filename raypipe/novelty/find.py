"""Samples unlike those that a network was trained on: features → store `novelty/<network>/<split>`.

The result is computed from three stores of features: of the reference samples, which the network was trained on; of the
calibration samples, which show how far familiar samples lie from these; and of the samples in question.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from sklearn import metrics
from sklearn.neighbors import NearestNeighbors

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.networks import artifact, inputs
from raypipe.networks.architecture import Architecture
from raypipe.novelty import features
from raypipe.novelty.groups import grouped
from raypipe.run.fill import fill
from raypipe.store import Coordinate, Plan, Variable

VARIANTS = 2
"""Default number of variants of each training sample, if the study has augmentations."""

THRESHOLD = 0.99
"""Samples of this novelty or more are flagged."""

BLOCK = 4096
"""Number of samples whose distances are computed at once."""

_OWN = {"novelty", "distance", "nearest", "flagged", "group", "class"}


@dataclass(frozen=True)
class Search:
    """The samples in question, and those that they are compared with.

    Attributes:
        network: name of the trained network.
        split: split of its study with the samples in question; they may be of classes that the network does not know.
        reference: split that the network was trained on; None for that of its training. Samples of classes that the
            network does not know are ignored.
        calibration: split of samples of the network's classes that it was not trained on; None for that of its
            validation.
        variants: number of variants of each reference sample, including itself; None for VARIANTS if the study has
            augmentations, otherwise 1.
        augmentation: the study's augmentation that makes the variants; None for the first one.
        threshold: samples of this novelty or more are flagged.
    """

    network: str
    split: str
    reference: str | None = None
    calibration: str | None = None
    variants: int | None = None
    augmentation: str | None = None
    threshold: float = THRESHOLD

    @cached_property
    def architecture(self) -> Architecture:
        """The network without its weights."""
        return artifact.load(self.network).architecture

    @cached_property
    def study(self) -> study.Study:
        """The study."""
        return study.find(self.architecture.study)

    @cached_property
    def splits(self) -> tuple[str, str, str]:
        """The reference split, the calibration split, and the split in question.

        Raises:
            InputError: if one is not a split of the study or lacks the labels that are needed, or if reference and
                calibration are the same.
        """
        if self.study.declared(self.split) is None:
            raise InputError(
                f"the study {self.study.name} of network {self.network} has no split {self.split!r}; "
                f"choose one of {', '.join(self.study.data_sets)}"
            )
        reference, calibration = (
            self.study.check(given or own, f"{what} split", labelled=True)
            for what, given, own in zip(
                ("reference", "calibration"),
                (self.reference, self.calibration),
                artifact.load(self.network).splits,
                strict=True,
            )
        )
        if reference == calibration:
            raise InputError(
                f"{reference} for both reference and calibration; training samples cannot show how far new samples of "
                "known classes lie: choose another --calibration"
            )
        return reference, calibration, self.split

    @property
    def feature_plans(self) -> tuple[Plan, Plan, Plan]:
        """Plans of the three stores of features.

        Raises:
            InputError: if the reference or the calibration data set does not exist, or as in `features.plan`.
        """
        reference, calibration, split = (f"{self.study.name}/{one}" for one in self.splits)
        usual = VARIANTS if self.study.augmentations else 1
        variants = usual if self.variants is None else self.variants
        for name, role in ((reference, "reference"), (calibration, "calibration")):
            if name not in store.list_names(name):
                raise InputError(
                    f"there is no data set {name!r}, which network {self.network} needs as {role}: make it with "
                    f"{inputs.job(name)}, or name another with --{role}"
                )
        return (
            features.plan(self.network, reference, variants, self.augmentation),
            features.plan(self.network, calibration),
            features.plan(self.network, split),
        )

    def plan(self) -> Plan:
        """Plan the result as a single shard, because `groups` needs all samples.

        Raises:
            InputError: if the threshold cannot be reached, or the samples have a coordinate with a name that is used
                here.
        """
        familiar, known, asked = self.feature_plans
        source = store.open(f"{self.study.name}/{self.split}")
        if taken := sorted(_OWN & set(source.coords)):
            raise InputError(f"{asked.parameters['source']} has a coordinate {taken[0]}, a name used here; rename it")
        _, of_known = (_labels(self.architecture, one.parameters["source"]) for one in (familiar, known))
        count = int(np.sum(of_known >= 0))
        if not 0 < self.threshold <= count / (count + 1):
            raise InputError(
                f"a threshold of {self.threshold:g}: {count} samples of {known.parameters['source']} resolve novelties "
                f"from 0 to {count / (count + 1):.4g}; choose one of these, or a calibration with more samples"
            )
        classes = len(self.architecture.classes)
        described: dict[str, tuple[str, dict[str, Any]]] = {
            "novelty": (
                "float64",
                {
                    "long_name": "1 - share of calibration samples as far or farther",
                    "units": "1",
                    "valid_range": [0, 1],
                },
            ),
            "distance": (
                "float32",
                {"long_name": "distance from the training samples", "units": "1", "valid_range": [0, 2]},
            ),
            "nearest": (
                "int64",
                {"long_name": "class of the nearest training sample", "valid_range": [0, classes - 1]},
            ),
            "flagged": (
                "int8",
                {"long_name": f"whether the novelty is {self.threshold:g} or more", "valid_range": [0, 1]},
            ),
            "group": ("int64", {"long_name": "group of flagged samples that are alike; -1 where there is none"}),
        }
        samples = asked.samples
        return Plan(
            name=f"novelty/{self.network}/{self.split}",
            samples=samples,
            shard_samples=samples,
            variables={
                name: Variable(("sample",), (samples,), dtype, (samples,), attributes)
                for name, (dtype, attributes) in described.items()
            },
            coordinates={
                **features.own_coordinates(source),
                "class": Coordinate(("class",), list(self.architecture.classes), {"long_name": "name of the class"}),
            },
            parameters={
                **asked.parameters,
                "reference": familiar.parameters["source"],
                "reference_parameters": familiar.parameters["source_parameters"],
                "reference_features": familiar.name,
                "calibration": known.parameters["source"],
                "calibration_parameters": known.parameters["source_parameters"],
                "variants": familiar.parameters["variants"],
                "augmentation": familiar.parameters.get("augmentation"),
                "threshold": self.threshold,
            },
            compute="raypipe.novelty.find:found",
            attributes={
                "title": f"What is novel to network {self.network} in {asked.parameters['source']}",
                "comment": "Of samples that are like those of the calibration, a share of 1 - n at most has a novelty "
                "of n or more.",
            },
        )


def find(search: Search, *, workers: int | None = None) -> str:
    """Measure how unlike a network's training samples the samples of a split are, or complete an unfinished result.

    The store `novelty/<network>/<split>` has for each sample its `distance` from the nearest reference sample, from 0
    to 2, see `features.extractor`; its `novelty`, from 0 to below 1, which is 1 - (1 + m) / (1 + n) if m of n
    calibration samples are as far or farther; `nearest`, the class of the nearest reference sample; `flagged`, 1 from
    the threshold on; and `group`, see `groups.grouped`. It has the coordinates of the split, and `class`, the names of
    the classes.

    Args:
        search: the samples in question, and those that they are compared with.
        workers: maximum number of worker processes; by default as many as the cluster has room for.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained; if a data set is missing, empty or of samples that the network cannot
            see; if the threshold cannot be reached; or if a store exists that was made in another way.
    """
    planned = search.plan()
    fill(*search.feature_plans, workers=workers, last=False)
    fill(planned, workers=workers)
    return planned.name


def planned(name: str, parameters: Mapping[str, Any]) -> Plan:
    """Plan a store that `find` made, from the parameters stored with it; for repairs."""
    if name.startswith("features/"):
        return features.plan(
            parameters["network"], parameters["source"], parameters["variants"], parameters.get("augmentation")
        )
    splits = {key: parameters[key].partition("/")[2] for key in ("reference", "calibration")}
    own = {key: parameters[key] for key in ("network", "variants", "augmentation", "threshold")}
    return Search(split=parameters["source"].partition("/")[2], **splits, **own).plan()


def found(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a function for `fill` that computes the result of `find`, for all samples at once.

    `parameters` has `network`, `network_sha256`, `source`, `reference`, `reference_features`, `calibration` and
    `threshold`.
    """
    network = parameters["network"]
    architecture = artifact.load(network, parameters["network_sha256"]).architecture

    def features_of(source: str) -> np.ndarray:
        return store.open(f"features/{network}/{source.partition('/')[2]}")["features"].values[:, 0]

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        label = _labels(architecture, parameters["reference"])
        learnt = store.open(parameters["reference_features"])["features"].values[label >= 0]
        learnt, label = learnt.reshape(-1, learnt.shape[2]), np.repeat(label[label >= 0], learnt.shape[1])
        of_known = features_of(parameters["calibration"])[_labels(architecture, parameters["calibration"]) >= 0]
        asked = features_of(parameters["source"])[rows["sample"]]
        distance, place = nearest(asked, learnt)
        novelty = novelty_of(distance, nearest(of_known, learnt)[0])
        flagged = novelty >= parameters["threshold"]
        group = np.full(len(asked), -1)
        group[flagged] = grouped(asked[flagged])
        return {"novelty": novelty, "distance": distance, "nearest": label[place], "flagged": flagged, "group": group}

    return compute


def nearest(features: np.ndarray, learnt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each sample (sample, feature) from the nearest training sample, and the latter's index."""
    index = NearestNeighbors(n_neighbors=1).fit(learnt.astype("float64"))
    blocks = (features[start : start + BLOCK] for start in range(0, len(features), BLOCK))
    found = [index.kneighbors(block.astype("float64")) for block in blocks]
    distance, place = (np.concatenate(parts)[:, 0] for parts in zip(*found, strict=True))
    return distance, place


def novelty_of(distance: np.ndarray, of_calibration: np.ndarray) -> np.ndarray:
    """Return novelties at these distances: 1 - (1 + calibration samples as far or farther) / (1 + calibration samples).

    It is one minus a conformal p-value: a sample from the same distribution as the calibration samples has a novelty of
    n or more with a probability of at most 1 - n.
    """
    ordered = np.sort(of_calibration)
    return np.searchsorted(ordered, distance, side="left") / (1 + len(ordered))


@dataclass(frozen=True)
class Detection:
    """How well samples of classes that the network does not know are distinguished from the others.

    `area` is the area under the ROC curve: the probability that a sample of an unknown class is farther from the
    training samples than one of a known class. `flagged` and `false` are the shares of the `unknown` and of the `known`
    samples that are flagged; `classes` are the names of the unknown classes.
    """

    classes: tuple[str, ...]
    unknown: int
    known: int
    area: float
    flagged: float
    false: float

    def __str__(self) -> str:
        return (
            f"{self.unknown} samples of {', '.join(self.classes)}, which the network does not know, against "
            f"{self.known} others: ROC-AUC {self.area:.3f}, flagged {self.flagged:.3f} and {self.false:.3f}"
        )


def detection(data: xr.Dataset) -> Detection | None:
    """Evaluate a store that `find` made; return None unless its labels include both known and unknown classes."""
    if "label" not in data or not (names := inputs.class_names(data)):
        return None
    label = data["label"].values
    known_names = {str(name) for name in data["class"].values}
    known = np.array([*(name in known_names for name in names), False])[label] & (label >= 0)
    unknown = (label >= 0) & ~known
    if not known.any() or not unknown.any():
        return None
    flagged, asked = data["flagged"].values == 1, known | unknown
    return Detection(
        tuple(name for number, name in enumerate(names) if (label[unknown] == number).any()),
        int(unknown.sum()),
        int(known.sum()),
        float(metrics.roc_auc_score(unknown[asked], data["distance"].values[asked])),
        float(flagged[unknown].mean()),
        float(flagged[known].mean()),
    )


def _labels(architecture: Architecture, name: str) -> np.ndarray:
    """Return the labels of a data set in the network's order of classes, -1 for classes that it does not know."""
    data = store.open(name)
    if "label" not in data:
        raise InputError(f"{name} has no labels; reference and calibration need samples of known classes")
    labels = inputs.labels_for(architecture, data)
    if not (labels >= 0).any():
        raise InputError(
            f"{name} has no sample of the classes of network {architecture.name}, "
            f"{', '.join(architecture.classes)}; name another split"
        )
    return labels
