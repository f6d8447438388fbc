"""Networks of trajectories: the grid, the one that the study trained, and one beyond it.

The architectures are those of the sequel of Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306, on the
trajectories of the AnDi challenge, Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021).

The grid: a name such as 123132-16 is a word and a kernel size. The word is made of one to four blocks, each 123 or 132,
its digits are layers: 1 a convolution of 16 filters, 2 a maximum pooling by 2, 3 a batch normalisation. Thirty words
and six kernel sizes make 180 names; where the trajectory gets shorter than the next kernel the network cannot be built.
"""

from functools import cache
from itertools import product

from raypipe.networks.architecture import Architecture, Kind, Layer, Options, stack
from raypipe.studies.andi import diffusion

KERNEL_SIZES = (2, 4, 6, 10, 16, 32)
"""Kernel sizes of the grid, in time steps."""

WORDS = tuple("".join(blocks) for depth in (1, 2, 3, 4) for blocks in product(("123", "132"), repeat=depth))
"""The thirty words of the grid, from one block to four."""


@cache
def andi_grid() -> tuple[Architecture, ...]:
    """The 164 networks of the grid that can be built: by word, then by kernel size."""
    return tuple(_grid_network(name, *_parse(name)) for name in _grid_names() if not _obstacle(*_parse(name)))


def unbuildable() -> dict[str, str]:
    """Name of each of the 16 networks of the grid that cannot be built, with the reason and what to do."""
    return {name: reason for name in _grid_names() if (reason := _obstacle(*_parse(name)))}


@cache
def _grid_names() -> tuple[str, ...]:
    return tuple(f"{word}-{kernel}" for word in WORDS for kernel in KERNEL_SIZES)


def _parse(name: str) -> tuple[str, int]:
    word, kernel = name.split("-")
    return word, int(kernel)


def _obstacle(word: str, kernel: int) -> str | None:
    """Why a network of the grid cannot be built; None if it can."""
    length = diffusion.TRAJECTORY_LENGTH
    for position, digit in enumerate(word, start=1):
        if digit == "1" and length < kernel:
            return (
                f"at layer {position} of {word} {length} time steps are left for a kernel of {kernel}; choose "
                "a smaller kernel or fewer blocks"
            )
        if digit == "1":
            length += 1 - kernel
        if digit == "2":
            length //= 2
    return None


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
    append("Dense", "classes", units=len(diffusion.ANDI_MODELS), activation="softmax")
    return Architecture(
        name="andi-residual",
        study="andi",
        input_shape=(diffusion.TRAJECTORY_LENGTH, 1),
        classes=diffusion.ANDI_MODELS,
        layers=tuple(layers),
        splits=("train-challenge", "val-challenge"),
    )


def _trajectory_network(name: str, *features: tuple[Kind, Options]) -> Architecture:
    """Feature layers and the head that all trajectory networks share; the first Dense acts on each time step."""
    return Architecture(
        name=name,
        study="andi",
        input_shape=(diffusion.TRAJECTORY_LENGTH, 1),
        classes=diffusion.ANDI_MODELS,
        layers=stack(
            *features,
            ("Dense", {"units": 50, "activation": "relu"}),
            ("Dropout", {"rate": 0.25}),
            ("Flatten", {}),
            ("Dense", {"units": len(diffusion.ANDI_MODELS), "activation": "softmax"}),
        ),
    )


_OWN = (_andi_study(), _andi_residual())

NETWORKS = (*_OWN, *andi_grid())

UNBUILDABLE = unbuildable()

NAMES = (
    f"{', '.join(one.name for one in _OWN)}, or a word of one to four blocks 123 or 132 and a kernel size of "
    f"{', '.join(map(str, KERNEL_SIZES))}, such as 123132-16"
)
"""What a network may be called, for messages."""
