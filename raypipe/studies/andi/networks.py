"""Networks that classify trajectories: the grid, the network that the study trained, and one beyond the study.

The architectures are those of the sequel to Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306, on the
trajectories of the AnDi challenge, Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021).

The grid: thirty words of one to four blocks and six kernel sizes give 180 names, see `raypipe.networks.grid`. A network
cannot be built if the trajectory becomes shorter than the next kernel.
"""

from raypipe.networks.architecture import Architecture, Kind, Layer, stack
from raypipe.networks.grid import Grid, head
from raypipe.studies.andi import diffusion

GRID = Grid(
    study="andi",
    input_shape=(diffusion.TRAJECTORY_LENGTH, 1),
    classes=diffusion.ANDI_MODELS,
    blocks=("123", "132"),
    depths=(1, 2, 3, 4),
    kernel_sizes=(2, 4, 6, 10, 16, 32),
)
"""The grid of trajectories: 164 of its networks can be built."""


def _andi_study() -> Architecture:
    """The network that the study trained on trajectories, with the same head as in the grid: 18 465 parameters."""
    return Architecture(
        name="andi-study",
        study="andi",
        input_shape=(diffusion.TRAJECTORY_LENGTH, 1),
        classes=diffusion.ANDI_MODELS,
        layers=stack(
            ("Conv1D", {"filters": 16, "kernel_size": 10, "activation": "relu"}),
            ("BatchNormalization", {}),
            ("MaxPooling1D", {"pool_size": 4}),
            ("Conv1D", {"filters": 32, "kernel_size": 4, "activation": "relu"}),
            ("BatchNormalization", {}),
            ("MaxPooling1D", {"pool_size": 2}),
            ("Conv1D", {"filters": 64, "kernel_size": 4, "activation": "relu"}),
            ("BatchNormalization", {}),
            ("MaxPooling1D", {"pool_size": 2}),
            *head(1, len(diffusion.ANDI_MODELS)),
        ),
    )


def _andi_residual() -> Architecture:
    """A network beyond the study's: residual blocks (He et al., CVPR 2016) at four time resolutions.

    Besides the standardised positions, the network sees the displacements, standardised separately: the ratio of the
    size of a step to that of the whole trajectory differs a hundredfold between the models. Convolutions keep the
    length, so that a shortcut can bypass each pair of them; in a block that adds filters, the shortcut is a convolution
    of kernel size 1. The five time steps left at the end are flattened rather than pooled, because in models that age
    it matters when things happen.
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
    # Normalised over time. Epsilon is small because a superdiffusive trajectory's displacements are a hundredth of its
    # extent.
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


NETWORKS = (_andi_study(), _andi_residual())
"""The networks outside the grid."""
