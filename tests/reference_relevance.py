"""The epsilon rule of layer-wise relevance propagation in plain NumPy, layer by layer, for one trajectory.

Bach et al., PLoS ONE (2015): a layer z = Σ_i x_i w_i + b propagates its relevance R back as
R_i = x_i w_i R / (z + ε sign z). Maximum pooling gives all relevance to the maximum; other layers pass it on unchanged.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from raypipe.networks.artifact import Artifact

Backward = Callable[[np.ndarray], np.ndarray]


def relevance(network: Artifact, values: np.ndarray, number: int, epsilon: float) -> tuple[np.ndarray, float]:
    """Return relevance (time) of the standardised trajectory `values` (time, 1) for class `number`, and its score."""
    x = values.astype("float64")
    steps: list[Backward] = []
    for layer in network.architecture.layers:
        names = [f"{layer.name}/{i}" for i in range(4)]
        weights = [network.weights[name].astype("float64") for name in names if name in network.weights]
        x, step = LAYERS[layer.kind](x, weights, layer.options, epsilon)
        steps.append(step)
    found = np.zeros_like(x)
    found[number] = x[number]
    for step in reversed(steps):
        found = step(found)
    return found[:, 0], x[number]


def _share(found: np.ndarray, z: np.ndarray, epsilon: float) -> np.ndarray:
    return found / (z + np.where(z >= 0, epsilon, -epsilon))


def _activated(z: np.ndarray, options: dict) -> np.ndarray:
    return np.maximum(z, 0) if options["activation"] == "relu" else z


def _convolution(x, weights, options, epsilon):
    kernel, bias = weights
    z = np.einsum("tck,kcf->tf", sliding_window_view(x, len(kernel), axis=0), kernel) + bias

    def backward(found):
        back, share = np.zeros_like(x), _share(found, z, epsilon)
        for offset, tap in enumerate(kernel):
            back[offset : offset + len(z)] += share @ tap.T
        return x * back

    return _activated(z, options), backward


def _dense(x, weights, options, epsilon):
    kernel, bias = weights
    z = x @ kernel + bias
    return _activated(z, options), lambda found: x * (_share(found, z, epsilon) @ kernel.T)


def _batch_normalisation(x, weights, options, epsilon):
    scale, shift, mean, variance = weights
    factor = scale / np.sqrt(variance + 1e-3)
    z = (x - mean) * factor + shift
    return z, lambda found: x * factor * _share(found, z, epsilon)


def _pooling(x, weights, options, epsilon):
    size = options["pool_size"]
    windows = x[: len(x) // size * size].reshape(-1, size, x.shape[1])
    winner = windows.argmax(axis=1)

    def backward(found):
        back = np.zeros_like(x)
        rows = np.arange(len(winner))[:, None] * size + winner
        back[rows, np.arange(x.shape[1])] = found
        return back

    return windows.max(axis=1), backward


def _flatten(x, weights, options, epsilon):
    return x.ravel(), lambda found: found.reshape(x.shape)


def _dropout(x, weights, options, epsilon):
    return x, lambda found: found


LAYERS = {
    "Conv1D": _convolution,
    "Dense": _dense,
    "BatchNormalization": _batch_normalisation,
    "MaxPooling1D": _pooling,
    "Flatten": _flatten,
    "Dropout": _dropout,
}
