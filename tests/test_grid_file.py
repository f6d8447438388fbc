"""Grids from files: default values, invalid content, and all steps from a file to the effects."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import tiny_data
from without_ray import job

from raypipe import command, study
from raypipe.errors import InputError
from raypipe.networks import artifact, grid_file
from raypipe.studies.andi.diffusion import ANDI_MODELS

ANDI, PATTERNS = study.find("andi"), study.find("gray_scott")


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def run(name, *flags):
    with pytest.raises(SystemExit) as ended:
        command.run(job(name), [str(one) for one in flags])
    return ended.value.code


def test_what_is_left_out_does_not_vary(written):
    found = grid_file.read(written('blocks = ["123", "132"]'), ANDI)
    assert found.name == "mine"
    assert [one.name for one in found.grid.networks] == ["123-3", "132-3"]
    assert found.trainings == {"mine": (None, 1)}
    assert (found.grid.input_shape, found.grid.classes, found.grid.splits) == ((320, 1), ANDI_MODELS, ("train", "val"))
    assert found.grid.networks[0].layers[0].options["filters"] == 16


def test_a_grid_sees_what_a_network_of_its_study_sees(written):
    patterns = grid_file.read(written('study = "gray_scott"\nblocks = ["12"]'), ANDI).grid
    assert patterns.input_shape == (128, 128, 3)
    assert patterns.networks[0].frame_times == PATTERNS.networks[0].frame_times
    film = grid_file.read(written('blocks = ["12"]\nlike = "pattern-3d"\nvalidation_split = "test"'), PATTERNS).grid
    assert film.input_shape == (128, 128, 10, 1)
    assert film.splits == ("train", "test")
    second = grid_file.read(written('blocks = ["12"]\nlike = "pattern-2d-second"'), PATTERNS).grid
    assert (second.splits, len(second.classes)) == (("train2", "val2"), 16)


def test_a_grid_of_a_study_without_networks_sees_all_of_its_samples(written):
    file = written('blocks = ["123"]')
    tracks, fields = (replace(one, networks=(), grid=None) for one in (ANDI, PATTERNS))
    with pytest.raises(InputError, match=r"mine.toml: there is no data set 'andi/train'.*generate_trajectories"):
        grid_file.read(file, tracks)
    tiny_data.write_trajectories("train", 5, length=50)
    found = grid_file.read(file, tracks).grid
    assert (found.input_shape, found.classes, found.splits) == ((50, 1), ANDI_MODELS, ("train", "val"))
    tiny_data.write_patterns("train", 15, frame_times=(5, 10))
    assert grid_file.read(file, fields).grid.input_shape == (128, 128, 2)


BAD = {
    "": "blocks is missing; expected a list of blocks of layers, such as",
    "blocks = 123": r"blocks is 123; expected a list of blocks of layers, such as \[\"123\", \"132\"\]",
    'blocks = ["124"]': "blocks has '124'; expected blocks of digits 1, 2 and 3",
    'blocks = ["123"]\nkernels = [3]': "unknown key 'kernels'; expected blocks, depths, kernel_sizes, filters, ",
    'blocks = ["123"]\nkernel_sizes = ["3"]': r"kernel_sizes is \['3'\]; expected a list of whole numbers",
    'blocks = ["123"]\nkernel_sizes = [3.0]': r"kernel_sizes is \[3.0\]; expected a list of whole numbers",
    'blocks = ["123"]\ndepths = 2': r"depths is 2; expected a list of whole numbers, such as \[1, 2\]",
    'blocks = ["123"]\nseeds = [true]': r"seeds is \[True\]; expected",
    'blocks = ["123"]\nlearning_rates = [-1]': "learning_rates has -1.0; expected rates above 0",
    'blocks = ["123"]\nstudy = "walks"': "unknown study 'walks'; known are andi, gray_scott",
    'blocks = ["123"]\nlike = "pattern-2d"': "unknown network 'pattern-2d'; choose one of andi-study",
    'blocks = ["123"]\nepochs = "many"': "epochs is 'many'; expected a whole number",
    "blocks = [": "is not TOML: Invalid value",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_one_line(text, written, capsys, store_root):
    file = written(text)
    assert run("train_grid", "--grid", file) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"error: {re.escape(str(file))}: {BAD[text]}", line)
    assert not store_root.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--grid none.toml", "none.toml: cannot be read: No such file"),
        ("--grid {file} --seed 2", "--seed and --series do not go with --grid; write seeds in the file"),
        ("--grid {file} --series other", "--seed and --series do not go with --grid"),
        ("--grid {file} --networks 123-2", "unknown network '123-2' of the grid; expected a word of 1 blocks 123"),
        ("--grid {file}", "there is no data set 'andi/train'"),
        ("--study gray_scott", "the study gray_scott has no grid; write one in a file and name that with --grid"),
    ],
)
def test_mistakes_before_anything_starts(flags, message, written, monkeypatch, capsys):
    monkeypatch.setenv("RAYPIPE_STUDY", "")
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))
    file = written('blocks = ["123"]')
    assert run("train_grid", *flags.format(file=file).split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


OWN_GRID = {
    "several": ({}, {"seed-3": (0.01, 3), "seed-4": (0.01, 4)}),
    "named": ({"--series": "more"}, {"more-seed-3": (0.01, 3), "more-seed-4": (0.01, 4)}),
    "one": ({"--seed": 7, "--series": "other"}, {"other": (0.01, 7)}),
}


@pytest.mark.parametrize("name", OWN_GRID)
def test_a_study_s_own_grid_is_trained_with_all_its_rates_and_seeds(name, monkeypatch):
    flags, expected = OWN_GRID[name]
    grid = replace(ANDI.grid, seeds=(3, 4), learning_rates=(0.01,))
    monkeypatch.setattr(study, "find", lambda _: replace(ANDI, grid=grid))
    asked = []
    monkeypatch.setattr("raypipe.networks.train.train", lambda _, *settings: asked.extend(settings) or [])
    monkeypatch.setattr("raypipe.networks.train.summary", lambda _: "")
    with pytest.raises(SystemExit) as ended:
        command.run(job("train_grid"), [str(one) for flag in flags.items() for one in flag])
    assert ended.value.code == 0
    assert {one.series: (one.rate, one.seed) for one in asked} == expected


def test_a_file_that_can_name_no_series(written):
    with pytest.raises(InputError, match=r"'my grid' cannot name a series of networks; expected letters"):
        grid_file.read(written("", "my grid.toml"), ANDI)


@pytest.mark.slow
def test_from_a_file_to_the_effects(ray_cluster, written, monkeypatch, capsys, tmp_path):
    tiny_data.write_trajectories("train", 40)
    tiny_data.write_trajectories("val", 20, seed=1)
    file = written(
        'blocks = ["123"]\nkernel_sizes = [32]\nfilters = [2, 4]\nlearning_rates = [0.001, 0.01]\nseeds = [1, 2]\n'
        "epochs = 3\nbatch = 10"
    )
    assert run("train_grid", "--grid", file, "--epochs", "1") == 0
    listed = capsys.readouterr().out.splitlines()
    names = [
        f"mine-rate-{rate}-seed-{seed}/123-32-f{filters}"
        for rate in (0.001, 0.01)
        for seed in (1, 2)
        for filters in (2, 4)
    ]
    assert sorted(line.split()[-1] for line in listed[1:]) == artifact.names() == names
    made_from = artifact.load("mine-rate-0.01-seed-2/123-32-f4").provenance["made_from"]
    assert {key: made_from["training"][key] for key in ("rate", "seed", "batch", "epochs")} == {
        "rate": 0.01, "seed": 2, "batch": 10, "epochs": 1,
    }  # fmt: skip

    assert run("compare_grid", "--grid", file, "--output", tmp_path) == 0
    said = capsys.readouterr().out
    assert "| filters | filters 4 instead of 2 |" in said
    assert "| learning rate | learning rate 0.01 instead of 0.001 |" in said
    assert "order" not in said
    table = pd.read_csv(tmp_path / "mine.csv", dtype={"word": str})
    assert table[["filters", "learning_rate", "seed"]].drop_duplicates().shape == (8, 3)
    assert len(list((tmp_path / "figures").glob("mine_*.png"))) == 3
    assert run("compare_grid", "--grid", file, "--table", tmp_path / "mine.csv", "--output", tmp_path) == 0
    assert capsys.readouterr().out == said

    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be done"))
    assert run("train_grid", "--grid", file, "--epochs", "1") == 0
    assert run("train_grid", "--grid", file) == 2
    assert "training epochs was 1, now 3" in capsys.readouterr().err

    other = artifact.load(names[0])
    artifact.save(
        replace(other, architecture=replace(other.architecture, layers=artifact.load(names[1]).architecture.layers))
    )
    assert run("train_grid", "--grid", file, "--epochs", "1") == 2
    assert "its layers, input or data sets differ" in capsys.readouterr().err
    assert run("compare_grid", "--grid", file, "--output", tmp_path) == 2
    assert "has other layers, input or data sets than the grid's" in capsys.readouterr().err
