import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from raypipe.errors import InputError
from raypipe.networks import artifact, keras_model, train
from raypipe.networks.architecture import weight_names
from raypipe.networks.artifact import Artifact
from raypipe.store import objects
from raypipe.study import architecture

ROOT = Path(__file__).parent.parent


def small_artifact(name="123-2", series=""):
    """Return an artifact with all weights of the architecture by name, but not in their true shapes."""
    first, *others = weight_names(architecture(name))
    return Artifact(
        architecture=architecture(name),
        weights={first: np.arange(6, dtype="float32").reshape(3, 2), **{one: np.array(2.5) for one in others}},
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
    for one, array in saved.weights.items():
        np.testing.assert_array_equal(loaded.weights[one], array)
    assert (loaded.history, loaded.metrics, loaded.provenance) == (saved.history, saved.metrics, saved.provenance)
    assert loaded.parameters == 6 + len(saved.weights) - 1


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
    with pytest.raises(InputError, match=r"no trained network 'andi-study'.*raypipe train_network"):
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


@pytest.mark.parametrize("flipped", ["architecture", "history", "weights"])
def test_a_flipped_bit_is_found(flipped, store_root):
    artifact.save(small_artifact())
    file = store_root / "networks/123-2.safetensors"
    data = bytearray(file.read_bytes())
    places = {"architecture": data.index(b"units") + 9, "history": data.index(b"0.25"), "weights": len(data) - 1}
    data[places[flipped]] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="is damaged: it does not agree with its checksum; delete it and run the"):
        artifact.load("123-2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weights: {**weights, "conv1d_1/2": np.zeros(3)}, "its architecture has no weights conv1d_1/2"),
        (lambda weights: dict(list(weights.items())[1:]), "it has no weights conv1d_1/0"),
        (lambda weights: {**weights, "conv1d_1/1": np.array(np.nan)}, "conv1d_1/1 are not finite"),
    ],
)
def test_weights_that_are_not_those_of_a_trained_network(change, said):
    sound = small_artifact()
    artifact.save(replace(sound, weights=change(sound.weights)))
    with pytest.raises(InputError, match=f"is not a trained network: {said}"):
        artifact.load("123-2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": [0.5]}, "history: Input should be a valid dictionary"),
        ({"history": {"loss": [0.5], "val_loss": [0.5, 0.4]}}, "its history has 1 and 2 epochs"),
        ({"history": {"loss": None}}, "history.loss: Input should be a valid list"),
        ({"metrics": {"val_accuracy": "good"}}, "metrics.val_accuracy: Input should be a valid number"),
        ({"provenance": {"made_from": {"data": {}}}}, "provenance.made_from.data.train: Field required"),
        ({"series": "../x"}, "series: String should match"),
    ],
)
def test_documents_that_are_not_those_of_a_trained_network(change, said):
    weights = small_artifact().weights
    artifact.save(small_artifact())
    _, documents = artifact.unpack(objects.get(artifact.path("123-2")), "test")
    objects.put(artifact.path("123-2"), artifact.pack(weights, {**documents, **change}))
    with pytest.raises(
        InputError, match=f"^networks/123-2.safetensors is not a trained network: .*{said}.*; delete it"
    ):
        artifact.load("123-2")


@pytest.mark.parametrize("history", [{}, {"loss": [], "val_accuracy": []}])
def test_a_network_of_which_no_training_is_known(history):
    artifact.save(replace(small_artifact(), history=history, metrics={}, provenance={}))
    assert artifact.load("123-2").epochs == 0
    facts = artifact.load("123-2").facts
    assert np.isnan([facts[key] for key in ("epochs", "samples", "seconds", "val_accuracy")]).all()
    assert "nan" in train.summary(["123-2"])


def test_a_network_without_a_checksum_is_refused():
    artifact.save(small_artifact())
    weights, documents = artifact.unpack(objects.get(artifact.path("123-2")), "test")
    old = safetensors.numpy.save(weights, {"raypipe": json.dumps(documents)})
    objects.put(artifact.path("123-2"), old)
    with pytest.raises(InputError, match=r"123-2.safetensors is damaged: it does not agree with its checksum"):
        artifact.load("123-2")


@pytest.mark.parametrize("name", ["123-2", "andi-study", "andi-residual", "pattern-2d", "pattern-3d"])
def test_names_of_weights_are_those_of_keras(name):
    built = keras_model.weights(keras_model.build(architecture(name)))
    assert sorted(built) == sorted(weight_names(architecture(name)))


def test_networks_in_results_have_their_checksum():
    kept = sorted((ROOT / "results/networks").glob("*.safetensors"))
    assert kept
    for file in kept:
        objects.put(artifact.path(file.stem), file.read_bytes())
        artifact.load(file.stem)


def test_networks_that_come_along_load_by_name():
    assert artifact.load("shipped/pattern-2d").name == "shipped/pattern-2d"
    with pytest.raises(InputError, match="no trained network 'shipped/pattern'"):
        artifact.load("shipped/pattern")


def test_networks_that_come_along_are_at_hand_by_name():
    assert artifact.at_hand("shipped/pattern-2d") == "shipped/pattern-2d"
    found = artifact.load("shipped/pattern-2d")
    assert (found.series, found.architecture.name) == ("shipped", "pattern-2d")
    assert not artifact.exists("pattern-2d")
    before = artifact.checksum("shipped/pattern-2d")
    artifact.save(replace(found, metrics={}))  # differs from the shipped file, like one of an older version
    artifact.at_hand("shipped/pattern-2d")
    assert artifact.checksum("shipped/pattern-2d") == before
    with pytest.raises(InputError, match=r"unknown shipped network 'shipped/pattern'; choose one of .*andi-study"):
        artifact.at_hand("shipped/pattern")


def test_a_file_in_a_folder_called_shipped_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifact.save(artifact.load("shipped/pattern-2d"))
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped/mine.safetensors").write_bytes(objects.get(artifact.path("shipped/pattern-2d")))
    assert artifact.at_hand("shipped/mine.safetensors") == "shipped/pattern-2d"
