"""Explain a network's predictions: relevance of the steps of sequences, saliency of the points of fields.

Sequences are explained with innvestigate in a separate environment (`relevance`), or, if innvestigate does not support
the network, in the cluster's environment (`path`), as are fields (`saliency`). All start from a store of predictions.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from raypipe import catalog, store, study
from raypipe.errors import InputError, choice
from raypipe.networks import artifact, inputs, path, propagation, saliency
from raypipe.networks.architecture import Architecture
from raypipe.networks.relevance import CONTROLS, METHODS, NOT_INNVESTIGATES, settings_of
from raypipe.run.fill import fill
from raypipe.store import Coordinate, Plan, Variable, finite

FIELD_METHODS = tuple(saliency.METHODS)
"""Methods for fields; for sequences see `methods`."""

GRADIENT = "gradient"
"""Default method for fields."""

LRP = "lrp-epsilon"
"""Default method for sequences."""

_NAMED = 6
"""Maximum number of selected samples whose numbers are part of the store's name."""

SHARD_SAMPLES = {"relevance": 250, "saliency": 32}
"""Number of samples per shard, by the first part of a store's name: relevance of sequences, saliency of fields."""


def explain(
    network: str,
    split: str,
    *,
    method: str | None = None,
    per_class: int = 1,
    control: str | None = None,
    samples: Sequence[int] | None = None,
    where: Mapping[str, Any] | None = None,
    workers: int | None = None,
    last: bool = True,
) -> str:
    """Explain the predictions of a network for samples of each class of a split.

    The score of the predicted class is explained for the first `per_class` samples of each class that are classified
    correctly. If a class has none, its first sample is explained; its `label` and `predicted` differ. Samples that are
    selected by number are explained whatever their prediction, and need no label. Samples that are selected by
    coordinates need no label either; the first `per_class` of each class are taken by the same rule. With a control,
    the samples and classes are the same, but the maps are those of a modified network, which shows how meaningful the
    maps are.

    For sequences the store is `relevance/<network>/<split>`, followed by `-<method>` if the method is not the default,
    by `-<control>`, and by the selected samples, or `-<n>-per-class` if that is not 1. It has `relevance` and the
    sequence (sample, time) and `score` (sample), the score that is explained. For fields it is
    `saliency/<network>/<split>`, followed by the same, with `saliency` and the last frame or channel (sample, y, x),
    and for layer-wise relevance propagation also `relevance` (sample, y, x) and `score` (sample). Both have the
    coordinates of the predictions and `origin`, the number of the sample in the split.

    Args:
        network: name of a trained network.
        split: split for which there are predictions.
        method: one of `methods` for sequences, of FIELD_METHODS for fields; None for the default.
        per_class: maximum number of samples of each class.
        control: one of relevance.CONTROLS; None for the unmodified network.
        samples: numbers of the samples in the split to explain, instead of `per_class` of each class.
        where: values of coordinates that the samples must have, or class names for `label` and `predicted`.
        workers: maximum number of worker processes; by default as many as fit in the cluster.
        last: see `fill`.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained, has no predictions for the split, or these have no labels; the method
            does not support the network; `per_class` is below 1; the control is unknown or does not apply to the
            method; no sample matches; or the store was made in another way.
    """
    planned = plan(network, split, method=method, per_class=per_class, control=control, samples=samples, where=where)
    fill(planned, workers=workers, last=last)
    return planned.name


