"""The catalogue: listing and describing data sets, and searching for samples by their parameters."""

import importlib.util
import json
import logging
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scripted
from tiny_networks import random_network
from without_ray import fill_here

from raypipe import catalog
from raypipe.command import call
from raypipe.errors import DamageError, InputError
from raypipe.jobs import catalog as job
from raypipe.networks import classify
from raypipe.plan import Output, simulations
from raypipe.run import fill
from raypipe.studies.andi import STUDY
from raypipe.study import architecture


@pytest.fixture
def filled(store_root, monkeypatch):
    """Create two sets of trajectories, and the predictions of a network for the second."""
    monkeypatch.setattr(classify, "fill", fill_here)
    for split, count in (("train-own", 20), ("val-own", 40)):
        fill_here(STUDY.plan(split, {"trajectories": count, "positions": 320}))
    random_network(architecture("andi-study"))
    classify.classify("andi-study", "val-own")
    return store_root


def simulated(name, **points):
    """Create a data set that holds the sum of the parameters of each sample."""
    fill_here(replace(simulations(scripted.summed, points, {"x": Output()}), name=name))


def numbers(**wanted):
    return catalog.search(**wanted)["sample"].tolist()


def test_a_number_is_found_however_it_was_computed_and_no_other():
    tiny, steps = [1e-12, 2e-12, 5e-12, 1e-9], np.arange(0.04, 0.065, 0.01)
    simulated("s/tiny", D=tiny)
    simulated("s/wide", E=[1e-12, 2e-12, 0.0, 1e6])
    simulated("s/steps", f=steps, g=steps.astype("float32"), z=np.linspace(-0.3, 0.3, 3) + 0.1 - 0.1)
    simulated("s/whole", seed=np.array([2**63 + 5, 2**63 + 6, 7], "uint64"))
    assert steps[2] != 0.06
    assert numbers(D=1e-12) == [0]
    assert numbers(D=(1e-12, 2e-12)) == [0, 1]
    assert numbers(E=2e-12) == [1]
    assert numbers(f=0.06) == numbers(g=0.06) == [2]
    assert numbers(f=(0.04, 0.06)) == numbers(g=(0.04, 0.06)) == [0, 1, 2]
    assert numbers(f=[0.04, 0.06]) == [0, 2]
    assert numbers(z=0.0) == numbers(z=0) == [1]
    assert catalog.equal(np.array([1.0, np.inf]), np.inf).tolist() == [False, True]
    assert numbers(seed=2**63 + 5) == [0]
    assert numbers(seed=(2**63 + 6, 2**63 + 9)) == [1]


def test_what_is_damaged_is_left_out_unless_it_is_asked_for(store_root, caplog):
    for name in ("s/a", "s/b"):
        simulated(name, f=[1.0, 2.0])
    metadata = store_root / "s/b.zarr/zarr.json"
    metadata.write_text(metadata.read_text().replace("complete", "compleat", 1))
    with caplog.at_level(logging.WARNING):
        assert catalog.names() == ["s/a"]
    assert "s/b is left out" in caplog.text
    caplog.clear()
    assert len(catalog.search(data_sets=["s/a"], f=1)) == 1
    assert not caplog.text
    with pytest.raises(DamageError, match=r"s/b.zarr/zarr.json is damaged"):
        catalog.search(data_sets=["s/b"])


def test_a_search_leaves_out_what_lacks_a_coordinate(store_root, caplog):
    for name in ("s/a", "s/b"):
        simulated(name, f=[1.0, 2.0])
    (store_root / "s/b.zarr/f/c/0").unlink()
    with caplog.at_level(logging.WARNING):
        assert catalog.search(f=1)["data_set"].tolist() == ["s/a"]
    assert "s/b is left out" in caplog.text
    with pytest.raises(DamageError, match=r"s/b.zarr/f/c/0 is damaged"):
        catalog.search(data_sets=["s/b"], f=1)


