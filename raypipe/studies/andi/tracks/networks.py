"""Networks that predict the model and the exponent of a track of any length, one for each number of dimensions.

Convolutions in residual blocks (He et al., CVPR 2016) see longer and longer parts of a track: at four resolutions, each
half of the previous one, and then with larger kernels. They are causal, so the number of zeros after the end of a track
does not affect what counts: means over windows of the track, see `seen`. To halve the resolution, pairs of times are
merged into one with the channels of both. There is no normalisation, so the outcome of a track does not depend on other
tracks. Instead, the last convolution of each block is initialised with zeros (Zhang et al., ICLR 2019).
"""

from raypipe.networks.architecture import FRESH, Architecture, Kind, Layer
from raypipe.studies.andi.tracks import outcomes, seen

_WIDTHS = (32, 64, 128, 128)
"""Filters at each resolution."""

_NARROW = (16, 32, 64, 64)
"""Filters of the networks that only recognise whether a track follows any of the models."""

_KERNELS = (3, 7, 7)
"""Kernel sizes of the further blocks at the last resolution."""


def _network(name: str, dimensions: int, classes: tuple[str, ...], widths: tuple[int, ...]) -> Architecture:
    """A network for tracks in this number of dimensions."""
    layers: list[Layer] = []

    def append(kind: Kind, name: str, *sources: str, **options: int | float | str | tuple[int, ...]) -> str:
        layers.append(Layer(kind, name, dict(options), sources))
        return name

    def convolution(name: str, source: str, filters: int, kernel_size: int, **options: int | str) -> str:
        usual = {"activation": "relu", "kernel_initializer": "he_normal", "padding": "causal"}
        return append("Conv1D", name, source, **{"filters": filters, "kernel_size": kernel_size, **usual, **options})

    def block(name: str, source: str, filters: int, kernel_size: int = 3) -> str:
        first = convolution(f"{name}_first", source, filters, kernel_size)
        zeros: dict[str, int | str] = {"activation": "linear", "kernel_initializer": "zeros"}
        second = convolution(f"{name}_second", first, filters, kernel_size, **zeros)
        append("Add", f"{name}_sum", source, second)
        return append("Activation", f"{name}_active", activation="relu")

    # Cropping1D crops the time axis, so channels and times are swapped to crop the channels.
    numbers = seen.channels(dimensions) - seen.WINDOWS
    turned = append("Permute", "turned", "input", dims=(2, 1))
    append("Cropping1D", "windows_turned", turned, cropping=(numbers, 0))
    append("Permute", "windows_of_all", dims=(2, 1))
    windows = append("AveragePooling1D", "windows", pool_size=1, strides=seen.STRIDE)
    append("Cropping1D", "track_turned", turned, cropping=(0, seen.WINDOWS))
    last = append("Permute", "track", dims=(2, 1))

    last = block("block_1", convolution("stem", last, widths[0], 5), widths[0])
    for number, filters in enumerate(widths[1:], start=2):
        shape = (-1, 2 * widths[number - 2])
        pairs = append("Reshape", f"pairs_{number}", last, target_shape=shape)
        last = block(f"block_{number}", convolution(f"half_{number}", pairs, filters, 2), filters)
    for number, kernel_size in enumerate(_KERNELS, start=len(widths) + 1):
        last = block(f"block_{number}", last, widths[-1], kernel_size)
    append("Dot", "means", last, windows, axes=(1, 1))
    append("Flatten", "flat")
    append("Dense", "hidden_1", units=2 * widths[-1], activation="relu")
    append("Dense", "hidden_2", units=widths[-1], activation="relu")
    append("Dense", "classes", units=len(classes), activation="linear")
    return Architecture(
        name=f"{name}-{dimensions}d",
        study="andi",
        input_shape=(None, seen.channels(dimensions)),
        classes=classes,
        layers=tuple(layers),
        splits=(FRESH, FRESH),
    )


NETWORKS = tuple(_network("tracks", dimensions, outcomes.CLASSES, _WIDTHS) for dimensions in (1, 2, 3))
"""By the number of dimensions: `tracks-1d` to `tracks-3d`."""

FAMILIAR = tuple(_network("familiar", dimensions, outcomes.FAMILIAR_CLASSES, _NARROW) for dimensions in (1, 2, 3))
"""Those that distinguish tracks of the five models from `strangers`: `familiar-1d` to `familiar-3d`."""
