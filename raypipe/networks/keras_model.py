"""From an architecture, or an artifact of one, to a Keras model: in Keras 3 and in TensorFlow 2.14's Keras 2."""

from typing import Any

import numpy as np

from raypipe.errors import InputError
from raypipe.networks.architecture import Architecture
from raypipe.networks.artifact import Artifact


def build(architecture: Architecture, *, bfloat16: bool = False) -> Any:
    """A `keras.Model` of the architecture with fresh weights.

    Its input is (batch, *input_shape), float32; its output (batch, classes), logits or probabilities, see
    `Architecture.returns_logits`. Layers have the names of the architecture; convolutions do not pad.
    With `bfloat16` all layers but the last and normalisations calculate in that precision; weights are float32.
    """
    # Keras 3 or Keras 2, whichever belongs to the installed TensorFlow.
    from tensorflow import keras

    inputs = last = keras.Input(architecture.input_shape, name="input")
    outputs = {"input": inputs}
    for layer in architecture.layers:
        exact = not bfloat16 or layer.kind == "BatchNormalization" or layer is architecture.layers[-1]
        sources = [outputs[name] for name in layer.sources] or [last]
        apply = getattr(keras.layers, layer.kind)(
            name=layer.name, dtype="float32" if exact else "mixed_bfloat16", **layer.options
        )
        last = outputs[layer.name] = apply(sources if len(sources) > 1 else sources[0])
    return keras.Model(inputs, last, name=architecture.name)


def load(artifact: Artifact) -> Any:
    """A `keras.Model` with the weights of the artifact.

    Raises:
        InputError: if the weights do not fit the architecture.
    """
    model = build(artifact.architecture)
    try:
        set_weights(model, artifact.weights)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"the weights of network {artifact.name} do not fit its architecture: {error}; train it again "
            "under another series, or take the file from where it came"
        ) from error
    return model


def weights(model: Any) -> dict[str, np.ndarray]:
    """Weights as arrays, named "layer/0", "layer/1", … in the order of each layer's `get_weights()`."""
    return {f"{layer.name}/{i}": array for layer in model.layers for i, array in enumerate(layer.get_weights())}


def set_weights(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Give a model the weights that `weights` took from one of the same architecture.

    Raises:
        KeyError: if one is missing.
        ValueError: if one has another shape.
    """
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
