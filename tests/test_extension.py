"""Extending stores: existing shards stay, and the result equals a store created at full length."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fill import plan
from without_ray import fill_here, worker_of

from raypipe import catalog, repair, store
from raypipe.errors import InputError
from raypipe.run.fill import row_of
from raypipe.store import creation, extension, objects
from raypipe.studies.andi import trajectory_sets
from raypipe.studies.gray_scott import STUDY

NAME = "tests/squares"


def squares(samples, calls=None, **others):
    of = plan("scripted:squares", samples, count=samples, **others, **({"calls": str(calls)} if calls else {}))
    return replace(of, grows=("count",))


def check(samples):
    found = store.verify(NAME)
    assert found.sound, str(found)
    assert not found.missing
    np.testing.assert_array_equal(store.open(NAME).square, np.arange(samples) ** 2)


def known(name=NAME):
    """Return the description of a store, except when and where it was created."""
    document = store.plan_of(name)
    lines = [(line.shard, line.start, line.stop, line.checksum, line.seeds) for line in store.ledger(name)]
    return document.samples, document.shards, document.parameters, document.arrays, lines


def test_what_is_there_stays_and_the_rest_is_made(tmp_path, store_root, monkeypatch):
    calls = tmp_path / "calls"
    calls.mkdir()
    fill_here(squares(10, calls))
    lines = {path: path.stat().st_mtime_ns for path in sorted(store_root.glob(f"{NAME}.ledger/0*.json"))[:3]}
    store.mark(NAME)
    fill_here(squares(25, calls))
    check(25)
    assert lines == {path: path.stat().st_mtime_ns for path in lines}
    starts = sorted(int(path.name.partition("-")[0]) for path in calls.iterdir())
    assert starts == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    extended = known()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "at-once"))
    fill_here(squares(25, calls))
    assert known() == extended


def test_a_store_of_whole_shards_keeps_all_of_them(store_root):
    fill_here(squares(9))
    before = {path: path.stat().st_mtime_ns for path in store_root.glob(f"{NAME}.zarr/square/c/*")}
    store.create(squares(12), {})
    assert store.missing(NAME) == [3]
    with pytest.raises(InputError, match="has 3 of 4 shards"):
        store.open(NAME)
    fill_here(squares(12))
    check(12)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_an_extension_makes_while_a_store_is_verified_is_no_leftover():
    fill_here(squares(10))
    verified = []

    def extended_after_the_last():
        verified.append(0)
        if len(verified) == 4:
            fill_here(squares(25))

    found = store.verify(NAME, each=extended_after_the_last)
    assert found.sound, str(found)
    assert not found.strays
    check(25)


def test_a_repair_keeps_what_an_extension_has_made_since(store_root, monkeypatch):
    monkeypatch.setattr(repair, "fill", fill_here)
    fill_here(squares(10))
    chunk, line = (store_root / f"{NAME}.{path}" for path in ("zarr/square/c/4", "ledger/000007.json"))
    for path in (chunk, line):
        path.write_text("{}")
    found = store.verify(NAME)
    assert found.strays == [f"{NAME}.zarr/square/c/4"]
    assert found.surplus == [7]
    line.unlink()
    fill_here(squares(25))
    files = (path for path in (store_root / "tests").rglob("*") if path.is_file() and path.name != "zarr.json")
    made = {path: path.stat().st_mtime_ns for path in files}
    repair.repair(found, squares(25))
    check(25)
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_a_late_worker_does_not_write_into_a_store_that_was_made_again_or_extended(monkeypatch):
    """A worker can outlive its job, as on a host that is cut off; the new store's shards have the same shape."""
    times = (f"2026-01-01T00:00:0{second}+00:00" for second in range(9))
    monkeypatch.setattr(creation, "now", lambda: next(times))
    old = squares(10)
    store.create(old, {})
    late = worker_of(old)
    store.create(squares(25), {})
    assert not late(row_of(old, 2))["error"], "a whole shard is the same in both"
    assert "was made again or extended while its shard 3 was computed" in late(row_of(old, 3))["error"]
    store.remove(NAME)
    new = squares(10, offset=1)
    store.create(new, {})
    said = late(row_of(old, 0))
    assert "tests/squares was made again or extended while its shard 0 was computed; the shard is not" in said["error"]
    assert said["stops"]
    assert store.missing(NAME) == [0, 1, 2, 3]
    assert not worker_of(new)(row_of(new, 0))["error"]


@settings(max_examples=40)
@given(old=st.integers(1, 20), more=st.integers(1, 20), puts=st.integers(0, 12))
def test_an_extension_that_is_cut_off_is_continued(tmp_path_factory, old, more, puts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(tmp_path_factory.mktemp("root")))
        fill_here(squares(old))
        put, done = objects.put, []

        def cut(path, data):
            if len(done) == puts:
                raise KeyboardInterrupt
            done.append(path)
            put(path, data)

        patch.setattr(objects, "put", cut)
        try:
            store.create(squares(old + more), {})
        except KeyboardInterrupt:
            pass
        finally:
            patch.setattr(objects, "put", put)
        fill_here(squares(old + more))
        check(old + more)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (squares(9), "count was 10, now 9"),
        (squares(25, offset=1), "count was 10, now 25; offset was None, now 1"),
        (replace(squares(25), grows=()), "count was 10, now 25"),
        (replace(squares(25), shard_samples=5), "count was 10, now 25"),
        (
            replace(squares(25), coordinates={"seed": replace(squares(25).coordinates["seed"], values=np.arange(25))}),
            "count was 10, now 25",
        ),
    ],
)
def test_anything_else_is_refused(wanted, message):
    fill_here(squares(10))
    before = known()
    with pytest.raises(InputError, match=f"was made with other parameters: {message}"):
        store.create(wanted, {})
    assert known() == before
    check(10)


def test_a_scan_gets_more_seeds(tmp_path, monkeypatch):
    of = {"k": "0.05,0.06", "f": 0.03, "size": 64, "frame_times": [10, 20]}
    fill_here(STUDY.plan("scan-own", of))
    first = catalog.open("gray_scott/scan-own").u.values
    fill_here(STUDY.plan("scan-own", {**of, "seeds": 3}))
    extended = catalog.open("gray_scott/scan-own").u.values
    np.testing.assert_array_equal(extended[:2], first)
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "at-once"))
    fill_here(STUDY.plan("scan-own", {**of, "seeds": 3}))
    np.testing.assert_array_equal(catalog.open("gray_scott/scan-own").u.values, extended)


@pytest.mark.parametrize("split", ["train", "test", "train-challenge"])
def test_trajectories_can_be_more(split):
    there = trajectory_sets.trajectories(split, 5500).document({}, "")
    assert extension.fits(there, trajectory_sets.trajectories(split, 1_000_000))
    assert not extension.fits(there, trajectory_sets.trajectories(split, 5500))
    assert not extension.fits(there, trajectory_sets.trajectories(split, 1000))


def test_fewer_trajectories_than_a_shard_has_can_be_more(monkeypatch, tmp_path):
    of = {"generator": "raypipe", "models": "fbm,ctrw", "positions": "10:50"}
    for count in (30, 70):
        fill_here(trajectory_sets.trajectories("train", count, **of))
    extended = catalog.open("andi/train").position.values
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "at-once"))
    fill_here(trajectory_sets.trajectories("train", 70, **of))
    np.testing.assert_array_equal(catalog.open("andi/train").position.values, extended)
