"""Join or start Ray."""

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

from raypipe import modules
from raypipe.errors import InputError

PACKAGE = Path(__file__).parents[1]

LEFT_OUT = ("__pycache__", "/.?*", "*.zarr", "*.ledger", "*.safetensors")
"""Files in the uploaded folders that workers do not need: hidden files, stores and networks. A .rayignore file in a
folder adds more.

The patterns have the syntax of .gitignore and apply to each uploaded folder, including this package."""

SETTINGS = {
    # Set explicitly, because the default depends on how Ray is started.
    "RAY_AUTH_MODE": "token",
    # Under `uv run`, Ray would otherwise move every worker into the driver's environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # LEFT_OUT and .rayignore say what to exclude from uploads; Ray would warn about its own default excludes.
    "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": "",
    # Ray's C++ core logs an error because Ray Data's actor pool keeps its arguments in the object store, as it must.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # At the end of an interrupted job, Ray would print that what its workers did "will be retried".
    "RAY_DEDUP_LOGS_SKIP_REGEX": "killed by `ray.kill`",
    # A lost host is unreachable for up to a minute before Ray declares it dead. Its tasks are retried three times
    # meanwhile; these delays keep the retries from being used up within that minute.
    "RAY_task_actor_unavailable_retry_delay_base_ms": "30000",
    "RAY_task_actor_unavailable_retry_max_delay_ms": "30000",
}

_TOLD = b"Set ray log level from environment variable"
"""Line that Ray's core prints because RAY_BACKEND_LOG_LEVEL is set."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable in which Ray stores the configuration of a submitted job."""

ADDRESS_VARIABLE = "RAY_ADDRESS"

_PATIENCE = 10.0
"""Seconds to wait for the head of a cluster, which may still be starting."""

_sent: str | None = None
"""The study that was sent to the workers of this process's connection."""


def connect() -> None:
    """Join the Ray cluster that RAY_ADDRESS names or that runs on this machine; otherwise start Ray here.

    Workers import this copy of the package, whatever is installed in their environment. In a job submitted to a
    cluster, Ray has already put the working directory on every node. Otherwise the folder of the chosen study's file is
    uploaded, so that workers find the same files either way.

    Raises:
        InputError: if RAY_ADDRESS does not name a cluster, or the cluster does not answer or rejects this job.
    """
    if "ray" not in sys.modules:  # Ray reads these when it is imported, so it is too late afterwards
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        if not sys.stderr.isatty():
            os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    import ray

    global _sent
    study = os.environ.get(modules.STUDY_VARIABLE, "")
    if ray.is_initialized():
        if _sent in (None, study):
            return
        ray.shutdown()
    logging.getLogger("ray").setLevel(logging.WARNING)  # as ray.init sets it, but earlier
    head = _head()
    if head is None:
        _keep_to_loopback()
    address: dict[str, Any] = {} if head else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    options = {"runtime_env": _upload(), "logging_level": logging.WARNING, "log_to_driver": False, **address}
    with _without_line(_TOLD), _handler_kept(signal.SIGTERM):
        try:
            ray.init(**options)
        except Exception as error:
            if head:
                raise InputError(
                    f"cannot join the Ray cluster at {head}: {' '.join(str(error).split())[:300]}; it may have another "
                    "token, another version of Ray, or not be Ray"
                ) from error
            # Ray's processes have 30 s to start; on a slow disk the first start after installation may take longer.
            if "timed out during startup" not in str(error):
                raise
            logging.getLogger(__name__).info("Ray took more than 30 s to start; trying again")
            ray.shutdown()
            ray.init(**options)
    _sent = study


def _keep_to_loopback() -> None:
    """Have the Ray that is started here listen on the loopback interface only.

    By default it does so only on Windows and macOS; on Linux it would replace 127.0.0.1 by the machine's address.
    """
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = False  # in this process, where Ray has been imported already
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"  # in Ray's processes


def _head() -> str | None:
    """Host and port of the cluster's head, once it accepts connections; None if Ray is to be started here.

    Ray itself would retry for minutes.
    """
    from ray._private.services import canonicalize_bootstrap_address

    given = os.environ.get(ADDRESS_VARIABLE)
    whose = f"{ADDRESS_VARIABLE} is {given!r}" if given else "that is where Ray was started on this machine"
    remedy = f"start one, or set {ADDRESS_VARIABLE} to host:port of a head, such as 10.0.0.5:6379, or to local: Ray"
    remedy += " then starts here, for this job"
    try:
        head = canonicalize_bootstrap_address(None)  # type: ignore[arg-type]
        if head is None:
            return None
        host, _, port = head.rpartition(":")
        place = host.strip("[]"), int(port)
    except (ValueError, OSError) as error:
        raise InputError(f"{whose}, which is not the address of a Ray cluster; {remedy}") from error
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(place, timeout=_PATIENCE).close()
            return head
        except (OSError, OverflowError) as error:
            if time.monotonic() > deadline or isinstance(error, OverflowError | socket.gaierror):
                raise InputError(f"no Ray cluster answers at {head} ({error}; {whose}); {remedy}") from error
        time.sleep(0.5)


