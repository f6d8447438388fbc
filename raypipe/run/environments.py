"""Registry of the isolated environments that workers run in.

The cluster's own environment has current packages. `andi-datasets` wants numpy 1.26 and `innvestigate` TensorFlow
2.14, so each has an environment of its own, locked with hashes, which uv makes for a worker process and caches.
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
from raypipe.errors import InputError, choice

ISOLATED = ("andi", "explain")
"""Environments beside the cluster's own, which is `cluster`."""

LOCKS = "raypipe/run/envs"
"""Folder of the lock files, relative to a job's working directory."""


RECORDED_PACKAGES = (
    "numpy", "scipy", "numba", "andi-datasets", "stochastic", "tensorflow", "keras", "innvestigate", "zarr", "ray",
)  # fmt: skip
"""Packages whose versions are kept with what they made."""


def _executable(name: str, locks: str | Path, *options: str) -> list[str]:
    # The interpreter and uv of the driver: nodes of a cluster are set up alike, and Ray wants one Python version.
    isolation = ["run", "--isolated", "--no-project", "--python", sys.executable]
    return [sys.executable, "-m", "uv", *isolation, "--with-requirements", f"{locks}/{name}.txt", *options]


def runtime_env(name: str | None) -> dict[str, Any]:
    """Ray runtime environment of workers in environment `name`; None or `cluster` is the cluster's own.

    Raises:
        InputError: if the name is unknown.
    """
    if choice("environment", name or "cluster", ("cluster", *ISOLATED)) == "cluster":
        return {}
    # Offline: `warm` has fetched everything, and no worker should wait for, or fail without, a network.
    return {"py_executable": shlex.join(_executable(str(name), LOCKS, "--offline", "--quiet"))}


def versions(name: str | None, packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages in an environment: of the lock where it is isolated, else those installed here.

    Packages that the environment does not have are left out.
    """
    if name in ISOLATED:
        lock = (Path(__file__).parent / "envs" / f"{name}.txt").read_text(encoding="utf-8")
        locked = dict(re.findall(r"^([\w.-]+)==([^\s\\]+)", lock, flags=re.MULTILINE))
        return {package: locked[package] for package in packages if package in locked}
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def provenance(name: str | None) -> dict[str, str]:
    """Versions of raypipe and of the packages that matter in an environment, to keep with what is made there."""
    return {"raypipe": raypipe.__version__, **versions(name, RECORDED_PACKAGES)}


class Inspector:
    """An actor that says what is in the environment that it lives in."""

    def versions(self, packages: tuple[str, ...]) -> dict[str, str]:
        """Versions of Python and of those packages that are there."""
        return {"python": platform.python_version(), **versions(None, packages)}


def warm(name: str) -> None:
    """Make an isolated environment on this node, unless it is there, so that workers start without a network.

    Raises:
        InputError: if the environment cannot be made.
    """
    locks = Path(__file__).parent / "envs"
    check = ["python", "-c", "pass"]
    if not subprocess.run([*_executable(name, locks, "--offline", "--quiet"), *check], capture_output=True).returncode:
        return
    logging.getLogger(__name__).info("making the environment %s, which takes a minute once", name)
    if subprocess.run([*_executable(name, locks), *check]).returncode:
        raise InputError(
            f"the environment {name!r} could not be made from raypipe/run/envs/{name}.txt; see uv's message above, "
            "check the network, and try again"
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for isolated in ISOLATED:
        warm(isolated)
