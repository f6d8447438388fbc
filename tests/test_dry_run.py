"""--dry-run reports what would be created and its cost, and creates nothing."""

import json
import os
import re
import time

import numpy as np
import pytest
from tiny_data import write_trajectories

from raypipe import store
from raypipe.command import call
from raypipe.errors import DryRun, InputError, WorkError
from raypipe.jobs import generate_trajectories, train_grid, train_network
from raypipe.modules import DRY_RUN_VARIABLE
from raypipe.networks import training_estimate
from raypipe.plan import Output, product, simulations
from raypipe.run.fill import fill

SECONDS = 0.05


def slow(a):
    """Simulate with a known duration."""
    time.sleep(SECONDS)
    return {"x": np.full(1000, a)}


def plan(samples=40):
    points = product(a=np.linspace(0, 1, samples))
    made = simulations(slow, points, {"x": Output(("time",), (1000,))}, per_shard=4)
    object.__setattr__(made, "name", "tests/slow")
    return made


@pytest.fixture
def asked(monkeypatch, ray_cluster):
    monkeypatch.setattr("raypipe.run.dry_run._SECONDS", 0.1)

    def ask(cores=None, price=None):
        monkeypatch.setenv(DRY_RUN_VARIABLE, json.dumps([cores, price]))

    return ask


def answer_of(*plans, last=True):
    with pytest.raises(DryRun) as answer:
        fill(*plans, last=last)
    return str(answer.value)


def test_samples_shards_bytes_time_and_cost_are_told_and_nothing_is_written(asked, store_root):
    asked(cores=5, price=100)
    said = answer_of(plan())
    assert "tests/slow: 40 samples in 10 shards" in said
    assert "0 shards are finished, 40 samples in 10 shards are missing" in said
    assert "bytes: 320 kB, about " in said
    hours = float(re.search(r"time: (\S+) core hours", said)[1])
    assert hours >= 0.99 * 40 * SECONDS / 3600
    assert int(re.search(r"estimated from (\d+) samples", said)[1]) <= 40
    assert float(re.search(r"cost: (\S+) at 100 per core hour", said)[1]) == pytest.approx(100 * hours, rel=0.01)
    assert re.search(r"on 5 cores: \d+ s", said)
    assert not list(store_root.rglob("*"))


def test_of_several_stores_only_what_is_missing_is_told(asked, store_root):
    one, other = plan(), plan(16)
    object.__setattr__(other, "name", "tests/slower")
    store.create(one, {})
    for shard in range(3):
        bounds = one.bounds(shard)
        arrays = {"x": np.zeros((4, 1000))}
        store.write_shard(one.name, shard, bounds, arrays, seeds=None, seconds=0, attempt="test")
    before = {path: path.read_bytes() for path in store_root.rglob("*") if path.is_file()}
    asked()
    said = answer_of(one, other, last=False)
    assert re.search(r"tests/slow: 40 samples.* 3 shards are finished, 28 samples in 7 shards are missing", said)
    assert re.search(r"tests/slower: 16 samples.* 0 shards are finished, 16 samples in 4 shards are missing", said)
    assert "bytes: 352 kB" in said
    assert said.endswith("later steps that use this are not counted; run the command again once it exists")
    assert before == {path: path.read_bytes() for path in store_root.rglob("*") if path.is_file()}


def test_a_complete_store_takes_nothing(asked):
    one = plan(4)
    store.create(one, {})
    store.write_shard(one.name, 0, one.bounds(0), {"x": np.zeros((4, 1000))}, seeds=None, seconds=0, attempt="test")
    asked()
    assert answer_of(one).endswith("1 shards are finished, 0 samples in 0 shards are missing")
    fill(one, last=False)  # goes on to what is made from it


def broken(a):
    """Simulate with a bug: a division by zero."""
    return {"x": np.full(1000, 1 / int(a - a))}


def test_a_mistake_is_told_as_in_a_run(asked, store_root):
    made = simulations(broken, product(a=np.linspace(0, 1, 8)), {"x": Output(("time",), (1000,))}, per_shard=1)
    object.__setattr__(made, "name", "tests/broken")
    asked()
    with pytest.raises(WorkError, match=r"tests/broken, shard \d \(sample \d\): ZeroDivisionError: .* at a = ") as told:
        fill(made)
    assert "in broken" in told.value.details
    assert not list(store_root.rglob("*"))


def test_jobs_that_compute_shards_have_the_flags(asked):
    arguments = ["--split", "train", "--count", "50", "--dry-run", "--price", "0.04"]
    with pytest.raises(DryRun, match=r"andi/train: 50 samples(.|\n)*at 0.04 per core hour"):
        call(generate_trajectories.main, arguments)
    assert DRY_RUN_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cores", "4"], "need --dry-run; add it"),
        (["--dry-run", "--cores", "0"], "0 cores; expected 1 or more"),
        (["--dry-run", "--price", "-1"], "price is -1.0; expected 0 or more"),
    ],
)
def test_flags_that_are_not_possible_are_told(flags, message):
    with pytest.raises(InputError, match=message):
        call(generate_trajectories.main, ["--split", "train", "--count", "5", *flags])


@pytest.mark.slow
def test_trainings_are_told_of(asked, store_root, monkeypatch):
    monkeypatch.setattr("raypipe.networks.training_estimate._SECONDS", 0.5)
    write_trajectories("train", 200)
    write_trajectories("val", 50, seed=1)
    arguments = ["--networks", "123-2,132-2,123132-4", "--epochs", "40", "--dry-run", "--price", "2", "--cores", "64"]
    with pytest.raises(DryRun, match="3 networks: 0 already trained, 3 to train") as told:
        call(train_grid.main, arguments)
    said = str(told.value)
    hours = float(re.search(r"time: (\S+) core hours, estimated from 3 trainings", said)[1])
    assert 0 < hours < 0.1
    assert float(re.search(r"cost: (\S+) at 2 per core hour", said)[1]) == pytest.approx(2 * hours, rel=0.02)
    assert "on 64 cores: " in said
    assert not list((store_root / "networks").glob("*.safetensors"))
    assert not (store_root / "training").exists()


def test_a_training_is_told_of_before_it_is_there(asked, monkeypatch):
    monkeypatch.setattr("raypipe.networks.training_estimate._SECONDS", 0.5)
    flags = "--network 123-2 --fresh --samples 640 --validation-split fresh --dry-run"
    with pytest.raises(DryRun, match="1 networks: 0 already trained, 1 to train"):
        call(train_network.main, flags.split())


def test_trainings_to_time_are_spread():
    assert training_estimate.spread("abcdefghij", 1) == ["b", "f", "i"]
    assert training_estimate.spread("ab", 2) == ["a", "b"]
    for total in range(1, 40):
        chosen = training_estimate.spread(list(range(total)), 2)
        assert len(set(chosen)) == len(chosen) == min(total, 6)
