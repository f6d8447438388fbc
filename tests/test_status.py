"""Listing and removing what is under the root."""

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from test_fill import plan
from tiny_data import write_patterns
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import command, store
from raypipe.errors import InputError
from raypipe.networks import classify
from raypipe.report.status import made_from, status
from raypipe.store import objects
from raypipe.study import architecture

PREDICTIONS = "predictions/pattern-2d/val"


@pytest.fixture
def classified(monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)
    write_patterns("val", 15)
    random_network(architecture("pattern-2d"))
    classify.classify("pattern-2d", "val")


def test_status(classified, store_root, capsys):
    store.create(replace(plan("scripted:squares"), attributes={"command": "raypipe generate --study own.py"}), {})
    (store_root / "training" / "mine").mkdir(parents=True)
    (store_root / "training" / "mine" / "broken-0.safetensors").write_bytes(b"{}")
    found = {one.name: one for one in status()}
    assert {name: (one.kind, one.state, one.samples) for name, one in found.items()} == {
        "gray_scott/val": ("data", "complete", 15),
        "tests/squares": ("data", "0 of 4 shards", 10),
        PREDICTIONS: ("predictions", "complete", 15),
        "pattern-2d": ("network", "complete", None),
        "training/mine/broken-0.safetensors": ("", "damaged", None),
    }
    assert found[PREDICTIONS].of == "pattern-2d on gray_scott/val"
    assert found["tests/squares"].of == "raypipe generate --study own.py"
    files = [*store_root.glob("gray_scott/val.*/**/*")]
    assert found["gray_scott/val"].size == sum(file.stat().st_size for file in files if file.is_file())
    job("status")(as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == list(found)
    job("status")()
    assert "0 of 4 shards" in capsys.readouterr().out


def test_a_line_beyond_the_plan_does_not_make_a_store_complete(store_root):
    fill_here(plan("scripted:squares"))
    (store_root / "tests/squares.ledger/000003.json").rename(store_root / "tests/squares.ledger/000007.json")
    assert [one.state for one in status()] == ["3 of 4 shards"]
    with pytest.raises(InputError, match="has 3 of 4 shards"):
        store.open("tests/squares")


def test_a_damaged_line_is_told_of_its_store_alone(store_root):
    fill_here(plan("scripted:squares"))
    fill_here(replace(plan("scripted:squares"), name="tests/others"))
    (store_root / "tests/squares.ledger/000001.json").write_text("{")
    assert {one.name: one.state for one in status()} == {"tests/others": "complete", "tests/squares": "damaged"}


def test_status_of_nothing(store_root, capsys):
    job("status")()
    assert f"there is nothing in {store_root} yet" in capsys.readouterr().out
    assert not store_root.exists()


def remove(*flags):
    """Run the job and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        command.run(job("remove"), list(flags))
    return ended.value.code


def test_removing(classified, store_root, capsys):
    assert made_from("gray_scott/val") == [PREDICTIONS]
    assert remove("gray_scott/val") == 2
    said = capsys.readouterr()
    assert f"gray_scott/val: 15 samples, {store.size('gray_scott/val') / 1e6:.1f} MB" in said.out
    assert f"{PREDICTIONS} was made from it, and is kept" in said.out
    assert "is not removed without confirmation at a terminal; confirm with --yes" in said.err
    assert remove("gray_scott/val", "--yes") == 0
    assert store.list_names() == [PREDICTIONS]
    assert not [*store_root.glob("gray_scott/*")]
    assert remove("gray_scott/val", "--yes") == 2
    assert "there is no data set 'gray_scott/val'" in capsys.readouterr().err
    with pytest.raises(InputError, match="is not a valid name"):
        store.remove("../elsewhere")


def test_what_is_damaged_is_removed_and_who_answers_nothing_removes_nothing(
    classified, store_root, monkeypatch, capsys
):
    (store_root / "gray_scott/val.ledger/plan.json").unlink()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", aborted)
    assert remove("gray_scott/val") == 130
    assert (store_root / "gray_scott/val.zarr").exists()
    assert remove("gray_scott/val", "--yes") == 0
    assert "gray_scott/val.ledger/plan.json is damaged: it is missing), in" in capsys.readouterr().out
    assert not [*store_root.glob("gray_scott/*")]


def test_what_others_put_into_a_store_and_what_is_half_made_are_removed(store_root, capsys):
    for name in ("plan.json~", "note (1).txt"):
        fill_here(plan("scripted:squares"))
        (store_root / "tests/squares.ledger" / name).touch()
        store.remove("tests/squares")
        assert not [*store_root.glob("tests/squares.*")]
    store.create(plan("scripted:squares"), {})
    objects.delete_folder("tests/squares.zarr")
    assert remove("tests/squares", "--yes") == 0
    assert "tests/squares: incomplete, in" in capsys.readouterr().out
    assert not [*store_root.glob("tests/squares.*")]


def aborted(*_):
    raise typer.Abort


@given(left=st.integers(1, 8))
def test_what_is_half_removed_is_never_whole(tmp_path_factory, left):
    """What an interrupted removal leaves is incomplete or damaged; a second removal completes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(tmp_path_factory.mktemp("root")))
        fill_here(plan("scripted:squares"))
        gone = _until_cut_off(left)
        if not gone and store.list_names("tests/squares", damaged=True):
            with pytest.raises(InputError):
                store.open("tests/squares")
            store.remove("tests/squares")
        assert not store.list_names("tests/squares", damaged=True)
        fill_here(plan("scripted:squares"))
        np.testing.assert_array_equal(store.open("tests/squares").square, np.arange(10) ** 2)


def _until_cut_off(left):
    """Remove a store, interrupted after so many deleted objects; return whether the removal was complete."""
    delete, deleted = objects.delete, []

    def cut(*paths):
        for path in paths:
            if len(deleted) == left:
                raise KeyboardInterrupt
            deleted.append(path)
            delete(path)

    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(objects, "delete", cut)
        try:
            store.remove("tests/squares")
        except KeyboardInterrupt:
            return False
    return True
