"""Build Keras models from architectures and artifacts, in Keras 3 and in TensorFlow 2.14's Keras 2."""

import math
from typing import Any

import numpy as np

from raypipe.errors import InputError, one_line
from raypipe.networks.architecture import Architecture, Layer
from raypipe.networks.artifact import Artifact

MOST_PARAMETERS = 2**28
"""Maximum number of parameters of a network: 1 GiB of weights in float32, and four times as much during training."""


def build(architecture: Architecture, *, bfloat16: bool = False) -> Any:
    """Build a `keras.Model` of the architecture with random initial weights.

    Its input is (batch, *input_shape), float32; its output (batch, classes), logits or probabilities, see
    `Architecture.returns_logits`. Layers have the names of the architecture.
    With `bfloat16`, all layers except normalisations and the last one compute in that precision; weights are float32.

    Raises:
        InputError: if it would have more than MOST_PARAMETERS, or its outputs are neither logits nor probabilities, or
            not one for each class.
    """
    architecture.check_outputs()
    # Keras 3 or Keras 2, whichever belongs to the installed TensorFlow.
    from tensorflow import keras

    inputs = last = keras.Input(architecture.input_shape, name="input")
    outputs, parameters = {"input": inputs}, 0
    for layer in architecture.layers:
        exact = not bfloat16 or layer.kind.endswith("Normalization") or layer is architecture.layers[-1]
        sources = [outputs[name] for name in layer.sources] or [last]
        parameters += _parameters(layer, sources[0].shape)
        if parameters > MOST_PARAMETERS:
            raise InputError(
                f"network {architecture.name} would have {parameters} parameters with its layer {layer.name}; "
                f"expected at most {MOST_PARAMETERS}: take fewer filters or units, or pool more"
            )
        apply = getattr(keras.layers, layer.kind)(
            name=layer.name, dtype="float32" if exact else "mixed_bfloat16", **layer.options
        )
        last = outputs[layer.name] = apply(sources if len(sources) > 1 else sources[0])
    if (found := tuple(last.shape)[1:]) != (expected := (len(architecture.classes),)):
        raise InputError(
            f"network {architecture.name} has outputs of shape {found}; expected {expected}, one for each of its "
            "classes: let it end in a Dense layer of as many units, behind a Flatten or a global pooling"
        )
    return keras.Model(inputs, last, name=architecture.name)


def _parameters(layer: Layer, shape: tuple[int | None, ...]) -> int:
    """Number of weights of a dense or convolutional layer, for inputs of a shape and without the bias."""
    units = layer.options.get("units", layer.options.get("filters"))
    if not isinstance(units, int):
        return 0
    kernel = layer.options.get("kernel_size", 1)
    sizes = kernel if isinstance(kernel, tuple | list) else [kernel] * (len(shape) - 2)
    return units * (shape[-1] or 0) * math.prod(int(size) for size in sizes)


def load(artifact: Artifact) -> Any:
    """A `keras.Model` with the weights of the artifact.

    Raises:
        InputError: if the weights do not fit the architecture.
    """
    try:
        model = build(artifact.architecture)
        set_weights(model, artifact.weights)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the weights of network {artifact.name} do not fit its architecture: {one_line(error)}; train it again "
            "under another series, or get a new copy of the file"
        ) from error
    return model


def weights(model: Any) -> dict[str, np.ndarray]:
    """Weights as arrays, named "layer/0", "layer/1", … in the order of each layer's `get_weights()`."""
    return {f"{layer.name}/{i}": array for layer in model.layers for i, array in enumerate(layer.get_weights())}


def set_weights(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Set the weights of a model to arrays that `weights` returned for the same architecture.

    Raises:
        KeyError: if one is missing.
        ValueError: if one has another shape.
    """
    for layer in model.layers:
        layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
