import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scripted_training import PoisonedDyingTask, PoisonedTask
from tiny_data import write_patterns, write_trajectories
from tiny_networks import random_network

from raypipe import catalog, store
from raypipe.errors import DamageError, InputError, WorkError
from raypipe.networks import artifact, fit, inputs, trial
from raypipe.networks.fit import HISTORY, Fit
from raypipe.networks.train import Settings, data_names, summary, train
from raypipe.networks.training import training
from raypipe.networks.trial import Keeper, NetworkTrial, Task
from raypipe.store import objects, owner
from raypipe.store.documents import now
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.networks import GRID
from raypipe.study import architecture

CHECKOUT = Path(__file__).parent.parent
TWO = [architecture("123-2"), architecture("132-2")]


SETTINGS = Settings(epochs=40, samples=100, seed=3)


class OneTrial:
    """The attributes of a trial that a Tune callback uses."""

    config: ClassVar = {"network": "123-2"}


def write_data():
    write_trajectories("train", 200)
    write_trajectories("val", 50, seed=1)


@pytest.fixture(scope="module")
def trained(ray_cluster, tmp_path_factory):
    """Train two networks at the same time without interruption; return the root and the output."""
    root = tmp_path_factory.mktemp("trained")
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as said,
        contextlib.redirect_stderr(said),
    ):
        patch.setenv("RAYPIPE_STORE", str(root))
        write_data()
        assert train(TWO, SETTINGS) == ["123-2", "132-2"]
    return root, said.getvalue()


def files(root):
    return {path.name: path.stat().st_mtime_ns for path in (root / "networks").rglob("*.safetensors")}


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_a_killed_grid_is_continued(trained, store_root, monkeypatch):
    """The driver is killed when one network is finished and another is still training."""
    import ray

    write_data()
    flags = "--networks 123-2,132-2 --epochs 40 --samples 100 --seed 3 --workers 1"
    command = [sys.executable, "jobs/train_grid.py", *flags.split()]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    driver = subprocess.Popen(command, cwd=CHECKOUT, env=environment, start_new_session=True)
    try:
        wait_for(lambda: artifact.exists("123-2") and any("132-2" in path for path in objects.paths("training")))
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    kept = files(store_root)
    assert set(kept) == {"123-2.safetensors"}
    (checkpoint,) = objects.paths("training")

    def epochs_done():
        return len(artifact.unpack(objects.get(checkpoint), checkpoint)[1]["history"]["loss"])

    before = -1
    while before != (before := epochs_done()):
        time.sleep(1)  # Ray ends the workers of a killed driver
    assert before < 40, "killed in mid-run"
    state, documents = artifact.unpack(objects.get(checkpoint), checkpoint)
    documents["history"]["loss"][0] = 123.0
    objects.put(checkpoint, artifact.pack(state, documents))

    assert train(TWO, SETTINGS) == ["123-2", "132-2"]
    assert files(store_root)["123-2.safetensors"] == kept["123-2.safetensors"], "not trained again"
    assert not objects.paths("training")
    continued = artifact.load("132-2")
    assert continued.history["loss"][0] == 123.0, "continued, not begun anew"
    monkeypatch.setenv("RAYPIPE_STORE", str(trained[0]))
    whole = artifact.load("132-2")
    assert len(whole.history["loss"]) == 40
    assert whole.history["loss"][1:] == continued.history["loss"][1:]
    assert whole.provenance["made_from"] == continued.provenance["made_from"]
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(continued.weights[name], array, err_msg="bit for bit")


def test_trainings_whose_workers_are_killed_and_weights_lost_are_the_same(trained, store_root, monkeypatch, caplog):
    monkeypatch.setattr(trial, "Task", PoisonedDyingTask)
    write_data()
    assert train(TWO, SETTINGS) == ["123-2", "132-2"]
    for name in ("123-2", "132-2"):
        assert (store_root / f"died-{name}").exists()
        assert (store_root / f"poisoned-{name}").exists()
        assert f"{name}: after epoch 5 not all weights were finite; repeating that epoch" in caplog.text
    again = [artifact.load(name) for name in ("123-2", "132-2")]
    monkeypatch.setenv("RAYPIPE_STORE", str(trained[0]))
    for killed in again:
        whole = artifact.load(killed.name)
        assert killed.history == whole.history
        for name, array in whole.weights.items():
            np.testing.assert_array_equal(killed.weights[name], array, err_msg=f"{killed.name} {name}")


