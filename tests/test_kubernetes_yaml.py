"""kubernetes.yaml is a RayJob as KubeRay takes it: versions of the lock, a token, and gone when it is done."""

import copy
from pathlib import Path

import jsonschema
import pytest
import yaml
from rayjob_schema import RAYJOB

ROOT = Path(__file__).parent.parent


@pytest.fixture
def job():
    return yaml.safe_load((ROOT / "kubernetes.yaml").read_text())


def test_valid_by_the_schema(job):
    jsonschema.validate(job, RAYJOB)


@pytest.mark.parametrize(
    "damage",
    [
        lambda spec: spec.update(entryPoint="typo"),
        lambda spec: spec["rayClusterSpec"]["workerGroupSpecs"][0].update(maxReplicas="eight"),
        lambda spec: spec["rayClusterSpec"]["headGroupSpec"].pop("template"),
        lambda spec: spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        lambda spec: spec["rayClusterSpec"]["authOptions"].update(mode="tokens"),
    ],
)
def test_the_schema_is_one_that_refuses(job, damage):
    damaged = copy.deepcopy(job)
    damage(damaged["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(damaged, RAYJOB)


def test_a_token_and_the_version_of_the_lock(job):
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert f"\nray=={cluster['rayVersion']} " in (ROOT / "raypipe/run/envs/cluster.txt").read_text()


def test_it_goes_when_it_is_done(job):
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    (workers,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["minReplicas"] == 0
    assert job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is True
