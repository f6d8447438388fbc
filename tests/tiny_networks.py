"""Networks with random weights, saved as if they had been trained."""

import numpy as np

from raypipe.networks import artifact, keras_model
from raypipe.networks.architecture import Architecture, weight_names
from raypipe.networks.artifact import Artifact
from raypipe.networks.relevance import without_softmax


def blank_weights(architecture: Architecture, parameters: int) -> dict[str, np.ndarray]:
    """Return weights with the names of the architecture and so many zeros in total; only their count is meaningful."""
    first, *others = weight_names(architecture)
    return {first: np.zeros(parameters, "float32"), **{name: np.zeros(0, "float32") for name in others}}


def random_network(architecture: Architecture, seed: int = 0, **metrics: float) -> Artifact:
    """Save a random network: batch statistics far from mean 0, variance 1; convolutions keep the scale of inputs."""
    random = np.random.default_rng(seed)
    normalisations = {layer.name for layer in architecture.layers if layer.kind == "BatchNormalization"}
    weights = {}
    for name, array in keras_model.weights(keras_model.build(architecture)).items():
        if name.split("/")[0] in normalisations:
            weights[name] = random.uniform(0.5, 1.5, array.shape).astype("float32")
        else:
            scale = 1 / np.sqrt(max(1, np.prod(array.shape[:-1])))
            weights[name] = random.normal(0, scale, array.shape).astype("float32")
    history = {name: [0.5, 0.4] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    network = Artifact(architecture, weights, history, metrics=metrics, provenance={})
    artifact.save(network)
    return network


def scores(network, values):
    """Return what the last layer of a network returns without its softmax."""
    return keras_model.load(without_softmax(network)).predict(values, verbose=0)