def patterns_whole_and_cut(root):
    """Return the states of a pattern network after each of three epochs, uninterrupted and resumed at each epoch."""
    import tensorflow

    os.environ["RAYPIPE_STORE"] = root
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    network = architecture("pattern-2d")
    random = np.random.default_rng(0)
    samples = inputs.Samples(random.random((12, *network.input_shape), "float32"), np.arange(12))
    task = Task(network, training(network, epochs=3, batch=4), {}, "")
    whole, states = task.begin(), []
    for _ in range(3):
        for fitted in (whole, task.begin()):
            list(fitted.epoch_in_parts(samples, samples))
        task.put_away(fitted)
        states.append((whole.state(), fitted.state(), whole.history == fitted.history))
    return states


def test_patterns_are_continued_at_any_epoch(ray_cluster, store_root):
    import ray

    for whole, cut, same_history in ray.get(ray.remote(patterns_whole_and_cut).remote(str(store_root))):
        assert same_history
        for name, array in whole.items():
            np.testing.assert_array_equal(cut[name], array, err_msg=name)


def test_two_networks_on_two_workers(trained, monkeypatch):
    root, said = trained
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    assert "2 of 2 networks done, best 1" in said
    assert "Trial" not in said, "Tune is silent"
    for name in ("123-2", "132-2"):
        network = artifact.load(name)
        figures = [*HISTORY, *(f"val_recall/{name}" for name in ANDI_MODELS)]
        assert {key: len(values) for key, values in network.history.items()} == dict.fromkeys(figures, 40)
        assert network.metrics == {key: values[-1] for key, values in network.history.items()}
        assert network.metrics["accuracy"] > 0.5, "it learned"
        assert network.provenance["versions"].keys() >= {"raypipe", "tensorflow", "keras", "numpy"}
        assert network.provenance["seconds"] > 0
        made_from = network.provenance["made_from"]
        assert made_from["training"]["seed"] == 3
        assert made_from["data"]["train"] == {
            "name": "andi/train", "samples": 100, "parameters": {"made by": "tests", "seed": 0},
        }  # fmt: skip
    assert summary(["123-2", "132-2"]).splitlines()[1].split()[1:3] == ["40717", "40"]


def test_what_is_trained_is_left_alone(trained, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", str(trained[0]))
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be done"))
    kept = files(trained[0])
    assert train(TWO, SETTINGS) == ["123-2", "132-2"]
    for other, difference in (
        ({"epochs": 3}, "training epochs was 40, now 3"),
        ({"seed": 4}, "training seed was 3, now 4"),
        ({"samples": None}, "data train samples was 100, now 200"),
        ({"scheduler": "asha"}, "scheduler was 'fifo', now 'asha'"),
    ):
        with pytest.raises(InputError, match=f"123-2 is already trained.*{difference}.*delete .*123-2.safetensors"):
            train(TWO, dataclasses.replace(SETTINGS, **other))
    assert files(trained[0]) == kept


def test_a_damaged_shard_of_the_training_data_is_named_before_anything_is_trained(store_root, monkeypatch):
    write_data()
    chunk = store_root / "andi/train.zarr/position/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("told before that"))
    with pytest.raises(
        DamageError, match=r"andi/train\.zarr/position/c/0/0 is damaged: .*raypipe verify andi/train --repair$"
    ):
        train(TWO, SETTINGS)
    assert objects.files("networks") == []


def test_a_network_that_another_job_trains_is_refused(monkeypatch):
    write_data()
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("refused before that"))
    with owner.held("networks/132-2"), pytest.raises(InputError, match="networks/132-2 is being made by process"):
        train(TWO, SETTINGS)
    assert owner.alive("networks/123-2") is None, "given back"


def test_networks_that_another_job_has_just_trained_are_left_alone(monkeypatch):
    write_data()
    known = iter([False, False, True, True])
    monkeypatch.setattr("raypipe.networks.train._is_trained", lambda *_: next(known))
    monkeypatch.setattr("raypipe.networks.train._tune", lambda *_: pytest.fail("nothing is to be done"))
    assert train(TWO, SETTINGS) == ["123-2", "132-2"]


