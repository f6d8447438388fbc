"""Registry of the isolated environments that workers run in.

The cluster's own environment has current packages. Code that needs older ones, as `innvestigate` needs TensorFlow 2.14,
runs in its own environment, which is locked with hashes; uv creates it for a worker process and caches it. A study may
bring its own. Ray's `pip` option would install packages on top of the cluster's, which does not isolate them, and the
mixture fails on import.
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
"""Lock files of raypipe's own environments: `cluster.txt` for the cluster, the others for isolated environments."""

ISOLATED = tuple(sorted(file.stem for file in LOCKS.glob("*.txt") if file.stem != "cluster"))
"""Names of raypipe's isolated environments; any other is named by its lock file, and the cluster's own is None."""

RECORDED_PACKAGES = ("numpy", "scipy", "numba", "tensorflow", "keras", "zarr", "ray")
"""Packages whose versions are recorded in the provenance, in addition to those an isolated environment was made for."""

_CHECK = ("python", "-c", "pass")

QUIET = ("--offline", "--quiet")
"""Options of uv for workers: `warm` has fetched everything, so none should wait for a network or fail without one."""


def lock(name: str) -> Path:
    """Lock file of an isolated environment: one of raypipe's by name, or a path relative to the chosen study's file.

    Raises:
        InputError: if there is none.
    """
    if name in ISOLATED:
        return LOCKS / f"{name}.txt"
    if not name.endswith(".txt"):
        choice("environment", name, (*ISOLATED, "a lock file, such as my-packages.txt", "None for the cluster's own"))
    study = modules.study_file()
    file = (study.resolve().parent if study else Path()) / name
    if not file.is_file():
        raise InputError(
            f"there is no environment lock file {file}; make it from a list of packages with "
            "uv pip compile --generate-hashes"
        )
    return file


def command(file: str | Path, *options: str) -> list[str]:
    """Command that runs Python in the environment of a lock file, with this Python and its uv."""
    isolation = ["run", "--isolated", "--no-project", "--python", sys.executable]
    return [sys.executable, "-m", "uv", *isolation, "--with-requirements", str(file), *options]


def runtime_env(name: str | None) -> dict[str, Any]:
    """Ray runtime environment for workers in environment `name`; None means the cluster's own.

    Raises:
        InputError: if the name is unknown.
    """
    if name is None:
        return {}
    which = shlex.quote(_on_nodes(name))
    # Ray's agent on the node runs this with bash and appends the path of Ray's worker script, from which the path of
    # the node's own Python follows; it may differ from the driver's.
    script = f'exec "${{0%/lib*/python*}}/bin/python" -m raypipe.run.enter {which} "$0" "$@"'
    return {"py_executable": shlex.join(["bash", "-c", script])}


def _on_nodes(name: str) -> str:
    """How other nodes refer to an environment.

    raypipe's own environments are referred to by name, since each node has a copy of this package. Other lock files are
    given by their path relative to the workers' working directory, if this has a copy, else by the path on this node.
    """
    if name in ISOLATED:
        return name
    file, folder = lock(name).resolve(), cluster.working_folder()
    return str(file.relative_to(folder) if folder and file.is_relative_to(folder) else file)


def file_of(which: str) -> str:
    """On a node, the lock file for a result of `_on_nodes`."""
    return str(lock(which)) if which in ISOLATED else which


def versions(name: str | None, packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages in an environment: from the lock file if it is isolated, else those installed here.

    Packages that the environment does not have are left out.
    """
    if name is not None:
        locked = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", lock(name).read_text("utf-8"), flags=re.MULTILINE))
        return {package: locked[package] for package in packages if package in locked}
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def provenance(name: str | None) -> dict[str, str]:
    """Versions of raypipe and of the relevant packages in an environment, to be stored with the results."""
    return {"raypipe": raypipe.__version__, **versions(name, (*RECORDED_PACKAGES, *_wanted(name)))}


def _wanted(name: str | None) -> list[str]:
    """Packages that an isolated environment was made for, from the `.in` file next to its lock file, if that exists."""
    source = None if name is None else lock(name).with_suffix(".in")
    return (
        re.findall(r"^([\w.-]+)", source.read_text("utf-8"), flags=re.MULTILINE) if source and source.is_file() else []
    )


class Inspector:
    """An actor that reports the package versions of the environment in which it runs."""

    def versions(self, packages: tuple[str, ...]) -> dict[str, str]:
        """Versions of Python and of those of the packages that are installed."""
        return {"python": platform.python_version(), **versions(None, packages)}


def require(name: str) -> None:
    """Check that the other nodes of the cluster have an isolated environment, so that workers need not wait for it.

    Raises:
        InputError: if a node does not have it; the message gives the command that makes it there.
    """
    import ray
    import ray.exceptions
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

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
        except ray.exceptions.RayError:  # the node has left in the meantime
            continue
        if fault:
            make = shlex.join(["python", "-m", "raypipe.run.environments", which])
            raise InputError(
                f"the node {others[node]} does not have the environment {name!r} ({fault}); make it there, with "
                f"network access: {make}"
            )


def _fault(which: str) -> str:
    """Why this node does not have an environment, in one line; empty if it has."""
    run = subprocess.run([*command(file_of(which), *QUIET), *_CHECK], capture_output=True, text=True)
    return " ".join(run.stderr.split())[:200] if run.returncode else ""


def warm(name: str) -> None:
    """Make an isolated environment on this node if it is missing, so that workers start without a network.

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
