"""Only one job at a time writes a store: a second job stops, and exactly one job takes over from a dead one."""

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import s3_server
from test_fill import plan
from test_train import wait_for
from tiny_store import filled, template
from without_ray import worker_of

from raypipe import catalog, repair, store
from raypipe.errors import InputError
from raypipe.run.fill import Filling, fill, row_of
from raypipe.store import objects, owner

NAME = "tests/squares"
FIRST, SECOND = (f"{NAME}.owner-{number}.json" for number in (1, 2))

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server.serving(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(params=["folder", "bucket"])
def anywhere(request, monkeypatch):
    if request.param == "bucket":
        request.getfixturevalue("server")
        monkeypatch.setenv("RAYPIPE_STORE", f"s3://raypipe/{re.sub(r'[^a-z]', '-', request.node.name)}")


def mark(path=FIRST, **values):
    """Write the mark of a process that is gone, by default on another machine."""
    found = {"host": "elsewhere", "pid": 1, "started": 1, "machine": "another", "since": "2026-01-01T00:00:00+00:00"}
    objects.put(path, json.dumps({**found, "token": "x", **values}).encode())


def test_a_name_is_owned_once_and_given_back(anywhere):
    with owner.held(NAME) as own:
        own.check()
        assert owner.alive(NAME).pid == os.getpid()
        said = rf"^{NAME} is being made by process {os.getpid()} on {platform.node()} since \S+; wait .*, or stop it$"
        with pytest.raises(InputError, match=said), owner.held(NAME):
            pass
        with owner.held("tests/others"):
            pass
    assert owner.alive(NAME) is None
    with pytest.raises(ZeroDivisionError), owner.held(NAME):
        raise ZeroDivisionError
    with owner.held(NAME):
        assert objects.files("tests") == [FIRST]
        assert store.list_names(damaged=True) == []
    assert objects.paths() == []


def test_the_mark_of_another_machine_holds_until_it_is_old(anywhere, monkeypatch):
    mark()
    refusal = (
        rf"process 1 on elsewhere since 2026-\S+; .* known to be dead, run the same command 300 s after its death, or "
        rf"delete .*{FIRST}$"
    )
    with pytest.raises(InputError, match=refusal), owner.held(NAME):
        pass
    monkeypatch.setattr(owner, "STALE", 0.0)
    with owner.held(NAME):
        assert objects.files("tests") == [SECOND]


def test_age_is_told_by_the_clock_of_the_store(anywhere):
    assert objects.age(FIRST) is None
    mark()
    assert 0 <= objects.age(FIRST) < 60
    assert [path for path in objects.paths() if "now" in path] == []


@pytest.mark.parametrize(
    ("values", "lives"),
    [
        ({"pid": os.getppid()}, False),  # the pid now belongs to another process
        ({"pid": os.getppid(), "started": owner._started(os.getppid())}, True),
        ({"pid": 2**22 + 1}, False),  # no process has such a pid
    ],
)
def test_a_process_of_this_machine_is_looked_for(values, lives):
    mark(machine=owner._machine(), **values)
    assert bool(owner.alive(NAME)) is lives


def test_a_process_that_is_dead_but_not_waited_for_is_gone():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark(machine=owner._machine(), pid=process.pid, started=owner._started(process.pid))
    assert owner.alive(NAME)
    process.kill()
    wait_for(lambda: owner._started(process.pid) == -1)
    assert owner.alive(NAME) is None
    process.communicate()


def test_a_process_that_the_system_hides_is_judged_by_its_mark(monkeypatch):
    """Such as a process of another user: it is unknown whether it still runs."""
    mark(machine=owner._machine())
    monkeypatch.setattr(owner, "_started", lambda _: None)
    assert owner.alive(NAME)
    monkeypatch.setattr(owner, "STALE", 0.0)
    assert owner.alive(NAME) is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff", b'{"pid": "x"}'])
def test_a_mark_that_cannot_be_read_is_held_for_a_strangers(content, monkeypatch):
    objects.put(FIRST, content)
    with pytest.raises(InputError, match=f"made by process 0 on an unknown host.*delete .*{FIRST}"), owner.held(NAME):
        pass
    monkeypatch.setattr(owner, "STALE", 0.0)
    with owner.held(NAME):
        pass


def test_of_many_that_try_at_once_one_owns(anywhere, request):
    """With and without the mark of a dead process, and while other attempts end."""
    bucket = "bucket" in request.node.name
    crowd = 8
    for number in range(10 if bucket else 100):
        name = f"tests/race-{number}"
        if number % 2:
            mark(f"{name}.owner-1.json", machine=owner._machine(), pid=2**22 + 1)
        start, tried, inside, most = threading.Barrier(crowd), threading.Barrier(crowd), [0], [0]

        def attempt(name=name, start=start, tried=tried, inside=inside, most=most):
            start.wait()
            try:
                with owner.held(name):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    tried.wait()
                    inside[0] -= 1
                    return True
            except InputError:
                tried.wait()
                return False

        with ThreadPoolExecutor(crowd) as pool:
            owned = [one.result() for one in [pool.submit(attempt) for _ in range(crowd)]]
        assert sum(owned) == 1
        assert most == [1]


def test_jobs_that_come_and_go_never_meet(anywhere, request):
    rounds, inside, met = 5 if "bucket" in request.node.name else 60, [], []

    def come_and_go(who):
        for _ in range(rounds):
            try:
                with owner.held(NAME):
                    inside.append(who)
                    met.append(len(inside))
                    inside.remove(who)
            except InputError:
                pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come_and_go, range(6)))
    assert set(met) == {1}


