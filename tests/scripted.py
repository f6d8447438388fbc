"""Computations with scripted faults, for tests of filling stores; imported by workers."""

import os
import resource
import time
from pathlib import Path

import numpy as np

from raypipe.errors import InputError
from raypipe.store import objects, shards


def squares(parameters):
    """Compute the squares of the sample numbers; each call creates a file in the folder `calls`, if one is given."""

    def compute(rows):
        if "calls" in parameters:
            (Path(parameters["calls"]) / f"{rows['sample'][0]}-{os.getpid()}").touch()
        return {"square": rows["sample"] ** 2 + parameters.get("offset", 0)}

    return compute


def failing(parameters):
    """Compute squares, but raise at the shard that starts at sample `at` while the file `while_exists` exists."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            raise {"InputError": InputError, "ZeroDivisionError": ZeroDivisionError}[parameters["error"]]("scripted")
        return squares(parameters)(rows)

    return compute


def die_once(mark, number=9):
    """Kill this process unless the file `mark` shows that one was killed before."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), number)
        time.sleep(60)  # a signal with a handler may arrive a little later


def picky(parameters):
    """Compute squares, but raise at the second and third shard."""

    def compute(rows):
        if rows["sample"][0] in (3, 6):
            raise ValueError("odd")
        return squares(parameters)(rows)

    return compute


def dying(parameters):
    """Compute squares, but kill the first worker at the shard that starts at sample `at`, like the loss of a node."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            die_once(parameters["mark"], parameters.get("signal", 9))
        return squares(parameters)(rows)

    return compute


def dying_at_each(parameters):
    """Compute squares, but kill the first worker at every shard."""

    def compute(rows):
        die_once(f"{parameters['marks']}/{rows['sample'][0]}")
        return squares(parameters)(rows)

    return compute


def dying_in_write(parameters):
    """Compute squares, but kill a worker when it first writes a document whose path contains `where`.

    Half of the document remains in a temporary file next to it, as with obstore, which writes to a temporary file and
    renames it when it is complete.
    """

    def compute(rows):
        write = objects.put

        def put(path, data):
            if parameters["where"] in path and not Path(parameters["mark"]).exists():
                place = Path(objects.root()) / f"{path}#1"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(bytes(data)[: len(bytes(data)) // 2])
                die_once(parameters["mark"])
            write(path, data)

        shards.objects.put = put
        return squares(parameters)(rows)

    return compute


def greedy(parameters):
    """Compute squares, but exceed the memory limit of the process at sample `at` while `while_exists` exists."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            resource.setrlimit(resource.RLIMIT_AS, (2**34, resource.getrlimit(resource.RLIMIT_AS)[1]))
            np.ones(2**35, "uint8")
        return squares(parameters)(rows)

    return compute


def hungry(parameters):
    """Compute squares, but allocate up to `most` bytes at sample `at` while `while_exists` exists."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            held = []
            for _ in range(parameters["most"] // 10**8):
                held.append(np.ones(10**8, "uint8"))
                time.sleep(0.05)
        return squares(parameters)(rows)

    return compute


def waiting(parameters):
    """Compute squares, but wait at the shard that starts at sample `at` while the file `while_exists` exists."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            Path(parameters["mark"]).touch()
            while Path(parameters["while_exists"]).exists():
                time.sleep(0.05)
        return squares(parameters)(rows)

    return compute


def dying_predictions(parameters):
    """Compute predictions, but kill the first worker at the shard that starts at sample `at`."""
    from raypipe.networks.classify import predictions_of  # missing in isolated environments, which use other faults

    predictions = predictions_of(parameters)

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            die_once(parameters["mark"])
        return predictions(rows)

    return compute


def stack(parameters):
    """Return the NumPy version of the worker as a number, once per sample."""
    major, minor, patch = (int(part) for part in np.__version__.split("."))
    return lambda rows: {"square": np.full(len(rows["sample"]), major * 10_000 + minor * 100 + patch)}


def always_dying(parameters):
    """Compute squares, but kill every worker at the shard that starts at sample `at`."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            os.kill(os.getpid(), 9)
        return squares(parameters)(rows)

    return compute


def doubled(a):
    """Return twice the value of a point."""
    return {"x": 2.0 * a}


def leaving(a):
    """Raise SystemExit; at a point above 1 with the message that Ray adds when it ends a worker itself."""
    ended = SystemExit("solver failed")
    if a > 1:
        ended.ray_terminate_msg = "scripted"
    raise ended


def summed(**values):
    """Return the sum of all arguments."""
    return {"x": float(sum(values.values()))}
