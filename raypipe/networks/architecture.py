"""What a network is before it has weights, as plain data; Keras is not needed to ask."""

from dataclasses import dataclass
from typing import Literal, get_args

from raypipe.errors import InputError, choice

Kind = Literal[
    "BatchNormalization", "Conv1D", "Conv2D", "Conv3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GlobalMaxPooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "Dense",
    "Dropout", "Flatten",
    "Activation", "Add", "Subtract", "Concatenate", "Cropping1D", "ZeroPadding1D", "LayerNormalization",
    "Dot", "Permute", "Reshape",
]  # fmt: skip

FRESH = "fresh"
"""The name, as a split, of samples that a study makes when they are needed, see `Study.fresh`."""

_ENDING = "expected class scores, with the activation linear or none, or probabilities: let it end in a Dense layer or \
an Activation that is linear or softmax"

Options = dict[str, int | float | str | tuple[int, ...]]


@dataclass(frozen=True)
class Layer:
    """One layer: its Keras class, its name in the network and the arguments of its constructor.

    `sources` are the names of the layers whose outputs it takes; if there are none, it takes those of the layer before.

    Raises:
        InputError: if there is no such kind of layer.
    """

    kind: Kind
    name: str
    options: Options
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        choice("kind of layer", self.kind, get_args(Kind))


@dataclass(frozen=True)
class Architecture:
    """A network before it has weights: layers over one input, each after those whose outputs it takes.

    `input_shape` without the batch: (time, 1) for sequences, (y, x, frame) for 2-D and (y, x, frame, 1) for 3-D fields;
    the first is None for sequences of any length.
    `classes` are the names of the outputs, in their order. `frame_times` are the times of the frames that the network
    sees, where its study's samples have frames. `splits` are those of its study on which it is usually trained and
    validated.
    """

    name: str
    study: str
    input_shape: tuple[int | None, ...]
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    frame_times: tuple[int, ...] | None = None
    splits: tuple[str, str] = ("train", "val")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of its samples, if they all have one.

        Raises:
            InputError: if they may be of any length.
        """
        known = tuple(size for size in self.input_shape if size is not None)
        if len(known) < len(self.input_shape):
            raise InputError(f"network {self.name} takes samples of any length; expected a network with a fixed one")
        return known

    @property
    def is_sequence(self) -> bool:
        """Whether a sample is a sequence in time rather than a field in space."""
        return len(self.input_shape) == 2

    @property
    def returns_logits(self) -> bool:
        """Whether the outputs are logits; otherwise they are probabilities.

        Raises:
            InputError: if the last layer gives neither.
        """
        if not self.layers:
            raise InputError(f"network {self.name} has no layers; {_ENDING}")
        last = self.layers[-1]
        if not last.kind.startswith(("Activation", "Conv", "Dense")):
            raise InputError(f"network {self.name} ends in a layer {last.kind}; {_ENDING}")
        activation = last.options.get("activation", "linear")
        if activation not in ("linear", "softmax"):
            raise InputError(f"network {self.name} ends with the activation {activation}; {_ENDING}")
        return activation == "linear"


def inputs_of(architecture: Architecture) -> dict[str, tuple[str, ...]]:
    """By the name of each layer, those whose outputs it takes; "input" is the network's."""
    before, found = "input", {}
    for layer in architecture.layers:
        found[layer.name] = layer.sources or (before,)
        before = layer.name
    return found


def weight_names(architecture: Architecture) -> tuple[str, ...]:
    """Names of a network's weights, "layer/0", "layer/1", …: per layer in the order of Keras's `get_weights()`."""
    return tuple(name for layer in architecture.layers for name in weights_of(layer).values())


def weights_of(layer: Layer) -> dict[str, str]:
    """Names of a layer's weights by what they are: kernel and bias; of a normalisation scale, shift, mean, variance."""
    if layer.kind.startswith(("Conv", "Dense")):
        there = {"kernel": True, "bias": bool(layer.options.get("use_bias", True))}
    elif layer.kind.endswith("Normalization"):
        there = {"scale": bool(layer.options.get("scale", True)), "shift": bool(layer.options.get("center", True))}
        there |= dict.fromkeys(("mean", "variance"), layer.kind == "BatchNormalization")
    else:
        there = {}
    own = [what for what, is_there in there.items() if is_there]
    return {what: f"{layer.name}/{i}" for i, what in enumerate(own)}


def stack(*layers: tuple[Kind, Options]) -> tuple[Layer, ...]:
    """Name each layer after its kind and its position, which keeps names unique."""
    return tuple(Layer(kind, f"{kind.lower()}_{i}", options) for i, (kind, options) in enumerate(layers, start=1))
