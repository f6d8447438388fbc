from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras
from tiny_data import write_patterns, write_trajectories

from raypipe import catalog
from raypipe.errors import InputError
from raypipe.networks import artifact, classify, fit, inputs, keras_model, trial
from raypipe.networks.fit import Fit
from raypipe.networks.inputs import Samples
from raypipe.networks.training import Training, training
from raypipe.study import architecture

ANDI = architecture("123-2")


def trajectories(count, seed=0):
    split = "train" if seed == 0 else "val"
    write_trajectories(split, count, seed=seed)
    return inputs.read(ANDI, catalog.open(f"andi/{split}"), f"andi/{split}")


def run_epoch(run, train, validation):
    for _ in run.epoch_in_parts(train, validation):
        pass


def test_how_the_studies_trained():
    andi, pattern = training(ANDI), training(architecture("pattern-2d"), recipe="study", seed=9)
    assert andi == Training("mean_squared_error", rate=0.001, batch=64, epochs=30)
    expected = Training("sparse_categorical_crossentropy", 0.001, batch=128, epochs=600, augmented="free", seed=9)
    assert pattern == expected
    assert training(architecture("pattern-3d"), recipe="study", batch=16, seed=9) == replace(pattern, batch=16)


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-2d-second", "pattern-3d"])
def test_how_patterns_are_trained(name):
    usual = training(architecture(name), seed=2)
    assert (usual.augmented, usual.decay, usual.warmup) == ("free", "cosine", 0.05)
    assert training(architecture(name), epochs=40, batch=8, seed=2) == replace(usual, epochs=40, batch=8)


def test_recipes_that_there_are_not():
    with pytest.raises(InputError, match="unknown recipe 'best'; choose one of study"):
        training(architecture("pattern-2d"), recipe="best")
    with pytest.raises(InputError, match="recipe 'study' for 123-2, which has only one; leave it out"):
        training(ANDI, recipe="study")


def test_what_was_trained_before_is_trained_alike():
    """Unused settings are not in the provenance of a network, so existing networks need no new training."""
    for path in (Path(__file__).parent.parent / "results" / "networks").glob("*.safetensors"):
        made_from = artifact.unpack(path.read_bytes(), path.name)[1]["provenance"]["made_from"]
        trained = made_from["training"]
        given = {"epochs": trained["epochs"], "augmentation": trained["augmented"] or None}
        usual = training(architecture(path.stem), precision=trained.get("precision"), **given)
        assert usual.document() == trained


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"seed": -1}])
def test_settings_out_of_range(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is .*; expected"):
        training(ANDI, **wrong)


def test_a_network_learns_and_its_history_is_true():
    train, validation = trajectories(500), trajectories(100, seed=1)
    run = Fit(ANDI, training(ANDI, epochs=5, batch=32))
    for epoch in range(5):
        assert run.epoch == epoch
        run_epoch(run, train, validation)
    assert run.history["loss"][-1] < 0.7 * run.history["loss"][0]
    assert run.history["accuracy"][-1] > 0.5
    assert run.seconds > 0
    model = keras_model.build(ANDI)
    keras_model.set_weights(model, fit.weights_of(run.state()))
    outputs = model.predict(validation.inputs, verbose=0)
    assert run.history["val_accuracy"][-1] == pytest.approx(np.mean(outputs.argmax(axis=1) == validation.labels))
    loss = np.mean((outputs - np.eye(5)[validation.labels]) ** 2)
    assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)


def test_the_steps_are_those_of_keras():
    train, validation = trajectories(100), trajectories(10, seed=1)
    plan = training(ANDI, epochs=2, batch=32)  # the last batch of each epoch is smaller
    ours = Fit(ANDI, plan)
    keras.utils.set_random_seed(plan.seed)
    theirs = keras_model.build(ANDI)
    theirs.compile(optimizer=keras.optimizers.Adam(plan.rate), loss=plan.loss, metrics=["accuracy"])
    for epoch in range(2):
        order = np.random.default_rng((plan.seed, epoch)).permutation(100)
        labels = np.eye(5)[train.labels[order]]
        history = theirs.fit(train.inputs[order], labels, batch_size=32, shuffle=False, verbose=0).history
        run_epoch(ours, train, validation)
        assert {name: ours.history[name][-1] for name in history} == {
            name: pytest.approx(values[-1], rel=1e-4) for name, values in history.items()
        }
    for name, array in keras_model.weights(theirs).items():
        np.testing.assert_allclose(ours.state()[f"weights/{name}"], array, atol=1e-5, err_msg=name)


def test_an_epoch_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    run = Fit(ANDI, training(ANDI, batch=20))
    shares = []
    for share in run.epoch_in_parts(trajectories(50), trajectories(10, seed=1)):
        shares.append(share)
        assert run.epoch == 0
    assert (shares, run.epoch) == ([0.4, 0.8, 1.0], 1)


