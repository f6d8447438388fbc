"""User errors give one clear line and exit code 2, leave no files behind, and do not even start Ray."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_data import write_trajectories
from tiny_networks import random_network
from tiny_store import contents
from without_ray import job

from raypipe import command, store
from raypipe.studies.gray_scott import pattern_sets
from raypipe.study import architecture

ROOT = Path(__file__).parent.parent


def run(*arguments):
    process = [sys.executable, f"jobs/{arguments[0]}.py", *arguments[1:]]
    return subprocess.run(process, cwd=ROOT, capture_output=True, text=True, check=False)


MISTAKES = {
    "unknown split of trajectories": (
        ("generate_trajectories", "--split", "tset"), "unknown split 'tset'; choose one of train, val, test"),
    "trajectories that cannot be balanced": (
        ("generate_trajectories", "--split", "train", "--count", "12"), "12 trajectories cannot be balanced"),
    "no trajectories": (("generate_trajectories", "--split", "test", "--count", "0"), "0 trajectories; expected"),
    "unknown split of patterns": (("generate_patterns", "--split", "train3"), "unknown split 'train3'"),
    "too many per class": (("generate_patterns", "--split", "val", "--per-class", "51"), "from 1 to 50 of each class"),
    "unknown precision": (("generate_scan", "--dtype", "float16"), "unknown dtype 'float16'"),
    "scan of every zeroth point": (("generate_scan", "--every", "0"), "expected from 1 to 5481"),
    "no number": (("generate_scan", "--every", "ten"), "Invalid value for '--every'"),
    "unknown flag": (("generate_scan", "--evry", "10"), "No such option: --evry"),
    "missing flag": (("generate_patterns",), "Missing option '--split'"),
    "no workers": (("generate_scan", "--workers", "0"), "0 workers; expected 1 or more"),
    "negative kill rate": (("preview_pattern", "--seed", "1", "--f", "0.03", "--k", "-0.05"), "kill rate k is -0.05"),
    "unknown network": (("train_network", "--network", "resnet"), "unknown network"),
    "network that cannot be built": (("train_network", "--network", "123123123123-32"), "cannot be built"),
    "network of the grid that cannot be built": (
        ("train_grid", "--networks", "123-2,132132132132-32"), "cannot be built"),
    "missing data set": (("train_network", "--network", "andi-study"), "generate_trajectories"),
    "missing network": (("evaluate", "--network", "pattern-2d"), "train_network"),
    "name that leads elsewhere": (("evaluate", "--network", "../../x"), "/../../x.safetensors' is not a valid name"),
}  # fmt: skip


@pytest.fixture
def run_here(capfd, monkeypatch):
    """Run a job in this process, which must not start Ray; return its exit code, standard output and messages."""
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))

    def run_job(name, *flags):
        with pytest.raises(SystemExit) as ended:
            command.run(job(name), list(flags))
        return ended.value.code, *capfd.readouterr()

    return run_job


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_clear_line_and_nothing_written(mistake, store_root, run_here):
    arguments, said = MISTAKES[mistake]
    code, out, messages = run_here(*arguments)
    assert code == 2, messages
    (line,) = messages.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert out == ""
    assert not store_root.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--output"),
        ("report", "--output"),
        ("draw", "--study", "gray_scott", "--output"),
        ("preview_pattern", "--seed", "1", "--f", "0.03", "--k", "0.05", "--output"),
        ("train_network", "--network", "123-2", "--tensorboard"),
    ],
)
def test_what_cannot_be_written_into_is_found_before_the_work(arguments, store_root, tmp_path, run_here):
    write_trajectories("train", 10)
    write_trajectories("val", 10)
    before = contents(store_root)
    (tmp_path / "file").write_text("in the way")
    code, _, messages = run_here(*arguments, str(tmp_path / "file/below"))
    assert code == 2, messages
    line = messages.splitlines()[-1]
    assert line == f"error: cannot write into {tmp_path}/file/below: Not a directory; choose another {arguments[-1]}"
    assert contents(store_root) == before


def test_a_missing_scan(store_root):
    random_network(architecture("pattern-2d"))
    finished = run("classify_scan", "--network", "pattern-2d")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert line.startswith("error: there is no data set 'gray_scott/scan'")
    assert not (store_root / "predictions").exists()


def test_a_store_made_with_other_parameters_is_left_as_it_is(store_root):
    store.create(pattern_sets.patterns("val", per_class=2), {})
    before = {path: path.read_bytes() for path in store_root.rglob("*") if path.is_file()}
    finished = run("generate_patterns", "--split", "val", "--per-class", "3")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "per_class was 2, now 3" in line
    assert {path: path.read_bytes() for path in store_root.rglob("*") if path.is_file()} == before


def test_an_unwritable_root(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "file" / "store"))
    finished = run("generate_patterns", "--split", "val", "--per-class", "1")
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "cannot use the store under" in line
    assert "RAYPIPE_STORE" in line
