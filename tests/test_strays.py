"""Files in a store that do not belong to it are reported, and removed if raypipe left them."""

import pytest
from test_fill import plan
from tiny_store import contents
from without_ray import fill_here

from raypipe import store
from raypipe.repair import repair
from raypipe.store import owner

NAME = "tests/squares"


@pytest.fixture
def squares(monkeypatch):
    monkeypatch.setattr("raypipe.repair.fill", fill_here)
    planned = plan("scripted:squares")
    fill_here(planned)
    store.mark(NAME)
    return planned


def values(root):
    """Return every file except the metadata, which say whether the store is complete."""
    return {path: data for path, data in contents(root).items() if path.name != "zarr.json"}


@pytest.mark.parametrize(
    "path",
    [
        "zarr/square/c/1#1",
        "zarr/square/c/4",
        "zarr/seed/c/1",
        "zarr/square/c/9/0",
        "zarr/zarr.json#17",
        "ledger/000001.json#1",
        "ledger/plan.json#2",
    ],
)
def test_what_a_killed_write_leaves_is_told_and_removed(squares, store_root, path):
    before = values(store_root)
    stray = store_root / f"{NAME}.{path}"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"half")
    found = store.verify(NAME)
    assert found.sound
    assert found.mendable
    assert found.strays == [f"{NAME}.{path}"]
    assert f"{NAME}.{path} is left over from an interrupted write, or not part of the plan" in str(found)
    repair(found, squares)
    assert values(store_root) == before
    assert not store.verify(NAME).mendable


def test_what_others_have_put_there_is_told_and_left_alone(squares, store_root):
    mine = store_root / f"{NAME}.zarr" / "notes.txt"
    mine.write_text("mine")
    found = store.verify(NAME)
    assert (found.sound, found.mendable, found.foreign) == (True, False, [f"{NAME}.zarr/notes.txt"])
    assert "notes.txt does not belong to raypipe" in str(found)
    repair(found, squares)
    assert mine.read_text() == "mine"


def test_what_another_job_is_writing_is_left_alone(squares, store_root, monkeypatch):
    (store_root / f"{NAME}.zarr" / "square" / "c" / "1#1").write_bytes(b"half")
    with owner.held(NAME):
        assert store.verify(NAME).strays, "a job's own, while it repairs"
        monkeypatch.setattr(owner, "is_own", lambda _: False)
        found = store.verify(NAME)
    assert not found.strays
    assert "not checked: leftovers of writes: process" in str(found)


def test_missing_shards_are_told_by_number(squares, store_root):
    for shard in (0, 1, 3):
        (store_root / f"{NAME}.ledger" / f"00000{shard}.json").unlink()
    found = store.verify(NAME)
    assert found.missing == [0, 1, 3]
    assert "3 shards are not made yet: 0-1, 3" in str(found)