def test_a_network_that_is_cut_short_is_kept(tmp_path):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    write_data()
    plan = training(TWO[0], epochs=5)
    task = Task(TWO[0], plan, {"scheduler": "asha"}, "")
    run = Fit(TWO[0], plan)
    run.history = {name: [0.5, 0.25] for name in run.history}
    task.put_away(run)
    assert task.begin().epoch == 2

    keeper = Keeper({"123-2": task}, "test", str(tmp_path / "logs"))
    keeper.setup()
    keeper.on_trial_result(iteration=2, trials=[], trial=OneTrial, result={"val_accuracy": 0.25, "epoch": 2})
    keeper.on_trial_complete(iteration=2, trials=[], trial=OneTrial)
    assert keeper._bar.n == keeper._bar.total == 2
    keeper.on_experiment_end(trials=[])
    assert artifact.load("123-2").metrics["val_accuracy"] == 0.25
    assert not objects.paths("training")
    (events,) = (tmp_path / "logs" / "123-2").iterdir()
    shown = [
        (value.tag, event.step, value.simple_value)
        for record in tf.data.TFRecordDataset(str(events))
        for event in [event_pb2.Event.FromString(record.numpy())]
        for value in event.summary.value
    ]
    assert shown == [("val_accuracy", 2, 0.25)]


def trial_of(task):
    """Return a trial that trains 123-2 in this process, without Tune."""
    made = object.__new__(NetworkTrial)
    made._tasks = {"123-2": task}
    made._data = tuple(inputs.read(TWO[0], catalog.open(name), name) for name in data_names(TWO[0]))
    made.reset_config({"network": "123-2"})
    return made


def test_a_training_that_diverges_again_ends(store_root):
    write_data()
    (store_root / "always").touch()
    worker = trial_of(PoisonedTask(TWO[0], training(TWO[0], epochs=6), {}, ""))
    told = [worker.step() for _ in range(6)]
    assert [one["epoch"] for one in told[:5]] == [1, 2, 3, 4, 4]
    assert told[4]["repeated"] == 5
    assert told[5]["done"]
    assert re.match(r"123-2: training diverged: after epoch 5 the loss is .*not all finite", told[5]["error"])


def test_a_long_epoch_tells_how_far_it_is(monkeypatch, tmp_path):
    write_data()
    monkeypatch.setattr(trial, "_STEP_SECONDS", -1.0)
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    task = Task(TWO[0], training(TWO[0], epochs=2, batch=50), {}, "")
    worker = trial_of(task)
    keeper = Keeper({"123-2": task}, "test", str(tmp_path))
    keeper.setup()
    told = []
    while not told or not told[-1].get("done"):
        told.append(worker.step())
        keeper.on_trial_result(iteration=1, trials=[], trial=OneTrial, result=told[-1])
        assert keeper._bar.n == pytest.approx(told[-1]["epoch"])
    assert [one["epoch"] for one in told] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert [one["epoch"] for one in told if "val_accuracy" in one] == [1, 2]
    keeper.on_experiment_end(trials=[])
    assert len(list((tmp_path / "123-2").iterdir())) == 2, "figures of each epoch, once"


@pytest.mark.parametrize(
    ("fault", "message", "own"),
    [
        ("a layer absurdly large", "123-2: network 123-2 would have .* expected at most 268435456: take fewer", False),
        ("an odd exception", "123-2: ZeroDivisionError: odd", True),
        ("a full disk", "123-2: cannot write training/.*No space left", False),
    ],
)
def test_an_exception_in_a_training_ends_it_at_once(fault, message, own, monkeypatch):
    """The exception is reported as a result; if it were raised, Tune would try again."""
    write_data()
    network = TWO[0]
    if fault == "a full disk":
        monkeypatch.setattr(Task, "put_away", lambda *_: full())
    elif fault == "an odd exception":
        monkeypatch.setattr(Task, "put_away", lambda *_: odd())
    else:
        huge = tuple(
            dataclasses.replace(layer, options={**layer.options, "units": 10**12})
            if "units" in layer.options
            else layer
            for layer in network.layers
        )
        network = dataclasses.replace(network, layers=huge)
    task = Task(network, training(TWO[0], epochs=2), {}, "")
    told = trial_of(task).step()
    assert told["done"]
    keeper = Keeper({"123-2": task}, "test", None)
    keeper.setup()
    keeper.on_trial_result(iteration=1, trials=[], trial=OneTrial, result=told)
    keeper.on_trial_complete(iteration=1, trials=[], trial=OneTrial)
    keeper.on_experiment_end(trials=[])
    failed = keeper.failed["123-2"]
    assert re.match(message, str(failed))
    assert isinstance(failed, WorkError) == own
    assert not artifact.exists("123-2")


