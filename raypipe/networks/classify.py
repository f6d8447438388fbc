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
"""Minimum number of sequences per batch; of short sequences, a batch has as many as have BATCH_STEPS steps in total."""

BATCH_STEPS = 2**13

FIELDS_BATCH = 32
"""Fields per batch, if they have up to _FIELD points, fewer if they are larger. With twice as many, activations are
so large that memory for each is allocated from the system anew."""

_FIELD = 128 * 128


def classify(network: str, split: str, *, workers: int | None = None, last: bool = True) -> str:
    """Classify all samples of a split, or complete an unfinished store of predictions.

    The store has `probability` (sample, class), `predicted` (sample), the data set's coordinates along `sample`, and
    `class`, the names of the network's classes. `label` is renumbered to the network's order of classes. The network
    may have classes that the data set does not have. If the network's classes are subclasses of the data set's, such as
    fbm_0.50 of fbm, labels are kept as they are.

    Args:
        network: name of a trained network, such as "small" or "longer/small".
        split: split of the network's study.
        workers: maximum number of worker processes; by default as many as fit in the cluster.
        last: see `fill`.

    Returns:
        Name of the store.

    Raises:
        InputError: if the network is not trained; the split is unknown to its study, missing or empty, has other
            classes, samples of another size or number of frames, or lacks frames that the network sees; or the store
            was made from another network or data set.
    """
    return classify_each([(network, split)], workers=workers, last=last)[network, split]


def classify_each(
    pairs: Iterable[tuple[str, str]], *, workers: int | None = None, last: bool = True
) -> dict[tuple[str, str], str]:
    """Run `classify` for each pair of a network and a split, all with the same workers; return store names by pair."""
    plans = {pair: plan(*pair) for pair in dict.fromkeys(pairs)}
    fill(*plans.values(), workers=workers, last=last)
    return {pair: one.name for pair, one in plans.items()}


def classify_unlabelled(networks: Iterable[str], source_name: str, *, workers: int | None = None) -> list[str]:
    """Classify a data set with each of several networks and the same workers, whatever its labels are.

    Returns:
        Names of the stores, `predictions/<network>/<split>`.

    Raises:
        InputError: if a network is not trained, or does not take such samples.
    """
    plans = []
    for network in networks:
        if problem := inputs.misfit(artifact.load(network).architecture, store.open(source_name)):
            raise InputError(f"{source_name} {problem}: network {network} cannot classify it; choose another one")
        plans.append(plan_of(network, source_name, f"predictions/{network}/{source_name.partition('/')[2]}"))
    fill(*plans, workers=workers)
    return [one.name for one in plans]


def plan(network: str, split: str) -> Plan:
    """Plan of the store that `classify` makes; raises the same errors."""
    architecture = artifact.load(network).architecture
    of = study.find(architecture.study)
    source_name = f"{architecture.study}/{split}"
    # A user's tracks have a store, although their study does not declare them.
    if of.declared(split) is None and source_name not in store.list_names(source_name):
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
    """Plan of the predictions `name` for any data set whose samples a network takes, see `check`.

    `parameters` are stored in addition to the plan's own.
    """
    own, source, made = artifact.load(network).architecture, store.open(source_name), store.plan_of(source_name)
    architecture = inputs.fitted(own, source)
    samples, classes = source.sizes["sample"], len(architecture.classes)
    shard = study.find(architecture.study).seen.per_shard
    if any_length := inputs.any_length(own):
        shard = max(1, any_length.points_per_shard // inputs.seen(own, source).shape[1])
    elif architecture != own:  # keep the amount of work per shard
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
        # If the data set grows, its new samples are classified too.
        grows=tuple(f"source_parameters.{name}" for name in made.grows),
        compute="raypipe.networks.classify:predictions_of",
        attributes={"title": f"Predictions of network {network} for {source_name}"},
    )


def predictions_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `probability` and `predicted` of the samples of a shard, read from the source.

    `parameters` contains `network`, `network_sha256` and `source`.
    """
    trained = artifact.load(parameters["network"], parameters["network_sha256"])
    source = store.open(parameters["source"])
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
    """Batch size for prediction; `length` is the number of time steps of sequences, and not used for fields."""
    if architecture.is_sequence:
        return max(BATCH, BATCH_STEPS // length)
    return max(1, FIELDS_BATCH * _FIELD // max(math.prod(architecture.input_shape[:2]), _FIELD))  # type: ignore[arg-type]


def _size(architecture: Architecture) -> str:
    return " × ".join(map(str, architecture.sample_shape[:2]))


def _has_labels(source: "xarray.Dataset") -> bool:
    # The classes in a scan are not known: it has no labels, or only -1.
    return "label" in source and source["label"].values.max() >= 0


def _label(architecture: Architecture, source: "xarray.Dataset") -> dict[str, Coordinate]:
    """`label` in the network's order of classes; empty if the data set's labels can or must be kept as they are."""
    names = inputs.class_names(source) if _has_labels(source) else ()
    if names == architecture.classes or not set(names) & set(architecture.classes):
        return {}
    if inputs.kinds(architecture.classes, names) is not None:  # only some classes have subclasses
        return {}
    labels = inputs.labels_for(architecture, source)
    return {"label": Coordinate(("sample",), labels, label_attributes(architecture.classes))}


def check(architecture: Architecture, source: "xarray.Dataset", name: str) -> None:
    """Make sure that a network can classify the data set `name` of a study.

    Raises:
        InputError: if the network does not take its samples, or some are of classes that the network does not have.
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
            f"split that match, or {inputs.again(name)}"
        )
