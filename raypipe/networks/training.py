"""How a network is trained, as plain values."""

from dataclasses import dataclass, replace
from typing import Literal

from raypipe import study
from raypipe.errors import InputError
from raypipe.networks.architecture import Architecture


@dataclass(frozen=True)
class Training:
    """How a network is trained; with the data, everything that its weights depend on.

    `rate` is Adam's learning rate, at the beginning if `decay` is "cosine": then it falls along half a period of the
    cosine (Loshchilov and Hutter, ICLR 2017), some ten thousand trajectories at a time. `batch` is the samples per
    step, `augmented` whether each pattern is seen in another random variant every epoch, `seed` that of the first
    weights, of the order of samples, of dropout and of the variants. With one processor the same training gives the
    same weights, bit for bit.
    """

    loss: Literal["mean_squared_error", "sparse_categorical_crossentropy"]
    rate: float
    batch: int
    epochs: int
    augmented: bool = False
    seed: int = 1
    decay: Literal["none", "cosine"] = "none"

    def __post_init__(self) -> None:
        for name, least in {"batch": 1, "epochs": 1, "seed": 0}.items():
            if (found := getattr(self, name)) < least:
                raise InputError(f"{name} is {found}; expected {least} or more")


def training(
    architecture: Architecture, *, epochs: int | None = None, batch: int | None = None, seed: int = 1
) -> Training:
    """How to train an architecture: as its study does, but for what is given.

    Raises:
        InputError: if `epochs` or `batch` is below 1 or `seed` negative.
    """
    usual = Training(**study.find(architecture.study).training(architecture), seed=seed)
    return replace(
        usual,
        epochs=usual.epochs if epochs is None else epochs,
        batch=usual.batch if batch is None else batch,
    )
