"""One Ray cluster for all tests, and a store of its own for each."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from raypipe.run import cluster

settings.register_profile("raypipe", deadline=None)
settings.load_profile("raypipe")

# Before any test module imports Ray, which reads them then.
for name, value in cluster.SETTINGS.items():
    os.environ.setdefault(name, value)

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def store_root(tmp_path, monkeypatch):
    """An empty root; returned as a Path."""
    root = tmp_path / "store"
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    return root


@pytest.fixture(scope="session")
def ray_cluster():
    """Ray on this machine, two cores, with token authentication; workers can import modules of tests/."""
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
