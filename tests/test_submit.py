"""A job goes through `ray job submit` to a cluster started with `ray start`, with token authentication on loopback."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ports import free_ports

from raypipe import catalog

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


def takes_jobs(environment):
    """Whether the cluster runs a job by now: its agent starts after its dashboard."""
    command = [BIN / "ray", "job", "submit", "--", "true"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """Environment in which `ray` commands reach a fresh cluster of this machine."""
    # Short, because Ray's sockets lie in it and a socket's path may have 107 characters.
    folder = Path("/tmp") / f"raypipe-{os.getpid()}"
    token = tmp_path_factory.mktemp("token") / "auth_token"
    token.write_text("a-token-for-this-test-only-0123456789")
    port, dashboard_port, agent_port = free_ports(3)
    dashboard = f"http://127.0.0.1:{dashboard_port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY")},
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_API_SERVER_ADDRESS": dashboard,
    }
    start = [BIN / "ray", "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1"]
    ports = [
        f"--port={port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard.rsplit(':')[-1]}",
    ]
    # Its agent takes the jobs; on its usual port there may be that of the cluster of the other tests.
    ports.append(f"--dashboard-agent-listen-port={agent_port}")
    with open(tmp_path_factory.mktemp("log") / "ray.log", "w") as log:
        process = subprocess.Popen(
            [*start, *ports, f"--temp-dir={folder}", "--disable-usage-stats"],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 120
            while not takes_jobs(environment):
                assert process.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline, Path(log.name).read_text()
                time.sleep(0.5)
            yield environment
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            subprocess.run(["rm", "-rf", folder], check=False)


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
