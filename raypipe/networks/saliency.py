"""Saliency of the points of a field for a network's prediction: by the gradient of the class score, or by relevance.

The gradient is that of Simonyan et al., arXiv:1312.6034; SmoothGrad, its mean over noisy copies of the field, is that
of Smilkov et al., arXiv:1706.03825; layer-wise relevance propagation is in `propagation`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe import store
from raypipe.networks import artifact, inputs, keras_model, propagation
from raypipe.networks.artifact import Artifact
from raypipe.networks.classify import batch_of
from raypipe.networks.relevance import changed, without_softmax

METHODS: dict[str, dict[str, float]] = {
    "gradient": {},
    "smoothgrad": {"copies": 50, "noise": 0.15, "seed": 0},
    "lrp": {"epsilon": 1e-6},
    "lrp-epsilon": {"epsilon": 1e-2},
}
"""Methods for the saliency of fields, with their settings: `noise` is the standard deviation of the noise relative
to the range of the field's values, `epsilon` that of the ε rule. In "lrp", only dense layers have the ε rule:
convolutions have the z⁺ rule, the first one the flat rule."""

WITH_SCORE = ("lrp", "lrp-epsilon")
"""Methods that distribute the class score over the points: their maps have a sign and a sum."""

BATCH = 16
"""Patterns per batch for gradients: the 3-D network needs about 10 MB for each."""


def saliency_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `saliency` and the last frame of the fields (sample, y, x) of selected patterns.

    Methods WITH_SCORE also return `relevance` (sample, y, x), the sum over frames and channels, and `score` (sample);
    their saliency is the positive relevance, the evidence for the class, scaled in the same way.

    `parameters` has `network`, `network_sha256`, `source`, `method` and `settings`, and, if a modified network is
    explained, `control` and `control_settings`. The columns are `origin`, the number of the pattern in the source, and
    `predicted`, the class whose score is explained.
    """
    trained = artifact.load(parameters["network"], parameters["network_sha256"])
    source = store.open(parameters["source"])
    trained = replace(trained, architecture=inputs.fitted(trained.architecture, source))
    seen = inputs.seen(trained.architecture, source)
    if "control" in parameters:
        trained = changed(trained, parameters["control"], **parameters["control_settings"])
    explained = _explainer(trained, parameters["method"], parameters["settings"])

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        patterns = inputs.values(trained.architecture, source, rows["origin"])
        values = inputs.network_input(trained.architecture, patterns)
        found = explained(values, rows["predicted"], rows["origin"])
        for what, array in found.items():
            inputs.check_finite(f"{what} by network {trained.name}", array, rows["origin"])
        return {**found, str(seen.name): patterns.reshape(*patterns.shape[:3], -1)[..., -1]}

    return compute


def _explainer(trained: Artifact, method: str, settings: dict[str, Any]) -> Callable[..., dict[str, np.ndarray]]:
    """A function from network inputs, class numbers and sample numbers in the split to the variables to store."""
    if method == "gradient":
        plain = saliency_map(trained)
        return lambda values, classes, _: {"saliency": plain(values, classes)}
    if method == "smoothgrad":
        smooth = smooth_saliency_map(trained, **settings)
        return lambda values, classes, numbers: {"saliency": smooth(values, classes, numbers)}
    propagate = propagation.propagation(trained, epsilon=settings["epsilon"], composite=method == "lrp")

    def relevance(values: np.ndarray, classes: np.ndarray, _: np.ndarray) -> dict[str, np.ndarray]:
        found, score = propagate(values, classes)
        summed = found.sum(axis=tuple(range(3, found.ndim)))
        return {"saliency": scaled(np.maximum(summed, 0)), "relevance": summed, "score": score}

    return relevance


def saliency_map(trained: Artifact) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function from network inputs (n, y, x, …) and class numbers (n) to saliency (n, y, x), float32.

    Saliency is the gradient of the score of the class, before the softmax, with respect to the input: its largest
    absolute value over frames and channels, scaled to [0, 1] for each pattern (zeros if it is constant). It is not
    blurred: the Gaussian of σ = 2 in the published pictures is applied when drawing.
    """
    gradient = score_gradient(trained)
    return lambda values, classes: _largest(gradient(values, classes))


def smooth_saliency_map(
    trained: Artifact, *, copies: int, noise: float, seed: int
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """A function from network inputs (n, y, x, …), class numbers (n) and sample numbers (n) to saliency (n, y, x).

    As `saliency_map`, but of the mean gradient over `copies` noisy versions of the field. The noise is normal, with a
    standard deviation of `noise` times the range of the field's values. It depends only on `seed` and the sample
    number.
    """
    gradient = score_gradient(trained)

    def saliency(values: np.ndarray, classes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        found = []
        for one, number, origin in zip(values, classes, numbers, strict=True):
            random = np.random.default_rng([seed, int(origin)])
            noisy = random.standard_normal((copies, *one.shape), "float32")
            noisy *= noise * np.ptp(one)
            noisy += one
            found.append(gradient(noisy, np.full(copies, number)).mean(axis=0))
        return _largest(np.stack(found))

    return saliency


def score_gradient(trained: Artifact) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function from network inputs (n, …) and class numbers (n) to gradients of the class scores (n, …)."""
    import tensorflow as tf

    model = keras_model.load(without_softmax(trained))

    def differentiated(values: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            scores = tf.gather(model(values, training=False), classes, batch_dims=1)
        return tape.gradient(scores, values)

    shape = (None, *trained.architecture.input_shape)
    gradient = tf.function(
        differentiated, input_signature=[tf.TensorSpec(shape, tf.float32), tf.TensorSpec([None], tf.int64)]
    )

    def gradients(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
        batch = min(BATCH, batch_of(trained.architecture, values.shape[1]))  # fewer for large fields
        parts = [slice(start, start + batch) for start in range(0, len(values), batch)]
        return np.concatenate([gradient(values[part], classes[part]).numpy() for part in parts])

    return gradients


def _largest(gradients: np.ndarray) -> np.ndarray:
    """Largest absolute value of gradients (n, y, x, …) over frames and channels, scaled."""
    return scaled(np.abs(gradients).max(axis=tuple(range(3, gradients.ndim))))


def scaled(maps: np.ndarray) -> np.ndarray:
    """Each of the maps (n, y, x) shifted and scaled to [0, 1]; a constant one becomes zeros."""
    lowest = maps.min(axis=(1, 2), keepdims=True)
    extent: np.ndarray = maps.max(axis=(1, 2), keepdims=True) - lowest
    return np.divide(maps - lowest, extent, out=np.zeros_like(maps), where=extent > 0)