def odd():
    raise ZeroDivisionError("odd")


def full():
    raise InputError("cannot write training/x: No space left on device; fix that")


def test_a_network_that_cannot_be_kept_is_told_and_its_training_stays(monkeypatch):
    keeper = Keeper({"123-2": Task(TWO[0], training(TWO[0], epochs=2), {}, "")}, "test", None)
    keeper.setup()
    monkeypatch.setattr(Task, "keep", lambda *_: full())
    keeper.on_trial_complete(iteration=1, trials=[], trial=OneTrial)
    keeper.on_experiment_end(trials=[])
    assert "No space left" in str(keeper.failed["123-2"])


def test_a_checkpoint_of_another_epoch_is_not_kept_as_the_network():
    """Another job that trains the same network has written it."""
    plan = training(TWO[0], epochs=5)
    task = Task(TWO[0], plan, {}, "")
    run = Fit(TWO[0], plan)
    run.history = {name: [0.5, 0.25] for name in run.history}
    task.put_away(run)
    keeper = Keeper({"123-2": task}, "test", None)
    keeper.setup()
    keeper.on_trial_result(iteration=5, trials=[], trial=OneTrial, result={"val_accuracy": 0.25, "epoch": 5})
    keeper.on_trial_complete(iteration=5, trials=[], trial=OneTrial)
    keeper.on_experiment_end(trials=[])
    assert re.match(r"training/123-2-\w+.safetensors has 2 epochs, expected 5: another", str(keeper.failed["123-2"]))
    assert not artifact.exists("123-2")
    assert objects.paths("training") == [task.checkpoint]


def test_the_checkpoint_stays_until_the_network_can_be_loaded():
    task = Task(TWO[0], training(TWO[0], epochs=1), {"data": {}}, "")  # data without a name
    run = Fit(TWO[0], task.training)
    run.history = {name: [0.5] for name in run.history}
    task.put_away(run)
    with pytest.raises(InputError, match=r"is not a trained network: provenance.made_from.data.train: Field required"):
        task.keep(1)
    assert objects.paths("training") == [task.checkpoint]


def test_settings_in_numbers_of_numpy_are_those_of_python():
    found = dataclasses.replace(training(TWO[0]), batch=np.int64(8), rate=np.float32(0.5))
    assert json.dumps(found.document()) == json.dumps({**training(TWO[0]).document(), "batch": 8, "rate": 0.5})


@pytest.mark.parametrize("noticed", ["after an epoch", "at the end"])
def test_a_training_of_a_job_that_was_taken_for_dead_is_not_kept(noticed, monkeypatch):
    keeper = Keeper({"123-2": Task(TWO[0], training(TWO[0], epochs=5), {}, "")}, "test", None)
    keeper.setup()
    monkeypatch.setattr(Task, "keep", lambda *_: pytest.fail("it is another job's"))
    with owner.held("networks/123-2") as own:
        monkeypatch.setattr(own, "_lost", noticed == "after an epoch")
        keeper.on_trial_result(iteration=5, trials=[], trial=OneTrial, result={"val_accuracy": 0.5, "epoch": 5})
        assert trial.is_lost("", {"config": OneTrial.config}) == (noticed == "after an epoch")
        monkeypatch.setattr(own, "_lost", True)
        keeper.on_trial_complete(iteration=5, trials=[], trial=OneTrial)
    keeper.on_experiment_end(trials=[])
    assert "networks/123-2 is no longer this job's" in str(keeper.failure())


def test_of_two_trainings_the_one_that_was_taken_for_dead_stops(ray_cluster, monkeypatch):
    def check(name):
        if name == "networks/132-2":
            raise InputError(f"{name} is no longer this job's")

    monkeypatch.setattr(owner, "check", check)
    write_data()
    with pytest.raises(InputError, match=r"^networks/132-2 is no longer this job's$"):
        train(TWO, SETTINGS)
    assert artifact.names() == ["123-2"]
    (checkpoint,) = objects.paths("training")
    assert "132-2" in checkpoint
    assert len(artifact.unpack(objects.get(checkpoint), checkpoint)[1]["history"]["loss"]) < 40


