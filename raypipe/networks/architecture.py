"""What a network is before it has weights, as plain data; Keras is not needed to ask."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "BatchNormalization", "Conv1D", "Conv2D", "Conv3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GlobalMaxPooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "Dense",
    "Dropout", "Flatten",
    "Activation", "Add", "Subtract", "Concatenate", "Cropping1D", "ZeroPadding1D", "LayerNormalization",
]  # fmt: skip

Options = dict[str, int | float | str | tuple[int, ...]]


@dataclass(frozen=True)
class Layer:
    """One layer: its Keras class, its name in the network and the arguments of its constructor.

    `sources` are the names of the layers whose outputs it takes; if there are none, it takes those of the layer before.
    """

    kind: Kind
    name: str
    options: Options
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A network before it has weights: layers over one input, each after those whose outputs it takes.

    `input_shape` without the batch: (time, 1) for sequences, (y, x, frame) for 2-D and (y, x, frame, 1) for 3-D fields.
    `classes` are the names of the outputs, in their order. `frame_times` are the times of the frames that the network
    sees, where its study's samples have frames. `splits` are those of its study on which it is usually trained and
    validated.
    """

    name: str
    study: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    frame_times: tuple[int, ...] | None = None
    splits: tuple[str, str] = ("train", "val")

    @property
    def is_sequence(self) -> bool:
        """Whether a sample is a sequence in time rather than a field in space."""
        return len(self.input_shape) == 2

    @property
    def returns_logits(self) -> bool:
        """Whether the outputs are logits; otherwise they are probabilities."""
        return self.layers[-1].options["activation"] == "linear"


def weight_names(architecture: Architecture) -> tuple[str, ...]:
    """Names of a network's weights, "layer/0", "layer/1", …: per layer in the order of Keras's `get_weights()`."""
    names = []
    for layer in architecture.layers:
        if layer.kind.startswith(("Conv", "Dense")):
            count = 1 + bool(layer.options.get("use_bias", True))
        elif layer.kind.endswith("Normalization"):
            count = bool(layer.options.get("scale", True)) + bool(layer.options.get("center", True))
            count += 2 if layer.kind == "BatchNormalization" else 0
        else:
            count = 0
        names += [f"{layer.name}/{i}" for i in range(count)]
    return tuple(names)


def stack(*layers: tuple[Kind, Options]) -> tuple[Layer, ...]:
    """Name each layer after its kind and its position, which keeps names unique."""
    return tuple(Layer(kind, f"{kind.lower()}_{i}", options) for i, (kind, options) in enumerate(layers, start=1))