def test_all_digits_are_printed_for_programs(capsys):
    simulated("s/a", D=[1.5e-12, 1 / 3], big=np.array([2**63 + 5, 1], "uint64"), small=np.array([0.1, 0.2], "float32"))
    simulated("s/b", D=[np.inf])
    found = json.loads(said(capsys, "search", "--json"))
    assert [one["D"] for one in found] == [1.5e-12, 1 / 3, None]
    assert found[0]["small"] == np.float32(0.1)
    assert found[2] == dict.fromkeys(found[0]) | {"data_set": "s/b", "sample": 0, "class": ""}
    assert json.loads(said(capsys, "search", "--where", "D=0.1:0.5", "--json"))[0]["big"] == 1


def test_names_and_kinds(filled):
    sets, predictions = ["andi/train-own", "andi/val-own"], ["predictions/andi-study/val-own"]
    assert catalog.names() == sets + predictions
    assert catalog.names("trajectories") == sets
    assert catalog.names("predictions") == predictions
    assert catalog.names("walks") == []


def test_a_description_says_what_there_is(filled):
    found = catalog.describe("andi/val-own")
    opened = catalog.open("andi/val-own")
    assert found.samples == 40
    assert found.fields["position"].dims == dict(opened.position.sizes)
    assert found.fields["position"].chunks == opened.position.encoding["chunks"]
    assert found.fields["exponent"].meaning == opened.exponent.attrs["long_name"]
    assert found.seeds == (int(opened.seed.min()), int(opened.seed.max()))
    assert found.bytes > 0
    text = found.text()
    assert "position (sample 40, time 320) float64" in text
    assert "kind: trajectories" in text
    with pytest.raises(InputError):
        catalog.describe("andi/none")


def test_samples_are_found_by_what_they_were_made_with(filled):
    test = catalog.open("andi/val-own")
    found = catalog.search("trajectories", classes=["lw"], exponent=(1.2, 1.8), data_sets=["andi/val-own"])
    expected = np.flatnonzero((test.label == 3) & (test.exponent >= 1.2) & (test.exponent <= 1.8))
    assert found["sample"].tolist() == expected.tolist()
    assert (found["class"] == "lw").all()
    np.testing.assert_array_equal(found["seed"], test.seed.values[expected])
    everywhere = catalog.search("trajectories")
    assert everywhere.groupby("data_set").size().to_dict() == {"andi/train-own": 20, "andi/val-own": 40}
    level = float(test.noise[0])
    assert catalog.search("trajectories", noise=level).shape[0] == sum(
        int(np.isclose(catalog.open(one).noise, level).sum()) for one in ("andi/train-own", "andi/val-own")
    )
    some = catalog.search("trajectories", label=[0, 2])
    assert set(some["class"]) == {"attm", "fbm"}


def test_predictions_are_found_by_what_was_predicted(filled):
    opened = catalog.open("predictions/andi-study/val-own")
    name = str(opened["class"].values[int(opened["predicted"][0])])
    found = catalog.search("predictions", classes=[name])
    assert found["sample"].tolist() == np.flatnonzero(opened["predicted"] == opened["predicted"][0]).tolist()


def test_a_class_that_was_never_predicted_has_no_samples(filled):
    opened = catalog.open("predictions/andi-study/val-own")
    absent = [str(one) for number, one in enumerate(opened["class"].values) if number not in opened["predicted"]]
    assert absent
    assert catalog.search("predictions", classes=absent).empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "walks"}, "unknown kind of data sets 'walks'; choose one of predictions, trajectories"),
        ({"classes": ["zeta"]}, "no data set searched has the class zeta; available: attm, ctrw, fbm, lw, sbm$"),
        ({"temperature": 3}, "no data set searched has the coordinate temperature; available: exponent, "),
        ({"data_sets": ["andi/val"]}, "unknown data set 'andi/val'"),
        ({"exponent": (1, 2, 3)}, r"exponent = \(1, 2, 3\); expected a pair of the least and the"),
        (
            {"exponent": (2, 1)},
            r"exponent = \(2, 1\); expected a pair of the least and the largest",
        ),
        ({"exponent": "abc"}, "cannot search for exponent = 'abc'; exponent is a number: expected a number"),
    ],
)
def test_what_there_is_not_is_told(filled, arguments, message):
    with pytest.raises(InputError, match=message):
        catalog.search(**arguments)


