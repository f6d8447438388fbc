import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

from raypipe import catalog, objects, store
from raypipe.errors import InputError
from raypipe.store import Coordinate, Template, Variable


def template(name="tests/five", samples=5, shard_samples=2, **parameters):
    return Template(
        name=name,
        samples=samples,
        shard_samples=shard_samples,
        variables={
            "u": Variable(("sample", "y"), (samples, 3), "float64", (1, 3), {"units": "1"}),
            "noise": Variable(("sample",), (samples,), "float64", (shard_samples,)),
        },
        coordinates={
            "k": Coordinate(("sample",), np.arange(samples) / 10),
            "frame": Coordinate(("frame",), np.array([1, 2])),
            "class": Coordinate(("class",), ["l", "h"]),
        },
        parameters={"size": 3, **parameters},
    )


def shard_values(bounds):
    index = np.arange(bounds.start, bounds.stop)
    return {"u": index[:, None] + np.array([0.0, 0.1, 0.2]), "noise": index / 7}


def write(plan, shard):
    bounds = plan.bounds(shard)
    return store.write_shard(plan.name, shard, bounds, shard_values(bounds), seeds=(1, 9), seconds=0.5, attempt="test")


def filled(plan):
    store.create(plan, {"hosts": 1})
    for shard in range(plan.shards):
        write(plan, shard)


@given(samples=st.integers(1, 500), shard_samples=st.integers(1, 60))
def test_shards_cover_every_sample_once(samples, shard_samples):
    plan = template(samples=samples, shard_samples=shard_samples)
    bounds = [plan.bounds(shard) for shard in range(plan.shards)]
    assert [i for one in bounds for i in range(one.start, one.stop)] == list(range(samples))
    assert all(one.start % shard_samples == 0 for one in bounds)


def test_what_is_written_is_read_in_one_line(store_root):
    plan = template()
    filled(plan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, named = xarray.open_zarr(store.location("tests/five")), catalog.open("tests/five")
    assert store.location("tests/five") == str(store_root / "tests/five.zarr")
    for dataset in (plain, named):
        np.testing.assert_array_equal(dataset.u, shard_values(slice(0, 5))["u"])
        np.testing.assert_array_equal(dataset.noise, np.arange(5) / 7)
        assert set(dataset.coords) == {"k", "noise", "frame", "class"}
        assert dataset["class"].values.tolist() == ["l", "h"]
        assert dataset.attrs["parameters"] == {"size": 3}
        assert dataset.attrs["hosts"] == 1
        assert dataset.u.attrs["units"] == "1"


def test_complete_means_in_the_ledger():
    plan = template()
    store.create(plan, {})
    assert store.missing(plan.name) == [0, 1, 2]
    write(plan, 2)
    assert store.missing(plan.name) == [0, 1]
    with pytest.raises(InputError, match="has 1 of 3 shards"):
        store.open(plan.name)
    partial = store.open(plan.name, partial=True)
    assert np.isnan(partial.u[:4]).all()
    assert partial.u[4, 2] == 4.2
    (line,) = store.ledger(plan.name)
    assert (line.shard, line.start, line.stop, line.seeds, line.attempt) == (2, 4, 5, [1, 9], "test")


def test_values_all_equal_to_the_fill_value_are_written_too(store_root):
    plan = template()
    store.create(plan, {})
    bounds = plan.bounds(0)
    values = {name: np.full_like(one, np.nan) for name, one in shard_values(bounds).items()}
    store.write_shard(plan.name, 0, bounds, values, seeds=None, seconds=0, attempt="test")
    assert (store_root / "tests/five.zarr/u/c/0/0").is_file()


def test_a_shard_of_another_shape_is_refused_before_it_is_in_the_ledger():
    plan = template()
    store.create(plan, {})
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \(2, 3\)"):
        store.write_shard(plan.name, 0, plan.bounds(0), {"u": np.zeros((1, 3))}, seeds=None, seconds=0, attempt="test")
    assert store.missing(plan.name) == [0, 1, 2]


def test_other_parameters_are_refused_with_both_values():
    filled(template())
    with pytest.raises(InputError, match="size is 3 there and 4 here"):
        store.create(template(size=4), {})
    with pytest.raises(InputError, match="samples is 5 there and 6 here"):
        store.create(template(samples=6), {})
    store.create(template(), {})
    assert store.missing("tests/five") == []


def test_a_template_that_was_not_finished_is_made_anew(store_root):
    plan = template()
    filled(plan)
    (store_root / "tests/five.ledger/plan.json").unlink()
    store.create(plan, {})
    assert store.missing(plan.name) == [0, 1, 2]


def test_a_store_deleted_without_its_ledger_is_made_anew(store_root):
    plan = template()
    filled(plan)
    shutil.rmtree(store_root / "tests/five.zarr")
    with pytest.raises(InputError, match="no data set 'tests/five'"):
        store.open(plan.name)
    store.create(plan, {})
    assert store.missing(plan.name) == [0, 1, 2]


def test_verify_finds_a_damaged_shard(store_root):
    plan = template()
    filled(plan)
    assert store.verify(plan.name) == []
    file = store_root / "tests/five.zarr/u/c/1/0"
    damaged = bytearray(file.read_bytes())
    damaged[3] ^= 0xFF
    file.write_bytes(damaged)
    assert store.verify(plan.name) == [1]
    (store_root / "tests/five.ledger/000001.json").unlink()
    write(plan, 1)
    assert store.verify(plan.name) == []


def test_verify_finds_a_shard_exchanged_for_a_valid_one(store_root):
    plan = template(samples=4)
    filled(plan)
    zarr.open_array(f"{store_root}/tests/five.zarr/u", mode="r+")[0] = 99.0
    assert store.verify(plan.name) == [0]


def test_names(store_root):
    assert store.list_names() == []
    assert not store_root.exists()
    filled(template("a/one"))
    filled(template("a/other"))
    assert store.list_names() == ["a/one", "a/other"]
    assert store.list_names("a/on") == ["a/one"]
    assert store.list_names("b/") == []


def test_documents(store_root):
    objects.put("networks/x.json", b"{}")
    assert objects.get("networks/x.json") == b"{}"
    assert objects.exists("networks/x.json")
    assert not objects.exists("networks/y.json")
    with pytest.raises(InputError, match=r"there is no networks/y.json under"):
        objects.get("networks/y.json")
    assert json.loads((store_root / "networks/x.json").read_text()) == {}


def test_a_store_that_is_not_there_says_which_are(store_root):
    filled(template())
    with pytest.raises(InputError, match=r"no data set 'tests/six'.*tests/five"):
        catalog.open("tests/six")


def test_a_root_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot .* under .*file.*RAYPIPE_STORE") as caught:
        store.create(template(), {})
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        objects.check_writable()


@pytest.mark.parametrize("given", ["", "store", "./store"])
def test_a_submitted_job_must_name_its_store(monkeypatch, given):
    monkeypatch.setenv("RAYPIPE_STORE", given)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(InputError, match=r"RAYPIPE_STORE is .*store' in a submitted job"):
        objects.root()


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("s3://bucket/prefix/", "s3://bucket/prefix"),
        ("~/store", str(Path.home() / "store")),
        ("data/", str(Path.cwd() / "data")),
        ("", str(Path.cwd() / "store")),
    ],
)
def test_root(monkeypatch, given, root):
    monkeypatch.setenv("RAYPIPE_STORE", given)
    assert objects.root() == root


@pytest.mark.parametrize("name", ["../x", "a//b", "a/..", "", "a b", "/a"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(InputError, match="is not a name here"):
        catalog.open(name)