def test_a_continued_training_is_one_that_never_stopped():
    train, validation = trajectories(200), trajectories(50, seed=1)
    plan = training(ANDI, epochs=3, batch=64)
    whole = Fit(ANDI, plan)
    run_epoch(whole, train, validation)
    state = {name: array.copy() for name, array in whole.state().items()}
    history, seconds = {name: list(values) for name, values in whole.history.items()}, whole.seconds
    run_epoch(whole, train, validation)
    continued = Fit(ANDI, replace(plan, seed=plan.seed))
    continued.restore(state, history, seconds)
    assert continued.epoch == 1
    run_epoch(continued, train, validation)
    for name, array in whole.state().items():
        np.testing.assert_allclose(continued.state()[name], array, atol=1e-5, err_msg=name)
    assert continued.history["val_accuracy"] == pytest.approx(whole.history["val_accuracy"])


def test_the_state_has_everything_that_changes():
    train, validation = trajectories(64), trajectories(10, seed=1)
    run = Fit(ANDI, training(ANDI, batch=32))
    before = run.state()
    run_epoch(run, train, validation)
    after = run.state()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    constant = {name for name in before if before[name].ndim == 0 and name != "optimizer/0"}
    assert set(before) - changed == constant, "all but the learning rate"
    assert {name.split("/")[0] for name in changed} == {"weights", "optimizer", "random"}


