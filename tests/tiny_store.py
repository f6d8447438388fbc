"""A store of five samples in three shards, written without Ray, for tests of stores."""

import numpy as np

from raypipe import store
from raypipe.store import Coordinate, Plan, Variable


def template(name="tests/five", samples=5, shard_samples=2, **parameters):
    return Plan(
        name=name,
        samples=samples,
        shard_samples=shard_samples,
        variables={
            "u": Variable(("sample", "y"), (samples, 3), "float64", (1, 3), {"units": "1"}),
            "noise": Variable(("sample",), (samples,), "float64", (shard_samples,)),
        },
        coordinates={
            "k": Coordinate(("sample",), np.arange(samples) / 10),
            "frame": Coordinate(("frame",), np.array([1, 2])),
            "class": Coordinate(("class",), ["l", "h"]),
        },
        parameters={"size": 3, **parameters},
    )


def shard_values(bounds):
    index = np.arange(bounds.start, bounds.stop)
    return {"u": index[:, None] + np.array([0.0, 0.1, 0.2]), "noise": index / 7}


def write(plan, shard):
    bounds = plan.bounds(shard)
    return store.write_shard(plan.name, shard, bounds, shard_values(bounds), seeds=(1, 9), seconds=0.5, attempt="test")


def filled(plan):
    store.create(plan, {"hosts": 1})
    for shard in range(plan.shards):
        write(plan, shard)


def sound():
    """Write the whole store and mark it as complete."""
    plan = template()
    filled(plan)
    store.mark(plan.name, hosts=1)


def contents(folder):
    """Return the content of every file below a folder, by path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restore(folder, whole):
    """Undo all changes to the files below a folder, whose contents are given as `contents` returned them."""
    found = contents(folder)
    for path in found.keys() - whole.keys():
        path.unlink()
    for path, content in whole.items():
        if found.get(path) != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
