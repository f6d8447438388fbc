"""When several processes create a store at the same time, it is created once, from one plan."""

import json
import multiprocessing
import shutil
import time

import numpy as np
import pytest

from raypipe import store
from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, Variable

PROCESSES = 3
ROUNDS = 30


def template(name, samples):
    return Plan(
        name=name,
        samples=samples,
        shard_samples=2,
        variables={"u": Variable(("sample",), (samples,), "float64", (2,))},
        coordinates={"k": Coordinate(("sample",), np.arange(samples) / samples)},
        parameters={"samples asked for": samples},
    )


def is_equal(turn):
    """Whether all processes create the store from the same plan in this round, rather than each from its own."""
    return turn % 2 == 0


def create_and_fill(number, barrier, answers):
    for turn in range(ROUNDS):
        plan = template(f"race/{turn}", 4 if is_equal(turn) else 4 + 2 * number)
        barrier.wait()
        time.sleep(number * (turn % 3) * 0.002)
        try:
            store.create(plan, {})
            for shard in range(plan.shards):
                bounds = plan.bounds(shard)
                values = {"u": np.arange(bounds.start, bounds.stop) / 3}
                store.write_shard(plan.name, shard, bounds, values, seeds=None, seconds=0, attempt=str(number))
            answers.put((turn, None))
        except InputError as error:
            answers.put((turn, str(error)))
        except BaseException as error:
            answers.put((turn, f"unexpected: {error!r}"))


def test_a_race_leaves_one_sound_store():
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(PROCESSES, timeout=60), context.Queue()
    racers = [context.Process(target=create_and_fill, args=(number, barrier, answers)) for number in range(PROCESSES)]
    for racer in racers:
        racer.start()
    said = [answers.get(timeout=60) for _ in range(PROCESSES * ROUNDS)]
    for racer in racers:
        racer.join()
    for turn in range(ROUNDS):
        errors = [error for when, error in said if when == turn and error]
        assert len(errors) == (0 if is_equal(turn) else PROCESSES - 1), errors
        assert all("was made with other parameters: samples asked for was" in error for error in errors), errors
        name = f"race/{turn}"
        found = store.verify(name)
        assert found.sound, str(found)
        samples = store.plan_of(name).samples
        np.testing.assert_array_equal(store.open(name).u, np.arange(samples) / 3)
        np.testing.assert_array_equal(store.open(name).k, np.arange(samples) / samples)


@pytest.mark.parametrize("kept", range(8))
def test_whoever_is_killed_while_creating_is_followed(kept, store_root):
    plan = template("killed/here", 6)
    store.create(plan, {})
    folder = store_root / "killed"
    whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    order = [
        *sorted(path for path in whole if "ledger" in str(path)),
        *sorted(path for path in whole if path.parent.name != "here.zarr" and "ledger" not in str(path)),
        folder / "here.zarr/zarr.json",
    ]
    shutil.rmtree(folder)
    for path in order[:kept]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole[path])
    store.create(plan, {})
    for path, data in whole.items():
        if kept == 0 and path.suffix == ".json":
            assert json.loads(path.read_text()).keys() == json.loads(data).keys()
        else:
            assert path.read_bytes() == data, path
    assert store.verify(plan.name).sound
