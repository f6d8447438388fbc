"""How well do novelty scores detect patterns of a class that a network does not know? Area under the ROC curve.

The unknown class is π in `val2`, for a network of the first pass. Its patterns are compared with all patterns of known
classes in `val2`, and with those at points (k, f) that `train` does not have. Needs the store with gray_scott/train,
gray_scott/val2 and the network.

    RAYPIPE_STORE=store python benchmarks/novelty.py --network pattern-2d
"""

from typing import Annotated

import numpy as np
import typer
from scipy.special import entr, logsumexp, softmax
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from raypipe import catalog
from raypipe.networks import artifact, inputs, keras_model
from raypipe.networks.classify import FIELDS_BATCH
from raypipe.novelty.features import extractor
from raypipe.novelty.find import nearest
from raypipe.studies.gray_scott import augment, tables


def outputs_of(trained: artifact.Artifact, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs before softmax (sample, class), and the input of the last layer (sample, unit)."""
    from tensorflow import keras

    model = keras_model.load(trained)
    last = [layer for layer in model.layers if layer.weights][-1]
    probe = keras.Model(model.input, [model.output, last.input])
    parts = [
        [part.numpy() for part in probe(values[start : start + FIELDS_BATCH], training=False)]
        for start in range(0, len(values), FIELDS_BATCH)
    ]
    outputs, seen = (np.concatenate(part).astype("float64") for part in zip(*parts, strict=True))
    return outputs, seen


def mahalanobis(seen: np.ndarray, learnt: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distance from the nearest class mean, by one shared covariance.

    See Lee et al., NeurIPS 2018.
    """
    means = np.stack([learnt[labels == label].mean(axis=0) for label in np.unique(labels)])
    shared = LedoitWolf(assume_centered=True).fit(learnt - means[np.searchsorted(np.unique(labels), labels)])
    from_mean = [np.einsum("si,ij,sj->s", seen - mean, shared.precision_, seen - mean) for mean in means]
    smallest: np.ndarray = np.min(from_mean, axis=0)
    return smallest


def main(network: Annotated[str, typer.Option(help="Of 15 classes.")] = "pattern-2d") -> None:
    """Print a table: score, area against all known patterns, area against those at other points."""
    trained = artifact.load(network)
    train = inputs.read(trained.architecture, catalog.open("gray_scott/train"), "gray_scott/train")
    asked = catalog.open("gray_scott/val2")
    values = inputs.network_input(trained.architecture, inputs.values(trained.architecture, asked, slice(None)))
    known = inputs.labels_for(trained.architecture, asked) >= 0
    points = {(k, f) for _, k, f, _ in tables.pattern_points("train")}
    elsewhere = ~known | [(k, f) not in points for k, f in zip(asked["k"].values, asked["f"].values, strict=True)]

    outputs, seen = outputs_of(trained, values)
    extract = extractor(trained)
    variants = [augment.free(train.inputs[[i]], np.random.default_rng(i)) for i in range(len(train.labels))]
    learnt = np.concatenate([extract(train.inputs), extract(np.concatenate(variants))])
    scores = {
        "energy": -logsumexp(outputs, axis=1),
        "entropy": entr(softmax(outputs, axis=1)).sum(axis=1),
        "mahalanobis": mahalanobis(seen, outputs_of(trained, train.inputs)[1], train.labels),
        "distance": nearest(extract(values), learnt)[0],
    }
    print(f"{(~known).sum()} unknown against {known.sum()} known, {(known & elsewhere).sum()} of them at other points")
    for name, score in scores.items():
        areas = [roc_auc_score(~known[part], score[part]) for part in (np.ones_like(known), elsewhere)]
        print(f"{name} auc={areas[0]:.3f} auc_elsewhere={areas[1]:.3f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