def plan(
    network: str,
    split: str,
    *,
    method: str | None = None,
    per_class: int = 1,
    control: str | None = None,
    samples: Sequence[int] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan of the store that `explain` makes; raises the same errors."""
    architecture, method = check(network, method, per_class, control)
    source = f"predictions/{network}/{split}"
    predictions, classified = store.open(source), store.plan_of(source).parameters
    if classified["network_sha256"] != artifact.checksum(network):
        raise InputError(
            f"data set {source} was made by an earlier network {network}; remove it with raypipe remove {source}, and "
            "classify again"
        )
    own = samples is not None or bool(where)
    if samples is not None:
        origin = _numbered(predictions, samples, split)
    else:
        origin = chosen(predictions, per_class, matching(predictions, where) if where else None)
    environment: str | None
    product, compute, environment = "relevance", "relevance:relevance_of", "explain"
    if not architecture.is_sequence:
        product, compute, environment = "saliency", "saliency:saliency_of", None
    elif is_opaque(architecture):
        compute, environment = "path:relevance_of", None
    seen = inputs.seen(architecture, store.open(classified["source"]))
    variables, shard = _variables(architecture, seen, method, len(origin))
    usual = usual_method(architecture)
    of = _name_of(origin) if own else f"{per_class}-per-class" if per_class > 1 else None
    ends = [*filter(None, [None if method == usual else method, control, of])]
    return Plan(
        name="-".join([f"{product}/{network}/{split}", *ends]),
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
            "settings": settings_of(methods(architecture)[method], control),
            **({"samples": origin.tolist()} if own else {"per_class": per_class}),
            **({"control": control, "control_settings": CONTROLS[control]} if control else {}),
        },
        compute=f"raypipe.networks.{compute}",
        columns=("origin", "predicted"),
        environment=environment,
        attributes={
            "title": f"Explanation by {method} of network {network} for {split}" + (f" ({control})" if control else "")
        },
    )


def check(network: str, method: str | None, per_class: int, control: str | None = None) -> tuple[Architecture, str]:
    """Architecture of a network and the method to use, after verifying that all arguments are compatible.

    Raises:
        InputError: see `explain`.
    """
    architecture = artifact.load(network).architecture
    if per_class < 1:
        raise InputError(f"{per_class} samples per class; expected 1 or more")
    if not architecture.is_sequence:
        method = choice(f"method for network {network}", method or GRADIENT, FIELD_METHODS)
        if control:
            choice("control", control, tuple(CONTROLS))
            if control == "zero-biases" and method not in saliency.WITH_SCORE:
                raise InputError(
                    f"control {control!r} with method {method}, whose maps do not add up to a score; "
                    f"choose one of {', '.join(saliency.WITH_SCORE)}"
                )
        if method in saliency.WITH_SCORE:
            propagation.check(architecture, method)
        return architecture, method
    opaque = is_opaque(architecture)
    if control:
        choice("control", control, tuple(one for one in CONTROLS if not opaque or one != "zero-biases"))
    known = tuple(methods(architecture))
    method = choice(f"method for network {network}", method or usual_method(architecture), known)
    if method == "deep-taylor" and (problem := _deep_taylor_misfit(architecture)):
        raise InputError(
            f"network {network} cannot be explained by {method}{problem}; "
            f"choose one of {', '.join(one for one in known if one != method)}"
        )
    return architecture, method


def _deep_taylor_misfit(architecture: Architecture) -> str | None:
    """Why innvestigate's deep Taylor decomposition does not support a network; None if it does."""
    activations = {str(layer.options.get("activation") or "linear") for layer in architecture.layers[:-1]}
    if others := sorted(activations - {"linear", "relu"}):
        return f", which is for layers whose activation is relu: it has {', '.join(others)}"
    if any(layer.kind == "Add" for layer in architecture.layers):
        return ": innvestigate counts twice what goes through a sum of layers"
    return None


def is_opaque(architecture: Architecture) -> bool:
    """Whether innvestigate does not support a network of sequences, due to a layer or because it takes any length."""
    return (
        None in architecture.input_shape
        or any(layer.kind in NOT_INNVESTIGATES for layer in architecture.layers)
        or any(layer.options.get("activation") == "softmax" for layer in architecture.layers[:-1])
    )


def methods(architecture: Architecture) -> Mapping[str, dict[str, float]]:
    """The methods for a network, with their settings."""
    if not architecture.is_sequence:
        return saliency.METHODS
    if None in architecture.input_shape:
        return path.METHODS_OF_ANY_LENGTH
    return path.METHODS if is_opaque(architecture) else METHODS


def usual_method(architecture: Architecture) -> str:
    """Default method for a network."""
    if not architecture.is_sequence:
        return GRADIENT
    return path.METHOD if is_opaque(architecture) else LRP


def matching(predictions: xr.Dataset, where: Mapping[str, Any]) -> np.ndarray:
    """Numbers of the samples whose coordinates have the given values; class names for `label` and `predicted`.

    Raises:
        InputError: if there is no such coordinate or class, a value is not a number, or no sample has these values.
    """
    names = [str(name) for name in predictions["class"].values]
    known = [str(key) for key, values in predictions.variables.items() if values.dims == ("sample",)]
    hit = np.ones(predictions.sizes["sample"], bool)
    for name, given in where.items():
        values = predictions[choice("coordinate", name, known)].values
        if name in ("label", "predicted"):
            hit &= values == names.index(choice("class", str(given), names))
            continue
        value = study.setting(given) if isinstance(given, str) else given
        if not isinstance(value, int | float):
            raise InputError(f"cannot choose samples by {name}={given}; expected a number")
        hit &= catalog.equal(values, value)
    if not hit.any():
        asked = ", ".join(f"{name}={given}" for name, given in where.items())
        raise InputError(f"no sample has {asked}; look at the values with catalog.open(…), or give fewer conditions")
    return np.flatnonzero(hit)


def _numbered(predictions: xr.Dataset, samples: Sequence[int], split: str) -> np.ndarray:
    """Numbers of the selected samples as an array, after verifying that they exist and are unique."""
    if not samples:
        raise InputError("no samples to explain; give their numbers, such as 3,17")
    count = predictions.sizes["sample"]
    if wrong := [number for number in samples if not 0 <= number < count]:
        raise InputError(f"no sample {wrong[0]} in {split}, which has {count}; expected numbers from 0 to {count - 1}")
    if len(set(samples)) < len(samples):
        raise InputError(f"samples {', '.join(map(str, samples))}; expected each only once")
    return np.array(samples, "int64")


def _name_of(origin: np.ndarray) -> str:
    """Part of a store's name for selected samples: their numbers, or a checksum of the numbers if there are many."""
    numbers = "-".join(map(str, origin))
    return f"samples-{numbers if len(origin) <= _NAMED else hashlib.sha256(numbers.encode()).hexdigest()[:8]}"


def chosen(predictions: xr.Dataset, per_class: int, among: np.ndarray | None = None) -> np.ndarray:
    """Numbers of the samples to explain, class by class, see `explain`. Classes with too few samples are logged.

    With `among`, only the samples with these numbers are considered. Their classes are the predicted ones if they have
    no labels. The predicted classes are also used if the labels have other classes than the network.

    Raises:
        InputError: if samples have no label, as in a scan, and `among` is None.
    """
    predicted = predictions["predicted"].values
    if has_other_labels(predictions):
        predictions, among = predictions.drop_vars("label"), np.arange(len(predicted)) if among is None else among
    labelled = inputs.is_labelled(predictions)
    label = predictions["label"].values if labelled or (among is None and "label" in predictions) else predicted
    if among is None and "label" not in predictions:
        raise InputError("the samples have no labels; choose a training, validation or test split")
    if among is None and not labelled:
        raise InputError(
            f"{np.sum(label < 0)} of {len(label)} samples have no label; samples are chosen by their labels: "
            "choose a training, validation or test split, or give the numbers of samples"
        )
    allowed = np.ones(len(label), bool) if among is None else np.isin(np.arange(len(label)), among)
    samples = []
    for number in np.unique(label[allowed]):
        members = np.flatnonzero((label == number) & allowed)
        right = members[predicted[members] == number]
        if len(right) < per_class:
            name = predictions["class"].values[number]
            instead = "" if len(right) else "; its first one, classified wrongly, is explained instead"
            logging.getLogger(__name__).info(
                f"class {name}: {len(right)} of {len(members)} samples are classified correctly, {per_class} asked for"
                + instead
            )
        samples.append(right[:per_class] if len(right) else members[:1])
    return np.concatenate(samples)


def has_other_labels(predictions: xr.Dataset) -> bool:
    """Whether the labels in a store of predictions have other classes than the network."""
    names, own = inputs.class_names(predictions), predictions["class"].values.tolist()
    return bool(names) and (not set(names) & set(own) or inputs.kinds(own, names) is not None)


def _variables(
    architecture: Architecture, seen: xr.DataArray, method: str, samples: int
) -> tuple[dict[str, Variable], int]:
    """Variables of the store, and the number of samples per shard."""
    sequence, any_length = architecture.is_sequence, None in architecture.input_shape
    shard, part = SHARD_SAMPLES["relevance" if sequence else "saliency"], "step" if sequence else "point"
    # Dimensions after the time, or the plane, such as axes or frames, are channels.
    dims = tuple(map(str, seen.dims[: 2 if sequence else 3]))
    variable = str(seen.name)
    own = {key: value for key, value in seen.attrs.items() if key in ("long_name", "units")}
    described: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
        "relevance": (dims, "float32", {"long_name": f"relevance of the {part} for the predicted class", "units": "1"}),
        "score": (dims[:1], "float32", {"long_name": "score of the predicted class, before the softmax", "units": "1"}),
    }
    if sequence:
        described[variable] = tuple(map(str, seen.dims)), "float64", own
    else:
        saliency_attributes = {"long_name": "saliency, scaled to [0, 1]", "units": "1", "valid_range": [0, 1]}
        described = {
            "saliency": (dims, "float32", saliency_attributes),
            variable: (dims, "float32", own),
            **(described if method in saliency.WITH_SCORE else {}),
        }
    variables = {}
    for name, (own_dims, dtype, attributes) in described.items():
        extent = seen.shape[1 : len(own_dims)]
        known = {} if any_length else finite(dtype)  # values after the end of a sample are NaN
        variables[name] = Variable(own_dims, (samples, *extent), dtype, (shard, *extent), known | attributes)
    return variables, shard
