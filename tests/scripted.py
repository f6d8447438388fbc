"""Work whose faults are scripted, for tests of how stores are filled; imported by workers."""

import os
import resource
import time
from pathlib import Path

import numpy as np

from raypipe.errors import InputError
from raypipe.store import objects, shards


def squares(parameters):
    """The squares of the samples; each call leaves a mark in the folder `calls`, if one is given."""

    def compute(rows):
        if "calls" in parameters:
            (Path(parameters["calls"]) / f"{rows['sample'][0]}-{os.getpid()}").touch()
        return {"square": rows["sample"] ** 2 + parameters.get("offset", 0)}

    return compute


def failing(parameters):
    """Squares, but for the shard that starts at sample `at`, which raises as long as `while_exists` is there."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            raise {"InputError": InputError, "ZeroDivisionError": ZeroDivisionError}[parameters["error"]]("scripted")
        return squares(parameters)(rows)

    return compute


def die_once(mark, number=9):
    """Kill this process, unless there is the mark of an earlier death."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), number)
        time.sleep(60)  # a signal that can be handled may come a little later


def picky(parameters):
    """Squares, but for the second and the third shard, which raise; these last, so that others have succeeded."""

    def compute(rows):
        if rows["sample"][0] in (3, 6):
            time.sleep(1)
            raise ValueError("odd")
        return squares(parameters)(rows)

    return compute


def dying(parameters):
    """Squares, but the worker that first meets sample `at` is killed, as by a lost node."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            die_once(parameters["mark"], parameters.get("signal", 9))
        return squares(parameters)(rows)

    return compute


def dying_at_each(parameters):
    """Squares, but at every shard the worker that first meets it is killed."""

    def compute(rows):
        die_once(f"{parameters['marks']}/{rows['sample'][0]}")
        return squares(parameters)(rows)

    return compute


def dying_in_write(parameters):
    """Squares, but a worker dies where it first writes a document whose path has `where` in it.

    Half of the document is left in a file beside it, as obstore leaves it, which puts it in place when it is whole.
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
    """Squares, but as long as `while_exists` is there, sample `at` wants more memory than the process may have."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            resource.setrlimit(resource.RLIMIT_AS, (2**34, resource.getrlimit(resource.RLIMIT_AS)[1]))
            np.ones(2**35, "uint8")
        return squares(parameters)(rows)

    return compute


def hungry(parameters):
    """Squares, but as long as `while_exists` is there, sample `at` takes memory until it has `most` bytes."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"] and Path(parameters["while_exists"]).exists():
            held = []
            for _ in range(parameters["most"] // 10**8):
                held.append(np.ones(10**8, "uint8"))
                time.sleep(0.05)
        return squares(parameters)(rows)

    return compute


def waiting(parameters):
    """Squares, but the shard that starts at sample `at` waits as long as there is the file `while_exists`."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            Path(parameters["mark"]).touch()
            while Path(parameters["while_exists"]).exists():
                time.sleep(0.05)
        return squares(parameters)(rows)

    return compute


def dying_predictions(parameters):
    """Predictions, but the worker that first meets sample `at` is killed."""
    from raypipe.networks.classify import predictions_of  # isolated environments, which have other faults, lack it

    predictions = predictions_of(parameters)

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            die_once(parameters["mark"])
        return predictions(rows)

    return compute


def stack(parameters):
    """Which NumPy a worker runs with, as a number, once per sample."""
    major, minor, patch = (int(part) for part in np.__version__.split("."))
    return lambda rows: {"square": np.full(len(rows["sample"]), major * 10_000 + minor * 100 + patch)}


def always_dying(parameters):
    """Whatever worker meets sample `at` is killed."""

    def compute(rows):
        if rows["sample"][0] == parameters["at"]:
            os.kill(os.getpid(), 9)
        return squares(parameters)(rows)

    return compute


def doubled(a):
    """Twice the value of a point."""
    return {"x": 2.0 * a}


def leaving(a):
    """Leave, as Ray does at a point above 1."""
    ended = SystemExit("solver failed")
    if a > 1:
        ended.ray_terminate_msg = "scripted"
    raise ended


def summed(**values):
    """The sum of all that is given."""
    return {"x": float(sum(values.values()))}
