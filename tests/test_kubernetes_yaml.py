"""kubernetes.yaml is valid according to KubeRay's RayJob schema, and sets token, versions and store correctly."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
SCHEMA = yaml.safe_load((ROOT / "tests/rayjob_schema.yaml").read_text())


@pytest.fixture
def job():
    return yaml.safe_load((ROOT / "kubernetes.yaml").read_text())


def containers(job):
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [one for group in groups for one in group["template"]["spec"]["containers"]]


def test_valid_by_the_schema(job):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(job, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/rayClusterSpec/authOptions/mode", "none"),
        ("spec/rayClusterSpec/rayVersion", 2.60),
        ("spec/rayClusterSpec/headGroupSpec/rayStartParams/num-cpus", 0),
        ("spec/ttlSecondsAfterFinish", 600),
        ("spec/rayClusterSpec/autoscalerOptions/idleTimeoutSeconds", "5m"),
    ],
)
def test_the_schema_is_one_that_refuses(job, path, value):
    *parents, last = path.split("/")
    inner = job
    for name in parents:
        inner = inner[name]
    inner[last] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, SCHEMA)


def test_the_version_is_that_of_the_lock_and_of_the_image(job):
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"\nray=={version} " in (ROOT / "raypipe/run/envs/cluster.txt").read_text()
    assert f"FROM rayproject/ray:{version}-py311-cpu\n" in (ROOT / "Dockerfile").read_text()


def test_strangers_are_kept_out_and_nothing_is_left_on(job):
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "raypipe-token"}
    assert cluster["enableInTreeAutoscaling"]
    assert all(group["minReplicas"] == 0 for group in cluster["workerGroupSpecs"])
    assert job["spec"]["shutdownAfterJobFinishes"]
    assert "serviceType" not in cluster["headGroupSpec"], "the head's service is reached from inside only"


def test_every_pod_knows_the_store_and_takes_no_more_than_it_asks_for(job):
    for container in containers(job):
        assert "RAYPIPE_STORE" in [one["name"] for one in container["env"]]
        assert container["envFrom"]
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_entrypoint_is_a_job(job):
    name = re.fullmatch(r"raypipe (\w+)", job["spec"]["entrypoint"])[1]
    assert (ROOT / f"jobs/{name}.py").is_file()


def test_what_the_image_is_made_of_is_there():
    sources = re.findall(r"^COPY --chown=\S+ (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert sources
    assert all((ROOT / one).exists() for line in sources for one in line.split())


def test_of_what_the_image_and_the_nodes_get_raypipe_is_installed(tmp_path):
    sources = re.findall(r"^COPY --chown=\S+ (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    for one in " ".join(sources).split():
        if (ROOT / one).is_dir():
            shutil.copytree(ROOT / one, tmp_path / one, symlinks=True)
        else:
            shutil.copy(ROOT / one, tmp_path / one)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "built")]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "raypipe/shipped/pattern-2d-second.safetensors").is_file()
