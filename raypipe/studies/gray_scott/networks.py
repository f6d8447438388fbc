"""Networks that classify patterns: those of Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306."""

from raypipe.networks.architecture import Architecture, Kind, Options, stack
from raypipe.studies.gray_scott import tables

PATTERN_SIZE = 128
"""Grid points of a pattern along each side."""


def _pattern_2d(name: str, classes: tuple[str, ...], splits: tuple[str, str]) -> Architecture:
    def convolution(filters: int, strides: int = 1) -> tuple[Kind, Options]:
        options: Options = {"filters": filters, "kernel_size": (3, 3), "strides": strides, "activation": "relu"}
        return "Conv2D", options

    return Architecture(
        name=name,
        study="gray_scott",
        input_shape=(PATTERN_SIZE, PATTERN_SIZE, len(tables.FRAME_TIMES_2D)),
        classes=classes,
        frame_times=tables.FRAME_TIMES_2D,
        splits=splits,
        layers=stack(
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
        input_shape=(PATTERN_SIZE, PATTERN_SIZE, len(tables.FRAME_TIMES_3D), 1),
        classes=tables.PATTERN_CLASSES,
        frame_times=tables.FRAME_TIMES_3D,
        layers=stack(
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
            ("Dense", {"units": len(tables.PATTERN_CLASSES), "activation": "softmax"}),
        ),
    )


NETWORKS = (
    _pattern_2d("pattern-2d", tables.PATTERN_CLASSES, ("train", "val")),
    _pattern_2d("pattern-2d-second", tables.PATTERN_CLASSES_SECOND, ("train2", "val2")),
    _pattern_3d(),
)
