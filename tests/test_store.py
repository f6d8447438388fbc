import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st
from tiny_store import contents, filled, shard_values, template, write

from raypipe import catalog, store
from raypipe.errors import DamageError, InputError
from raypipe.run import fill
from raypipe.store import Coordinate, objects, shards


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
        assert dataset.attrs["parameters"] == {"size": 3}
        assert dataset.attrs["hosts"] == 1
        assert dataset.u.attrs["units"] == "1"
    assert named["class"].values.tolist() == ["l", "h"]
    assert [plain["class"].attrs["names"][number] for number in plain["class"].values] == ["l", "h"]


def test_complete_means_in_the_ledger():
    plan = template()
    store.create(plan, {})
    assert store.missing(plan.name) == [0, 1, 2]
    write(plan, 2)
    assert store.missing(plan.name) == [0, 1]
    with pytest.raises(InputError, match="has 1 of 3 shards; to complete it, run the job that makes it"):
        store.open(plan.name)
    store.mark(plan.name, done=1, command="raypipe generate --split five --set u=1")
    with pytest.raises(InputError, match="to complete it, run raypipe generate --split five --set u=1"):
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
    right = {"u": np.zeros((2, 3)), "noise": np.zeros(2)}
    for wrong, message in (
        ({"u": np.zeros((1, 3))}, "u has 1 samples; expected 2"),
        ({"u": np.zeros((2, 4))}, r"u of a sample has the shape \(4,\); expected \(3,\)"),
        ({"noise": np.zeros(2, "complex128")}, "complex128; expected float64"),
        ({"noise": np.array(["a", "b"])}, "<U1; expected float64"),
        ({"v": np.zeros(2)}, "results are noise, u, v; expected noise, u"),
    ):
        with pytest.raises(InputError, match=message):
            store.write_shard(plan.name, 0, plan.bounds(0), {**right, **wrong}, seeds=None, seconds=0, attempt="test")
    with pytest.raises(InputError, match="results are u; expected noise, u"):
        store.write_shard(plan.name, 0, plan.bounds(0), {"u": right["u"]}, seeds=None, seconds=0, attempt="test")
    assert store.missing(plan.name) == [0, 1, 2]


def test_other_parameters_are_refused_with_both_values():
    filled(template())
    with pytest.raises(InputError, match="size was 3, now 4"):
        store.create(template(size=4), {})
    with pytest.raises(InputError, match="samples was 5, now 6"):
        store.create(template(samples=6), {})
    store.create(template(), {})
    assert store.missing("tests/five") == []


def test_a_template_that_was_not_finished_is_completed(store_root):
    plan = template()
    store.create(plan, {})
    whole = contents(store_root)
    group, frame = store_root / "tests/five.zarr/zarr.json", store_root / "tests/five.zarr/frame/zarr.json"
    frame.unlink()
    group.unlink()
    assert store.list_names() == []
    with pytest.raises(InputError, match="no data set 'tests/five'"):
        store.open(plan.name)
    store.create(plan, {})
    assert contents(store_root) == whole


@pytest.mark.parametrize("lost", ["five.ledger/plan.json", "five.ledger", "five.zarr", "five.zarr/zarr.json"])
def test_nothing_computed_is_discarded_without_the_users_word(store_root, lost):
    plan = template()
    filled(plan)
    path = store_root / "tests" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = contents(store_root)
    with pytest.raises(DamageError, match=r"is missing.*verify tests/five --repair, or .*: raypipe remove") as caught:
        store.create(plan, {})
    assert "\n" not in str(caught.value)
    with pytest.raises(DamageError, match="is missing"):
        store.open(plan.name)
    assert contents(store_root) == before


def test_other_values_of_a_coordinate_are_another_plan():
    filled(template())
    other = replace(template(), coordinates={**template().coordinates, "k": Coordinate(("sample",), np.arange(5) / 11)})
    with pytest.raises(InputError, match="the values or shape of k have changed"):
        store.create(other, {})


def test_every_chunk_has_a_checksum_and_is_there(store_root):
    plan = replace(
        template(), coordinates={**template().coordinates, "zero": Coordinate(("sample",), np.zeros(5, "int64"))}
    )
    filled(plan)
    for name, array in zarr.open_group(str(store_root / "tests/five.zarr"), mode="r").arrays():
        codecs = array.metadata.to_dict()["codecs"]
        inner = codecs[0]["configuration"]["codecs"] if codecs[0]["name"] == "sharding_indexed" else codecs
        assert inner[-1]["name"] == "crc32c", name
        assert array.nchunks_initialized >= array.nchunks, name  # it counts all chunks of a shard


def test_the_group_says_whether_it_is_complete():
    plan = template()
    store.create(plan, {})
    assert xarray.open_zarr(store.location(plan.name)).attrs["status"].startswith("incomplete: 0 of ")
    for shard in range(plan.shards):
        write(plan, shard)
    assert not store.is_marked_complete(plan.name)
    store.mark(plan.name, hosts=1)
    assert xarray.open_zarr(store.location(plan.name)).attrs["status"] == "complete"
    assert store.is_marked_complete(plan.name)
    assert store.verify(plan.name).sound


def test_what_lies_in_the_place_of_an_unfinished_shard_is_never_read(store_root):
    plan = template()
    filled(plan)
    (store_root / "tests/five.ledger/000001.json").unlink()
    partial = store.open(plan.name, partial=True)
    assert np.isnan(partial.u[2:4]).all()
    assert partial.u[4, 2] == 4.2


