import hashlib

import numpy as np
import pytest

from raypipe import artifact, objects
from raypipe.architectures import architecture
from raypipe.artifact import Artifact
from raypipe.errors import InputError


def small_artifact(name="123-2", series=""):
    return Artifact(
        architecture=architecture(name),
        weights={"conv1d_1/0": np.arange(6, dtype="float32").reshape(3, 2), "conv1d_1/1": np.array(2.5)},
        history={"loss": [0.5, 0.25], "val_accuracy": [0.1, 0.2]},
        metrics={"val_accuracy": 0.2},
        provenance={"made_from": {"seed": 1}, "seconds": 1.5},
        series=series,
    )


@pytest.mark.parametrize("name", ["123-2", "pattern-3d"])
def test_what_is_saved_is_loaded(name):
    saved = small_artifact(name)
    assert not artifact.exists(saved.name)
    artifact.save(saved)
    loaded = artifact.load(name)
    assert loaded.architecture == saved.architecture
    assert {key: (array.dtype, array.shape) for key, array in loaded.weights.items()} == {
        key: (array.dtype, array.shape) for key, array in saved.weights.items()
    }
    np.testing.assert_array_equal(loaded.weights["conv1d_1/0"], saved.weights["conv1d_1/0"])
    assert (loaded.history, loaded.metrics, loaded.provenance) == (saved.history, saved.metrics, saved.provenance)
    assert loaded.parameters == 7


def test_series_keeps_networks_apart(store_root):
    artifact.save(small_artifact(series="seed-2"))
    assert not artifact.exists("123-2")
    assert artifact.load("seed-2/123-2").name == "seed-2/123-2"
    assert (store_root / "networks/seed-2/123-2.safetensors").is_file()


def test_weights_of_any_memory_layout():
    arrays = {"transposed": np.arange(6.0).reshape(2, 3).T, "strided": np.arange(10)[::3]}
    loaded, documents = artifact.unpack(artifact.pack(arrays, {"note": {"a": [1, None]}}), "test")
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
    assert documents == {"note": {"a": [1, None]}}


def test_checksum_is_that_of_the_file(store_root):
    artifact.save(small_artifact())
    file = store_root / "networks/123-2.safetensors"
    assert artifact.checksum("123-2") == hashlib.sha256(file.read_bytes()).hexdigest()


def test_missing_network():
    with pytest.raises(InputError, match=r"no trained network 'andi-study'.*jobs/train_network.py"):
        artifact.load("andi-study")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04nonsense that pickle might read",
        artifact.pack({}, {}),
        artifact.pack({}, {"architecture": {"name": "x", "layers": [{"kind": "Lambda", "name": "l", "options": {}}]}}),
    ],
)
def test_damaged_or_foreign_file(data):
    objects.put(artifact.path("123-2"), data)
    with pytest.raises(InputError, match=r"networks/123-2.safetensors is (damaged|not a trained network)"):
        artifact.load("123-2")


def test_cut_off_file(store_root):
    artifact.save(small_artifact())
    file = store_root / "networks/123-2.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(InputError, match="damaged"):
        artifact.load("123-2")
