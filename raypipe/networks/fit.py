"""Train one network epoch by epoch, with a state that can be saved and resumed; no Ray, no files."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from raypipe import study
from raypipe.networks import keras_model
from raypipe.networks.architecture import Architecture
from raypipe.networks.classify import batch_of
from raypipe.networks.inputs import Fresh, Samples
from raypipe.networks.training import Training

HISTORY = ("loss", "accuracy", "val_loss", "val_accuracy")
"""Metrics of each epoch: on the training samples while the weights change, then on the validation samples.

There is also "val_recall/<class>" for each class of the validation samples, or "val_<name>" for each metric of the
study's own, see `Study.measures`.
"""

_VALIDATION_BATCH = 256
"""Sequences per batch in a validation; for fields it is the batch size of `classify`."""

_CALL_BYTES = 2**25
"""Maximum bytes of inputs per call of TensorFlow in training, unless a single batch has more."""


class Fit:
    """A network in training.

    Attributes:
        history: the metrics of HISTORY, one value per completed epoch.
        seconds: time spent in epochs so far.
    """

    def __init__(self, architecture: Architecture, training: Training) -> None:
        """Start with initial weights drawn from the training's seed."""
        from tensorflow import keras

        keras.utils.clear_session()
        keras.utils.set_random_seed(training.seed)
        self._training = training
        self._augment = _augmentation(architecture, training.augmented) if training.augmented else None
        self._classes = architecture.classes
        self._validated_at_once = _VALIDATION_BATCH if architecture.is_sequence else batch_of(architecture, 0)
        self._measures = study.find(architecture.study).measures(architecture)
        self._model = keras_model.build(architecture, bfloat16=training.precision == "bfloat16")
        losses = {
            "mean_squared_error": keras.losses.MeanSquaredError(),
            "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy(
                from_logits=architecture.returns_logits
            ),
        }
        self._loss = losses[training.loss]
        self._optimizer = keras.optimizers.Adam(training.rate, global_clipnorm=training.clip)
        self._optimizer.build(self._model.trainable_variables)
        self._learn = _learner(self._model, self._optimizer, self._loss)
        self.history: dict[str, list[float]] = {name: [] for name in HISTORY}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """Number of completed epochs."""
        return len(self.history["loss"])

    def epoch_in_parts(self, train: Samples | Fresh, validation: Samples | Fresh) -> Iterator[float]:
        """Train on every training sample once, then validate.

        Yields after each part the share of the training samples seen so far. The epoch is added to `epoch` and
        `history` when the iterator is exhausted.
        """
        began = time.perf_counter()
        batch, seen, totals = self._training.batch, 0, np.zeros(2)
        # A separate generator for each epoch, so that a resumed training sees the same samples as an uninterrupted one.
        random = np.random.default_rng((self._training.seed, self.epoch))
        for part in _ahead(self._varied(train.parts(random, batch, _CALL_BYTES), random)):
            done = (self.epoch + seen / train.count) / self._training.epochs
            self._optimizer.learning_rate.assign(self._training.rate_at(done))
            learnt = self._learn(part.inputs, self._targets(part.labels), part.labels, batch)
            totals += [float(total) for total in learnt]
            seen += part.count
            yield seen / train.count
        loss, accuracy = (totals / train.count).tolist()
        figures, done = {"loss": loss, "accuracy": accuracy, **self._validated(validation)}, self.epoch
        for name in {**self.history, **figures}:  # one value per epoch, NaN if not measured
            self.history.setdefault(name, [math.nan] * done).append(float(figures.get(name, math.nan)))
        self.seconds += time.perf_counter() - began

    def _varied(self, parts: Iterator[Samples], random: np.random.Generator) -> Iterator[Samples]:
        for part in parts:
            yield Samples(self._augment(part.inputs, random), part.labels) if self._augment else part

    def _validated(self, samples: Samples | Fresh) -> dict[str, float]:
        """Loss, accuracy, and the recall of each class or else the study's own metrics."""
        said = [
            (self._model.predict_on_batch(part.inputs), part.labels, np.full(part.count, part.inputs.shape[1]))
            for part in samples.parts(None, self._validated_at_once, 0)
        ]
        outputs, labels, sizes = (np.concatenate(some) for some in zip(*said, strict=True))
        right = outputs.argmax(axis=-1) == labels
        if self._measures:
            figures = {f"val_{name}": value for name, value in self._measures(outputs, labels, sizes).items()}
        else:
            figures = {
                f"val_recall/{name}": float(right[labels == label].mean())
                for label, name in enumerate(self._classes)
                if np.any(labels == label)
            }
        loss = float(self._loss(self._targets(labels), outputs))
        return {"val_loss": loss, "val_accuracy": float(right.mean()), **figures}

    def _targets(self, labels: np.ndarray) -> np.ndarray:
        one_hot: np.ndarray = np.eye(self._model.output_shape[-1], dtype="float32")
        return one_hot[labels] if self._training.loss == "mean_squared_error" else labels

    def is_finite(self) -> bool:
        """Whether all weights are finite: with ReLU, the loss may remain finite even if they are not."""
        return all(np.isfinite(array).all() for array in self._model.get_weights())

    def state(self) -> dict[str, np.ndarray]:
        """Everything that changes during training, as arrays: "weights/…", "optimizer/…" and "random/…"."""
        return {
            **{f"weights/{name}": array for name, array in keras_model.weights(self._model).items()},
            **{f"optimizer/{i}": value.numpy() for i, value in enumerate(self._optimizer.variables)},
            **{f"random/{i}": value.numpy() for i, value in enumerate(self._random_states())},
        }

    def restore(self, state: dict[str, np.ndarray], history: dict[str, list[float]], seconds: float) -> None:
        """Resume from the state, history and seconds of a Fit with the same architecture and training."""
        keras_model.set_weights(self._model, weights_of(state))
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])
        for i, variable in enumerate(self._random_states()):
            variable.assign(state[f"random/{i}"])
        self.history = {name: list(values) for name, values in history.items()}
        self.seconds = seconds

    def _random_states(self) -> list[Any]:
        """States of the dropout generators: the variables of a Keras 3 model that are not weights."""
        known = {id(variable) for variable in self._model.weights}
        return [variable for variable in self._model.variables if id(variable) not in known]


def _ahead(parts: Iterator[Samples]) -> Iterator[Samples]:
    """The same parts, each prepared in a thread while the network trains on the previous one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part


def _augmentation(
    architecture: Architecture, name: bool | str
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """One of the study's augmentations, by name; True stands for the first."""
    of = study.find(architecture.study)
    return of.augmentations[of.augmentation(None if name is True else str(name))]


def _learner(model: Any, optimizer: Any, loss: Any) -> Any:
    """Make a function that runs an optimizer step for each batch of its inputs, without leaving TensorFlow.

    Keras's `train_on_batch` has an overhead of some milliseconds per step, as long as the step of a small network
    takes. The function returns the loss summed over samples, and the number of samples classified correctly, each
    before the step.
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
    """The weights in a state of `Fit`, named as in `keras_model.weights`."""
    return {name.removeprefix("weights/"): array for name, array in state.items() if name.startswith("weights/")}
