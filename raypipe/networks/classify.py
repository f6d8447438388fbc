"""Classify a data set with a trained network: network × data set → store `predictions/<network>/<split>`."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.architecture import Architecture
from raypipe.run.fill import fill
from raypipe.store import Coordinate, Plan, Variable, label_attributes

if TYPE_CHECKING:
    import xarray

BATCH = 64
"""Sequences that go through the network at once; of short ones more, as many as have BATCH_STEPS steps together."""

BATCH_STEPS = 2**13

FIELDS_BATCH = 32
"""Fields of _FIELD points that do: of twice as many the activations are so large that memory for each is taken from the
system anew."""

_FIELD = 128 * 128


def classify(network: str, split: str, *, workers: int | None = None, last: bool = True) -> str:
    """Classify all samples of a split, or complete what is there.

    The store has `probability` (sample, class) and `predicted` (sample), the coordinates that the data set has for
    its samples, of which `label` counts the network's classes, and `class`, their names. The network may have classes
    that the data set does not have. Where its classes are kinds of the data set's, as fbm_0.50 is of fbm, labels stay.

    Args:
        network: name of a trained network, such as "small" or "longer/small".
        split: of the network's study.
        workers: at most so many worker processes; by default as many as the cluster has room for.
        last: see `fill`.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained, the split unknown to its study, missing, empty, of other classes,
            samples of another size or number of frames, or without the frames that the network sees; or the store made
            from another network or data set.
    """
    return classify_each([(network, split)], workers=workers, last=last)[network, split]


def classify_each(
    pairs: Iterable[tuple[str, str]], *, workers: int | None = None, last: bool = True
) -> dict[tuple[str, str], str]:
    """`classify` for each pair of a network and a split, all by the same workers; the names of the stores by pair."""
    plans = {pair: plan(*pair) for pair in dict.fromkeys(pairs)}
    fill(*plans.values(), workers=workers, last=last)
    return {pair: one.name for pair, one in plans.items()}


def classify_unlabelled(networks: Iterable[str], source_name: str, *, workers: int | None = None) -> list[str]:
    """Classify a data set whatever its labels count by each of some networks, by the same workers.

    Returns:
        Names of the stores, `predictions/<network>/<split>`.

    Raises:
        InputError: if a network is not trained, or cannot see such samples.
    """
    plans = []
    for network in networks:
        if problem := inputs.misfit(artifact.load(network).architecture, store.open(source_name)):
            raise InputError(f"{source_name} {problem}: network {network} cannot classify it; choose another one")
        plans.append(plan_of(network, source_name, f"predictions/{network}/{source_name.partition('/')[2]}"))
    fill(*plans, workers=workers)
    return [one.name for one in plans]


def plan(network: str, split: str) -> Plan:
    """Plan of what `classify` makes; the errors are the same."""
    architecture = artifact.load(network).architecture
    of = study.find(architecture.study)
    source_name = f"{architecture.study}/{split}"
    if of.declared(split) is None and source_name not in store.list_names(source_name):  # as a user's tracks are
        raise InputError(
            f"the study {architecture.study} of network {network} has no split {split!r}; "
            f"choose one of {', '.join(of.data_sets)}"
        )
    source = store.open(source_name)
    fitted = inputs.fitted(architecture, source)
    check(fitted, source, source_name)
    if fitted != architecture:
        logging.getLogger(__name__).info(
            "%s was trained on fields of %s points; these have %s", network, *map(_size, (architecture, fitted))
        )
    return plan_of(network, source_name, f"predictions/{network}/{split}")


def plan_of(network: str, source_name: str, name: str, parameters: Mapping[str, Any] | None = None) -> Plan:
    """Plan of the predictions `name` for any data set that a network can see, see `check`.

    `parameters` are kept with the data beside its own.
    """
    own, source, made = artifact.load(network).architecture, store.open(source_name), store.plan_of(source_name)
    architecture = inputs.fitted(own, source)
    samples, classes = source.sizes["sample"], len(architecture.classes)
    shard = study.find(architecture.study).seen.per_shard
    if any_length := inputs.any_length(own):
        shard = max(1, any_length.points_per_shard // inputs.seen(own, source).shape[1])
    elif architecture != own:  # the work of a shard stays the same
        shard = max(1, shard * math.prod(own.sample_shape) // math.prod(architecture.sample_shape))
    return Plan(
        name=name,
        samples=samples,
        shard_samples=shard,
        variables={
            "probability": Variable(
                ("sample", "class"),
                (samples, classes),
                "float32",
                (shard, classes),
                {"long_name": "probability of the class", "units": "1", "valid_range": [0, 1]},
            ),
            "predicted": Variable(
                ("sample",),
                (samples,),
                "int64",
                (shard,),
                {"long_name": "most probable class", "valid_range": [0, classes - 1]},
            ),
        },
        coordinates={
            **{
                str(key): Coordinate(("sample",), values.values, values.attrs)
                for key, values in source.variables.items()
                if values.dims == ("sample",)
            },
            **_label(architecture, source),
            "class": Coordinate(("class",), list(architecture.classes), {"long_name": "name of the class"}),
        },
        parameters={
            **(parameters or {}),
            "network": network,
            "network_sha256": artifact.checksum(network),
            "source": source_name,
            "source_parameters": made.parameters,
        },
        # Of a data set that has grown what is new is classified too.
        grows=tuple(f"source_parameters.{name}" for name in made.grows),
        compute="raypipe.networks.classify:predictions_of",
        attributes={"title": f"Predictions of network {network} for {source_name}"},
    )


def predictions_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `probability` and `predicted` of the samples of a shard, read from the source.

    `parameters` has `network` and `source`.
    """
    trained, source = artifact.load(parameters["network"]), store.open(parameters["source"])
    architecture = inputs.fitted(trained.architecture, source)
    trained = replace(trained, architecture=architecture)
    probability = classifier(trained)

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        samples = slice(rows["sample"][0], rows["sample"][-1] + 1)
        found = np.empty((len(rows["sample"]), len(architecture.classes)), "float32")
        for places, taken in inputs.groups(architecture, source, samples):
            found[places] = probability(taken)
        inputs.check_finite(f"probabilities by network {trained.name}", found, rows["sample"])
        return {"probability": found, "predicted": found.argmax(axis=1)}

    return compute


