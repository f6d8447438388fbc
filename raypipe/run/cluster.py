"""Joining or starting Ray."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from raypipe.errors import InputError

UPLOADED = ("raypipe", "jobs", "data_catalog")
"""What of a checkout jobs need on other nodes."""

SETTINGS = {
    # By name, because defaults differ between the ways of starting Ray.
    "RAY_AUTH_MODE": "token",
    # Under `uv run` Ray would move every worker into the driver's environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # .rayignore says what is left out of the upload; otherwise Ray warns of what it leaves out itself.
    "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": "",
    # Ray's C++ core reports as an error that Ray Data's pool keeps its arguments in the object store, as it must.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def connect() -> None:
    """Join the Ray cluster that RAY_ADDRESS names or that runs on this machine, else start Ray here.

    In a job submitted to a cluster, Ray has already placed the working directory on every node; elsewhere the
    checkout that this package lies in is sent along, so that both ways of running are one.

    Raises:
        InputError: if the package does not lie in a checkout.
    """
    if "ray" not in sys.modules:  # Ray reads these when it is imported; setting them later would contradict it
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        return
    from ray._private.services import canonicalize_bootstrap_address

    # What is started here listens on loopback only; a cluster that is joined has addresses of its own.
    address: dict[str, Any] = {}
    if canonicalize_bootstrap_address(None) is None:  # type: ignore[arg-type]
        address = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    ray.init(
        runtime_env=None if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ else _upload(_checkout()),
        logging_level=logging.WARNING,
        log_to_driver=False,
        **address,
    )


def _upload(checkout: Path) -> dict[str, Any]:
    """Runtime environment with what jobs need of the checkout, and nothing else that lies in it."""
    others = [f"/{entry.name}" for entry in checkout.iterdir() if entry.name not in UPLOADED]
    return {"working_dir": str(checkout), "excludes": others}


def _checkout() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "jobs").is_dir():
        raise InputError(f"raypipe is installed in {checkout}; jobs that use Ray run from a checkout of the project")
    return checkout