def test_who_was_slow_gives_way(monkeypatch):
    """It looks after the first owner died; before it writes, a second one comes and goes, and a third one comes."""
    mark(machine=owner._machine(), pid=2**22 + 1)
    write = objects.create

    def slow(path, data):
        monkeypatch.setattr(objects, "create", write)
        with owner.held(NAME):
            pass
        others.enter_context(owner.held(NAME))
        return write(path, data)

    monkeypatch.setattr(objects, "create", slow)
    with contextlib.ExitStack() as others:
        with pytest.raises(InputError, match="is being made by process"), owner.held(NAME):
            pass
        assert objects.files("tests") == [FIRST]


def test_a_mark_that_cannot_be_removed_keeps_nobody_out(monkeypatch, caplog):
    """Not even the process itself, which keeps running; as on a disk that has become read-only."""

    def refused(path):
        raise InputError("scripted")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "delete", refused)
        with owner.held(NAME):
            pass
    assert "scripted" in caplog.text
    assert objects.files("tests") == [FIRST]
    with owner.held(NAME):
        assert objects.files("tests") == [SECOND]
    assert objects.files("tests") == []


def test_an_owner_keeps_saying_so_and_notices_that_it_was_taken_for_dead(anywhere, monkeypatch):
    monkeypatch.setattr(owner, "RENEWED", 0.05)
    with owner.held(NAME) as own:
        objects.put(FIRST, b"")
        wait_for(lambda: objects.get(FIRST))
        own.check()
        mark(SECOND)
        wait_for(lambda: objects.files("tests") == [SECOND])
        with pytest.raises(InputError, match=f"^{NAME} is no longer this job's: another job.*what is finished is kept"):
            own.check()
    assert owner.alive(NAME).host == "elsewhere", "the other's mark is left alone"


def test_an_owner_leaves_a_mark_of_its_own_number_alone(monkeypatch):
    """The mark of another owner, which came after all earlier ones had gone."""
    monkeypatch.setattr(owner, "RENEWED", 0.05)
    with owner.held(NAME) as own:
        mark(FIRST)
        wait_for(lambda: own._lost)
    assert owner.alive(NAME).host == "elsewhere"


