"""Training one network epoch by epoch, in a form that can be put away and continued; no Ray, no files.

How the studies trained: Scholz and Scholz, arXiv:2110.07306, and for trajectories Adam with a rate of 0.001, mean
squared error on one-hot labels and 30 epochs.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from raypipe import networks
from raypipe.architectures import Architecture
from raypipe.augment import augment
from raypipe.errors import InputError
from raypipe.inputs import Samples

HISTORY = ("loss", "accuracy", "val_loss", "val_accuracy")
"""Figures of each epoch: of the training samples while the weights change, of the validation samples after it.

Beside them, "val_recall/<class>" for each class of which there are validation samples."""

_VALIDATION_BATCH = 256

_CALL_BYTES = 2**25
"""How many bytes of inputs TensorFlow is given at once for training, if a single batch is not more."""


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
    augmented: bool
    seed: int
    decay: Literal["none", "cosine"] = "none"

    def __post_init__(self) -> None:
        for name, least in {"batch": 1, "epochs": 1, "seed": 0}.items():
            if (found := getattr(self, name)) < least:
                raise InputError(f"{name} is {found}; expected {least} or more")


_USUAL = {
    "andi": Training("mean_squared_error", rate=0.001, batch=64, epochs=30, augmented=False, seed=1),
    "gray_scott": Training(
        "sparse_categorical_crossentropy", rate=0.001, batch=128, epochs=600, augmented=True, seed=1
    ),
    "andi-residual": Training(
        "sparse_categorical_crossentropy", 0.002, batch=128, epochs=5, augmented=False, seed=1, decay="cosine"
    ),
}
"""How the networks of each study are trained, and those that have a way of their own.