def test_the_best_network_is_the_best_after_its_latest_epoch():
    keeper = Keeper({name: Task(TWO[0], training(TWO[0], epochs=2), {}, name) for name in "ab"}, "test", None)
    keeper.setup()
    for epoch, name, accuracy in ((1, "a", 0.75), (1, "b", 0.5), (2, "a", 0.25)):
        one = types.SimpleNamespace(config={"network": name})
        keeper.on_trial_result(1, [], one, {"val_accuracy": accuracy, "epoch": epoch})
    assert keeper._bar.postfix == "0 of 2 networks done, best b 0.500"
    keeper.on_experiment_end([])


def test_all_trainings_that_failed_are_told():
    tasks = {name: Task(TWO[0], training(TWO[0], epochs=2), {}, name) for name in "abc"}
    keeper = Keeper(tasks, "test", None)
    assert keeper.failure() is None
    keeper.failed["b"] = InputError("b: diverged")
    assert keeper.failure() is keeper.failed["b"]
    keeper.failed["c"] = WorkError("c: ValueError: odd", "line 1")
    said = keeper.failure()
    assert isinstance(said, InputError)
    assert str(said).startswith("2 of 3 trainings failed (b, c); the other networks are kept")
    assert str(said).endswith("The first: b: diverged")
    keeper.failed = {"c": keeper.failed["c"], **keeper.failed}
    assert isinstance(keeper.failure(), WorkError)
    assert keeper.failure().details == "line 1"


def test_figures_that_cannot_be_written_stop_no_training(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    keeper = Keeper({"123-2": Task(TWO[0], training(TWO[0], epochs=2), {}, "")}, "test", str(tmp_path / "file"))
    keeper.setup()
    for epoch in (1, 2):
        result = {"val_accuracy": 0.5, "epoch": epoch}
        keeper.on_trial_result(iteration=epoch, trials=[], trial=OneTrial, result=result)
    keeper.on_experiment_end(trials=[])
    assert [one.message for one in caplog.records] == [
        f"TensorBoard files can no longer be written: [Errno 20] Not a directory: '{tmp_path}/file/123-2'"
    ]


def test_other_settings_have_another_checkpoint():
    plan = training(TWO[0])
    places = {
        Task(network, plan, {"scheduler": scheduler}, series).checkpoint
        for network in TWO
        for scheduler in ("fifo", "asha")
        for series in ("", "second")
    }
    assert len(places) == 8
    assert Task(TWO[0], plan, {"scheduler": "fifo"}, "").checkpoint in places


def planned(monkeypatch, settings):
    """Return the trainings that `train` would start, by name."""
    asked = []
    monkeypatch.setattr("raypipe.networks.train._tune", lambda tasks, _: asked.append(tasks))
    train(TWO, settings)
    return {name: Task(*one) for tasks in asked for name, one in tasks.items()}


def test_a_training_is_not_continued_on_data_that_were_made_again(monkeypatch, store_root, caplog):
    write_data()
    before = planned(monkeypatch, SETTINGS)["123-2"]
    assert planned(monkeypatch, SETTINGS)["123-2"].checkpoint == before.checkpoint
    kept = artifact.Artifact(
        TWO[0], random_network(TWO[0]).weights, {}, {}, {"made_from": before.made_from, "created": now()}
    )
    artifact.save(kept)
    assert list(planned(monkeypatch, SETTINGS)) == ["132-2"]
    assert not caplog.records
    other = planned(monkeypatch, SETTINGS)["132-2"]

    store.remove("andi/val")
    monkeypatch.setattr("raypipe.store.creation.now", lambda: "2999-01-01T00:00:00+00:00")
    write_trajectories("val", 50, seed=1)
    again = planned(monkeypatch, SETTINGS)["132-2"]
    assert again.made_from == other.made_from
    assert again.checkpoint != other.checkpoint
    (said,) = {record.message for record in caplog.records}
    assert said.startswith("network 123-2 is older than andi/val, which has been made again since: it stays as it was")
    assert said.endswith(f"delete {store_root}/networks/123-2.safetensors, and give the command again")


def test_names_of_data_sets():
    assert {data_names(one) for one in GRID.networks} == {("andi/train", "andi/val")}
    assert data_names(architecture("pattern-3d")) == ("gray_scott/train", "gray_scott/val")
    assert data_names(architecture("pattern-2d-second")) == ("gray_scott/train2", "gray_scott/val2")
    assert data_names(architecture("andi-residual")) == ("andi/train-challenge", "andi/val-challenge")
    elsewhere = Settings(train_split="test", validation_split="train")
    assert data_names(TWO[0], elsewhere) == ("andi/test", "andi/train")


@pytest.mark.parametrize(
    ("networks", "settings", "message"),
    [
        ([], {}, "no network to train"),
        (["123-2", "pattern-2d"], {}, "do not learn from the same data"),
        (["123-2", "andi-residual"], {}, "do not learn from the same data"),
        (["andi-residual"], {}, "no data set 'andi/train-challenge'.*raypipe generate_traj.* --split train-challenge"),
        (["123-2"], {"epochs": 0}, "epochs is 0; expected 1 or more"),
        (["123-2"], {"samples": 0}, "samples is 0; expected 1 or more"),
        (["123-2"], {"workers": 0}, "workers is 0; expected 1 or more"),
        (["123-2"], {"gpus_per_trial": -1}, "gpus_per_trial is -1"),
        (["123-2"], {"gpus_per_trial": float("nan")}, "gpus_per_trial is nan; expected a fraction"),
        (["123-2"], {"gpus_per_trial": 1.5}, "gpus_per_trial is 1.5; expected a fraction"),
        (["123-2"], {"seed": 2**32}, "seed is 4294967296; expected 0 to 4294967295"),
        (["123-2"], {"rate": float("inf")}, "rate is inf"),
        (["123-2"], {"scheduler": "random"}, "unknown scheduler 'random'; choose one of fifo, asha"),
        (["123-2"], {"series": "../x"}, "'../x' cannot name a series of networks; expected letters"),
        (["123-2"], {}, "no data set 'andi/train'.*run raypipe generate_trajectories --split train"),
        (
            ["123-2"],
            {"train_split": "trian"},
            "unknown training split 'trian'; choose one of train, val, test, train-chall",
        ),
        (
            ["pattern-2d"],
            {"validation_split": "scan"},
            "unknown validation split 'scan'; choose one of train, val, test, train2",
        ),
        (["pattern-2d-second"], {}, "no data set 'gray_scott/train2'.*raypipe generate_patterns --split train2"),
    ],
)
def test_mistakes_are_told_before_anything_starts(networks, settings, message, monkeypatch):
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))
    with pytest.raises(InputError, match=message):
        train([architecture(name) for name in networks], Settings(**settings))


