"""A shared Ray cluster, a second cluster that tests join from outside, and a separate store for each test."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import settings
from ports import free_ports

from raypipe.run import cluster

settings.register_profile("raypipe", deadline=None)
settings.load_profile("raypipe")

# Set these before any test module imports Ray, which reads them on import. Here workers die without their host, so the
# next attempt need not wait until Ray has detected the loss of a host; tests/test_hosts.py keeps that wait.
delays = {f"RAY_task_actor_unavailable_retry_{name}_ms": "1000" for name in ("delay_base", "max_delay")}
for name, value in {**cluster.SETTINGS, **delays}.items():
    os.environ.setdefault(name, value)

TESTS = Path(__file__).parent
BIN = Path(sys.executable).parent


def pytest_collection_modifyitems(items):
    """Run all tests that share the cluster in one process, one after another; group the other tests by file."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if "ray_cluster" in item.fixturenames else item.path.stem))


@pytest.fixture(autouse=True)
def store_root(tmp_path, monkeypatch):
    """Set an empty root for the stores and return its path, which does not exist yet."""
    root = tmp_path / "store"
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    return root


@pytest.fixture(autouse=True)
def handlers_of_signals():
    """Restore the signal handlers of the test process after each test: a job that runs in it replaces them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def ray_cluster():
    """Start Ray on this machine with two cores and token authentication; workers can import modules of tests/."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        runtime_env={"working_dir": str(TESTS.parent), "env_vars": {"PYTHONPATH": str(TESTS)}},
    )
    yield
    ray.shutdown()


def takes_jobs(environment):
    """Whether the cluster already runs jobs: its agent starts after its dashboard."""
    command = [BIN / "ray", "job", "submit", "--", "true"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """Start a fresh cluster on this machine; return the environment variables with which `ray` commands reach it."""
    # A short path: Ray puts its sockets there, and a socket path may have at most 107 characters.
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
        "RAY_ADDRESS": f"127.0.0.1:{port}",
    }
    start = [BIN / "ray", "start", "--head", "--block", "--num-cpus=2"]
    ports = [
        f"--port={port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard.rsplit(':')[-1]}",
    ]
    # The agent accepts the jobs; its default port may be taken by the agent of the shared cluster.
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


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Create a store and return its root.

    It has a small scan across a boundary, classified by two networks, labelled patterns, and classified trajectories.
    """
    from without_ray import fill_here

    from raypipe.networks import artifact, classify
    from raypipe.studies import andi, gray_scott

    root = tmp_path_factory.mktemp("made") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        patch.setattr(classify, "fill", fill_here)
        window = {"k": "0.05:0.065:4p", "f": "0.02:0.05:4p", "size": 64}
        fill_here(gray_scott.STUDY.plan("scan-zoom", window))
        for name in ("shipped/pattern-2d", "shipped/pattern-2d-second"):
            classify.classify(artifact.at_hand(name), "scan-zoom")
        fill_here(gray_scott.STUDY.plan("train", {"per_class": 1}))
        own = {"trajectories": 600, "positions": 320, "models": "fbm,sbm", "exponents": "0.4,0.8,1.2,1.6"}
        fill_here(andi.STUDY.plan("train-own", own))
        classify.classify(artifact.at_hand("shipped/andi-study"), "train-own")
    return root


@pytest.fixture
def data(made, monkeypatch):
    """Return the root of the store that `made` has filled; tests must not change it."""
    monkeypatch.setenv("RAYPIPE_STORE", str(made))
    return made
