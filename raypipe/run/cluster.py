"""Joining or starting Ray."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any

from raypipe import modules

PACKAGE = Path(__file__).parents[1]

LEFT_OUT = ("__pycache__", "/.?*", "*.zarr", "*.ledger", "*.safetensors")
"""What no worker needs of the folders that are sent: hidden files and stores; one .rayignore there says more.

The patterns are those of .gitignore, and hold for each folder that is sent, this package too."""

SETTINGS = {
    # By name, because defaults differ between the ways of starting Ray.
    "RAY_AUTH_MODE": "token",
    # Under `uv run` Ray would move every worker into the driver's environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # What is left out of uploads is said here and in .rayignore; otherwise Ray warns of what it leaves out itself.
    "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": "",
    # Ray's C++ core reports as an error that Ray Data's pool keeps its arguments in the object store, as it must.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}

_TOLD = b"Set ray log level from environment variable"
"""What Ray's core has to say about the last of the settings."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where Ray puts what a job was submitted with."""

_sent: str | None = None
"""The study that the workers of this process's connection know."""


def connect() -> None:
    """Join the Ray cluster that RAY_ADDRESS names or that runs on this machine, else start Ray here.

    Workers import this package as it is here, whatever is installed in their environment. In a job submitted to a
    cluster, Ray has already placed the working directory on every node; elsewhere the folder of the chosen study's file
    is sent along, so that both ways of running are one.
    """
    if "ray" not in sys.modules:  # Ray reads these when it is imported; setting them later would contradict it
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
    import ray

    global _sent
    study = os.environ.get(modules.STUDY_VARIABLE, "")
    if ray.is_initialized():
        if _sent in (None, study):
            return
        ray.shutdown()
    from ray._private.services import canonicalize_bootstrap_address

    # What is started here listens on loopback only; a cluster that is joined has addresses of its own.
    address: dict[str, Any] = {}
    if canonicalize_bootstrap_address(None) is None:  # type: ignore[arg-type]
        address = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    options = {"runtime_env": _upload(), "logging_level": logging.WARNING, "log_to_driver": False, **address}
    with _without_line(_TOLD):
        try:
            ray.init(**options)
        except Exception as error:
            # Ray gives its own processes 30 s, which the first start after an installation may take on a slow disk.
            if "timed out during startup" not in str(error):
                raise
            logging.getLogger(__name__).info("Ray took more than 30 s to start; once more")
            ray.shutdown()
            ray.init(**options)
    _sent = study


def is_submitted() -> bool:
    """Whether this is a job that was submitted to a cluster, in the working directory that was sent with it."""
    return _JOB in os.environ


def _job() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ[_JOB])
    return found


def _upload() -> dict[str, Any]:
    """Runtime environment with this package, the installed studies, and the folder of the chosen one's file."""
    found: dict[str, Any] = {"py_modules": [str(PACKAGE), *_installed_studies()], "excludes": list(LEFT_OUT)}
    file = modules.study_file()
    if file is None:
        return found
    folder = Path.cwd()
    if not is_submitted():
        folder = file.resolve().parent
        environments = [file.parent.name for file in folder.glob("*/pyvenv.cfg")]
        found["working_dir"] = str(folder)
        found["excludes"] += [f"/{name}/{part}" for name in environments for part in ("bin", "lib", "lib64", "share")]
    elif modules.STUDY_VARIABLE in _job()["runtime_env"].get("env_vars", {}):
        return found  # Ray sets it for workers too, and takes none twice
    return {**found, "env_vars": {modules.STUDY_VARIABLE: os.path.relpath(file.resolve(), folder)}}


def working_folder() -> Path | None:
    """The folder here of which workers have a copy as their working directory; None if there is none."""
    if is_submitted():
        return Path.cwd()
    file = modules.study_file()
    return file.resolve().parent if file else None


def _installed_studies() -> Iterator[str]:
    """Packages or modules that installed studies are in: isolated environments do not have them."""
    names = {one.module.split(".")[0] for one in metadata.entry_points(group=modules.ENTRY_POINTS)}
    for name in sorted(names):
        if (found := util.find_spec(name)) and found.origin:
            yield str(Path(found.origin).parent if found.submodule_search_locations else found.origin)


@contextlib.contextmanager
def _without_line(text: bytes) -> Iterator[None]:
    """Hold back what is written to the standard error meanwhile, and write it afterwards without lines with a text."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            os.write(2, b"".join(line for line in held if text not in line))
