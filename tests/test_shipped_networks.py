"""The pattern networks in results/networks, on new simulations at points of known classes."""

from pathlib import Path

import numpy as np
import pytest
from tiny_data import write_labelled
from without_ray import fill_here, job

from raypipe import catalog
from raypipe.networks import artifact, classify
from raypipe.studies.gray_scott import tables
from raypipe.studies.gray_scott.integrator import simulate

NETWORKS = Path(__file__).parent.parent / "results/networks"

POINTS = {"gamma": (0.055, 0.025), "eta": (0.06, 0.03), "mu": (0.065, 0.05), "l": (0.05, 0.03), "h": (0.05, 0.005)}
"""(k, f) by class."""


@pytest.fixture(scope="module")
def fields():
    times = tables.PATTERN_FRAME_TIMES
    return np.stack([simulate(2026, f, k, frame_times=times) for k, f in POINTS.values()])


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-2d-second", "pattern-3d"])
def test_a_network_that_comes_along_classifies_what_was_just_simulated(name, fields, monkeypatch):
    file = NETWORKS / f"{name}.safetensors"
    monkeypatch.setattr(classify, "fill", fill_here)
    labels = np.array([tables.PATTERN_CLASSES.index(one) for one in POINTS])
    frames = {"frame": np.array(tables.PATTERN_FRAME_TIMES)}
    variables = {"u": (("sample", "y", "x", "frame"), fields)}
    write_labelled("gray_scott/test", variables, labels, tables.PATTERN_CLASSES, frames, 0)

    job("classify_scan")(network=str(file), split="test")
    found = catalog.open(f"predictions/{artifact.read(str(file)).name}/test")
    assert found["class"].values[found["predicted"].values].tolist() == list(POINTS)
