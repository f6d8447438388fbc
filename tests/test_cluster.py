"""Which cluster a job joins, and whether the cluster can ever provide the requested resources."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from ports import free_ports

from raypipe.errors import InputError
from raypipe.run import cluster

ROOT = Path(__file__).parent.parent


def address(given):
    """Return the output of a new process that tries to join a cluster at this address, and its duration in seconds."""
    program = "from raypipe.run import cluster\ntry: cluster.connect()\nexcept Exception as error: print(repr(error))"
    began = time.monotonic()
    environment = {**os.environ, "RAY_ADDRESS": given}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    return ended.stdout + ended.stderr, time.monotonic() - began


@pytest.mark.parametrize("given", ["nonsense", "http://127.0.0.1:8265", "host:port", "no.such.host:6379"])
def test_an_address_of_no_cluster(given):
    said, _ = address(given)
    assert said.startswith("InputError(")
    assert given in said
    assert "host:port of a head" in said
    assert said.count("\n") == 1


def test_a_head_that_is_dead():
    (port,) = free_ports(1)
    said, seconds = address(f"127.0.0.1:{port}")
    assert "no Ray cluster answers at " in said
    assert "Connection refused" in said
    assert said.count("\n") == 1
    assert cluster._PATIENCE < seconds < 60


_LISTENING = """
import psutil
from raypipe.run import cluster
cluster.connect()
own = {psutil.Process().pid, *(child.pid for child in psutil.Process().children(recursive=True))}
for one in psutil.net_connections("tcp"):
    if one.status == "LISTEN" and one.pid in own:
        print(one.laddr.ip.removeprefix("::ffff:"))
"""


def test_a_ray_that_starts_here_listens_on_loopback_only():
    """By default, Ray listens on all interfaces, even if it is started with 127.0.0.1 as its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY")}
    ended = subprocess.run(
        [sys.executable, "-c", _LISTENING], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert set(ended.stdout.split()) == {"127.0.0.1"}, ended.stderr


def test_what_no_node_has_is_refused_and_what_one_has_is_not(ray_cluster):
    cluster.require({"CPU": 2}, "each training")
    with pytest.raises(InputError, match=r"each training needs a node with 64 cores; .* have 2 cores: ask for less"):
        cluster.require({"CPU": 64}, "each training")
    with pytest.raises(InputError, match=r"with 1 cores, 1 GPUs; .* have 2 cores, 0 GPUs"):
        cluster.require({"CPU": 1, "GPU": 1}, "each training")


def test_room_is_counted_node_by_node(monkeypatch):
    nodes = [{"CPU": 3.0, "GPU": 1.0}, {"CPU": 3.0}, {"memory": 1.0}]
    monkeypatch.setattr(cluster, "_nodes", lambda: nodes)
    assert cluster.room() == 6
    assert cluster.room({"CPU": 2, "GPU": 0}) == 2
    assert cluster.room({"CPU": 1, "GPU": 0.5}) == 2
    assert cluster.room({"CPU": 1, "GPU": 4}) == 1


def test_an_autoscaler_is_waited_for(ray_cluster, monkeypatch, caplog):
    """Uses the reports of Ray 2.60's monitor for clusters with and without configured node types."""
    for types, waits in (({"ffff00": "ray.head.default"}, True), ({"ffff00": "node_ffff00"}, False)):
        report = json.dumps({"autoscaler_report": {"active_nodes": {}, "node_type_mapping": types}}).encode()
        monkeypatch.setattr("ray.experimental.internal_kv._internal_kv_get", lambda _, report=report: report)
        caplog.clear()
        if waits:
            cluster.require({"CPU": 64}, "each training")
            assert "needs a node with 64 cores; there are nodes with 2 cores: waiting for the autoscaler" in caplog.text
        else:
            with pytest.raises(InputError, match="ask for less"):
                cluster.require({"CPU": 64}, "each training")


def packed(folder, *excludes):
    """Return the files of a folder that Ray would upload, according to Ray's own function."""
    from ray._private.runtime_env import packaging

    archive = folder.parent / "sent.zip"
    packaging._zip_files(str(folder), list(excludes), str(archive), include_gitignore=True)
    with zipfile.ZipFile(archive) as found:
        return {name for name in found.namelist() if not name.endswith("/")}


def test_of_a_checkout_only_what_is_named_travels(tmp_path):
    checkout = tmp_path / "checkout"
    travels = {"raypipe/run/envs/andi.txt", "jobs/demo.py", "data_catalog/andi/train.toml", "examples/one.py"}
    travels |= {"my_study.py", "my_grid.toml", "my_packages.txt", "my_table.csv"}
    stays = {
        "stray/large.bin",
        "lab/my_study.py",
        "store/andi/train.zarr/zarr.json",
        "raypipe/.cache/x",
        ".venv/bin/python",
    }
    stays |= {"raypipe/__pycache__/x.pyc", "large.bin", "figures/one.png", ".hidden", "examples/store/a.zarr/zarr.json"}
    for name in {*travels, *stays}:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    shutil.copy(ROOT / ".rayignore", checkout)
    assert packed(checkout) - {".rayignore"} == travels


def test_a_folder_of_a_study_that_is_too_large_is_told(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "data").mkdir()
    with (tmp_path / "data/large.bin").open("wb") as file:
        file.truncate(2**29 + 2**20)
    monkeypatch.setenv("RAYPIPE_STUDY", str(tmp_path / "mine.py"))
    with pytest.raises(InputError, match=r"holds 538 MB .* to workers, mostly data 538, .*\.rayignore"):
        cluster._upload()
    (tmp_path / ".rayignore").write_text("/data\n")
    assert cluster._upload()["working_dir"] == str(tmp_path)
