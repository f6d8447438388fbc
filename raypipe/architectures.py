"""Which networks exist and which of them can be built, as plain data; Keras is not needed to ask.

The architectures are those of Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306 (patterns), and of its
sequel on the trajectories of the AnDi challenge, Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021).

The grid of trajectory networks: a name such as 123132-16 is a word and a kernel size. The word is made of one to
four blocks, each 123 or 132, its digits are layers: 1 a convolution of 16 filters, 2 a maximum pooling by 2, 3 a
batch normalisation. Thirty words and six kernel sizes make 180 names; where the trajectory gets shorter than the
next kernel the network cannot be built.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

from raypipe import spaces
from raypipe.errors import InputError

Kind = Literal[
    "BatchNormalization", "Conv1D", "Conv2D", "Conv3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "AveragePooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "Dense", "Dropout", "Flatten",
    "Activation", "Add", "Subtract", "Concatenate", "Cropping1D", "ZeroPadding1D", "LayerNormalization",
]  # fmt: skip

KERNEL_SIZES = (2, 4, 6, 10, 16, 32)
"""Kernel sizes of the grid, in time steps."""

WORDS = tuple("".join(blocks) for depth in (1, 2, 3, 4) for blocks in product(("123", "132"), repeat=depth))
"""The thirty words of the grid, from one block to four."""

PATTERN_SIZE = 128
"""Grid points of a pattern along each side."""


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

    `input_shape` without the batch: (320, 1) for trajectories, (y, x, frame) for 2-D and (y, x, frame, 1) for 3-D
    patterns. `classes` are the names of the outputs, in their order. `frame_times` are the times of the frames that
    a pattern network sees; None for trajectories. `splits` are those of its study on which it is usually trained and
    validated.
    """

    name: str
    study: Literal["andi", "gray_scott"]
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    frame_times: tuple[int, ...] | None = None
    splits: tuple[str, str] = ("train", "val")

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


def architecture(name: str) -> Architecture:
    """The architecture called `name`.

    Names: the 164 of the grid, such as "123-2"; "andi-study" and "andi-residual"; "pattern-2d",
    "pattern-2d-second" and "pattern-3d".

    Raises:
        InputError: if there is none of that name, or it cannot be built; the message has the reason.
    """
    if name in _STUDY:
        return _STUDY[name]()
    if name not in _grid_names():
        raise InputError(
            f"unknown network {name!r}; expected one of {', '.join(_STUDY)}, or a word of one to four blocks 123 or "
            f"132 and a kernel size of {', '.join(map(str, KERNEL_SIZES))}, such as 123132-16"
        )
    word, kernel = _parse(name)
    if reason := _obstacle(word, kernel):
        raise InputError(f"network {name} cannot be built: {reason}; choose a smaller kernel or fewer blocks")
    return _grid_network(name, word, kernel)


@cache
def andi_grid() -> tuple[Architecture, ...]:
    """The 164 networks of the grid that can be built: by word, then by kernel size."""
    return tuple(architecture(name) for name in _grid_names() if not _obstacle(*_parse(name)))


def unbuildable() -> dict[str, str]:
    """Name and reason of each of the 16 networks of the grid that cannot be built."""
    return {name: reason for name in _grid_names() if (reason := _obstacle(*_parse(name)))}


@cache
def _grid_names() -> tuple[str, ...]:
    return tuple(f"{word}-{kernel}" for word in WORDS for kernel in KERNEL_SIZES)


def _parse(name: str) -> tuple[str, int]:
    word, kernel = name.split("-")
    return word, int(kernel)


def _obstacle(word: str, kernel: int) -> str | None:
    """Why a network of the grid cannot be built; None if it can."""
    length = spaces.TRAJECTORY_LENGTH
    for position, digit in enumerate(word, start=1):
        if digit == "1" and length < kernel:
            return f"at layer {position} of {word} {length} time steps are left for a kernel of {kernel}"
        if digit == "1":
            length += 1 - kernel
        if digit == "2":
            length //= 2
    return None


