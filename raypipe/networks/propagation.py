"""Layer-wise relevance propagation for fields in two and three dimensions, in the cluster's own TensorFlow.

The ε rule is from Bach et al., PLoS ONE (2015), the z⁺ rule from Montavon et al., Pattern Recognition 65 (2017), and
the flat rule for the first layer from Lapuschkin et al., Nat. Commun. 10 (2019). For a layer with the inputs a, the
weights w, the bias b and the relevance R of its outputs, the relevance of its inputs is

    ε        R_i = Σ_j a_i w_ij / (z_j + ε sign z_j) R_j,  z_j = Σ_i a_i w_ij + b_j
    z⁺       the same with only positive a_i w_ij, without b and ε: relevance is conserved
    flat     the same with w = 1 and a = 1: equal shares for all points that a layer sees

A maximum pooling passes all relevance to the largest input. A batch normalisation before a convolution or a dense layer
is merged into it, which is exact; any other one is a layer with the ε rule. The tests compare all of this with
innvestigate in two dimensions.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe.errors import InputError
from raypipe.networks import keras_model
from raypipe.networks.architecture import Architecture, Layer, inputs_of, without
from raypipe.networks.artifact import Artifact
from raypipe.networks.classify import batch_of
from raypipe.networks.relevance import OPAQUE, TOLERANCE, normalisation, without_softmax

BATCH = 16
"""Fields per batch."""

_WEIGHTED = ("Conv", "Dense")
_LINEAR = (*_WEIGHTED, "Add", "Subtract", "BatchNormalization", "AveragePooling", "GlobalAveragePooling")
"""Layers that compute a sum; each term gets its share of the relevance."""

_NO_RULE = (*OPAQUE, "Dot")

_POSITIVE = ("relu", "sigmoid", "softmax", "softplus")
"""Activations whose values are never negative."""

_KEEPING = (
    *("MaxPooling", "AveragePooling", "Global", "Flatten", "Reshape", "Permute", "Cropping", "ZeroPadding", "Dropout"),
    *("Add", "Concatenate"),
)
"""Layers whose outputs are never negative if their inputs are not."""


def merged(trained: Artifact) -> Artifact:
    """The same network without dropout, and without each batch normalisation whose only user is a layer of weights.

    A normalisation is a factor and a shift for each channel, which are absorbed by the layer's weights and bias. It is
    kept if the layer has groups or pads its input: padding comes after the normalisation, so merging would not be
    exact.
    """
    architecture, weights = trained.architecture, dict(trained.weights)
    sources = inputs_of(architecture)
    layers = {layer.name: layer for layer in architecture.layers}
    dropped = {layer.name for layer in architecture.layers if layer.kind == "Dropout"}
    for layer in architecture.layers:
        takers = [name for name, of in sources.items() if layer.name in of]
        if layer.kind == "BatchNormalization" and len(takers) == 1 and layer.name != architecture.layers[-1].name:
            taker = layers[takers[0]]
            if (
                taker.kind.startswith(_WEIGHTED)
                and taker.options.get("padding", "valid") == "valid"
                and (taker.options.get("groups", 1) == 1 and "axis" not in layer.options)
            ):
                factor, shift = normalisation(layer, weights)
                kernel = weights[f"{taker.name}/0"].astype("float64")
                bias = weights.get(f"{taker.name}/1", np.zeros(kernel.shape[-1], "float32"))
                added = (kernel * shift[:, None]).reshape(-1, kernel.shape[-1]).sum(axis=0)
                weights[f"{taker.name}/0"] = (kernel * factor[:, None]).astype("float32")
                weights[f"{taker.name}/1"] = (bias + added).astype("float32")
                layers[taker.name] = replace(taker, options={**taker.options, "use_bias": True})
                weights = {name: array for name, array in weights.items() if name.split("/")[0] != layer.name}
                dropped.add(layer.name)
    kept = tuple(without(layers.values(), dropped))
    return replace(trained, architecture=replace(architecture, layers=kept), weights=weights)


def _may_be_negative(architecture: Architecture, name: str) -> bool:
    """Whether the output of the layer of this name, or "input", may be negative."""
    layer = next((one for one in architecture.layers if one.name == name), None)
    if layer is None:
        return True
    if layer.kind.startswith((*_WEIGHTED, "Activation")) and layer.options.get("activation") in _POSITIVE:
        return False
    before = inputs_of(architecture)[name]
    return not layer.kind.startswith(_KEEPING) or any(_may_be_negative(architecture, one) for one in before)


def check(architecture: Architecture, method: str) -> None:
    """Make sure that relevance can be propagated through all layers.

    Raises:
        InputError: if it cannot.
    """
    if opaque := [one.name for one in architecture.layers if one.kind in _NO_RULE]:
        raise InputError(
            f"network {architecture.name} cannot be explained by {method}: there is no rule for its layer "
            f"{', '.join(opaque)}; choose gradient or smoothgrad, or a network without it"
        )


def propagation(
    trained: Artifact, *, epsilon: float, composite: bool
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from inputs (n, *input_shape) and class numbers (n) to relevance (n, *input_shape) and scores (n).

    Both are float32; the scores are those before the softmax.

    Args:
        trained: the network, which must pass `check`.
        epsilon: ε of the ε rule.
        composite: whether convolutions have the z⁺ rule, or the flat rule if they see the input; otherwise every layer
            has the ε rule.

    Raises:
        RuntimeError: by the returned function, if merging batch normalisations changes the probabilities.
    """
    import tensorflow as tf
    from tensorflow import keras

    plain = without_softmax(merged(trained))
    sources, architecture = inputs_of(plain.architecture), plain.architecture
    model, original = keras_model.load(plain), keras_model.load(without_softmax(trained))
    outputs = keras.Model(model.input, [model.get_layer(layer.name).output for layer in architecture.layers])

    def linear(layer: Layer, change: Callable[[np.ndarray], np.ndarray] | None = None) -> Callable[..., Any]:
        """The layer without its activation; if `change` modifies its weights, also without its bias."""
        if not layer.kind.startswith(_WEIGHTED):
            return lambda values: model.get_layer(layer.name)(values, training=False)
        options = {**layer.options, "activation": "linear", **({"use_bias": False} if change else {})}
        made = getattr(keras.layers, layer.kind)(**options)
        made.build(model.get_layer(layer.name).input.shape)
        own = model.get_layer(layer.name).get_weights()
        made.set_weights([change(own[0])] if change else own)
        return lambda values: made(values)

    def positive(layer: Layer) -> Callable[..., Any]:
        """Positive contributions: positive inputs times positive weights, negative inputs times negative weights."""
        positive_weights = linear(layer, lambda kernel: np.maximum(kernel, 0))
        if not _may_be_negative(architecture, sources[layer.name][0]):
            return positive_weights
        negative_weights = linear(layer, lambda kernel: np.minimum(kernel, 0))
        return lambda values: positive_weights(tf.maximum(values, 0)) + negative_weights(tf.minimum(values, 0))

    rules: dict[str, tuple[str, Callable[..., Any]]] = {}
    for layer in architecture.layers:
        if composite and layer.kind.startswith("Conv"):
            if sources[layer.name] == ("input",):
                rules[layer.name] = "flat", linear(layer, np.ones_like)
            else:
                rules[layer.name] = "positive", positive(layer)
        elif layer.kind.startswith(_LINEAR):
            rules[layer.name] = "epsilon", linear(layer)
        elif layer.kind == "Activation":
            rules[layer.name] = "passed", lambda values: values
        else:
            rules[layer.name] = "routed", linear(layer)

    def back(layer: Layer, taken: list[Any], relevance: Any) -> list[Any]:
        rule, apply = rules[layer.name]
        values = [tf.ones_like(one) for one in taken] if rule == "flat" else taken
        with tf.GradientTape() as tape:
            tape.watch(values)
            z = apply(values if len(values) > 1 else values[0])
        if rule in ("routed", "passed"):
            return list(tape.gradient(z, values, relevance))
        if rule == "epsilon":
            share = relevance / (z + tf.where(z >= 0, epsilon, -epsilon))
        else:
            share = tf.math.divide_no_nan(relevance, z)
        return [one * slope for one, slope in zip(values, tape.gradient(z, values, share), strict=True)]

    shape = (None, *architecture.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32), tf.TensorSpec([None], tf.int64)])
    def propagate(values: Any, classes: Any) -> Any:
        found = outputs(values, training=False)
        found = found if isinstance(found, list | tuple) else [found]
        activations = {"input": values, **{one.name: out for one, out in zip(architecture.layers, found, strict=True)}}
        last = architecture.layers[-1].name
        scores = activations[last]
        relevance = {last: scores * tf.one_hot(classes, scores.shape[-1])}
        for layer in reversed(architecture.layers):
            if layer.name not in relevance:
                continue
            taken = [activations[name] for name in sources[layer.name]]
            parts = back(layer, taken, relevance.pop(layer.name))
            for name, part in zip(sources[layer.name], parts, strict=True):
                relevance[name] = relevance[name] + part if name in relevance else part
        moved = tf.reduce_max(tf.abs(tf.nn.softmax(scores) - tf.nn.softmax(original(values, training=False))))
        return relevance["input"], tf.gather(scores, classes, batch_dims=1), moved

    def explain(values: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts, batch = [], min(BATCH, batch_of(architecture, values.shape[1]))  # fewer for large fields
        for start in range(0, len(values), batch):
            part = slice(start, start + batch)
            found, scores, moved = (one.numpy() for one in propagate(values[part], classes[part]))
            if not moved <= TOLERANCE:
                raise RuntimeError(
                    f"probabilities of network {trained.name} change by {moved:.1e} when its batch normalisations are "
                    f"merged; expected at most {TOLERANCE:.0e}"
                )
            parts.append((found, scores))
        relevance, scores = (np.concatenate(one) for one in zip(*parts, strict=True))
        return relevance, scores

    return explain
