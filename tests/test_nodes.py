"""Clusters of several nodes, on one machine."""

import os
import subprocess
import sys
import tempfile

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from ray.cluster_utils import Cluster
from raypipe.errors import InputError
from raypipe.run import cluster, environments

nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
import os
os.environ["RAY_ADDRESS"] = nodes.address
nodes.add_node(num_cpus=1)
cluster.connect()
environments.require("andi")
print("both have it")
nodes.add_node(num_cpus=1, env_vars={"UV_CACHE_DIR": sys.argv[1]})
try:
    environments.require("andi")
except InputError as error:
    print(error)
nodes.shutdown()
"""


def test_a_node_without_an_environment_is_told(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "empty")]
    # Ray records its address there for later processes, and its sockets need short paths.
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "RAY_TMPDIR": folder,
            "RAY_raylet_start_wait_time_s": "120",
        }
        run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert "both have it" in run.stdout, run.stderr
    assert "does not have the environment 'andi' (" in run.stdout
    assert "make it there, with network access: python -m raypipe.run.environments" in run.stdout
