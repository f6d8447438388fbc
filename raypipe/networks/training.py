"""Settings of a network's training, as plain values."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from raypipe import study
from raypipe.errors import InputError, choice
from raypipe.networks.architecture import Architecture

MOST_SEED = 2**32 - 1
"""Largest seed of NumPy's legacy generator, which Keras seeds too."""


PRECISIONS = ("float32", "bfloat16")
"""Precisions in which networks can be trained, the default first."""


@dataclass(frozen=True)
class Training:
    """How a network is trained; together with the data, this determines its weights.

    `rate` is Adam's learning rate, or its maximum if it changes: it rises from a tenth during the share `warmup` of all
    steps, then falls along half a period of a cosine if `decay` is "cosine" (Loshchilov and Hutter, ICLR 2017). It is
    updated with each call of TensorFlow, about every ten thousand trajectories or 160 patterns. `batch` is the number
    of samples per step. `augmented` is whether each sample is seen in another random variant every epoch: by the
    study's augmentation of that name, or by its first one if True. `seed` determines the initial weights, the order of
    samples, dropout and the variants. With one CPU core, the same training gives the same weights, bit for bit.
    `precision` is that of the arithmetic of all layers except normalisations and the last one, None for float32;
    weights are float32. `clip` is the maximum norm of all gradients together: longer ones are scaled down to it; None
    for no limit.
    """

    loss: Literal["mean_squared_error", "sparse_categorical_crossentropy"]
    rate: float
    batch: int
    epochs: int
    augmented: bool | str = False
    seed: int = 1
    decay: Literal["none", "cosine"] = "none"
    warmup: float | None = None
    precision: Literal["bfloat16"] | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            if isinstance(given, np.generic):  # JSON has none of NumPy's numbers
                object.__setattr__(self, name, given.item())
        for name, least in {"batch": 1, "epochs": 1, "seed": 0}.items():
            if (found := getattr(self, name)) < least:
                raise InputError(f"{name} is {found}; expected {least} or more")
        if self.seed > MOST_SEED:
            raise InputError(f"seed is {self.seed}; expected 0 to {MOST_SEED}")
        if not 0 < self.rate < math.inf:
            raise InputError(f"rate is {self.rate}; expected a learning rate above 0")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise InputError(f"clip is {self.clip}; expected a norm above 0")
        if not 0 <= (self.warmup or 0) < 1:
            raise InputError(f"warmup is {self.warmup}; expected 0 or more and below 1, a share of all steps")

    def rate_at(self, done: float) -> float:
        """Learning rate after the share `done` of all steps, from 0 to 1."""
        warmup = self.warmup or 0.0
        if done < warmup:
            return self.rate * (0.1 + 0.9 * done / warmup)
        if self.decay == "cosine":
            return self.rate * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2
        return self.rate

    def document(self) -> dict[str, Any]:
        """As JSON values without None, so that settings added later do not change trainings that do not use them."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def training(
    architecture: Architecture,
    *,
    epochs: int | None = None,
    batch: int | None = None,
    rate: float | None = None,
    seed: int = 1,
    recipe: str | None = None,
    augmentation: str | None = None,
    precision: str | None = None,
) -> Training:
    """How to train an architecture: the study's defaults, overridden by the arguments.

    `recipe` is one of the study's alternative recipes, None for the default; `augmentation` is one of the study's, or
    "none", None for that of the recipe; `precision` is float32, the same as None, or bfloat16.

    Raises:
        InputError: if `epochs` or `batch` is below 1, `rate` not above 0, `seed` out of range, there is no such
            precision, or the study has no such recipe or augmentation.
    """
    of = study.find(architecture.study)
    arguments = dict(of.training(architecture))
    recipes = arguments.pop("recipes", {})
    if recipe is not None:
        if not recipes:
            raise InputError(f"recipe {recipe!r} for {architecture.name}, which has only one; leave it out")
        arguments |= recipes[choice("recipe", recipe, tuple(recipes))]
    if augmentation is not None:
        chosen = choice("augmentation", augmentation, (*of.augmentations, "none"))
        arguments["augmented"] = False if chosen == "none" else chosen
    if precision is not None and choice("precision", precision, PRECISIONS) != PRECISIONS[0]:
        arguments["precision"] = precision
    usual = Training(**arguments, seed=seed)
    return replace(
        usual,
        epochs=usual.epochs if epochs is None else epochs,
        batch=usual.batch if batch is None else batch,
        rate=usual.rate if rate is None else rate,
    )