The batch of trajectories, which the study does not tell, is 64: half the time of Keras's 32 per epoch on the small
networks of the grid, and twice the steps of 128."""


def training(
    architecture: Architecture, *, epochs: int | None = None, batch: int | None = None, seed: int = 1
) -> Training:
    """How to train an architecture: as the study did if it is one of its own, but for what is given.

    Raises:
        InputError: if `epochs` or `batch` is below 1 or `seed` negative.
    """
    usual = _USUAL.get(architecture.name) or _USUAL[architecture.study]
    return replace(
        usual,
        epochs=usual.epochs if epochs is None else epochs,
        batch=usual.batch if batch is None else batch,
        seed=seed,
    )


class Fit:
    """A network in training.

    Attributes:
        history: the figures of HISTORY, one value per epoch so far.
        seconds: time spent in epochs so far.
    """

    def __init__(self, architecture: Architecture, training: Training) -> None:
        """Begin with fresh weights, drawn from the training's seed."""
        from tensorflow import keras

        keras.utils.clear_session()
        keras.utils.set_random_seed(training.seed)
        self._training = training
        self._classes = architecture.classes
        self._model = networks.build(architecture)
        losses = {
            "mean_squared_error": keras.losses.MeanSquaredError(),
            "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy(
                from_logits=architecture.returns_logits
            ),
        }
        self._loss = losses[training.loss]
        self._optimizer = keras.optimizers.Adam(training.rate)
        self._optimizer.build(self._model.trainable_variables)
        self._learn = _learner(self._model, self._optimizer, self._loss)
        self.history: dict[str, list[float]] = {name: [] for name in HISTORY}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])

    def epoch_in_parts(self, train: Samples, validation: Samples) -> Iterator[float]:
        """See every training sample once, then measure on the validation samples.

        Yields after each part the share of the training samples seen so far. The epoch counts, in `epoch` and
        `history`, when the iterator is exhausted.
        """
        began = time.perf_counter()
        batch = self._training.batch
        # A generator of its own for each epoch: a continued training sees what an uninterrupted one sees.
        random = np.random.default_rng((self._training.seed, self.epoch))
        order = random.permutation(len(train.labels))
        # Whole batches, as many as the memory of a call may hold.
        members_per_call = max(1, _CALL_BYTES // (batch * train.inputs[0].nbytes)) * batch
        totals = np.zeros(2)
        for start in range(0, len(order), members_per_call):
            members = order[start : start + members_per_call]
            if self._training.decay == "cosine":
                done = (self.epoch + start / len(order)) / self._training.epochs
                self._optimizer.learning_rate.assign(self._training.rate * (1 + math.cos(math.pi * done)) / 2)
            inputs = train.inputs[members]
            if self._training.augmented:
                inputs = augment(inputs, random)
            labels = train.labels[members]
            totals += [float(total) for total in self._learn(inputs, self._targets(labels), labels, batch)]
            yield (start + len(members)) / len(order)
        loss, accuracy = (totals / len(order)).tolist()
        for name, value in {"loss": loss, "accuracy": accuracy, **self._validated(validation)}.items():
            self.history.setdefault(name, []).append(value)
        self.seconds += time.perf_counter() - began

    def _validated(self, samples: Samples) -> dict[str, float]:
        """Loss, accuracy and the recall of each class."""
        starts = range(0, len(samples.labels), _VALIDATION_BATCH)
        outputs = np.concatenate(
            [self._model.predict_on_batch(samples.inputs[start : start + _VALIDATION_BATCH]) for start in starts]
        )
        right = outputs.argmax(axis=-1) == samples.labels
        return {
            "val_loss": float(self._loss(self._targets(samples.labels), outputs)),
            "val_accuracy": float(right.mean()),
            **{
                f"val_recall/{name}": float(right[samples.labels == label].mean())
                for label, name in enumerate(self._classes)
                if np.any(samples.labels == label)
            },
        }

    def _targets(self, labels: np.ndarray) -> np.ndarray:
        one_hot: np.ndarray = np.eye(self._model.output_shape[-1], dtype="float32")
        return one_hot[labels] if self._training.loss == "mean_squared_error" else labels

    def state(self) -> dict[str, np.ndarray]:
        """Everything that changes in training, as arrays: "weights/…", "optimizer/…" and "random/…"."""
        return {
            **{f"weights/{name}": array for name, array in networks.weights(self._model).items()},
            **{f"optimizer/{i}": value.numpy() for i, value in enumerate(self._optimizer.variables)},
            **{f"random/{i}": value.numpy() for i, value in enumerate(self._random_states())},
        }

    def restore(self, state: dict[str, np.ndarray], history: dict[str, list[float]], seconds: float) -> None:
        """Continue from where a Fit of the same architecture and training was when it gave these."""
        networks.set_weights(self._model, weights_of(state))
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])
        for i, variable in enumerate(self._random_states()):
            variable.assign(state[f"random/{i}"])
        self.history = {name: list(values) for name, values in history.items()}
        self.seconds = seconds

    def _random_states(self) -> list[Any]:
        """States of the generators of dropout: the variables of a Keras 3 model that are no weights."""
        known = {id(variable) for variable in self._model.weights}
        return [variable for variable in self._model.variables if id(variable) not in known]


def _learner(model: Any, optimizer: Any, loss: Any) -> Any:
    """A function that makes a step of the optimizer for each batch of what it is given, without leaving TensorFlow.

    Keras's `train_on_batch` takes some milliseconds around each step, as long as a small network's step itself.
    It returns the sum over samples of the loss, and the number of those classified correctly, before each step.
    """
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def learn(inputs: Any, targets: Any, labels: Any, batch: Any) -> Any:
        total, right = tf.constant(0.0), tf.constant(0, tf.int64)
        for start in tf.range(0, tf.shape(inputs)[0], batch):
            end = start + batch
            with tf.GradientTape() as tape:
                outputs = model(inputs[start:end], training=True)
                mean = loss(targets[start:end], outputs)
            optimizer.apply(tape.gradient(mean, model.trainable_variables), model.trainable_variables)
            hits = tf.equal(tf.argmax(outputs, axis=-1), labels[start:end])
            total += mean * tf.cast(tf.size(hits), tf.float32)
            right += tf.math.count_nonzero(hits)
        return total, right

    return lambda inputs, targets, labels, batch: learn(
        tf.constant(inputs), tf.constant(targets), tf.constant(labels), tf.constant(batch)
    )


def weights_of(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights in a state of `Fit`, named as in `networks.weights`."""
    return {name.removeprefix("weights/"): array for name, array in state.items() if name.startswith("weights/")}
