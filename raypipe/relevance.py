"""Relevance of every step of a trajectory for a network's decision, through innvestigate; runs in its environment.

innvestigate (Alber et al., JMLR 20, 2019) walks back through the layers of a network, but its gradients fail at a batch
normalisation. A trained one is a 1x1 convolution with a diagonal kernel and a bias, exactly, and is replaced by it:
see `explainable`. Layer-wise relevance propagation is that of Bach et al., PLoS ONE (2015).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe import artifact, inputs, networks, store
from raypipe.artifact import Artifact

METHODS: dict[str, dict[str, float]] = {
    "lrp-epsilon": {"epsilon": 1.0},
    "gradient": {},
    "integrated-gradients": {"steps": 64},
    "deep-taylor": {},
}
"""Ways to attribute the score of a class to the steps of a trajectory, with their settings: `epsilon` stabilises the
propagation and takes up relevance as it grows, `steps` are those of the path from the zero trajectory."""

BATCH = 64
"""Trajectories analysed at once; integrated gradients evaluate the network at 64 points for each of them."""

VARIANCE_EPSILON = 1e-3
"""What Keras adds to the variance in a batch normalisation."""

TOLERANCE = 1e-4
"""How far a probability may move when a network is made explainable: float32 rounding of scores of some tens."""


def relevance_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `relevance` and `position` (sample, time) of chosen trajectories.

    `parameters` has `network`, `source`, `method` and `settings`; the columns are `origin`, the number of the
    trajectory in the source, and `predicted`, the class whose score is explained.
    """
    positions: Any = store.array(parameters["source"], "position")
    trained = artifact.load(parameters["network"])
    relevance = explainer(trained, parameters["method"], **parameters["settings"])

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        position = np.asarray(positions.oindex[rows["origin"]])
        values = inputs.network_input(trained.architecture, position)
        return {"relevance": relevance(values, rows["predicted"]), "position": position}

    return compute


def explainer(trained: Artifact, method: str, **settings: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function from network inputs (n, 320, 1) and class numbers (n) to relevance (n, 320), float32.

    `method` and its `settings` are those of METHODS. Relevance adds up to the class score, before the softmax, where
    theory has it so: for "lrp-epsilon" when biases are zero and epsilon is small; for "integrated-gradients" to the
    score less that of the zero trajectory, up to the error of the sum over the path.

    Raises:
        RuntimeError: by the function returned, if the network that is analysed predicts other probabilities.
    """
    import innvestigate
    import tensorflow as tf

    # innvestigate works in graphs only. This one is entered again in each call, which may come from another thread.
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default(), session.as_default():
        original, analysed = networks.load(trained), networks.load(explainable(trained))
        # The class is given, not left to innvestigate: what was predicted is explained even if two scores nearly tie.
        analyzer = innvestigate.create_analyzer(
            method.replace("lrp-", "lrp.").replace("-", "_"), analysed, neuron_selection_mode="index", **settings
        )

    def relevance(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
        parts = [slice(start, start + BATCH) for start in range(0, len(values), BATCH)]
        with graph.as_default(), session.as_default():
            for part in parts:
                probabilities = _softmax(analysed.predict_on_batch(values[part]))
                moved = np.abs(probabilities - original.predict_on_batch(values[part])).max()
                if not moved <= TOLERANCE:
                    raise RuntimeError(
                        f"probabilities of network {trained.name} move by {moved:.1e} when its batch normalisations "
                        f"become convolutions; expected at most {TOLERANCE:.0e}"
                    )
            found = [analyzer.analyze(values[part], neuron_selection=classes[part]) for part in parts]
        return np.concatenate(found)[..., 0]

    return relevance


def explainable(trained: Artifact) -> Artifact:
    """The same network in the layers that innvestigate can walk back through, ending in class scores.

    Each batch normalisation of n channels becomes a convolution of kernel size 1 (n, n), dropout is left out, and
    the softmax at the end is removed.
    """
    architecture, weights = without_softmax(trained).architecture, dict(trained.weights)
    layers = []
    for layer in architecture.layers:
        if layer.kind == "BatchNormalization":
            names = [f"{layer.name}/{i}" for i in range(4)]
            statistics = (weights.pop(name) for name in names)
            kernel, bias = as_convolution(*statistics)
            weights |= {names[0]: kernel, names[1]: bias}
            layer = replace(
                layer, kind="Conv1D", options={"filters": len(bias), "kernel_size": 1, "activation": "linear"}
            )
        if layer.kind != "Dropout":
            layers.append(layer)
    return replace(trained, architecture=replace(architecture, layers=tuple(layers)), weights=weights)


def as_convolution(
    scale: np.ndarray, shift: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (1, n, n) and bias (n) of the convolution that is the batch normalisation of n channels, float32."""
    factor = scale.astype("float64") / np.sqrt(variance.astype("float64") + VARIANCE_EPSILON)
    return np.diag(factor)[None].astype("float32"), (shift - mean * factor).astype("float32")


def without_softmax(trained: Artifact) -> Artifact:
    """The same network returning class scores (logits) instead of probabilities."""
    *before, last = trained.architecture.layers
    linear = replace(last, options={**last.options, "activation": "linear"})
    return replace(trained, architecture=replace(trained.architecture, layers=(*before, linear)))


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) of class scores (n, classes)."""
    exponentials: np.ndarray = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.divide(exponentials, exponentials.sum(axis=-1, keepdims=True))
