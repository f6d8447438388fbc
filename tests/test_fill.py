import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray
from without_ray import worker_of

from raypipe import catalog, store
from raypipe.errors import InputError, LostError, WorkError
from raypipe.run.fill import Filling, Worker, fill, row_of, work_of
from raypipe.store import Coordinate, Plan, Variable, owner

pytestmark = pytest.mark.usefixtures("ray_cluster")


def plan(compute="scripted:squares", samples=10, environment=None, per_shard=3, **parameters):
    return Plan(
        name="tests/squares",
        samples=samples,
        shard_samples=per_shard,
        variables={"square": Variable(("sample",), (samples,), "int64", (per_shard,))},
        coordinates={"seed": Coordinate(("sample",), np.arange(samples) + 100)},
        parameters=parameters,
        compute=compute,
        columns=("seed",),
        environment=environment,
    )


@pytest.fixture(scope="module")
def calls(ray_cluster, tmp_path_factory):
    """Fill the store of squares, although it is wanted twice; return the folder with a file per call."""
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(folder.with_name("squares")))
        fill(plan(calls=str(folder)), plan(calls=str(folder)))
    return folder


@pytest.fixture
def root(calls, monkeypatch):
    """Return the root of the filled store; tests must not change it."""
    folder = calls.with_name("squares")
    monkeypatch.setenv("RAYPIPE_STORE", str(folder))
    return folder


def test_fills_all_shards_once_and_says_who_did_what(root, calls):
    assert sorted(int(path.name.partition("-")[0]) for path in calls.iterdir()) == [0, 3, 6, 9]
    np.testing.assert_array_equal(catalog.open("tests/squares").square, np.arange(10) ** 2)
    lines = store.ledger("tests/squares")
    assert [(line.start, line.stop, line.seeds) for line in lines] == [
        (0, 3, [100, 102]), (3, 6, [103, 105]), (6, 9, [106, 108]), (9, 10, [109, 109]),
    ]  # fmt: skip
    attributes = catalog.open("tests/squares").attrs
    assert attributes["hosts"] == 1
    assert attributes["versions"]["numpy"] == np.__version__
    assert attributes["environment"] == "cluster"


def test_stores_together_share_workers_and_one_that_fails_leaves_the_others(tmp_path, capfd):
    trigger = tmp_path / "trigger"
    trigger.touch()
    broken = plan("scripted:failing", at=3, while_exists=str(trigger), error="ZeroDivisionError")
    other = replace(plan(), name="tests/others")
    with pytest.raises(WorkError, match=r"tests/squares, shard 1 \(samples 3 to 5\): ZeroDivisionError"):
        fill(broken, other, workers=1)
    assert store.finished("tests/squares") == [0, 2, 3]
    assert store.is_marked_complete("tests/others")
    trigger.unlink()
    fill(other, broken, workers=1)
    for name in ("tests/squares", "tests/others"):
        np.testing.assert_array_equal(catalog.open(name).square, np.arange(10) ** 2)
    lines = [*store.ledger("tests/others"), *store.ledger("tests/squares", [0, 2, 3])]
    assert len({line.attempt for line in lines}) == 1
    assert "tests/others: 10 of 10 samples (100 %)" in capfd.readouterr().err


def test_where_one_of_several_is_hopeless_that_is_told_and_not_everything_is_tried():
    hopeless = replace(plan("scripted:failing", samples=300), name="tests/hopeless")
    with pytest.raises(
        WorkError,
        match=r"tests/hopeless: all of the first 8 shards failed \((\d+, ){7}\d+\); .*The first: .*KeyError: 'at'",
    ):
        fill(hopeless, plan(samples=300), workers=1)
    assert 8 <= len(store.failed("tests/hopeless")) < 100


def test_a_second_run_computes_and_writes_nothing(root, calls):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    made = set(calls.iterdir())
    fill(plan(calls=str(calls)))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert set(calls.iterdir()) == made


def test_other_shards_are_finished_and_failures_are_kept_until_they_are_made(tmp_path):
    trigger, calls = tmp_path / "trigger", tmp_path / "calls"
    trigger.touch()
    calls.mkdir()
    broken = plan("scripted:failing", at=3, while_exists=str(trigger), error="ZeroDivisionError", calls=str(calls))
    message = r"tests/squares, shard 1 \(samples 3 to 5\): ZeroDivisionError: scripted; .*to retry what is missing"
    for attempt in (1, 2):
        with pytest.raises(WorkError, match=message):
            fill(broken, workers=1)
        assert store.finished("tests/squares") == [0, 2, 3]
        assert store.failed("tests/squares") == [1]
        kept = store.failure("tests/squares", 1)
        assert (kept.shard, kept.attempts) == (1, attempt)
        assert "samples 3 to 5" in kept.error
        assert 'raise {"InputError": InputError' in kept.traceback
    attributes = xarray.open_zarr(store.location("tests/squares")).attrs
    assert attributes["status"].startswith("incomplete: 3 of 4 shards; ")
    found = store.verify("tests/squares")
    assert (found.missing, found.strays, found.foreign) == ([1], [], [])
    trigger.unlink()
    fill(broken, workers=1)
    assert not store.failed("tests/squares")
    assert store.verify("tests/squares").sound
    np.testing.assert_array_equal(catalog.open("tests/squares").square, np.arange(10) ** 2)
    assert sorted(int(path.name.partition("-")[0]) for path in calls.iterdir()) == [0, 3, 6, 9]


