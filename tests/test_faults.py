"""Faults such as killed processes and full disks do not change the finished store.

Either the run completes, or a line says what to do and the next run completes the store. docs/reliability.md describes
each case.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_fill import plan
from test_train import wait_for
from tiny_data import write_trajectories
from tiny_networks import random_network

from raypipe import catalog, store
from raypipe.errors import InputError, WorkError
from raypipe.networks import classify
from raypipe.run.fill import RETRIES, fill
from raypipe.study import architecture

pytestmark = pytest.mark.usefixtures("ray_cluster")


def check_squares(samples=10):
    """Check that the store is complete and sound, and has the right values."""
    found = store.verify("tests/squares")
    assert found.sound, str(found)
    assert not found.missing
    np.testing.assert_array_equal(catalog.open("tests/squares").square, np.arange(samples) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_killed_inside_a_computation_is_replaced(tmp_path, number):
    mark = tmp_path / "mark"
    fill(plan("scripted:dying", at=3, mark=str(mark), signal=int(number)), workers=1)
    assert mark.exists()
    check_squares()


@pytest.mark.slow
def test_a_worker_may_be_lost_at_every_shard(tmp_path):
    """As on spot nodes: in total more losses than the retries of one shard."""
    marks = tmp_path / "marks"
    marks.mkdir()
    fill(plan("scripted:dying_at_each", samples=RETRIES + 2, per_shard=1, marks=str(marks)), workers=1)
    assert len(list(marks.iterdir())) == RETRIES + 2
    check_squares(RETRIES + 2)


@pytest.mark.parametrize(
    "where", ["tests/squares.zarr/square/c/", pytest.param("tests/squares.ledger/", marks=pytest.mark.slow)]
)
def test_a_worker_killed_while_it_writes_is_replaced(tmp_path, where):
    """While it writes a shard, or the ledger entry after the shard."""
    mark = tmp_path / "mark"
    fill(plan("scripted:dying_in_write", where=where, mark=str(mark)), workers=1)
    assert mark.exists()
    check_squares()


def test_want_of_memory_in_a_process_is_told_and_the_next_run_completes(tmp_path):
    trigger = tmp_path / "trigger"
    trigger.touch()
    greedy = plan("scripted:greedy", at=3, while_exists=str(trigger))
    with pytest.raises(
        WorkError, match=r"tests/squares, shard 1 \(samples 3 to 5\): .*MemoryError: Unable to allocate"
    ):
        fill(greedy, workers=1)
    trigger.unlink()
    fill(greedy, workers=1)
    check_squares()


_DRIVER = """
import os, ray
from test_fill import plan
from raypipe.run.fill import RETRIES, fill

