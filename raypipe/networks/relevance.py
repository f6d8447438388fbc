"""Relevance of every step of a trajectory for a network's prediction, with innvestigate, in its own environment.

innvestigate (Alber et al., JMLR 20, 2019) propagates backwards through the layers of a network, but its gradients fail
at a batch normalisation. After training, that is exactly equivalent to a dense layer with a diagonal kernel and a bias,
and is replaced by one: see `explainable`. Layer-wise relevance propagation is that of Bach et al., PLoS ONE (2015).
Modified networks show how meaningful the maps are, see CONTROLS.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe import store, study
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.architecture import Layer, weights_of, without
from raypipe.networks.artifact import Artifact

METHODS: dict[str, dict[str, float]] = {
    "lrp-epsilon": {"epsilon": 1.0},
    "gradient": {},
    "integrated-gradients": {"steps": 64},
    "deep-taylor": {},
}
"""Methods that attribute the score of a class to the steps of a trajectory, with their settings: `epsilon`
stabilises the propagation and absorbs more relevance the larger it is, `steps` is the number of points on the path
from the zero trajectory."""

CONTROLS: dict[str, dict[str, int]] = {"shuffled-weights": {"seed": 0}, "zero-biases": {}}
"""Modifications of a network whose relevance maps are compared with those of the network itself, with their settings.

"shuffled-weights": the values within each array of weights are permuted; maps that stay the same do not show what the
network has learned (Adebayo et al., NeurIPS 2018). "zero-biases": all additive weights are zero, so that with
CONSERVING for `epsilon` the relevance of "lrp-epsilon" adds up to the class score.
"""

CONSERVING = 1e-6
"""An epsilon that keeps the propagation from dividing by zero, but absorbs almost no relevance."""

ADDED = ("bias", "shift", "mean")
"""Roles, see `weights_of`, of the additive weights of a layer."""

OPAQUE = ("LayerNormalization",)
"""Layers through which no relevance is propagated: they divide by a number that differs between trajectories."""

NOT_INNVESTIGATES = (*OPAQUE, "Subtract", "Dot")
"""Layers that innvestigate does not support, or treats wrongly: it has no ε rule for a difference, and uses that of
a sum."""

BATCH = 64
"""Trajectories per batch; integrated gradients evaluate the network at 64 points for each of them."""

VARIANCE_EPSILON = 1e-3
"""Keras's default for the constant added to the variance in a batch normalisation."""

TOLERANCE = 1e-4
"""Maximum change of a probability when a network is made explainable: float32 rounding of scores of some tens."""