@pytest.mark.parametrize("change", [{"classes": ANDI_MODELS[::-1]}, {"input_shape": (320, 2)}])
def test_networks_of_other_classes_or_inputs_are_not_trained_on_what_is_read_for_the_first(change):
    other = dataclasses.replace(TWO[1], **change)
    with pytest.raises(
        InputError, match=r"123-2, 132-2 do not learn from the same data: .* classes or input shapes diff"
    ):
        train([TWO[0], other], Settings(epochs=1))


def test_a_network_that_ends_otherwise_is_refused_before_anything_starts():
    last = dataclasses.replace(TWO[0].layers[-1], options={"units": 5, "activation": "sigmoid"})
    with pytest.raises(InputError, match="network 123-2 ends with the activation sigmoid; expected class scores"):
        train([dataclasses.replace(TWO[0], layers=(*TWO[0].layers[:-1], last))], Settings(epochs=1))


def test_validation_data_are_checked_too(monkeypatch):
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))
    write_trajectories("train", 10)
    write_trajectories("val", 10, length=200)
    with pytest.raises(InputError, match="andi/val has samples of 200 points, not 320"):
        train(TWO, Settings(epochs=1))


def test_what_is_left_out_is_said(monkeypatch, caplog):
    write_patterns("train2", 32)
    write_patterns("val2", 14)
    asked = []
    monkeypatch.setattr("raypipe.networks.train._tune", lambda tasks, _: asked.append(tasks))
    splits = {"train_split": "train2", "validation_split": "val2"}
    with caplog.at_level("INFO"):
        train([architecture("pattern-2d")], Settings(**splits, series="all-points"))
    assert "2 of 32 samples of gray_scott/train2 are left out: pattern-2d has no class pi" in caplog.text
    data = asked[0]["all-points/pattern-2d"][2]["data"]
    assert (data["train"]["samples"], data["validation"]["samples"]) == (30, 13)


def test_more_samples_than_there_are(monkeypatch):
    monkeypatch.setattr("raypipe.run.cluster.connect", lambda: pytest.fail("nothing is to be started"))
    write_data()
    with pytest.raises(InputError, match="201 samples of andi/train; expected from 1 to 200"):
        train(TWO, Settings(epochs=1, samples=201))