ray.init(log_to_driver=False, runtime_env={{"env_vars": {{"PYTHONPATH": os.environ["PYTHONPATH"]}}}}, **{where!r})
fill(plan(**{of!r}))
"""


def driver(where, of, **settings):
    """Start another process that fills the store of squares on the cluster `where`."""
    environment = {**os.environ, **settings, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", _DRIVER.format(where=where, of=of)]
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_want_of_memory_on_a_node_is_told_and_the_next_run_completes(tmp_path):
    """Ray kills the worker with the largest memory use once 1.5 GB more are in use than at the start."""
    trigger = tmp_path / "trigger"
    trigger.touch()
    lines = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    kilobytes = {line[0].rstrip(":"): int(line[1]) for line in lines}
    threshold = 1 - (kilobytes["MemAvailable"] - 1.5e6) / kilobytes["MemTotal"]
    settings = {"RAY_memory_usage_threshold": f"{threshold:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    local = {"address": "local", "num_cpus": 2, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    of = {"compute": "scripted:hungry", "at": 3, "most": 6 * 10**9, "while_exists": str(trigger)}
    process = driver(local, of, **settings)
    _, said = process.communicate()
    assert "tests/squares: workers were lost 4 times at the same shard, perhaps for lack of memory" in said
    # The last exception only says that the worker was restarted; the reason is in Ray's event files.
    events = [file.read_text() for file in Path("/tmp/ray").glob(f"session_*_{process.pid}/logs/events/*")]
    assert any("killed due to the node running low on memory" in one for one in events)
    assert 1 in store.missing("tests/squares")
    trigger.unlink()
    fill(plan(**of))
    check_squares()


def test_a_driver_that_is_killed_is_continued(tmp_path, store_root):
    """The driver is killed while one shard is in progress and others are finished; these are not computed again.

    Which shards are finished depends on Ray: a worker takes its queued shards in any order, so it may start with the
    one that waits.
    """
    import ray

    trigger, mark, calls = tmp_path / "trigger", tmp_path / "mark", tmp_path / "calls"
    calls.mkdir()
    trigger.touch()
    of = {"at": 9, "mark": str(mark), "while_exists": str(trigger), "calls": str(calls), "compute": "scripted:waiting"}
    process = driver({"address": ray.get_runtime_context().gcs_address}, of)
    try:
        wait_for(lambda: process.poll() is not None or (mark.exists() and store.finished("tests/squares")))
        assert process.poll() is None, process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        trigger.unlink()
    before = {path: path.stat().st_mtime_ns for path in store_root.glob("tests/squares.ledger/00000[012].json")}
    made = {int(path.name.partition("-")[0]) // 3 for path in calls.iterdir()}
    with pytest.raises(InputError, match=r"has [123] of 4 shards"):
        catalog.open("tests/squares")
    fill(plan(**of), workers=1)
    check_squares()
    assert before
    assert made >= {int(path.stem) for path in before}
    assert before == {path: path.stat().st_mtime_ns for path in before}


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """Mount a separate file system of limited size in a folder."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"]
    if subprocess.run(["mount", *options, folder], capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_full_is_told_and_the_next_run_completes(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    with small_disk(disk, 1):
        monkeypatch.setenv("RAYPIPE_STORE", str(disk / "store"))
        large = plan("scripted:waiting", at=3, mark=str(tmp_path / "mark"), while_exists=str(tmp_path / "never"))
        store.create(large, {})
        with contextlib.suppress(OSError), open(disk / "in the way", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(InputError, match=r"cannot write tests/squares.*No space left on device.*fix that"):
            fill(large, workers=1)
        (disk / "in the way").unlink()
        fill(large, workers=1)
        check_squares()


def test_a_store_that_becomes_read_only_is_told_and_the_next_run_completes(tmp_path, monkeypatch):
    disk, mark, trigger = tmp_path / "disk", tmp_path / "mark", tmp_path / "trigger"
    trigger.touch()
    with small_disk(disk, 1):
        monkeypatch.setenv("RAYPIPE_STORE", str(disk / "store"))
        held = plan("scripted:waiting", at=9, mark=str(mark), while_exists=str(trigger))

        def take_away():
            try:
                wait_for(lambda: mark.exists() and store.finished("tests/squares"))
                # A file that was just written may stay open a moment longer; until then the disk is busy.
                wait_for(lambda: not subprocess.run(["mount", "-o", "remount,ro", disk], check=False).returncode)
            finally:
                trigger.unlink()  # otherwise a failure here would block the worker forever

        taker = threading.Thread(target=take_away)
        taker.start()
        with pytest.raises(InputError, match=r"cannot write tests/squares.*Read-only file system.*fix that"):
            fill(held)
        taker.join()
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        missing = store.missing("tests/squares")
        assert 3 in missing
        assert len(missing) < 4
        fill(held, workers=1)
        check_squares()


@pytest.mark.slow
def test_a_classification_whose_worker_is_killed_is_the_same(tmp_path):
    write_trajectories("test", 50)
    random_network(architecture("123-2"))
    whole = catalog.open(classify.classify("123-2", "test"))
    planned = classify.plan_of(
        "123-2", "andi/test", "predictions/killed/test", {"at": 0, "mark": str(tmp_path / "mark")}
    )
    fill(replace(planned, compute="scripted:dying_predictions"))
    assert (tmp_path / "mark").exists()
    again = catalog.open("predictions/killed/test")
    np.testing.assert_array_equal(again.probability, whole.probability)
    np.testing.assert_array_equal(again.predicted, whole.predicted)
