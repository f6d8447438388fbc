import fcntl
import subprocess
import sys
import tempfile

import pytest

from raypipe.run.scratch import scratch_folder

KILLED = """
import os, signal
from raypipe.run.scratch import scratch_folder
with scratch_folder("raypipe-test-") as folder:
    (folder / "large").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_killed_leave_is_removed_and_what_the_living_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    subprocess.run([sys.executable, "-c", KILLED], env={"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    with scratch_folder("raypipe-test-") as own:
        assert not left.exists()
        with scratch_folder("raypipe-test-") as other:
            assert own.exists()
            assert other != own
    with pytest.raises(ZeroDivisionError), scratch_folder("raypipe-test-"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_removes_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    flock, others = fcntl.flock, []

    def late(file, how):
        if not others:
            others.append(file)
            with scratch_folder("raypipe-test-"):
                assert not (tmp_path / file.name).exists()
        return flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with scratch_folder("raypipe-test-") as own:
        assert own.exists()
    assert list(tmp_path.iterdir()) == []
