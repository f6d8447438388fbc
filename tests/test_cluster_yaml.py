"""cluster.yaml is valid by Ray's own schema and by the checks that `ray up` makes first."""

import json
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
