"""Registry of the isolated environments that workers run in.

The cluster's own environment has current packages. What wants older ones, as `innvestigate` wants TensorFlow 2.14, has
an environment of its own, locked with hashes, which uv makes for a worker process and caches. A study may bring one.
Ray's `pip` field would layer packages over the cluster's: that is no isolation, and the mixture fails at import.
"""

import contextlib
import logging
import platform
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import raypipe
from raypipe import modules
from raypipe.errors import InputError, choice
from raypipe.run import cluster

LOCKS = Path(__file__).parent / "envs"
"""Lock files of raypipe's own environments: the cluster's, `cluster.txt`, and the isolated ones."""

ISOLATED = tuple(sorted(file.stem for file in LOCKS.glob("*.txt") if file.stem != "cluster"))
"""raypipe's environments beside the cluster's own, which is `cluster`; others are named by their lock file."""

RECORDED_PACKAGES = ("numpy", "scipy", "numba", "tensorflow", "keras", "zarr", "ray")
"""Packages whose versions are kept with what they made, beside those that an isolated environment was made for."""

_CHECK = ("python", "-c", "pass")

QUIET = ("--offline", "--quiet")
"""How uv is to run workers: `warm` has fetched everything, and none should wait for, or fail without, a network."""


def lock(name: str) -> Path:
    """Lock file of an isolated environment: one of raypipe's by name, or a file, relative to that of the chosen study.

    Raises:
        InputError: if there is none.
    """
    if name in ISOLATED:
        return LOCKS / f"{name}.txt"
    if not name.endswith(".txt"):
        choice("environment", name, ("cluster", *ISOLATED, "a lock file, such as my-packages.txt"))
    study = modules.study_file()
    file = (study.resolve().parent if study else Path()) / name
    if not file.is_file():
        raise InputError(
            f"there is no environment lock file {file}; make it from a list of packages with "
            "uv pip compile --generate-hashes"
        )
    return file


def command(file: str | Path, *options: str) -> list[str]:
    """What runs Python in the environment of a lock file on this node, by this Python and the uv that belongs to it."""
    isolation = ["run", "--isolated", "--no-project", "--python", sys.executable]
    return [sys.executable, "-m", "uv", *isolation, "--with-requirements", str(file), *options]


def runtime_env(name: str | None) -> dict[str, Any]:
    """Ray runtime environment of workers in environment `name`; None or `cluster` is the cluster's own.

    Raises:
        InputError: if the name is unknown.
    """
    if name in (None, "cluster"):
        return {}
    which = shlex.quote(_on_nodes(str(name)))
    # Ray's agent on the node has bash run this, and adds the file of Ray that makes a process a worker: from there
    # follows the node's own Python, which may lie elsewhere than the driver's.
    script = f'exec "${{0%/lib*/python*}}/bin/python" -m raypipe.run.enter {which} "$0" "$@"'
    return {"py_executable": shlex.join(["bash", "-c", script])}


def _on_nodes(name: str) -> str:
    """What an environment is called on other nodes.

    raypipe's own are found by name, since each node has its copy of this package; of others, relative, where a copy of
    the file is in the working directory of workers; else where it is on this node.
    """
    if name in ISOLATED:
        return name
    file, folder = lock(name).resolve(), cluster.working_folder()
    return str(file.relative_to(folder) if folder and file.is_relative_to(folder) else file)


def file_of(which: str) -> str:
    """On a node, the lock file of the environment that `_on_nodes` calls so."""
    return str(lock(which)) if which in ISOLATED else which


def versions(name: str | None, packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages in an environment: of the lock where it is isolated, else those installed here.

    Packages that the environment does not have are left out.
    """
    if name not in (None, "cluster"):
        locked = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", lock(str(name)).read_text("utf-8"), flags=re.MULTILINE))
        return {package: locked[package] for package in packages if package in locked}
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def provenance(name: str | None) -> dict[str, str]:
    """Versions of raypipe and of the packages that matter in an environment, to keep with what is made there."""
    return {"raypipe": raypipe.__version__, **versions(name, (*RECORDED_PACKAGES, *_wanted(name)))}


def _wanted(name: str | None) -> list[str]:
    """Packages that an isolated environment was made for, if the list that it was locked from lies beside the lock."""
    source = None if name in (None, "cluster") else lock(str(name)).with_suffix(".in")
    return (
        re.findall(r"^([\w.-]+)", source.read_text("utf-8"), flags=re.MULTILINE) if source and source.is_file() else []
    )


class Inspector:
    """An actor that says what is in the environment that it lives in."""

    def versions(self, packages: tuple[str, ...]) -> dict[str, str]:
        """Versions of Python and of those packages that are there."""
        return {"python": platform.python_version(), **versions(None, packages)}


def require(name: str) -> None:
    """Make sure that the other nodes of the cluster have an isolated environment: workers there must not wait for it.

    Raises:
        InputError: if one does not have it; the message says what makes it there.
    """
    import ray
    import ray.exceptions
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if name == "cluster":
        return
    here = ray.get_runtime_context().get_node_id()
    nodes = [one for one in ray.nodes() if one["Alive"] and one["NodeID"] != here]
    others = {one["NodeID"]: one["NodeManagerAddress"] for one in nodes}
    which, ask = _on_nodes(name), ray.remote(num_cpus=0, max_retries=0)(_fault)
    asked = {
        node: ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(which)
        for node in others
    }
    for node, answer in asked.items():
        try:
            fault = ray.get(answer)
        except ray.exceptions.RayError:  # it has gone meanwhile
            continue
        if fault:
            make = shlex.join(["python", "-m", "raypipe.run.environments", which])
            raise InputError(
                f"the node {others[node]} does not have the environment {name!r} ({fault}); make it there, with "
                f"network access: {make}"
            )


def _fault(which: str) -> str:
    """Why this node does not have an environment, in a line; empty if it has."""
    run = subprocess.run([*command(file_of(which), *QUIET), *_CHECK], capture_output=True, text=True)
    return " ".join(run.stderr.split())[:200] if run.returncode else ""


def warm(name: str) -> None:
    """Make an isolated environment on this node, unless it is there, so that workers start without a network.

    Raises:
        InputError: if the environment cannot be made.
    """
    file = lock(name)
    if not _fault(str(file)):
        return
    logging.getLogger(__name__).info("making the environment %s, once, which takes about a minute", name)
    if subprocess.run([*command(file, "--compile-bytecode"), *_CHECK]).returncode:
        raise InputError(
            f"the environment {name!r} could not be made from {file}; see uv's message above, check the network, and "
            "try again"
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for wanted in sys.argv[1:] or ISOLATED:
        warm(wanted)
