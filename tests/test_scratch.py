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