def test_a_mark_that_was_removed_is_missed(monkeypatch):
    monkeypatch.setattr(owner, "RENEWED", 0.05)
    with owner.held(NAME) as own:
        objects.delete(FIRST)
        wait_for(lambda: own._lost)
    assert objects.files("tests") == []


def test_a_store_that_cannot_be_reached_for_a_while_is_still_owned(monkeypatch):
    monkeypatch.setattr(owner, "RENEWED", 0.01)
    with owner.held(NAME) as own:
        put, tries = objects.put, []

        def refused(path, data):
            tries.append(path)
            if len(tries) < 4:
                raise InputError("scripted")
            put(path, data)

        monkeypatch.setattr(objects, "put", refused)
        wait_for(lambda: len(tries) > 4)
        own.check()
    assert owner.alive(NAME) is None


HELD = """
from test_fill import plan
from raypipe.command import run
from raypipe.run.fill import fill
def main() -> None:
    fill(plan("scripted:waiting", at=3, mark={mark!r}, while_exists={trigger!r}))
run(main, [])
"""


@pytest.fixture
def first(tmp_path, ray_cluster):
    """Start a process that fills the store up to its second shard; return the process and its plan."""
    import ray

    (tmp_path / "trigger").touch()
    faults = {"mark": str(tmp_path / "mark"), "trigger": str(tmp_path / "trigger")}
    environment = {
        **os.environ,
        "PYTHONPATH": f"{TESTS.parent}:{TESTS}",
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAYPIPE_STUDY": str(TESTS / "scripted.py"),  # Ray sends its folder to the workers
    }
    process = subprocess.Popen(
        [sys.executable, "-c", HELD.format(**faults)],
        env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(lambda: (tmp_path / "mark").exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process, plan("scripted:waiting", at=3, mark=faults["mark"], while_exists=faults["trigger"])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_second_job_is_refused_and_follows_one_that_is_killed(first, tmp_path, monkeypatch):
    process, planned = first
    refusal = f"^{NAME} is being made by process {process.pid} on {platform.node()} since {datetime.now(UTC).year}-"
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("refused before that"))
    with pytest.raises(InputError, match=refusal):
        fill(planned)
    monkeypatch.undo()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "store"))
    found = store.verify(NAME)
    with pytest.raises(InputError, match=refusal):
        repair.repair(found, planned)
    process.kill()
    process.wait()
    (tmp_path / "trigger").unlink()
    fill(planned)
    np.testing.assert_array_equal(catalog.open(NAME).square, np.arange(10) ** 2)
    assert store.verify(NAME).sound
    assert owner.alive(NAME) is None


def test_a_job_that_is_interrupted_gives_the_name_back(first):
    process, _ = first
    assert owner.alive(NAME).pid == process.pid
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert objects.files("tests") == []


def test_a_job_that_was_taken_for_dead_stops(monkeypatch):
    squares = plan()
    with owner.held(NAME) as own, Filling(squares, own) as filling:
        result = worker_of(squares)(row_of(squares, 0))
        monkeypatch.setattr(own, "_lost", True)
        with pytest.raises(InputError, match="no longer this job's"):
            filling.take(result)
    assert store.finished(NAME) == [0]


def test_a_store_that_cannot_be_written_to_is_verified_beside_a_foreign_mark(monkeypatch):
    filled(template())
    mark("tests/five.owner-1.json")

    def refused(path, data):
        raise InputError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(objects, "put", refused)
    found = store.verify("tests/five")
    assert found.sound
    assert "Read-only" in found.unchecked[0]


def test_what_is_read_needs_no_owner():
    filled(template())
    store.mark("tests/five", hosts=1)
    mark("tests/five.owner-1.json")
    assert store.verify("tests/five").sound
    assert store.open("tests/five").sizes["sample"] == 5
    assert store.list_names(damaged=True) == ["tests/five"]