def test_the_seed_decides_the_first_weights():
    first, again, other = (Fit(ANDI, training(ANDI, seed=seed)).state()["weights/conv1d_1/0"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.01


def test_the_memory_of_a_call_changes_nothing(monkeypatch):
    train, validation = trajectories(200), trajectories(50, seed=1)
    together = Fit(ANDI, training(ANDI, epochs=1))
    run_epoch(together, train, validation)
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    one_by_one = Fit(ANDI, training(ANDI, epochs=1))
    run_epoch(one_by_one, train, validation)
    for name, array in together.state().items():
        np.testing.assert_allclose(one_by_one.state()[name], array, atol=1e-5, err_msg=name)
    assert one_by_one.history == {name: pytest.approx(values) for name, values in together.history.items()}


def test_the_rate_decays_along_a_cosine():
    train, validation = trajectories(50), trajectories(10, seed=1)
    run = Fit(ANDI, replace(training(ANDI, epochs=2), decay="cosine"))
    rates = []
    for _ in range(2):
        run_epoch(run, train, validation)
        rates.append(float(run.state()["optimizer/1"]))
    assert rates == pytest.approx([0.001, 0.0005])


def test_the_rate_decays_within_an_epoch(monkeypatch):
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    run = Fit(ANDI, replace(training(ANDI, epochs=1, batch=10), decay="cosine"))
    run_epoch(run, trajectories(50), trajectories(10, seed=1))
    assert float(run.state()["optimizer/1"]) == pytest.approx(0.001 * (1 + np.cos(np.pi * 4 / 5)) / 2)


def test_the_rate_rises_before_it_falls():
    plan = replace(training(ANDI), decay="cosine", warmup=0.2)
    rates = [plan.rate_at(done) for done in (0, 0.1, 0.2, 0.6, 1)]
    assert rates == pytest.approx([0.0001, 0.00055, 0.001, 0.0005, 0])
    assert replace(plan, decay="none").rate_at(0.6) == 0.001


def test_the_rate_rises_within_an_epoch(monkeypatch):
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    plan = replace(training(ANDI, epochs=1, batch=10), warmup=0.8)
    run, rates = Fit(ANDI, plan), []
    for _ in run.epoch_in_parts(trajectories(50), trajectories(10, seed=1)):
        rates.append(float(run.state()["optimizer/1"]))
    assert rates == pytest.approx([0.0001, 0.000325, 0.00055, 0.000775, 0.001])


@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_a_warmup_is_a_share(warmup):
    with pytest.raises(InputError, match=f"warmup is {warmup}; expected 0 or more and below 1"):
        replace(training(ANDI), warmup=warmup)


@pytest.mark.parametrize(
    ("name", "recipe", "augmentation", "function"),
    [
        ("pattern-2d", "study", None, "free"),
        ("pattern-2d", None, "symmetric_or_free", "symmetric_or_free"),
        ("pattern-3d", None, "symmetric", "symmetric"),
    ],
)
def test_patterns_are_trained_on_variants(name, recipe, augmentation, function, monkeypatch):
    write_patterns("val", 15)
    network = architecture(name)
    samples = inputs.read(network, catalog.open("gray_scott/val"), "gray_scott/val")
    seen = []
    monkeypatch.setattr(fit, "_CALL_BYTES", 1)
    monkeypatch.setattr(
        f"raypipe.studies.gray_scott.augment.{function}",
        lambda patterns, random: seen.append(random.random()) or patterns,
    )
    run = Fit(network, training(network, batch=8, recipe=recipe, augmentation=augmentation))
    few = Samples(samples.inputs[:3], samples.labels[:3])
    run_epoch(run, samples, few)
    run_epoch(run, few, few)
    assert len(set(seen)) == 3, "each call of each epoch has its own random numbers"
    assert np.isfinite(run.history["val_loss"]).all()


def test_training_in_bfloat16_ends_with_weights_of_float32():
    write_patterns("val", 15)
    network = architecture("pattern-2d")
    samples = inputs.read(network, catalog.open("gray_scott/val"), "gray_scott/val")
    run = Fit(network, training(network, epochs=1, batch=8, precision="bfloat16"))
    policies = {layer.name: layer.dtype_policy.name for layer in run._model.layers if layer.weights}
    assert policies.pop("batchnormalization_1") == policies.pop(network.layers[-1].name) == "float32"
    assert set(policies.values()) == {"mixed_bfloat16"}
    run_epoch(run, samples, samples)
    weights = fit.weights_of(run.state())
    assert {str(array.dtype) for array in weights.values()} == {"float32"}
    exact = keras_model.build(network)
    keras_model.set_weights(exact, weights)
    expected = exact.predict_on_batch(samples.inputs)
    found = run._model.predict_on_batch(samples.inputs)
    # A bfloat16 number has eight significant bits.
    assert 0 < abs(found - expected).max() < 0.05 * abs(expected).max()


def test_normalisations_of_both_kinds_stay_in_float32():
    model = keras_model.build(architecture("andi-residual"), bfloat16=True)
    policies = {(type(layer).__name__, layer.dtype_policy.name) for layer in model.layers}
    assert {policy for kind, policy in policies if kind.endswith("Normalization")} == {"float32"}
    assert {"LayerNormalization", "BatchNormalization"} <= {kind for kind, _ in policies}
    assert ("Conv1D", "mixed_bfloat16") in policies


def test_precisions():
    network = architecture("pattern-2d")
    assert training(network, precision="float32") == training(network)
    assert training(network, precision="bfloat16").document()["precision"] == "bfloat16"
    with pytest.raises(InputError, match="unknown precision 'float16'; choose one of float32, bfloat16"):
        training(network, precision="float16")


def test_what_is_measured_in_some_epochs_only_is_nan_in_the_others():
    """A network is saved whichever measures a study returns in an epoch, and whatever their number type."""
    train, validation = trajectories(50), trajectories(10, seed=1)
    plan = training(ANDI, epochs=4, batch=50)
    task, run = trial.Task(ANDI, plan, {"training": plan.document()}, "odd"), Fit(ANDI, plan)
    said = iter([{}, {"gap": np.float32(0.5)}, {"gap": 1}, {"other": 2.0}])
    run._measures = lambda *_: next(said)
    for _ in range(4):
        run_epoch(run, train, validation)
    task.put_away(run)
    continued = task.begin()
    assert continued.epoch == 4
    with pytest.raises(InputError, match="has 4 epochs, expected 3: another job trains odd/123-2 too"):
        task.keep(3)
    task.keep(4)
    kept = artifact.load("odd/123-2")
    for found in (continued.history, kept.history):
        np.testing.assert_array_equal(found["val_gap"], [np.nan, 0.5, 1, np.nan])
        np.testing.assert_array_equal(found["val_other"], [np.nan, np.nan, np.nan, 2])
        assert {len(values) for values in found.values()} == {4}
    assert kept.epochs == 4


def test_fields_are_validated_in_batches_of_as_many_as_are_classified_at_once(monkeypatch):
    write_patterns("val", 15)
    network, sizes = architecture("pattern-2d"), []
    samples = inputs.read(network, catalog.open("gray_scott/val"), "gray_scott/val")
    run = Fit(network, training(network, epochs=1, batch=8))
    monkeypatch.setattr(classify, "FIELDS_BATCH", 6)
    small = Fit(network, training(network, epochs=1, batch=8))
    small._model.predict_on_batch = lambda given: sizes.append(len(given)) or np.eye(len(network.classes))[: len(given)]
    small._validated(samples)
    assert sizes == [6, 6, 3]
    assert (run._validated_at_once, Fit(ANDI, training(ANDI))._validated_at_once) == (32, 256)


def test_weights_that_are_no_numbers_are_found():
    run = Fit(ANDI, training(ANDI))
    assert run.is_finite()
    weights = run._model.get_weights()
    weights[0][0, 0, 0] = np.nan
    run._model.set_weights(weights)
    assert not run.is_finite()


def test_gradients_are_clipped():
    train, validation = trajectories(50), trajectories(10, seed=1)
    free, clipped = (Fit(ANDI, replace(training(ANDI, epochs=1, batch=50), clip=clip)) for clip in (None, 1e-9))
    before = {name: array.copy() for name, array in clipped.state().items()}
    for run in (free, clipped):
        run_epoch(run, train, validation)
    moved = [np.abs(run.state()["weights/conv1d_1/0"] - before["weights/conv1d_1/0"]).max() for run in (free, clipped)]
    assert moved[1] < 0.1 * moved[0]
    with pytest.raises(InputError, match="clip is 0; expected a norm above 0"):
        replace(training(ANDI), clip=0)
