import numpy as np
import pytest
from tiny_data import write_patterns, write_trajectories
from without_ray import job

from raypipe.command import run
from raypipe.networks import artifact


def call(name, *arguments):
    try:
        run(job(name), list(arguments))
    except SystemExit as ended:
        return ended.code
    return 0


@pytest.fixture
def no_ray(monkeypatch):
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train_network --network andi-best", "unknown network 'andi-best'"),
        ("train_network --network 123123123123-32", "cannot be built: layer 10"),
        ("train_network --network andi-study --epochs 0", "epochs is 0; expected 1 or more"),
        ("train_network --network pattern-3d", "run raypipe generate_patterns --split train"),
        ("train_network --network pattern-2d --epochs many", "valid integer"),
        ("train_network --network pattern-2d --recipe best", "unknown recipe 'best'; choose one of study"),
        ("train_network --network andi-study --recipe study", "for andi-study, which has only one; leave it out"),
        (
            "train_network --network pattern-2d --augmentation any",
            "'any'; choose one of free, symmetric, symmetric_or_free, none",
        ),
        ("train_network --network andi-study --augmentation free", "unknown augmentation 'free'; choose one of none"),
        ("train_network", "Missing option '--network'"),
        ("train_grid --networks 123-2,12-2", "unknown network '12-2'"),
        ("train_grid --networks ,", "no network to train"),
        ("train_grid --networks 123-2 --epochs -1", "epochs is -1"),
        ("train_grid --networks 123-2 --scheduler best", "unknown scheduler 'best'"),
        ("train_grid --networks 123-2 --samples 0", "samples is 0"),
        ("train_grid --networks 123-2", "there is no data set 'andi/train'"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, message, capsys, no_ray, store_root):
    assert call(*arguments.split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert message in said[0]
    assert not store_root.exists(), "nothing half written"


def test_all_tells_what_cannot_be_built(capsys, no_ray):
    assert call("train_grid") == 2
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 16
    assert said[0].startswith("123123123123-32 cannot be built: layer 10 of 123123123123 has 12 time steps left")


def test_a_validation_split_of_another_length(capsys, no_ray):
    write_trajectories("train", 10)
    write_trajectories("val", 10, length=100)
    assert call("train_grid", "--networks", "123-2") == 2
    assert "data set andi/val has samples of 100 points, not 320" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train_grid", "train_network"])
def test_help_explains_units_and_defaults(name, capsys):
    assert call(name, "--help") == 0
    said = capsys.readouterr().out
    assert "[default: " in said
    assert "--epochs" in said


def test_train_a_pattern_network(ray_cluster, capsys):
    write_patterns("train", 15)
    write_patterns("val", 15)
    assert call("train_network", "--network", "pattern-2d", "--epochs", "1", "--batch", "8") == 0
    trained = artifact.load("pattern-2d")
    assert trained.provenance["made_from"]["training"]["augmented"] == "free"
    assert np.isfinite(trained.metrics["val_loss"])
    assert capsys.readouterr().out.splitlines()[-1].endswith("pattern-2d")