@pytest.mark.parametrize("damage", [b"", b"PK", None])
def test_a_shard_is_written_over_whatever_is_there(store_root, damage):
    plan = template()
    filled(plan)
    file = store_root / "tests/five.zarr/u/c/1/0"
    sound = file.read_bytes()
    file.write_bytes(sound[:-3] if damage is None else damage)
    write(plan, 1)
    assert file.read_bytes() == sound


@pytest.mark.parametrize("document", ["five.ledger/plan.json", "five.ledger/000001.json", "five.zarr/zarr.json"])
def test_a_document_without_its_checksum_is_damaged(store_root, document):
    filled(template())
    file = store_root / "tests" / document
    file.write_text(re.sub(r',\s*"sha256": "\w+"', "", file.read_text()))
    assert "does not agree with its checksum" in str(store.verify("tests/five"))


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


def test_a_store_that_is_not_there_says_which_are():
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
        objects.create("tests/once.json", b"")


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
        ("file:///data/new%20store/", "/data/new store"),
        ("~/store", str(Path.home() / "store")),
        ("data/", str(Path.cwd() / "data")),
        ("", str(Path.cwd() / "store")),
    ],
)
def test_root(monkeypatch, given, root):
    monkeypatch.setenv("RAYPIPE_STORE", given)
    assert objects.root() == root


@pytest.mark.parametrize(
    "given",
    [
        "s3://",
        "s3:/bucket",
        "s3:bucket",
        "s3:///prefix",
        "S3x://bucket",
        "http://bucket/x",
        "s3://bucket?x=1",
        "file://host/x",
        "file://",
    ],
)
def test_a_url_of_no_store_is_refused(monkeypatch, given):
    monkeypatch.setenv("RAYPIPE_STORE", given)
    with pytest.raises(
        InputError, match="is not a place for stores; expected a URL such as s3://bucket/prefix"
    ) as caught:
        objects.root()
    assert repr(given) in str(caught.value)


def test_the_home_of_nobody_is_refused(monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", "~no-such-user/store")
    with pytest.raises(InputError, match=r"RAYPIPE_STORE is '~no-such-user/store': .*; expected a user who has one"):
        objects.root()


def test_the_folder_of_a_url_is_made_by_the_first_that_writes(monkeypatch, tmp_path):
    monkeypatch.setenv("RAYPIPE_STORE", f"file://{tmp_path}/new%20store")
    assert store.list_names() == []
    with pytest.raises(InputError, match="there is no such file"):
        objects.read_from(f"file://{tmp_path}/none/x")
    assert not [*tmp_path.iterdir()]
    filled(template())
    (tmp_path / "new store/tests/five.ledger/plan.json~").touch()
    (tmp_path / "new store/tests/five.ledger/000000.json#1").touch()
    found = store.verify("tests/five")
    assert found.sound
    assert found.strays == ["tests/five.ledger/000000.json#1"]
    assert store.list_names() == ["tests/five"]
    store.remove("tests/five")
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


@pytest.mark.parametrize("name", ["../x", "a//b", "a/..", "", "a b", "/a"])
def test_names_that_lead_elsewhere_are_refused(name):
    for look in (catalog.open, store.verify, store.location, store.missing):
        with pytest.raises(InputError, match="is not a valid name"):
            look(name)


def test_names_are_found_without_listing_what_is_in_the_stores(monkeypatch, store_root):
    """A store may have a hundred thousand objects."""
    for name in ("tests/five", "tests/deep/er/five", "other"):
        filled(template(name))
    (store_root / "empty.zarr").mkdir()
    (store_root / "tests/lost.ledger").mkdir()
    (store_root / "tests/lost.ledger/000000.json").touch()
    (store_root / "planned.ledger").mkdir()
    (store_root / "planned.ledger/plan.json").touch()
    with monkeypatch.context() as patch:
        patch.delattr(objects, "paths")
        assert store.list_names() == ["other", "tests/deep/er/five", "tests/five"]
        assert store.list_names("tests/f") == ["tests/five"]
    assert store.list_names(damaged=True) == ["other", "planned", "tests/deep/er/five", "tests/five", "tests/lost"]


def test_what_others_keep_beside_the_stores_is_passed_over(store_root):
    for folder in ("lost+found", "my notes", "tests/old (1).zarr"):
        (store_root / folder).mkdir(parents=True)
    filled(template())
    (store_root / "tests/five.ledger/plan.json~").touch()
    assert store.list_names() == store.list_names(damaged=True) == ["tests/five"]
    assert store.verify("tests/five").foreign == ["tests/five.ledger/plan.json~"]


def test_of_a_continued_run_only_the_lines_of_before_are_read(monkeypatch):
    filled(template())
    read = []
    line = shards.read_line
    monkeypatch.setattr(shards, "read_line", lambda name, shard: read.append(shard) or line(name, shard))
    fill._finish("tests/five", [1], {"another"})
    assert read == [1]
    assert store.open("tests/five").attrs["hosts"] == 2
    fill._finish("tests/five", [0, 1, 2])
    assert read == [1], "it is marked"


def test_a_compression_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"gzip.*zstd"):
        store.Variable(("sample",), (3,), "float64", (3,), compression="gzip")