def test_nothing_found_is_a_table_without_rows(filled):
    assert catalog.search("trajectories", exponent=(5, 6)).empty
    assert catalog.search("trajectories", exponent=(5, 6)).columns[:3].tolist() == ["data_set", "sample", "class"]


def test_chunks_of_dask_are_whole_shards_and_without_dask_that_is_told(filled):
    if importlib.util.find_spec("dask"):
        assert catalog.open("andi/val-own", chunked=True).position.chunks[0] == (40,)
    else:
        with pytest.raises(InputError, match="install dask, or open andi/val-own without"):
            catalog.open("andi/val-own", chunked=True)


def said(capsys, *arguments):
    call(job.main, list(arguments))
    return capsys.readouterr().out


def test_the_job_lists_shows_and_searches(filled, tmp_path, capsys):
    listed = said(capsys, "list", "--kind", "trajectories")
    assert [line.split()[:2] for line in listed.splitlines()] == [["andi/train-own", "20"], ["andi/val-own", "40"]]
    assert said(capsys, "show", "andi/train-own").startswith("andi/train-own\n  kind: trajectories")
    assert json.loads(said(capsys, "show", "andi/train-own", "--json"))[0]["samples"] == 20
    flags = ["search", "--kind", "trajectories", "--class", "lw", "--where", "exponent=1.2:1.8"]
    expected = catalog.search("trajectories", classes=["lw"], exponent=(1.2, 1.8))
    assert said(capsys, *flags).splitlines()[-1] == f"{len(expected)} samples"
    assert len(json.loads(said(capsys, *flags, "--json"))) == len(expected)
    written = said(capsys, *flags, "--output", str(tmp_path / "lw.csv"), "--json")
    assert len(json.loads(written)) == len(expected)
    assert pd.read_csv(tmp_path / "lw.csv")["seed"].tolist() == expected["seed"].tolist()


def test_each_network_that_comes_along_has_a_card(filled, capsys):
    folder = Path(__file__).parent.parent / "results" / "networks"
    assert {one.name for one in catalog.cards("network")} == {f"shipped/{file.stem}" for file in folder.iterdir()}
    assert said(capsys, "show", "shipped/tracks-2d") == catalog.card("shipped/tracks-2d").text() + "\n"
    assert json.loads(said(capsys, "show", "shipped/tracks-2d", "--json"))[0]["licence"] == "MIT"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find"], "unknown action 'find'"),
        (["show"], "expected a name after show"),
        (["list", "andi/train-own"], "expected a name after show, and only there"),
        (
            ["list", "--where", "exponent=1", "--output", "x.csv"],
            "list with --where, --output, which search alone takes",
        ),
        (["list", "--kind", "walks"], "unknown kind of data sets 'walks'; choose one of predictions, trajectories"),
        (["search", "--output", "x.xlsx"], "unknown format '.xlsx'; choose one of .csv"),
        (["search", "--where", "exponent=2:1"], "expected a pair of the least and the largest"),
        (["search", "--where", "exponent=low:high"], "cannot search for low:high; expected a value, or"),
    ],
)
def test_mistakes_of_the_job_are_told(filled, arguments, message):
    with pytest.raises(InputError, match=message):
        call(job.main, arguments)


def test_what_is_made_by_a_checkout_says_by_which_commit(tmp_path, monkeypatch):
    def git(*arguments):
        own = ["-c", "user.name=n", "-c", "user.email=e", "-C", str(tmp_path)]
        return subprocess.run(["git", *own, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "raypipe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(fill.cluster, "PACKAGE", package)
    assert fill._commit() == {}
    git("init", "-q")
    assert fill._commit() == {}  # a folder inside a checkout, but not tracked
    git("add", ".")
    git("commit", "-qm", "first")
    assert fill._commit() == {"commit": git("rev-parse", "--short=12", "HEAD")}
    (package / "__init__.py").write_text("changed")
    assert fill._commit()["commit"].endswith("+")
