"""Work whose faults are scripted, for tests of how stores are filled; imported by workers."""

import os
from pathlib import Path

import numpy as np

from raypipe.errors import InputError


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


def dying(parameters):
    """Squares, but the worker that first meets sample `at` is killed, as by a lost node."""

    def compute(rows):
        mark = Path(parameters["mark"])
        if rows["sample"][0] == parameters["at"] and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return squares(parameters)(rows)

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


def summed(**values):
    """The sum of all that is given."""
    return {"x": float(sum(values.values()))}
