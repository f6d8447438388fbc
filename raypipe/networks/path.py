"""Integrated gradients in the cluster's environment, for networks of sequences that innvestigate does not support.

Sundararajan et al., ICML 2017: the gradients of a score along the straight path from a baseline to the sample, times
the displacement, integrate to the difference of the scores. If a network divides by a property of the trajectory
itself, a trajectory at rest is not a suitable baseline, as all changes of the score would be close to it. The baselines
are therefore other trajectories, and the relevance is the mean over them (Erion et al., Nat. Mach. Intell. 3, 2021).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from raypipe import store
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.artifact import Artifact
from raypipe.networks.relevance import changed, without_softmax

METHOD = "integrated-gradients"

METHODS: dict[str, dict[str, float]] = {METHOD: {"steps": 64, "baselines": 8, "seed": 0}}
"""The method with its settings: number of points on each path, number of baselines, and the seed for drawing these."""

METHODS_OF_ANY_LENGTH: dict[str, dict[str, float]] = {METHOD: {"steps": 64}}
"""The same for networks that take samples of any length, whose study defines the baselines."""


def relevance_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `relevance` and the sequences (sample, time), `score` (sample) of selected samples.

    The score is that of the class minus its mean over the baselines. These are samples of the source, or, for a network
    that takes samples of any length, are defined by its study. `parameters` and columns are those of
    `relevance.relevance_of`.
    """
    trained, settings = artifact.load(parameters["network"], parameters["network_sha256"]), parameters["settings"]
    source = store.open(parameters["source"])
    if "control" in parameters:
        trained = changed(trained, parameters["control"], **parameters["control_settings"])
    architecture = trained.architecture
    any_length = inputs.any_length(architecture)
    if any_length:
        baselines = any_length.baselines
    else:
        count = source.sizes["sample"]
        drawn = np.random.default_rng(settings["seed"]).choice(count, min(settings["baselines"], count), replace=False)
        others = inputs.network_input(architecture, inputs.values(architecture, source, drawn))

        def baselines(_: np.ndarray) -> np.ndarray:
            return others

    relevance = integrated_gradients(trained, baselines, settings["steps"])
    variable = str(inputs.seen(architecture, source).name)

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        chosen = inputs.values(architecture, source, rows["origin"])
        length = inputs.lengths(source, rows["origin"], chosen)
        found, score = np.full(chosen.shape[:2], np.nan, "float32"), np.empty(len(chosen), "float32")
        first = any_length.before if any_length else 0
        for places, taken in inputs.groups(architecture, source, rows["origin"]):
            of_inputs, score[places] = relevance(taken, rows["predicted"][places])
            inputs.check_finite(f"relevances by network {trained.name}", of_inputs, rows["origin"][places])
            for place, one in zip(places, of_inputs, strict=True):
                found[place, :first] = 0
                found[place, first : length[place]] = one[: length[place] - first]
        return {"relevance": found, "score": score, variable: chosen}

    return compute


def integrated_gradients(
    trained: Artifact, baselines: Callable[[np.ndarray], np.ndarray], steps: int
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from network inputs (n, time, channel) and class numbers (n) to relevance (n, time) and scores (n).

    Args:
        trained: the network.
        baselines: function from one input (time, channel) to its baselines (k, time, channel); the relevance is the
            mean over them.
        steps: number of points on each path, at the midpoints of intervals of equal length.

    Returns:
        The function. Relevance is summed over channels. Over a sample it adds up to the score: that of the class before
        the softmax, minus its mean over the baselines.
    """
    import tensorflow as tf

    model = keras_model.load(without_softmax(trained))
    several = tf.TensorSpec((None, *trained.architecture.input_shape), tf.float32)
    forward = tf.function(lambda values: model(values, training=False), input_signature=[several])
    share = ((np.arange(steps) + 0.5) / steps).astype("float32")

    one_input = tf.TensorSpec(trained.architecture.input_shape, tf.float32)

    @tf.function(input_signature=[one_input, one_input, tf.TensorSpec((), tf.int64)])
    def along(one: Any, baseline: Any, number: Any) -> Any:
        path = baseline + share[:, None, None] * (one - baseline)
        with tf.GradientTape() as tape:
            tape.watch(path)
            scores = model(path, training=False)[:, number]
        return (one - baseline) * tf.reduce_mean(tape.gradient(scores, path), axis=0)

    def relevance(values: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = np.zeros(values.shape[:2], "float32")
        score = np.empty(len(values), "float32")
        for i, (one, number) in enumerate(zip(values, classes, strict=True)):
            others = baselines(one)
            for other in others:
                attributed = along(tf.constant(one), tf.constant(other), tf.constant(number))
                found[i] += attributed.numpy().sum(axis=-1) / len(others)
            own, *of_others = forward(np.concatenate([one[None], others])).numpy()[:, number]
            score[i] = own - np.mean(of_others)
        return found, score

    return relevance
