"""Explain a network's decisions: relevance of the steps of trajectories, saliency of the pixels of patterns.

Trajectories are explained by innvestigate in its own environment (`raypipe.relevance`), patterns by the gradient in the
cluster's (`raypipe.saliency`). Both start from a store of predictions.
"""

import logging

import numpy as np
import xarray as xr

from raypipe import artifact, store
from raypipe.architectures import Architecture
from raypipe.errors import InputError
from raypipe.fill import Coordinate, Plan, Variable, fill
from raypipe.relevance import METHODS
from raypipe.spaces import choice

SALIENCY = "saliency"
"""The method for patterns; those for trajectories are `relevance.METHODS`."""

LRP = "lrp-epsilon"
"""The method for trajectories that the published study used, and the default."""

SHARD_SAMPLES = {"andi": 250, "gray_scott": 32}


def explain(
    network: str, split: str, *, method: str | None = None, per_class: int = 1, workers: int | None = None
) -> str:
    """Explain the predictions of a network for samples of each class of a split.

    Explained is the score of the predicted class, for the first `per_class` samples of each class that are classified
    correctly; of a class without any, the first sample: `label` and `predicted` differ then.

    For trajectories the store is `relevance/<network>/<split>` (`-<method>` after it if the method is not the default
    one) with `relevance` and `position` (sample, time); for patterns `saliency/<network>/<split>` with `saliency` and
    `u` (sample, y, x), the last frame. Both have the coordinates of the predictions and `origin`, the number of the
    sample in the split.

    Args:
        network: name of a trained network.
        split: for which there are predictions.
        method: one of relevance.METHODS for trajectories, "saliency" for patterns; None for the usual one.
        per_class: at most so many samples of each class.
        workers: at most so many worker processes; by default as many as the cluster has room for.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained, there are no predictions of it or no labels, the method is not for
            the network's study, `per_class` is below 1, or the store was made in another way.
    """
    architecture, method = check(network, method, per_class)
    source = f"predictions/{network}/{split}"
    predictions, classified = store.open(source), store.plan_of(source)["parameters"]
    if classified["network_sha256"] != artifact.checksum(network):
        raise InputError(
            f"data set {source} was made by an earlier network {network}; delete it with its ledger and classify again"
        )
    origin = chosen(predictions, per_class)
    product = SALIENCY if method == SALIENCY else "relevance"
    variables, shard = _variables(architecture, product, len(origin))
    plan = Plan(
        name=f"{product}/{network}/{split}" + ("" if method in (SALIENCY, LRP) else f"-{method}"),
        samples=len(origin),
        shard_samples=shard,
        variables=variables,
        coordinates={
            **{
                str(key): Coordinate(("sample",), values.values[origin], values.attrs)
                for key, values in predictions.variables.items()
                if values.dims == ("sample",)
            },
            "origin": Coordinate(("sample",), origin, {"long_name": "number of the sample in the split"}),
            "class": Coordinate(("class",), list(architecture.classes), {"long_name": "name of the class"}),
        },
        parameters={
            **classified,
            "method": method,
            "settings": METHODS.get(method, {}),
            "per_class": per_class,
        },
        compute="raypipe.saliency:saliency_of" if method == SALIENCY else "raypipe.relevance:relevance_of",
        columns=("origin", "predicted"),
        environment=None if method == SALIENCY else "explain",
        attributes={"title": f"Explanation by {method} of network {network} for {split}"},
    )
    fill(plan, workers=workers)
    return plan.name


def check(network: str, method: str | None, per_class: int) -> tuple[Architecture, str]:
    """The network's architecture and the method to use, once it is sure that they and `per_class` go together.

    Raises:
        InputError: see `explain`.
    """
    architecture = artifact.load(network).architecture
    usual, methods = (LRP, tuple(METHODS)) if architecture.study == "andi" else (SALIENCY, (SALIENCY,))
    if per_class < 1:
        raise InputError(f"{per_class} samples per class; expected 1 or more")
    return architecture, choice(f"method for network {network}", method or usual, methods)


def chosen(predictions: xr.Dataset, per_class: int) -> np.ndarray:
    """Numbers of the samples to explain, class by class: see `explain`. Classes with fewer are logged.

    Raises:
        InputError: if samples have no label, as those of the scan.
    """
    label, predicted = predictions["label"].values, predictions["predicted"].values
    if label.min() < 0:
        raise InputError(
            f"{np.sum(label < 0)} of {len(label)} samples have no label; explanations are of labelled samples: "
            "choose a split for training, validation or testing"
        )
    samples = []
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        right = members[predicted[members] == number]
        if len(right) < per_class:
            name = predictions["class"].values[number]
            instead = "" if len(right) else "; its first one, classified wrongly, is explained"
            logging.getLogger(__name__).info(
                f"class {name}: {len(right)} of {len(members)} samples are classified correctly, {per_class} asked for"
                + instead
            )
        samples.append(right[:per_class] if len(right) else members[:1])
    return np.concatenate(samples)


def _variables(architecture: Architecture, product: str, samples: int) -> tuple[dict[str, Variable], int]:
    """Variables of the store and the samples of its shards."""
    shard = SHARD_SAMPLES[architecture.study]
    dims: tuple[str, ...]
    if product == SALIENCY:
        dims, extent = ("sample", "y", "x"), architecture.input_shape[:2]
        described = {
            "saliency": ("float32", {"long_name": "saliency, scaled to [0, 1]", "units": "1"}),
            "u": ("float32", {"long_name": "concentration u in the last frame", "units": "1"}),
        }
    else:
        dims, extent = ("sample", "time"), architecture.input_shape[:1]
        described = {
            "relevance": ("float32", {"long_name": "relevance of the step for the predicted class", "units": "1"}),
            "position": ("float64", {"long_name": "position", "units": "1"}),
        }
    variables = {
        name: Variable(dims, (samples, *extent), dtype, (shard, *extent), attributes)
        for name, (dtype, attributes) in described.items()
    }
    return variables, shard
