"""Saliency of the pixels of a pattern for a network's decision: the gradient of the class score."""

from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe import store
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.artifact import Artifact
from raypipe.networks.relevance import without_softmax

BATCH = 16
"""Patterns differentiated at once: the 3-D network keeps about 10 MB for each."""


def saliency_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `saliency` and the fields (sample, y, x) of chosen patterns, these in the last frame.

    `parameters` has `network` and `source`; the columns are `origin`, the number of the pattern in the source, and
    `predicted`, the class whose score is differentiated.
    """
    trained = artifact.load(parameters["network"])
    source = store.open(parameters["source"])
    seen = inputs.seen(trained.architecture, source)
    saliency = saliency_map(trained)

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        patterns = inputs.values(trained.architecture, source, rows["origin"])
        values = inputs.network_input(trained.architecture, patterns)
        found = saliency(values, rows["predicted"])
        inputs.check_finite(f"saliencies by network {trained.name}", found, rows["origin"])
        return {"saliency": found, str(seen.name): patterns.reshape(*patterns.shape[:3], -1)[..., -1]}

    return compute


def saliency_map(trained: Artifact) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function from network inputs (n, y, x, …) and class numbers (n) to saliency (n, y, x), float32.

    The gradient of the score of the class, before the softmax, with respect to the input; its largest absolute
    value over frames and channels; scaled to [0, 1] for each pattern (zeros where nothing matters). Not blurred: the
    Gaussian of σ = 2 of the published pictures belongs to the drawing.
    """
    import tensorflow as tf

    model = keras_model.load(without_softmax(trained))

    def score_gradient(values: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            scores = tf.gather(model(values, training=False), classes, batch_dims=1)
        return tape.gradient(scores, values)

    shape = (None, *trained.architecture.input_shape)
    gradient = tf.function(
        score_gradient, input_signature=[tf.TensorSpec(shape, tf.float32), tf.TensorSpec([None], tf.int64)]
    )

    def saliency(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
        parts = [slice(start, start + BATCH) for start in range(0, len(values), BATCH)]
        gradients = np.concatenate([gradient(values[part], classes[part]).numpy() for part in parts])
        return scaled(np.abs(gradients).max(axis=tuple(range(3, gradients.ndim))))

    return saliency


def scaled(maps: np.ndarray) -> np.ndarray:
    """Each of the maps (n, y, x) moved and scaled to [0, 1]; a constant one becomes zeros."""
    lowest = maps.min(axis=(1, 2), keepdims=True)
    extent: np.ndarray = maps.max(axis=(1, 2), keepdims=True) - lowest
    return np.divide(maps - lowest, extent, out=np.zeros_like(maps), where=extent > 0)
