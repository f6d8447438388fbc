"""A job runs through `ray job submit` on a local cluster started with `ray start` and token authentication."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from raypipe import catalog

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


def submit(environment, *entrypoint, runtime_env="{}"):
    command = [BIN / "ray", "job", "submit", "--working-dir", ".", "--runtime-env-json", runtime_env, "--", *entrypoint]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_a_submitted_job_leaves_its_data_in_the_named_store(head, store_root):
    generate = ["python", "jobs/generate_trajectories.py", "--split", "val", "--count", "100"]
    run = submit(head, *generate, runtime_env=f'{{"env_vars": {{"RAYPIPE_STORE": "{store_root}"}}}}')
    assert run.returncode == 0, run.stdout + run.stderr
    dataset = catalog.open("andi/val")
    assert np.bincount(dataset.label).tolist() == [20] * 5
    assert dataset.attrs["versions"]["numpy"] == "1.26.4"
    assert "andi/val: 100 of 100 samples (100 %)" in run.stdout + run.stderr


def test_a_submitted_job_without_a_store_says_what_to_do(head):
    run = submit(head, "python", "jobs/generate_trajectories.py", "--split", "val", "--count", "100")
    assert run.returncode != 0
    assert "error: RAYPIPE_STORE is 'store' in a submitted job" in run.stdout + run.stderr


def submissions(head):
    """Return the names of all submissions known to the cluster."""
    command = [BIN / "ray", "job", "list"]
    said = subprocess.run(command, env=head, capture_output=True, text=True, check=True, timeout=120).stdout
    return set(re.findall(r"raysubmit_\w+", said))


def test_without_the_token_nothing_is_accepted(head, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("another-token-that-is-long-enough-0123")
    none = {name: value for name, value in head.items() if not name.startswith("RAY_AUTH")} | {"HOME": str(tmp_path)}
    before = submissions(head)
    for environment in ({**head, "RAY_AUTH_TOKEN_PATH": str(wrong)}, none):
        assert submit(environment, "touch", tmp_path / "in").returncode != 0
    assert submissions(head) == before
    assert not (tmp_path / "in").exists()


def test_a_request_of_any_program_needs_the_token(head):
    for path, data in (("/api/jobs/", b'{"entrypoint": "true"}'), ("/api/jobs/", None), ("/nodes?view=summary", None)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{head['RAY_API_SERVER_ADDRESS']}{path}", data, timeout=60)
        assert refused.value.code in (401, 403), path


def test_only_what_a_job_needs_is_uploaded(head):
    run = submit(head, "ls", "-A", ".", "raypipe/shipped/")
    uploaded = set(run.stdout.splitlines())
    assert {"raypipe", "jobs", "data_catalog", "pattern-2d.safetensors"} <= uploaded
    assert not {".venv", ".git", "store", "demo", "results", "docs", "tests", "benchmarks"} & uploaded
