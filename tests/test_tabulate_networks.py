"""The table of trained networks: training settings, and accuracy on their own splits and on test."""

import numpy as np
import pandas as pd
import pytest
import tiny_data
import tiny_networks
from without_ray import fill_here, job

from raypipe import catalog, command
from raypipe.networks import artifact, classify
from raypipe.networks.artifact import Artifact
from raypipe.store import objects
from raypipe.studies.andi.tracks import networks as tracks
from raypipe.study import architecture


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)


def trained(name, seed, series="", splits=None):
    """Save a network with random weights, as if it had been trained for two epochs."""
    described = architecture(name)
    weights = tiny_networks.random_network(described, seed).weights
    train, validation = splits or described.splits
    data = {
        "train": {"name": f"{described.study}/{train}", "samples": 30},
        "validation": {"name": f"{described.study}/{validation}", "samples": 30},
    }
    history = {key: [0.1, 0.2] for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    provenance = {"seconds": 12.5, "made_from": {"training": {"seed": seed}, "data": data}}
    objects.delete(artifact.path(name))
    artifact.save(Artifact(described, weights, history, {"val_accuracy": 0.2}, provenance, series))


def table(tmp_path, flags):
    with pytest.raises(SystemExit) as end:
        command.run(job("tabulate_networks"), [*flags.split(), "--output", str(tmp_path / "new" / "table.csv")])
    assert end.value.code == 0
    return pd.read_csv(tmp_path / "new" / "table.csv")


def test_networks_of_fresh_samples_and_of_kinds_have_the_accuracies_that_there_are(tmp_path):
    tiny_data.write_trajectories("test", 20)
    tiny_networks.random_network(tracks.NETWORKS[0], val_accuracy=0.5)
    found = table(tmp_path, "--networks tracks-1d")
    assert found[["train", "val"]].isna().all(axis=None)
    assert 0 <= found["test"].item() <= 1
    assert "recall_attm" in found


def test_a_row_for_each_network_of_the_study(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("RAYPIPE_STUDY", "")
    for split in ("train", "val", "test", "train2", "val2"):
        tiny_data.write_patterns(split, 16)
    trained("pattern-2d", 2, "seed-2")
    trained("pattern-2d-second", 1)
    trained("123-2", 1)
    objects.put(artifact.path("broken"), b"broken")
    found = table(tmp_path, "--study gray_scott")
    assert "left out: networks/broken.safetensors is damaged" in caplog.text
    assert found[["network", "seed", "epochs", "seconds"]].to_numpy().tolist() == [
        ["pattern-2d-second", 1, 2, 12.5],
        ["pattern-2d", 2, 2, 12.5],
    ]
    assert found["series"].isna().tolist() == [True, False]
    assert found["train_split"].tolist() == ["train2", "train"]
    for _, row in found.iterrows():
        name = f"{row.series}/{row.network}" if row.network == "pattern-2d" else row.network
        for column, split in {"train": row.train_split, "val": row.val_split, "test": "test"}.items():
            said = catalog.open(f"predictions/{name}/{split}")
            right = said.predicted.values == said.label.values
            assert row[column] == pytest.approx(right.mean(), abs=1e-6)
        alpha = said.label.values == 0
        assert row.recall_alpha == pytest.approx(right[alpha].mean())
        assert np.isnan(row.recall_pi), "test has none of it, and the first pass does not know it"


def test_a_split_with_classes_that_the_network_lacks_is_left_out_and_named(tmp_path, caplog):
    for split in ("test", "train2", "val2"):
        tiny_data.write_patterns(split, 16)
    trained("pattern-2d", 1, "all-points", splits=("train2", "val2"))
    found = table(tmp_path, "--networks all-points/pattern-2d")
    assert found[["train", "val"]].isna().all(axis=None)
    assert not found["test"].isna().any()
    assert "no accuracy of all-points/pattern-2d on train2, which also has pi" in caplog.text


def test_of_a_network_that_comes_along_the_accuracies_on_what_is_there_are_given(tmp_path, caplog):
    tiny_data.write_patterns("test", 16)
    found = table(tmp_path, "--networks shipped/pattern-2d")
    assert found[["train", "val"]].isna().all(axis=None)
    assert not found["test"].isna().any()
    assert "no accuracy of shipped/pattern-2d on train2: there is no data set 'gray_scott/train2'" in caplog.text


def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STUDY", "")
    for flags, message in {
        "": "no networks; name some with --networks, or all of a study with --study: ",
        "--study gray_scott": "no network of gray_scott is trained yet; see raypipe train_network --help",
        f"--networks pattern-2d --output {tmp_path}": "is a folder; name the file to write",
        "--networks pattern-2d": "there is no trained network 'pattern-2d'",
    }.items():
        monkeypatch.delenv("RAYPIPE_STUDY", raising=False)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as end:
            command.run(job("tabulate_networks"), flags.split())
        error = capsys.readouterr().err
        assert end.value.code == 2
        assert message in error
        assert error.count("\n") == 1