def test_the_first_failure_ends_it_where_asked(monkeypatch):
    monkeypatch.setenv("RAYPIPE_FAIL_FAST", "1")
    alone = r"^tests/squares, shard \d+ \(samples \d+ to \d+\): KeyError: 'at'; run the same command to retry what is"
    with pytest.raises(WorkError, match=alone):
        fill(plan("scripted:failing", samples=300), workers=1)
    # Shards that the worker had already received may have failed too.
    assert 1 <= len(store.failed("tests/squares")) < 100


def test_several_failures_are_told_in_one_line():
    picky = plan("scripted:picky")
    with owner.held(picky.name) as own, Filling(picky, own) as filling:
        worker = worker_of(picky)
        for shard in range(4):
            filling.take(worker(row_of(picky, shard)))
    with pytest.raises(
        WorkError, match=r"tests/squares: 2 of 4 shards failed \(1, 2\); .*The first: .*ValueError: odd"
    ):
        filling.finish()
    assert store.finished("tests/squares") == [0, 3]


def test_a_users_mistake_found_by_a_worker_stays_one(tmp_path):
    trigger = tmp_path / "trigger"
    trigger.touch()
    with pytest.raises(InputError, match="shard 1") as caught:
        fill(plan("scripted:failing", at=3, while_exists=str(trigger), error="InputError"), workers=1)
    assert "\n" not in str(caught.value)


def test_a_shard_that_comes_again_with_its_block_is_not_made_again(tmp_path):
    squares = plan(calls=str(tmp_path / "calls"))
    (tmp_path / "calls").mkdir()
    store.create(squares, {})
    created = {squares.name: store.plan_of(squares.name).created}
    worker = Worker({squares.name: work_of(squares)}, created, shares_blocks=True)
    assert worker(row_of(squares, 1))["samples"] == 3
    shutil.rmtree(tmp_path / "calls")  # computing it again would fail
    assert worker(row_of(squares, 1)) == worker(row_of(squares, 1))
    assert not worker(row_of(squares, 1))["error"]


def test_a_failure_of_what_was_made_since_is_forgotten():
    squares = plan()
    store.create(squares, {})
    store.record_failure(squares.name, 1, "scripted", "")
    worker_of(squares)(row_of(squares, 1))
    assert store.failed(squares.name)
    with owner.held(squares.name) as own, Filling(squares, own):
        assert not store.failed(squares.name)


def test_who_was_taken_for_dead_leaves_a_complete_store_marked_so():
    class Lost:
        def check(self):
            raise InputError("no longer this job's")

    squares = plan()
    with Filling(squares, Lost()):
        worker = worker_of(squares)
        for shard in range(4):
            worker(row_of(squares, shard))
        store.mark(squares.name)
    assert store.is_marked_complete(squares.name)


@pytest.mark.slow
def test_what_always_kills_its_worker_ends_with_advice():
    with pytest.raises(LostError, match=r"workers were lost 4 times at the same shard.*--workers"):
        fill(plan("scripted:always_dying", at=0))


def test_isolated_workers_run_with_their_own_numpy():
    fill(plan("scripted:stack", environment="andi"), workers=1)
    dataset = catalog.open("tests/squares")
    assert set(dataset.square.values.tolist()) == {12604}
    assert dataset.attrs["versions"]["numpy"] == "1.26.4"
    assert dataset.attrs["versions"]["andi-datasets"] == "2.1.13"


def test_other_parameters_and_other_workers_are_refused():
    store.create(plan(), {})
    with pytest.raises(InputError, match="offset was None, now 1"):
        fill(plan(offset=1))
    with pytest.raises(InputError, match="0 workers; expected 1 or more"):
        fill(plan(), workers=0)


def test_an_unwritable_root_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "file" / "store"))
    with pytest.raises(InputError, match="cannot use the store under"):
        fill(plan())


def test_the_ledger_is_plain_json(root):
    documents = sorted((root / "tests/squares.ledger").glob("*.json"))
    assert [path.name for path in documents] == [f"{shard:06d}.json" for shard in range(4)] + ["plan.json"]
    assert {"shard", "checksum", "seeds", "attempt", "host", "written"} <= set(json.loads(documents[0].read_text()))