def relevance_of(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Function for `fill`: `relevance` and the sequences (sample, time), `score` (sample) of selected samples.

    `parameters` has `network`, `network_sha256`, `source`, `method` and `settings`, and, if a modified network is
    explained, `control` and `control_settings`. The columns are `origin`, the number of the trajectory in the source,
    and `predicted`, the class whose score is explained.
    """
    trained = artifact.load(parameters["network"], parameters["network_sha256"])
    variable = study.find(trained.architecture.study).seen.variable
    sequences: Any = store.arrays(parameters["source"])[variable]
    if "control" in parameters:
        trained = changed(trained, parameters["control"], **parameters["control_settings"])
    relevance = explainer(trained, parameters["method"], **parameters["settings"])

    def compute(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        chosen = np.asarray(sequences.oindex[rows["origin"]])
        values = inputs.network_input(trained.architecture, chosen)
        found, score = relevance(values, rows["predicted"])
        inputs.check_finite(f"relevances by network {trained.name}", found, rows["origin"])
        return {"relevance": found, "score": score, variable: chosen}

    return compute


def settings_of(settings: Mapping[str, float], control: str | None) -> dict[str, float]:
    """Settings of a method; for the network without biases, with an epsilon that conserves relevance."""
    conserving = control == "zero-biases" and "epsilon" in settings
    return {**settings, **({"epsilon": CONSERVING} if conserving else {})}


def explainer(
    trained: Artifact, method: str, **settings: float
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from network inputs (n, time, channel) and class numbers (n) to relevance (n, time) and scores (n).

    Both are float32; the scores are those of the classes before the softmax. `method` and its `settings` are those of
    METHODS. Relevance is summed over channels. It adds up to the score where theory predicts so: for "lrp-epsilon" if
    biases are zero and epsilon is small; for "integrated-gradients" to the score minus that of the zero trajectory, up
    to the discretisation error of the path.

    Raises:
        RuntimeError: by the returned function, if replacing batch normalisations changes the probabilities.
    """
    import innvestigate
    import tensorflow as tf

    # innvestigate needs TensorFlow's graph mode. Each call enters the graph again, as it may be in another thread.
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default(), session.as_default():
        original, analysed = keras_model.load(without_softmax(trained)), keras_model.load(explainable(trained))
        # The class is given explicitly, so that the predicted class is explained even if two scores nearly tie.
        analyzer = innvestigate.create_analyzer(
            method.replace("lrp-", "lrp.").replace("-", "_"), analysed, neuron_selection_mode="index", **settings
        )

    def relevance(values: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [slice(start, start + BATCH) for start in range(0, len(values), BATCH)]
        found, explained = [], []
        with graph.as_default(), session.as_default():
            for part in parts:
                scores = analysed.predict_on_batch(values[part])
                moved = np.abs(_softmax(scores) - _softmax(original.predict_on_batch(values[part]))).max()
                if not moved <= TOLERANCE:
                    raise RuntimeError(
                        f"probabilities of network {trained.name} change by {moved:.1e} when its batch normalisations "
                        f"become layers of weights; expected at most {TOLERANCE:.0e}"
                    )
                found.append(analyzer.analyze(values[part], neuron_selection=classes[part]).sum(axis=-1))
                explained.append(scores[np.arange(len(scores)), classes[part]])
        return np.concatenate(found), np.concatenate(explained)

    return relevance


def changed(trained: Artifact, control: str, **settings: int) -> Artifact:
    """The network with one of the modifications of CONTROLS, with its settings."""
    changes: dict[str, Callable[..., Artifact]] = {"shuffled-weights": shuffled, "zero-biases": without_biases}
    return changes[control](trained, **settings)


def shuffled(trained: Artifact, seed: int) -> Artifact:
    """The same network with the values within each array of weights in random order."""
    random = np.random.default_rng(seed)
    return replace(trained, weights={name: random.permuted(array) for name, array in sorted(trained.weights.items())})


def without_biases(trained: Artifact) -> Artifact:
    """The same network with all additive weights set to zero: biases, and means and shifts of normalisations."""
    added = {weights_of(layer).get(what) for layer in trained.architecture.layers for what in ADDED}
    weights = {name: np.zeros_like(array) if name in added else array for name, array in trained.weights.items()}
    return replace(trained, weights=weights)


def explainable(trained: Artifact) -> Artifact:
    """The same network in layers that innvestigate supports, ending in class scores.

    Each batch normalisation of n channels becomes a dense layer (n, n) that acts on each position, dropout is left out,
    and the softmax at the end is removed.
    """
    architecture, weights = without_softmax(trained).architecture, dict(trained.weights)
    layers = []
    for layer in without(architecture.layers, [one.name for one in architecture.layers if one.kind == "Dropout"]):
        if layer.kind == "BatchNormalization":
            factor, shift = normalisation(layer, weights)
            for name in weights_of(layer).values():
                del weights[name]
            layer = replace(layer, kind="Dense", options={"units": len(shift), "activation": "linear"})
            own = weights_of(layer)
            weights |= {own["kernel"]: np.diag(factor).astype("float32"), own["bias"]: shift.astype("float32")}
        layers.append(layer)
    return replace(trained, architecture=replace(architecture, layers=tuple(layers)), weights=weights)


def normalisation(layer: Layer, weights: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Factor and shift of each channel in a trained batch normalisation, float64."""
    own = {what: weights[name].astype("float64") for what, name in weights_of(layer).items()}
    factor = 1 / np.sqrt(own["variance"] + float(layer.options.get("epsilon", VARIANCE_EPSILON)))  # type: ignore[arg-type]
    factor = own["scale"] * factor if "scale" in own else factor
    return factor, own.get("shift", 0) - own["mean"] * factor


def without_softmax(trained: Artifact) -> Artifact:
    """The same network returning class scores (logits) instead of probabilities."""
    if trained.architecture.returns_logits:
        return trained
    *before, last = trained.architecture.layers
    linear = replace(last, options={**last.options, "activation": "linear"})
    return replace(trained, architecture=replace(trained.architecture, layers=(*before, linear)))


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) of class scores (n, classes)."""
    exponentials: np.ndarray = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.divide(exponentials, exponentials.sum(axis=-1, keepdims=True))
