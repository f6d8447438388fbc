"""Files that are written completely or not at all, and temporary folders that are always removed."""

import ast
import fcntl
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from raypipe.errors import InputError
from raypipe.files import scratch_folder, write

ROOT = Path(__file__).parent.parent

KILLED = """
import os, signal
from raypipe.files import scratch_folder
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


def test_a_file_is_written_completely_or_stays_as_it_was(tmp_path):
    file = tmp_path / "new" / "table.csv"
    write(file, lambda path: path.write_text("a,b\n1,2\n"))

    def interrupted(path):
        path.write_text("a,b\n3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(file, interrupted)
    assert file.read_text() == "a,b\n1,2\n"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    def full(path):
        path.write_text("a")
        raise OSError(28, "No space left on device")

    file = tmp_path / "table.csv"
    with pytest.raises(InputError, match=r"^cannot write .*/table.csv: No space left on device; choose another --outp"):
        write(file, full)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="Is a directory"):
        write(tmp_path, lambda path: path.write_text("a"))


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "table.csv")
    for text in ("one", "two"):
        write(tmp_path / "link.csv", lambda path, text=text: path.write_text(text))
        assert (tmp_path / "link.csv").is_symlink()
        assert (tmp_path / "table.csv").read_text() == text


@pytest.mark.parametrize("job", sorted((ROOT / "jobs").glob("*.py")), ids=lambda job: job.stem)
def test_jobs_write_files_only_through_write(job):
    """Whatever writes to a path is passed to `write` as a function, mostly a lambda, and not called."""
    writing = {"to_csv", "to_parquet", "savefig", "save", "write_text", "write_bytes"}
    tree = ast.parse(job.read_text())
    deferred = {id(one) for made in ast.walk(tree) if isinstance(made, ast.Lambda) for one in ast.walk(made)}
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    assert [ast.unparse(one) for one in calls if one.func.attr in writing and id(one) not in deferred] == []


def test_all_temporary_folders_are_removed_after_a_kill():
    files = [*(ROOT / "raypipe").rglob("*.py"), *(ROOT / "jobs").glob("*.py")]
    own = re.compile(r"TemporaryDirectory|NamedTemporaryFile|mkdtemp|mkstemp")
    assert {one for one in files if own.search(one.read_text())} == {ROOT / "raypipe" / "files.py"}
