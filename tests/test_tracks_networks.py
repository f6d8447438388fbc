"""Networks of tracks: their inputs, the evaluation of their outputs, and independence of anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import special_ortho_group

from raypipe.networks import keras_model
from raypipe.networks.fit import Fit
from raypipe.networks.inputs import Fresh
from raypipe.networks.training import training
from raypipe.studies.andi import diffusion, fresh, strangers
from raypipe.studies.andi.generator import generate
from raypipe.studies.andi.tracks import networks, outcomes, seen


def tracks(dimensions, lengths=(10, 11, 40, 41, 300), seed=1):
    random = np.random.default_rng(seed)
    length = np.array(lengths)
    model = random.integers(5, size=len(length))
    exponent = np.where(model == 3, 1.5, 0.6)
    noise = random.choice([0.1, 1.0], size=(len(length), dimensions))
    return generate(random.integers(2**62, size=len(length)), model, exponent, noise, length, longest=1000), length


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_track_is_seen_the_same_however_it_lies(dimensions):
    position, length = tracks(dimensions)
    expected = seen.seen(position, length)
    turn = special_ortho_group(max(dimensions, 2), seed=1).rvs()[:dimensions, :dimensions] if dimensions > 1 else [[1]]
    moved = {
        "shifted": position + 1000,
        "scaled": position * 1e-6,
        "turned": position @ turn,
        "mirrored": position * np.array([-1, 1, 1])[:dimensions],
        "axes in another order": position[..., ::-1],
    }
    for how, other in moved.items():
        np.testing.assert_allclose(seen.seen(other, length), expected, atol=2e-5, err_msg=how)


def test_what_comes_after_the_end_of_a_track_is_not_looked_at():
    position, length = tracks(2)
    after = np.arange(position.shape[1]) >= length[:, None]
    other = np.where(after[..., None], 1e6, position)
    np.testing.assert_array_equal(seen.seen(other, length), seen.seen(position, length))


def test_a_track_alone_is_seen_as_among_others():
    position, length = tracks(3)
    together = seen.seen(position, length)
    for i in range(len(length)):
        alone = seen.seen(position[i : i + 1, : length[i]], length[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i, : alone.shape[1]], atol=1e-6)
        assert not together[i, alone.shape[1] :].any()


def test_steps_and_places_have_units_of_their_own():
    position, length = tracks(2, (1000, 400))
    found = seen.seen(position, length)
    for track, points in zip(found, length, strict=True):
        np.testing.assert_allclose((track[: points - 1, 2:4] ** 2).mean(), 1, rtol=1e-5)
        np.testing.assert_allclose(track[: points - 1, 2:4].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(track[:, -seen.WINDOWS :].sum(axis=0), 1, rtol=0.1)


def test_a_track_without_a_move_is_seen_as_zeros():
    found = seen.seen(np.ones((1, 20, 2)), np.array([20]))
    assert np.isfinite(found).all()
    assert not found[..., :4].any()


@given(st.lists(st.integers(seen.FEWEST, seen.MOST), min_size=1, max_size=20))
def test_sizes_hold_what_is_filled_up_to_them(lengths):
    length = np.array(lengths)
    size = seen.size(length)
    assert (size >= length - 1).all()
    assert (size % seen.STRIDE == 0).all()
    assert ((size <= 1.35 * (length - 1)) | (size == seen.SIZES[0]) | (size - length < 2 * seen.STRIDE)).all()


@pytest.mark.parametrize("architecture", networks.NETWORKS, ids=lambda one: one.name)
def test_zeros_after_a_track_and_other_tracks_change_nothing(architecture):
    dimensions = networks.NETWORKS.index(architecture) + 1
    model = keras_model.build(architecture)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.1, one.shape) for one in model.get_weights()])
    position, length = tracks(dimensions)
    together = model.predict_on_batch(seen.seen(position, length))
    assert together.shape == (5, len(outcomes.CLASSES))
    for i in range(len(length)):
        alone = model.predict_on_batch(seen.seen(position[i : i + 1, : length[i]], length[i : i + 1]))
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-3, atol=1e-4)
    assert np.ptp(together, axis=0).max() > 0.01


def test_classes_are_what_models_may_have():
    assert len(outcomes.CLASSES) == len(set(outcomes.CLASSES)) == 140
    assert outcomes.SHARE.sum() == pytest.approx(1)
    for model, exponent in zip(outcomes.MODEL, outcomes.EXPONENT, strict=True):
        diffusion.check_exponent(diffusion.ANDI_MODELS[model], exponent)


def some_probabilities(count=50, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(140, 0.05), size=count)


def test_an_outcome_is_made_of_sums_over_classes():
    probability = some_probabilities()
    said = outcomes.outcome(probability)
    np.testing.assert_allclose(said.probability.sum(axis=1), 1)
    np.testing.assert_allclose(said.probability[:, 3], probability[:, outcomes.MODEL == 3].sum(axis=1))
    assert (said.low <= said.exponent).all()
    assert (said.exponent <= said.high).all()
    for row, low, middle, high in zip(probability, said.low, said.exponent, said.high, strict=True):
        below = [row[value - 0.025 >= outcomes.EXPONENT].sum() for value in (low, middle, high)]
        upto = [row[value + 0.025 + 1e-9 > outcomes.EXPONENT].sum() for value in (low, middle, high)]
        assert np.all(np.array(below) <= np.array([0.05, 0.5, 0.95]) + 1e-9)
        assert np.all(np.array(upto) >= np.array([0.05, 0.5, 0.95]) - 1e-9)


def test_a_sure_outcome_is_as_narrow_as_a_step():
    sure = np.eye(140)[[0, 30, 139]]
    said = outcomes.outcome(sure)
    np.testing.assert_allclose(said.exponent, outcomes.EXPONENT[[0, 30, 139]])
    np.testing.assert_allclose(said.high - said.low, 0.9 * outcomes.STEP)


def test_who_meets_a_model_never_is_never_told_of_it():
    share = np.where(outcomes.MODEL == 2, 0, outcomes.SHARE)
    said = outcomes.outcome(outcomes.reweighted(some_probabilities(), share / share.sum()))
    assert not said.probability[:, 2].any()
    same = outcomes.reweighted(some_probabilities(), outcomes.SHARE)
    np.testing.assert_allclose(same, some_probabilities())


def test_measures_of_perfect_and_of_blind_outputs():
    labels = np.arange(140)
    assert outcomes.measures(np.eye(140) * 100, labels, labels) == pytest.approx(
        {"model_accuracy": 1, "exponent_error": 0}
    )
    blind = outcomes.measures(np.zeros((140, 140)), labels, labels)
    assert blind["model_accuracy"] < 0.4
    assert 0.3 < blind["exponent_error"] < 0.6


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_fresh_tracks_are_what_their_labels_say(dimensions):
    seeds = np.random.default_rng(3).integers(2**63, size=512, dtype="int64")
    values, label = fresh.tracks(seeds, dimensions)
    again, same = fresh.tracks(seeds, dimensions)
    np.testing.assert_array_equal(values, again)
    np.testing.assert_array_equal(label, same)
    assert values.shape == (512, values.shape[1], seen.channels(dimensions))
    assert values.shape[1] in seen.SIZES
    shares = np.bincount(outcomes.MODEL[label], minlength=5) / len(label)
    np.testing.assert_allclose(shares, 0.2, atol=0.08)
    others, _ = fresh.tracks(seeds + 1, dimensions)
    assert others.shape != values.shape or not np.array_equal(others, values)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_strangers_take_the_place_of_half_of_the_tracks(dimensions):
    seeds = np.random.default_rng(3).integers(2**63, size=512, dtype="int64")
    known, _ = fresh.tracks(seeds, dimensions)
    values, label = fresh.familiar_and_not(seeds, dimensions)
    np.testing.assert_array_equal(values[label == 0], known[label == 0])
    assert not any(np.array_equal(*pair) for pair in zip(values[label > 0], known[label > 0], strict=True))
    np.testing.assert_allclose(np.bincount(label) / len(label), [1 / 2, *[1 / 6] * 3], atol=0.06)
    assert np.isfinite(values).all()


def stranger(kind, length=1000, noise=0.0, count=200):
    number = np.full(count, outcomes.STRANGERS.index(kind))
    sigma, points = np.full((count, 2), noise), np.full(count, length)
    return strangers.generate(np.arange(count), number, sigma, points)


def test_strangers_move_as_they_are_called():
    confined, directed, switching = map(stranger, outcomes.STRANGERS)
    # Confined tracks do not spread with time; the half-width of the box or spring is up to 0.35 √T.
    for lag in (300, 900):
        assert (np.abs(confined[:, lag:] - confined[:, :-lag]).max(axis=1) < 3 * 2 * 0.35 * 1000**0.5).all()
    spread = np.square(confined[:, 900] - confined[:, 0]).mean() / np.square(confined[:, 300] - confined[:, 0]).mean()
    assert 0.7 < spread < 1.4
    # The drift moves a directed track at least 4 √T from its start; diffusion may take some of this away.
    assert (np.linalg.norm(directed[:, -1], axis=1) > 1 * 1000**0.5).all()
    steps = np.diff(directed, axis=1)
    np.testing.assert_allclose(steps.std(axis=1), 1, atol=0.15)
    # Switching gives the steps heavy tails, though the steps of each state are normal.
    steps = np.diff(switching, axis=1)
    kurtosis = (steps**4).mean(axis=(1, 2)) / (steps**2).mean(axis=(1, 2)) ** 2
    assert np.median(kurtosis) > 4
    noisy = stranger("directed", noise=0.5) - directed
    assert noisy.std() == pytest.approx(0.5 * np.diff(directed, axis=1).std(axis=1).mean(), rel=0.05)


def test_strangers_depend_on_their_seeds_alone():
    alone = stranger("switching", 50, 0.1, 3)
    assert np.array_equal(stranger("switching", 50, 0.1, 9)[:3], alone)
    kinds, lengths = np.array([0, 2, 1]), np.array([50, 20, 10])
    mixed = strangers.generate(np.array([5, 1, 7]), kinds, np.full((3, 2), 0.1), lengths)
    assert not mixed[1, 20:].any()
    assert mixed.shape == (3, 50, 2)


def test_measures_of_familiar_tracks():
    assert set(outcomes.TIMES) < set(seen.SIZES.tolist())
    labels = np.repeat([0, 1, 2, 3], 100)
    outputs = np.zeros((400, 4))
    outputs[:, 0] = np.where(labels == 0, np.linspace(0, 5, 400) * 4, -5)
    outputs[300:, 0] = 20
    times = np.where(np.arange(400) % 2, 16, 1000)
    outputs[:100][times[:100] == 16] /= 10  # short tracks are less certain
    found = outcomes.familiar_measures(outputs, labels, times)
    assert found["flagged/confined"] == found["flagged/directed"] == 1
    assert found["flagged/switching"] == 0
    assert found["threshold/16"] > found["threshold/1000"]
    metrics = {f"val_threshold/{most}": found.get(f"threshold/{most}", 1.0) for most in outcomes.TIMES}
    limits = outcomes.thresholds("familiar-2d", metrics)
    flagged = outcomes.is_flagged(outcomes.unfamiliarity(outcomes._softmax(outputs)), times + 1, limits)
    for of_times in (16, 1000):
        assert flagged[(labels == 0) & (times == of_times)].mean() == pytest.approx(outcomes.FLAGGED, abs=0.02)
    assert "threshold/16" not in outcomes.familiar_measures(outputs[100:], labels[100:], times[100:])


@settings(max_examples=50)
@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_lengths_of_a_call_fill_up_to_one_size(chance, over):
    found = fresh._lengths(np.array([chance, 0.0, 0.5, 1 - 2**-53]), over)
    assert seen.FEWEST <= found.min() <= found.max() <= seen.MOST
    assert len(set(seen.size(found))) == 1


def test_all_lengths_occur():
    seeds = np.random.default_rng(5).integers(2**63, size=(300, 4), dtype="int64")
    sizes = {fresh.tracks(some, 1)[0].shape[1] for some in seeds}
    assert sizes == set(seen.SIZES.tolist())


def test_fresh_samples_are_others_in_each_epoch_and_the_same_in_each_validation():
    architecture = networks.NETWORKS[0]
    source = Fresh(architecture, 100)
    one, other = (list(source.parts(np.random.default_rng(seed), 64, 0)) for seed in (1, 2))
    assert [part.count for part in one] == [64, 36]
    assert one[0].inputs.shape != other[0].inputs.shape or not np.array_equal(one[0].inputs, other[0].inputs)
    first, second = (list(source.parts(None, 64, 0)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.inputs, b.inputs)


@pytest.mark.slow
def test_a_network_of_tracks_learns_and_continues_where_it_was():
    architecture = networks.NETWORKS[0]
    how = training(architecture, epochs=2, batch=64)
    data = (Fresh(architecture, 640), Fresh(architecture, 256))

    def epoch(run):
        assert list(run.epoch_in_parts(*data))[-1] == 1

    whole = Fit(architecture, how)
    epoch(whole)
    state = {name: array.copy() for name, array in whole.state().items()}
    history = {name: list(values) for name, values in whole.history.items()}
    epoch(whole)
    assert {"val_model_accuracy", "val_exponent_error"} < set(whole.history)
    assert not any(name.startswith("val_recall") for name in whole.history)
    continued = Fit(architecture, how)
    continued.restore(state, history, 0)
    epoch(continued)
    for name, array in whole.state().items():
        np.testing.assert_allclose(continued.state()[name], array, atol=1e-4, err_msg=name)