def _stack(*layers: tuple[Kind, Options]) -> tuple[Layer, ...]:
    """Name each layer after its kind and its position, which keeps names unique."""
    return tuple(Layer(kind, f"{kind.lower()}_{i}", options) for i, (kind, options) in enumerate(layers, start=1))


def _grid_network(name: str, word: str, kernel: int) -> Architecture:
    block: dict[str, tuple[Kind, Options]] = {
        "1": ("Conv1D", {"filters": 16, "kernel_size": kernel, "activation": "relu"}),
        "2": ("MaxPooling1D", {"pool_size": 2}),
        "3": ("BatchNormalization", {}),
    }
    return _trajectory_network(name, *(block[digit] for digit in word))


def _andi_study() -> Architecture:
    """The one network that the study trained on trajectories: 18 465 parameters."""
    return _trajectory_network(
        "andi-study",
        ("Conv1D", {"filters": 16, "kernel_size": 10, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("MaxPooling1D", {"pool_size": 4}),
        ("Conv1D", {"filters": 32, "kernel_size": 4, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("MaxPooling1D", {"pool_size": 2}),
        ("Conv1D", {"filters": 64, "kernel_size": 4, "activation": "relu"}),
        ("BatchNormalization", {}),
        ("MaxPooling1D", {"pool_size": 2}),
    )


def _andi_residual() -> Architecture:
    """A network beyond the study's: residual blocks (He et al., CVPR 2016) at four time resolutions.

    Beside the standardised positions it sees the displacements, standardised by themselves: the size of the steps
    against that of the whole trajectory differs a hundredfold between the models. Its convolutions keep the length, so
    that a sum can go round each pair of them; a block that widens goes round through a convolution of kernel size 1.
    What is left of the time axis at the end, five steps, is kept: the models that age differ in when things happen.
    """
    layers: list[Layer] = []

    def append(kind: Kind, name: str, *sources: str, **options: int | float | str | tuple[int, ...]) -> str:
        layers.append(Layer(kind, name, dict(options), sources))
        return name

    def convolution(name: str, source: str, filters: int, kernel_size: int) -> str:
        append("Conv1D", name, source, filters=filters, kernel_size=kernel_size, padding="same", use_bias=False)
        return append("BatchNormalization", f"{name}_normalised")

    def relu(name: str) -> str:
        return append("Activation", name, activation="relu")

    after = append("Cropping1D", "after", "input", cropping=(1, 0))
    before = append("Cropping1D", "before", "input", cropping=(0, 1))
    append("Subtract", "displacements", after, before)
    # Over time; of a superdiffusive trajectory a displacement is a hundredth of its extent.
    append("LayerNormalization", "displacements_standardised", axis=1, epsilon=1e-6, center=False, scale=False)
    displacements = append("ZeroPadding1D", "displacements_padded", padding=(1, 0))
    both = append("Concatenate", "both", "input", displacements)
    convolution("stem", both, 32, 7)
    relu("stem_active")
    seen, width = append("MaxPooling1D", "stem_pooled", pool_size=2), 32
    for number, filters in enumerate((48, 64, 96, 128), start=1):
        block = f"block_{number}"
        convolution(f"{block}_first", seen, filters, 5)
        second = convolution(f"{block}_second", relu(f"{block}_first_active"), filters, 5)
        shortcut = seen if filters == width else convolution(f"{block}_shortcut", seen, filters, 1)
        append("Add", f"{block}_sum", second, shortcut)
        seen, width = relu(f"{block}_active"), filters
        if number < 4:
            seen = append("MaxPooling1D", f"{block}_pooled", pool_size=2)
    append("AveragePooling1D", "average", pool_size=4)
    append("Flatten", "flat")
    append("Dropout", "flat_dropout", rate=0.25)
    append("Dense", "hidden", units=128, activation="relu")
    append("Dropout", "hidden_dropout", rate=0.25)
    append("Dense", "classes", units=len(spaces.ANDI_MODELS), activation="softmax")
    return Architecture(
        name="andi-residual",
        study="andi",
        input_shape=(spaces.TRAJECTORY_LENGTH, 1),
        classes=spaces.ANDI_MODELS,
        layers=tuple(layers),
        splits=("train-challenge", "val-challenge"),
    )


def _trajectory_network(name: str, *features: tuple[Kind, Options]) -> Architecture:
    """Feature layers and the head that all trajectory networks share; the first Dense acts on each time step."""
    return Architecture(
        name=name,
        study="andi",
        input_shape=(spaces.TRAJECTORY_LENGTH, 1),
        classes=spaces.ANDI_MODELS,
        layers=_stack(
            *features,
            ("Dense", {"units": 50, "activation": "relu"}),
            ("Dropout", {"rate": 0.25}),
            ("Flatten", {}),
            ("Dense", {"units": len(spaces.ANDI_MODELS), "activation": "softmax"}),
        ),
    )


def _pattern_2d(name: str, classes: tuple[str, ...], splits: tuple[str, str]) -> Architecture:
    def convolution(filters: int, strides: int = 1) -> tuple[Kind, Options]:
        options: Options = {"filters": filters, "kernel_size": (3, 3), "strides": strides, "activation": "relu"}
        return "Conv2D", options

    return Architecture(
        name=name,
        study="gray_scott",
        input_shape=(PATTERN_SIZE, PATTERN_SIZE, len(spaces.FRAME_TIMES_2D)),
        classes=classes,
        frame_times=spaces.FRAME_TIMES_2D,
        splits=splits,
        layers=_stack(
            ("BatchNormalization", {}),
            convolution(32, strides=2),
            convolution(64),
            ("MaxPooling2D", {"pool_size": 2}),
            convolution(128),
            ("MaxPooling2D", {"pool_size": 2}),
            convolution(128),
            ("MaxPooling2D", {"pool_size": 2}),
            ("GlobalMaxPooling2D", {}),
            ("Dense", {"units": 256, "activation": "relu"}),
            ("Dropout", {"rate": 0.15}),
            ("Dense", {"units": len(classes), "activation": "linear"}),
        ),
    )


def _pattern_3d() -> Architecture:
    def convolution(filters: int, kernel: tuple[int, ...], strides: int = 1) -> tuple[Kind, Options]:
        options: Options = {"filters": filters, "kernel_size": kernel, "strides": strides, "activation": "relu"}
        return "Conv3D", options

    return Architecture(
        name="pattern-3d",
        study="gray_scott",
        input_shape=(PATTERN_SIZE, PATTERN_SIZE, len(spaces.FRAME_TIMES_3D), 1),
        classes=spaces.PATTERN_CLASSES,
        frame_times=spaces.FRAME_TIMES_3D,
        layers=_stack(
            ("BatchNormalization", {}),
            convolution(32, (3, 3, 2), strides=2),
            ("MaxPooling3D", {"pool_size": (2, 2, 2)}),
            convolution(64, (3, 3, 1)),
            ("MaxPooling3D", {"pool_size": (2, 2, 1)}),
            convolution(64, (3, 3, 1)),
            ("MaxPooling3D", {"pool_size": (2, 2, 1)}),
            ("GlobalMaxPooling3D", {}),
            ("Dense", {"units": 256, "activation": "relu"}),
            ("Dropout", {"rate": 0.10}),
            ("Dense", {"units": len(spaces.PATTERN_CLASSES), "activation": "softmax"}),
        ),
    )


_STUDY = {
    "andi-study": _andi_study,
    "andi-residual": _andi_residual,
    "pattern-2d": lambda: _pattern_2d("pattern-2d", spaces.PATTERN_CLASSES, ("train", "val")),
    "pattern-2d-second": lambda: _pattern_2d("pattern-2d-second", spaces.PATTERN_CLASSES_SECOND, ("train2", "val2")),
    "pattern-3d": _pattern_3d,
}