def room(needed: Mapping[str, float] | None = None) -> int:
    """Number of workers for which the nodes of the cluster have room at the same time, at least one.

    `needed` holds the resources of each worker under Ray's names; by default one core.
    """
    amounts = {name: amount for name, amount in (needed or {"CPU": 1}).items() if amount}
    return max(1, sum(min(int(node.get(name, 0) / amount) for name, amount in amounts.items()) for node in _nodes()))


def _nodes() -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    import ray

    return [one["Resources"] for one in ray.nodes() if one["Alive"]]


def require(needed: Mapping[str, float], of: str) -> None:
    """Check that some node of the cluster can provide a worker's resources; with an autoscaler, only log a warning.

    Args:
        needed: resources of one worker under Ray's names: "CPU", "GPU".
        of: whose worker it is and how to ask for other resources, for the message.

    Raises:
        InputError: if no node has as much and there is no autoscaler that could add one.
    """
    nodes = _nodes()
    if any(all(node.get(name, 0) >= amount for name, amount in needed.items()) for node in nodes):
        return
    asked = _said(needed, needed)
    there = "; ".join(sorted({_said(node, needed) for node in nodes}))
    if not _grows():
        raise InputError(f"{of} needs a node with {asked}; the nodes of the cluster have {there}: ask for less")
    logging.getLogger(__name__).warning(
        "%s needs a node with %s; there are nodes with %s: waiting for the autoscaler to add one, if it can",
        of,
        asked,
        there,
    )


def _grows() -> bool:
    """Whether the cluster has an autoscaler, which has its own names of node types; Ray alone uses node_…"""
    import ray
    from ray.experimental.internal_kv import _internal_kv_get

    report = json.loads(_internal_kv_get("__autoscaling_status") or b"{}").get("autoscaler_report") or {}
    types = [*(report.get("node_type_mapping") or {}).values()]
    if not types:  # the autoscaler on Kubernetes keeps its state elsewhere
        from ray.autoscaler.v2.sdk import get_cluster_status

        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        if status.stats.autoscaler_version not in (None, "0"):
            types = [node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)]
    return any(not one.startswith("node_") for one in types)


def _said(amounts: Mapping[str, float], names: Iterable[str]) -> str:
    units = {"CPU": "cores", "GPU": "GPUs"}
    return ", ".join(f"{amounts.get(name, 0):g} {units.get(name, name)}" for name in names if name in units)


def is_submitted() -> bool:
    """Whether this process is a job submitted to a cluster, in the working directory that was sent with it."""
    return _JOB in os.environ


def _job() -> dict[str, Any]:
    return json.loads(os.environ[_JOB])


def _upload() -> dict[str, Any]:
    """Runtime environment with this package, the installed studies, and the folder of the chosen study's file."""
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
        _check_size(folder, found["excludes"])
    elif modules.STUDY_VARIABLE in _job()["runtime_env"].get("env_vars", {}):
        return found  # Ray sets it for workers too, and does not accept it twice
    return {**found, "env_vars": {modules.STUDY_VARIABLE: os.path.relpath(file.resolve(), folder)}}


def _check_size(folder: Path, excludes: list[str]) -> None:
    """Raise InputError if the upload would exceed Ray's limit, before Ray packs all of it."""
    from ray._private.runtime_env import packaging

    sizes: Counter[str] = Counter()

    def add(path: Path) -> None:
        if path.is_file():
            sizes[path.relative_to(folder).parts[0]] += path.stat().st_size

    packaging._dir_travel(folder, [packaging._get_excludes(folder, excludes)], add, include_gitignore=True)
    if sizes.total() > packaging.GCS_STORAGE_MAX_SIZE:
        largest = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sizes.most_common(3))
        raise InputError(
            f"the folder of the study, {folder}, holds {sizes.total() / 1e6:.0f} MB that would be sent to workers, "
            f"mostly {largest}; list what they do not need in {folder}/.rayignore, one per line, such as /data"
        )


def working_folder() -> Path | None:
    """The local folder of which workers have a copy as their working directory, or None if there is none."""
    if is_submitted():
        return Path.cwd()
    file = modules.study_file()
    return file.resolve().parent if file else None


def _installed_studies() -> Iterator[str]:
    """Packages or modules that contain installed studies, which isolated environments lack."""
    names = {one.module.split(".")[0] for one in metadata.entry_points(group=modules.ENTRY_POINTS)}
    for name in sorted(names):
        if (found := util.find_spec(name)) and found.origin:
            yield str(Path(found.origin).parent if found.submodule_search_locations else found.origin)


@contextlib.contextmanager
def _handler_kept(number: signal.Signals) -> Iterator[None]:
    """Restore a signal's handler afterwards: Ray's own handler would exit without a message."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(number, before)


@contextlib.contextmanager
def _without_line(text: bytes) -> Iterator[None]:
    """Hold back standard error within the context, then write it without the lines that contain `text`."""
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
