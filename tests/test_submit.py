"""A job goes through `ray job submit` to a cluster started with `ray start`, with token authentication on loopback."""

import subprocess
import sys
from pathlib import Path

import numpy as np

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


def test_without_the_token_nothing_is_accepted(head, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("another-token-that-is-long-enough-0123")
    run = submit({**head, "RAY_AUTH_TOKEN_PATH": str(wrong)}, "python", "-c", "print('in')")
    assert run.returncode != 0
    assert "in\n" not in run.stdout


def test_only_what_a_job_needs_is_uploaded(head):
    run = submit(head, "ls", "-A")
    uploaded = set(run.stdout.splitlines())
    assert {"raypipe", "jobs", "data_catalog"} <= uploaded
    assert not {".venv", ".git", "store", "demo", "results", "docs", "tests", "benchmarks"} & uploaded