def classifier(trained: artifact.Artifact) -> Callable[[np.ndarray], np.ndarray]:
    """A function from network inputs (n, *input_shape) to probabilities (n, classes), float32."""
    import tensorflow as tf

    model = keras_model.load(trained)

    def probabilities(values: Any) -> Any:
        outputs = model(values, training=False)
        return tf.nn.softmax(outputs) if trained.architecture.returns_logits else outputs

    # One signature for all batches, so that the graph is traced once, also for the shorter batch at the end.
    shape = (None, *trained.architecture.input_shape)
    forward = tf.function(probabilities, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def probability(values: np.ndarray) -> np.ndarray:
        batch = batch_of(trained.architecture, values.shape[1])
        parts = (values[start : start + batch] for start in range(0, len(values), batch))
        return np.concatenate([forward(part).numpy() for part in parts])

    return probability


def batch_of(architecture: Architecture, length: int) -> int:
    """How many samples go through a network at once, whose first dimension is so long."""
    if architecture.is_sequence:
        return max(BATCH, BATCH_STEPS // length)
    return max(1, FIELDS_BATCH * _FIELD // max(math.prod(architecture.input_shape[:2]), _FIELD))  # type: ignore[arg-type]


def _size(architecture: Architecture) -> str:
    return " × ".join(map(str, architecture.sample_shape[:2]))


def _has_labels(source: "xarray.Dataset") -> bool:
    # Of a scan nobody knows beforehand what there is: it has no labels, or -1 throughout.
    return "label" in source and source["label"].values.max() >= 0


def _label(architecture: Architecture, source: "xarray.Dataset") -> dict[str, Coordinate]:
    """The label in the network's order of classes, where the data set's is another; of none of its classes as it is."""
    names = inputs.class_names(source) if _has_labels(source) else ()
    if names == architecture.classes or not set(names) & set(architecture.classes):
        return {}
    if inputs.kinds(architecture.classes, names) is not None:  # where one of them is not subdivided
        return {}
    labels = inputs.labels_for(architecture, source)
    return {"label": Coordinate(("sample",), labels, label_attributes(architecture.classes))}


def check(architecture: Architecture, source: "xarray.Dataset", name: str) -> None:
    """Make sure that a network can classify the data set `name` of a study.

    Raises:
        InputError: if it cannot see its samples, or some are of other classes.
    """
    problem = inputs.misfit(architecture, source)
    if (
        problem is None
        and _has_labels(source)
        and not set(classes := inputs.class_names(source)) <= set(architecture.classes)
        and inputs.kinds(architecture.classes, classes) is None
    ):
        problem = f"has the classes {' '.join(classes)}, not only {inputs.shown(architecture.classes)}"
    if problem:
        raise InputError(
            f"data set {name} {problem}: network {architecture.name} cannot classify it; choose a network and a "
            f"split that match, or delete {name} and make it again with {inputs.job(name)}"
        )
