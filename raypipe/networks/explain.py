"""Explain a network's decisions: relevance of the steps of sequences, saliency of the points of fields.

Sequences are explained by innvestigate in its own environment (`relevance`), fields by the gradient in the cluster's
(`saliency`). Both start from a store of predictions.
"""

import logging

import numpy as np
import xarray as xr

from raypipe import store
from raypipe.errors import InputError, choice
from raypipe.networks import artifact, inputs
from raypipe.networks.architecture import Architecture
from raypipe.networks.relevance import CONTROLS, METHODS, OPAQUE, settings_of
from raypipe.run.fill import fill
from raypipe.store import Coordinate, Plan, Variable

SALIENCY = "saliency"
"""The method for fields; those for sequences are `relevance.METHODS`."""

LRP = "lrp-epsilon"
"""The usual method for sequences."""

SHARD_SAMPLES = {"relevance": 250, "saliency": 32}


def explain(
    network: str,
    split: str,
    *,
    method: str | None = None,
    per_class: int = 1,
    control: str | None = None,
    workers: int | None = None,
) -> str:
    """Explain the predictions of a network for samples of each class of a split.

    Explained is the score of the predicted class, for the first `per_class` samples of each class that are classified
    correctly; of a class without any, the first sample: `label` and `predicted` differ then. With a control the samples
    and the classes are the same, and the maps those of a changed network: checks of what the maps are worth.

    For sequences the store is `relevance/<network>/<split>` (after it `-<method>` if the method is not the default
    one, and `-<control>`) with `relevance` and the sequence (sample, time) and `score` (sample), the score explained;
    for fields `saliency/<network>/<split>` with `saliency` and the last frame or channel (sample, y, x). Both have the
    coordinates of the predictions and `origin`, the number of the sample in the split.

    Args:
        network: name of a trained network.
        split: for which there are predictions.
        method: one of relevance.METHODS for sequences, "saliency" for fields; None for the usual one.
        per_class: at most so many samples of each class.
        control: one of relevance.CONTROLS for sequences; None for the network as it is.
        workers: at most so many worker processes; by default as many as the cluster has room for.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained, there are no predictions of it or no labels, the method is not for
            the network's study, `per_class` is below 1, the control is unknown or for fields, or the store was made
            in another way.
    """
    planned = plan(network, split, method=method, per_class=per_class, control=control)
    fill(planned, workers=workers)
    return planned.name


def plan(
    network: str, split: str, *, method: str | None = None, per_class: int = 1, control: str | None = None
) -> Plan:
    """Plan of what `explain` makes; the errors are the same."""
    architecture, method = check(network, method, per_class, control)
    source = f"predictions/{network}/{split}"
    predictions, classified = store.open(source), store.plan_of(source).parameters
    if classified["network_sha256"] != artifact.checksum(network):
        raise InputError(
            f"data set {source} was made by an earlier network {network}; delete it with its ledger and classify again"
        )
    origin = chosen(predictions, per_class)
    product = SALIENCY if method == SALIENCY else "relevance"
    seen = inputs.seen(architecture, store.open(classified["source"]))
    variables, shard = _variables(architecture, seen, product, len(origin))
    return Plan(
        name="-".join(
            [f"{product}/{network}/{split}", *([] if method in (SALIENCY, LRP) else [method]), *filter(None, [control])]
        ),
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
            "settings": {} if method == SALIENCY else settings_of(method, control),
            "per_class": per_class,
            **({"control": control, "control_settings": CONTROLS[control]} if control else {}),
        },
        compute="raypipe.networks.saliency:saliency_of"
        if method == SALIENCY
        else "raypipe.networks.relevance:relevance_of",
        columns=("origin", "predicted"),
        environment=None if method == SALIENCY else "explain",
        attributes={
            "title": f"Explanation by {method} of network {network} for {split}" + (f" ({control})" if control else "")
        },
    )


def check(network: str, method: str | None, per_class: int, control: str | None = None) -> tuple[Architecture, str]:
    """The network's architecture and the method to use, once it is sure that all arguments go together.

    Raises:
        InputError: see `explain`.
    """
    architecture = artifact.load(network).architecture
    usual, methods = (LRP, tuple(METHODS)) if architecture.is_sequence else (SALIENCY, (SALIENCY,))
    if per_class < 1:
        raise InputError(f"{per_class} samples per class; expected 1 or more")
    if control and not architecture.is_sequence:
        raise InputError(
            f"control {control!r} with network {network}, which is of the study {architecture.study}; controls check "
            "the relevance of sequences: choose a network of those"
        )
    if architecture.is_sequence and (opaque := [one.name for one in architecture.layers if one.kind in OPAQUE]):
        raise InputError(
            f"network {network} cannot be explained: innvestigate cannot walk back through its layer "
            f"{', '.join(opaque)}; choose a network without"
        )
    if control:
        choice("control", control, tuple(CONTROLS))
    return architecture, choice(f"method for network {network}", method or usual, methods)


def chosen(predictions: xr.Dataset, per_class: int) -> np.ndarray:
    """Numbers of the samples to explain, class by class: see `explain`. Classes with fewer are logged.

    Raises:
        InputError: if samples have no label, as those of the scan.
    """
    if "label" not in predictions:
        raise InputError("the samples have no labels; choose a split for training, validation or testing")
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


def _variables(
    architecture: Architecture, seen: xr.DataArray, product: str, samples: int
) -> tuple[dict[str, Variable], int]:
    """Variables of the store and the samples of its shards."""
    shard, shape = SHARD_SAMPLES[product], architecture.input_shape
    described: dict[str, tuple[tuple[str, ...], str, dict[str, str]]]
    # Of fields the maps are over the plane: what comes after it, such as frames, are channels.
    dims = tuple(map(str, seen.dims if architecture.is_sequence else seen.dims[:3]))
    variable = str(seen.name)
    own = {key: value for key, value in seen.attrs.items() if key in ("long_name", "units")}
    if product == SALIENCY:
        described = {
            "saliency": (dims, "float32", {"long_name": "saliency, scaled to [0, 1]", "units": "1"}),
            variable: (dims, "float32", own),
        }
    else:
        described = {
            "relevance": (
                dims,
                "float32",
                {"long_name": "relevance of the step for the predicted class", "units": "1"},
            ),
            "score": (
                dims[:1],
                "float32",
                {"long_name": "score of the predicted class, before the softmax", "units": "1"},
            ),
            variable: (dims, "float64", own),
        }
    variables = {}
    for name, (own_dims, dtype, attributes) in described.items():
        extent = shape[: len(own_dims) - 1]
        variables[name] = Variable(own_dims, (samples, *extent), dtype, (shard, *extent), attributes)
    return variables, shard
