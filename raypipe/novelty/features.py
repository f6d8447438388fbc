"""Features of samples from a network's layers: network × data set → store `features/<network>/<split>`.

For each convolution, the features are the mean and the maximum of each channel over all positions: a few hundred
numbers for a sample of any size. For a network without convolutions, they are the outputs of all dense layers but the
last, or, if there are none, the input of the last layer. The features of each layer are scaled to the same length:
their ratios distinguish patterns, whereas their magnitude depends on the parameters more than on the pattern.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.architecture import Architecture, Layer, inputs_of
from raypipe.networks.classify import batch_of
from raypipe.store import Coordinate, Plan, Variable


def plan(network: str, source_name: str, variants: int = 1, augmentation: str | None = None) -> Plan:
    """Plan the features of all samples of a data set that a network can see, whatever their classes.

    The store has `features` (sample, variant, feature) of each sample as it is and of `variants` - 1 random variants,
    whose seed is the sample's number. Its coordinates are those of the data set along `sample`.

    Args:
        network: name of a trained network.
        source_name: the data set, such as "logistic/scan".
        variants: number of variants of each sample, including the sample itself.
        augmentation: the study's augmentation that makes the variants; None for the first one.

    Raises:
        InputError: if the network is not trained; if the data set is missing, empty or of samples that the network
            cannot see; or if the study cannot make the variants.
    """
    trained, source = artifact.load(network), store.open(source_name)
    architecture = inputs.fitted(trained.architecture, source)
    of = study.find(architecture.study)
    if problem := inputs.misfit(architecture, source):
        raise InputError(
            f"data set {source_name} {problem}: network {network} cannot use it; choose a network and a split that "
            f"match, or {inputs.again(source_name)}"
        )
    if variants < 1:
        raise InputError(f"{variants} variants of each sample; expected 1 or more")
    if variants > 1:
        augmentation = of.augmentation(augmentation)
    samples, size, shard = source.sizes["sample"], length(trained), max(1, of.seen.per_shard // variants)
    split = source_name.partition("/")[2]
    return Plan(
        name=f"features/{network}/{split}" + (f"-{variants}-variants" if variants > 1 else ""),
        samples=samples,
        shard_samples=shard,
        variables={
            "features": Variable(
                ("sample", "variant", "feature"),
                (samples, variants, size),
                "float32",
                (shard, variants, size),
                {"long_name": "what each layer makes of the sample, scaled to one length"},
            )
        },
        coordinates=own_coordinates(source),
        parameters={
            "network": network,
            "network_sha256": artifact.checksum(network),
            "source": source_name,
            "source_parameters": store.plan_of(source_name).parameters,
            "variants": variants,
            **({"augmentation": augmentation} if variants > 1 else {}),
        },
        compute="raypipe.novelty.features:features_of",
        attributes={"title": f"Features by network {network} of {source_name}"},
    )


def own_coordinates(source: Any) -> dict[str, Coordinate]:
    """Return the coordinates of an open data set along `sample`, in the form that plans use."""
    return {
        str(key): Coordinate(("sample",), values.values, values.attrs)
        for key, values in source.coords.items()
        if values.dims == ("sample",)
    }


def features_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a function for `fill` that computes the `features` of a shard's samples, read from the source.

    `parameters` has `network`, `network_sha256`, `source`, `variants` and, if there are several variants,
    `augmentation`.
    """
    trained = artifact.load(parameters["network"], parameters["network_sha256"])
    source = store.open(parameters["source"])
    architecture, variants = inputs.fitted(trained.architecture, source), parameters["variants"]
    trained = replace(trained, architecture=architecture)
    extract = extractor(trained)
    augmented = study.find(architecture.study).augmentations.get(parameters.get("augmentation", ""))

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        numbers = rows["sample"]
        shard = inputs.network_input(
            architecture, inputs.values(architecture, source, slice(numbers[0], numbers[-1] + 1))
        )
        found = [extract(shard)]
        if augmented:
            generators = [np.random.default_rng(int(number)) for number in numbers]
            for _ in range(1, variants):
                pairs = zip(shard, generators, strict=True)
                found.append(extract(np.concatenate([augmented(one[None], random) for one, random in pairs])))
        features = np.stack(found, axis=1)
        inputs.check_finite(f"features by network {trained.name}", features, numbers)
        return {"features": features}

    return compute


def length(trained: artifact.Artifact) -> int:
    """Return the number of features of a sample."""
    layers, last = _layers(trained.architecture)
    sizes = {one.name: int(str(one.options["filters" if _is_convolution(one) else "units"])) for one in layers}
    if not layers:
        groups = next(one for one in trained.architecture.layers if one.name == last).options.get("groups", 1)
        sizes = {last: int(trained.weights[f"{last}/0"].shape[-2]) * int(str(groups))}
    seen, dimensions = inputs_of(trained.architecture), _dimensions(trained.architecture)
    # Values at several positions are reduced to a mean and a maximum.
    return sum(size * (2 if dimensions[seen[name][0]] > 1 else 1) for name, size in sizes.items())


def _dimensions(architecture: Architecture) -> dict[str, int]:
    """Return the number of dimensions of a sample after each layer, by name; "input" is the input of the network."""
    found, seen = {"input": len(architecture.input_shape)}, inputs_of(architecture)
    for layer in architecture.layers:
        of = [found[name] for name in seen[layer.name]]
        found[layer.name] = max(of)
        if layer.kind.startswith(_PLACELESS):
            found[layer.name] = 1
        elif layer.kind == "Reshape":
            found[layer.name] = len(layer.options["target_shape"])  # type: ignore[arg-type]
        elif layer.kind == "Dot":
            found[layer.name] = max(1, sum(of) - 2)
    return found


def extractor(trained: artifact.Artifact) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from network inputs (n, *input_shape) to features (n, feature), float32.

    With L layers, the features of each layer have the length 1 / √L. Euclidean distances between samples are then from
    0 to 2: the root mean square, over the layers, of the distance between unit vectors.
    """
    import tensorflow as tf
    from tensorflow import keras

    model = keras_model.load(trained)
    layers, last = _layers(trained.architecture)
    seen = [model.get_layer(one.name).output for one in layers] or [model.get_layer(last).input]
    probe = keras.Model(model.input, seen)

    def features(values: Any) -> Any:
        made = probe(values, training=False)
        parts = []
        for one in made if isinstance(made, list | tuple) else [made]:
            if places := tuple(range(1, one.shape.rank - 1)):
                one = tf.concat([tf.reduce_mean(one, places), tf.reduce_max(one, places)], axis=1)
            parts.append(tf.math.l2_normalize(one, axis=1) / len(seen) ** 0.5)
        return tf.concat(parts, axis=1)

    shape = (None, *trained.architecture.input_shape)
    forward = tf.function(features, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def extract(values: np.ndarray) -> np.ndarray:
        batch = batch_of(trained.architecture, values.shape[1])
        return np.concatenate(
            [forward(values[start : start + batch]).numpy() for start in range(0, len(values), batch)]
        )

    return extract


_PLACELESS = ("Flatten", "Global")
"""Kinds of layers, by the beginning of their name, whose output has no positions."""


def _is_convolution(layer: Layer) -> bool:
    return layer.kind.startswith("Conv")


def _layers(architecture: Architecture) -> tuple[list[Layer], str]:
    """Return the layers whose outputs are features, and the name of the last layer with weights."""
    *hidden, last = (one for one in architecture.layers if _is_convolution(one) or one.kind == "Dense")
    return [one for one in hidden if _is_convolution(one)] or hidden, last.name
