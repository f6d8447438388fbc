"""A cluster of hosts without a shared disk gives the same results as one machine, whichever hosts are lost or join.

docs/hosts.md describes the results. The hosts are Linux namespaces, see tests/hosts.py.
"""

import os
import subprocess
import sys

import hosts
import numpy as np
import pytest
import s3_server
from test_train import wait_for

from raypipe import catalog, store
from raypipe.networks import artifact

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why := hosts.impossible()), reason=f"no namespaces can be made here: {why}"),
]

TOKEN = "a-token-for-these-hosts-only-0123456789"
SMALL = ["--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats"]
GENERATE = ["python", "jobs/generate_trajectories.py"]
PIPELINE = [
    [*GENERATE, "--split", "train", "--count", "20000"],
    [*GENERATE, "--split", "val", "--count", "200"],
    ["python", "jobs/train_network.py", "--network", "123-2", "--samples", "500", "--epochs", "2"],
    ["python", "jobs/classify_scan.py", "--network", "123-2", "--split", "val"],
]
MADE = ["andi/train", "andi/val", "predictions/123-2/val"]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """Start the hosts' network and an S3 server; return the network and the variables for access to the server."""
    with hosts.network() as network, s3_server.serving(tmp_path_factory.mktemp("s3"), hosts.HERE):
        variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        yield network, variables


@pytest.fixture
def cluster(bucket, request):
    """Return a function that adds a named host, and the URL of a separate store for this test."""
    network, variables = bucket
    url = f"s3://raypipe/{request.node.name}"

    def host(name, token=TOKEN):
        settings = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        found = network.host(name, RAYPIPE_STORE=url, **settings, **variables)
        found.check("sh", "-c", "cat > ~/.ray/auth_token", given=token)
        return found

    return host, url


def start_head(host):
    # The head has no cores and only runs the driver, so killing any other host does not lose the driver.
    host.check("ray", "start", "--head", "--port=6379", "--dashboard-host=127.0.0.1", *SMALL, "--num-cpus=0")


def join(host, head):
    return host.run("ray", "start", f"--address={head.address}:6379", *SMALL)


def submitted(*entrypoint):
    return ["ray", "job", "submit", "--working-dir", ".", "--", *entrypoint]


def on_this_machine(command, folder):
    environment = {**os.environ, "RAYPIPE_STORE": str(folder), "RAY_ADDRESS": "local"}
    command = [sys.executable, *command[1:]]
    run = subprocess.run(command, cwd=hosts.ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def made_by(name):
    return {line.host for line in store.ledger(name)}


def contents(root, monkeypatch):
    """Return values and ledger checksums of all stores of the pipeline, and the weights of its network."""
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    assert all(store.verify(name).sound for name in MADE)
    values = {name: catalog.open(name).load().drop_attrs() for name in MADE}
    checksums = {name: [line.checksum for line in store.ledger(name)] for name in MADE}
    return values, checksums, artifact.load("123-2").weights


def test_a_host_is_killed_and_another_joins_and_all_is_as_on_one_machine(cluster, tmp_path, monkeypatch):
    host, url = cluster
    monkeypatch.setenv("RAYPIPE_STORE", url)
    head, one, two, three = (host(name) for name in ("head", "one", "two", "three"))
    start_head(head)
    for other in (one, two):
        assert join(other, head).returncode == 0
    generate = subprocess.Popen(head.command(*submitted(*PIPELINE[0])), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: {"one", "two"} <= made_by("andi/train"), 300)
    for other in (one, two):  # both then hold unfinished shards
        other.check("pkill", "-STOP", "MapWorker")
    assert len(store.ledger("andi/train")) < 20
    finished_by_two = sum(line.host == "two" for line in store.ledger("andi/train"))
    two.kill()
    assert join(three, head).returncode == 0
    wait_for(lambda: "three" in made_by("andi/train"), 500)
    one.check("pkill", "-CONT", "MapWorker")
    said, _ = generate.communicate()
    assert generate.returncode == 0, said
    assert made_by("andi/train") == {"one", "two", "three"}
    assert sum(line.host == "two" for line in store.ledger("andi/train")) == finished_by_two
    assert store.open("andi/train").attrs["hosts"] == 3
    for job in PIPELINE[1:]:
        head.check(*submitted(*job))
    for job in PIPELINE:
        on_this_machine(job, tmp_path / "single")
    values, checksums, weights = contents(url, monkeypatch)
    single_values, single_checksums, single_weights = contents(tmp_path / "single", monkeypatch)
    assert checksums == single_checksums
    assert all(values[name].identical(single_values[name]) for name in MADE)
    for layer, arrays in single_weights.items():
        np.testing.assert_array_equal(weights[layer], arrays)


def test_a_host_whose_python_lies_elsewhere_works(cluster, monkeypatch):
    host, url = cluster
    head, moved = host("head"), host("moved")
    moved.move_checkout("/srv/elsewhere")
    start_head(head)
    moved.check("python", "-m", "raypipe.run.environments")  # like `make setup`
    assert join(moved, head).returncode == 0
    head.check(*submitted(*PIPELINE[1]))
    monkeypatch.setenv("RAYPIPE_STORE", url)
    assert made_by("andi/val") == {"moved"}


def test_a_stranger_neither_joins_nor_submits_nor_looks(cluster):
    host, _ = cluster
    head, stranger = host("head"), host("stranger", token="another-token-that-is-long-enough-012345")
    start_head(head)
    assert join(stranger, head).returncode != 0
    nodes = head.check("python", "-c", "import ray; ray.init(address='auto'); print(len(ray.nodes()), 'nodes')")
    assert "1 nodes" in nodes
    for address in (f"http://{head.address}:8265", "http://127.0.0.1:8265"):
        # The first: from outside, where nothing listens. The second: on the head itself, with a wrong token.
        run = (stranger if head.address in address else head).run(
            "env", "RAY_AUTH_TOKEN=another-token-that-is-long-enough-012345", f"RAY_API_SERVER_ADDRESS={address}",
            *submitted("echo", "in"),
        )  # fmt: skip
        assert run.returncode != 0
        assert "in\n" not in run.stdout
