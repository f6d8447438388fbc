"""A root of stores for the explorer: a user's scan, trajectories, patterns, networks and their results."""

from pathlib import Path

import numpy as np
import parabola
import pytest
import tiny_results
from tiny_networks import random_network
from without_ray import fill_here

from raypipe import catalog, store, study
from raypipe.networks import artifact

PARABOLA = str(Path(parabola.__file__))
SCAN, SHARP = "parabola/scan", "predictions/sharp/scan"


def make_root(folder):
    """Write a user's scan, trajectories and patterns, each with predictions; relevance of trajectories; networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(folder))
        patch.setenv("RAYPIPE_STUDY", PARABOLA)
        _fill()
    return folder


def _fill():
    parabola.save_network()
    fill_here(study.find("parabola").plan("scan", {"points": 9}))
    scan = catalog.open(SCAN)
    probability = parabola.classifier(artifact.load("sharp"))(scan.u.values)
    said = scan[["a", "b", "seed"]].assign(
        predicted=("sample", probability.argmax(axis=1)), probability=(("sample", "class"), probability)
    )
    made = {"network": "sharp", "network_sha256": artifact.checksum("sharp"), "source": SCAN}
    tiny_results.write(SHARP, said.assign_coords({"class": ("class", list(parabola.CLASSES))}), **made)
    walks = tiny_results.trajectories(10)
    names = ("relevance", "predicted")
    probability = np.eye(5, dtype="float32")[walks.predicted.values]
    said = walks.drop_vars(["position", "relevance"]).assign(probability=(("sample", "class"), probability))
    tiny_results.write("andi/test", walks.drop_vars([*names, "class"]))
    random_network(study.architecture("andi-study"), val_accuracy=0.5)
    random_network(study.architecture("123-2"), val_accuracy=0.6)
    random_network(study.architecture("132-4"), val_accuracy=0.7)
    tiny_results.write("predictions/andi-study/test", said)
    network = random_network(study.architecture("pattern-2d"))
    fields = tiny_results.patterns(4).assign_coords(frame=("frame", [14940, 14970, 15000]))
    tiny_results.write("gray_scott/test", fields)
    probability = np.eye(15, dtype="float32")[:4]
    said = fields.drop_vars("u").assign(
        predicted=("sample", np.arange(4)), probability=(("sample", "class"), probability)
    )
    made = {"network": "pattern-2d", "network_sha256": artifact.checksum("pattern-2d"), "source": "gray_scott/test"}
    said = said.assign_coords({"class": ("class", list(network.architecture.classes))})
    tiny_results.write("predictions/pattern-2d/test", said, **made)
    origin = ("sample", np.arange(10))
    tiny_results.write("relevance/andi-study/test", walks.assign_coords(origin=origin))
    for name in store.list_names():
        store.mark(name, hosts=1)
