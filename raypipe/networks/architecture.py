"""Architecture of a network (input, layers and classes, without weights) as plain data, independent of Keras."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

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
"""Name of the split whose samples a study generates on demand, see `Study.fresh`."""

_ENDING = "expected class scores, with the activation linear or none, or probabilities: let it end in a Dense layer or \
an Activation that is linear or softmax"

Options = dict[str, int | float | str | tuple[int, ...]]


@dataclass(frozen=True)
class Layer:
    """One layer: its Keras class, its name in the network and the arguments of its constructor.

    `sources` are the names of the layers whose outputs it takes; if empty, it takes the output of the preceding layer.
    Lists become tuples and NumPy's numbers Python's, as in a network that was saved and loaded.

    Raises:
        InputError: if the kind of layer or a value of an option is not supported.
    """

    kind: Kind
    name: str
    options: Options
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        choice("kind of layer", self.kind, get_args(Kind))
        options = {name: _plain(value) for name, value in self.options.items()}
        for name, value in options.items():
            whole = isinstance(value, tuple) and all(isinstance(one, int) for one in value)
            if not (whole or isinstance(value, int | float | str)):
                raise InputError(
                    f"layer {self.name} has the option {name} = {value!r}; expected a number, a text or several whole "
                    "numbers: choose one, or leave the option out for Keras's default"
                )
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "sources", _plain(self.sources))


def _plain(value: Any) -> Any:
    """A value with tuples instead of lists and arrays, and Python's numbers instead of NumPy's."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


_MEMBERS: dict[str, tuple[Any, str]] = {
    "input_shape": (int | None, "whole numbers, or None for samples of any length"),
    "classes": (str, "texts"),
    "layers": (Layer, "layers"),
    "frame_times": (int, "whole numbers"),
    "splits": (str, "texts"),
}
"""What the sequences of an architecture consist of."""


@dataclass(frozen=True)
class Architecture:
    """Architecture of a network without its weights: layers over one input, each listed after its sources.

    `input_shape` excludes the batch dimension: (time, 1) for sequences, (y, x, frame) for 2-D and (y, x, frame, 1) for
    3-D fields; the first size is None for sequences of any length.
    `classes` are the names of the outputs, in order. `frame_times` are the times of the frames that the network sees,
    if the study's samples have frames. `splits` are the study's splits on which the network is trained and validated by
    default. Lists become tuples and NumPy's numbers Python's, as in a network that was saved and loaded.

    Raises:
        InputError: if one of these is of another type.
    """

    name: str
    study: str
    input_shape: tuple[int | None, ...]
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    frame_times: tuple[int, ...] | None = None
    splits: tuple[str, str] = ("train", "val")

    def __post_init__(self) -> None:
        for name, (of, expected) in _MEMBERS.items():
            found = _plain(getattr(self, name))
            if name == "frame_times" and found is None:
                continue
            if isinstance(found, tuple):  # times may be whole floats, such as those of np.linspace
                found = tuple(int(one) if isinstance(one, float) and one.is_integer() else one for one in found)
            if not isinstance(found, tuple) or not all(isinstance(one, of) for one in found):
                raise InputError(f"network {self.name} has {name} = {found!r}; expected {expected} in a tuple")
            object.__setattr__(self, name, found)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample, if it is fixed.

        Raises:
            InputError: if the network takes samples of any length.
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
        """Whether the outputs are logits; otherwise they are probabilities. Raises as `check_outputs`."""
        self.check_outputs()
        return self.layers[-1].options.get("activation", "linear") == "linear"

    def check_outputs(self) -> None:
        """Check that the outputs are logits or probabilities.

        Raises:
            InputError: if there are no layers, or the last one returns neither.
        """
        if not self.layers:
            raise InputError(f"network {self.name} has no layers; {_ENDING}")
        last = self.layers[-1]
        if not last.kind.startswith(("Activation", "Conv", "Dense")):
            raise InputError(f"network {self.name} ends in a layer {last.kind}; {_ENDING}")
        activation = last.options.get("activation", "linear")
        if activation not in ("linear", "softmax"):
            raise InputError(f"network {self.name} ends with the activation {activation}; {_ENDING}")


def inputs_of(architecture: Architecture) -> dict[str, tuple[str, ...]]:
    """For each layer, by name, the names of the layers whose outputs it takes; "input" is the network's input."""
    return {layer.name: layer.sources for layer in without(architecture.layers, ())}


def without(layers: Iterable[Layer], dropped: Container[str]) -> list[Layer]:
    """The layers except those named in `dropped`, each of which has one source: its users take that instead.

    The sources of the other layers become explicit; "input" is the network's input.
    """
    before, kept = "input", []
    instead: dict[str, str] = {}
    for layer in layers:
        sources = tuple(instead.get(name, name) for name in layer.sources or (before,))
        before = layer.name
        if layer.name in dropped:
            (instead[layer.name],) = sources
        else:
            kept.append(replace(layer, sources=sources))
    return kept


def weight_names(architecture: Architecture) -> tuple[str, ...]:
    """Names of a network's weights, "layer/0", "layer/1", …: per layer in the order of Keras's `get_weights()`."""
    return tuple(name for layer in architecture.layers for name in weights_of(layer).values())


def weights_of(layer: Layer) -> dict[str, str]:
    """Names of a layer's weights by role: kernel and bias, or for a normalisation scale, shift, mean and variance."""
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
