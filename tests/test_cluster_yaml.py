"""cluster.yaml is valid according to Ray's schema and passes the first checks of `ray up`."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cluster():
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def test_valid_by_rays_schema(cluster):
    jsonschema.validate(cluster, json.loads((files("ray.autoscaler") / "ray-schema.json").read_text()))


def test_the_schema_is_one_that_refuses(cluster):
    cluster["max_workers"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, json.loads((files("ray.autoscaler") / "ray-schema.json").read_text()))


def test_valid_by_what_ray_up_checks(cluster):
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_nodes_run_the_versions_of_the_lock_with_authentication(cluster):
    lock = (ROOT / "raypipe/run/envs/cluster.txt").read_text()
    version = cluster["docker"]["image"].split(":")[1].split("-")[0]
    assert f"\nray=={version} " in lock
    starts = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in command for command in starts if "ray start" in command)
    assert any("make setup" in command for command in cluster["setup_commands"])


def test_of_the_checkout_the_nodes_get_what_the_image_of_kubernetes_gets(cluster):
    mounts = {place: source for place, source in cluster["file_mounts"].items() if not source.startswith("~")}
    assert all(place == f"/home/ray/raypipe/{source}" for place, source in mounts.items())
    copied = re.findall(r"^COPY --chown=\S+ (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert sorted(mounts.values()) == sorted(" ".join(copied).split())


def test_strangers_are_kept_out_and_workers_go(cluster):
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    (head,) = [command for command in cluster["head_start_ray_commands"] if "--head" in command]
    assert "--dashboard-host=127.0.0.1" in head
    assert cluster["idle_timeout_minutes"] == 5
    assert cluster["available_node_types"]["worker"]["min_workers"] == 0
