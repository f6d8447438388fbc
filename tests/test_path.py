"""Integrated gradients of networks through which innvestigate cannot propagate relevance."""

import numpy as np
import pytest
import tiny_data
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import catalog, study
from raypipe.errors import InputError
from raypipe.networks import checks, classify, explain, inputs, keras_model, path
from raypipe.networks.architecture import Architecture, stack
from raypipe.networks.relevance import without_softmax
from raypipe.store import Plan
from raypipe.studies.andi import STUDY
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import networks, seen
from raypipe.study import DataSet, Sample, Study, architecture


@pytest.fixture
def here(monkeypatch):
    for module in (classify, explain):
        monkeypatch.setattr(module, "fill", fill_here)
    tiny_data.write_trajectories("test", 40)


def trajectories(count, seed=1):
    walks = np.random.default_rng(seed).normal(size=(count, 320)).cumsum(axis=1)
    return inputs.network_input(architecture("andi-study"), walks)


def scores(network, values):
    return keras_model.load(without_softmax(network)).predict(values, verbose=0)


def test_of_a_linear_network_it_is_the_weight_times_the_way():
    linear = Architecture(
        "linear", "andi", (320, 1), ("a", "b"),
        stack(("Flatten", {}), ("Dense", {"units": 2, "activation": "softmax"})),
    )  # fmt: skip
    network = random_network(linear)
    kernel = network.weights["dense_2/0"]
    values, baselines = trajectories(3), trajectories(2, seed=2)
    found, score = path.integrated_gradients(network, lambda _: baselines, 5)(values, np.array([0, 1, 1]))
    for i, number in enumerate((0, 1, 1)):
        expected = (values[i, :, 0] - baselines[..., 0].mean(axis=0)) * kernel[:, number]
        np.testing.assert_allclose(found[i], expected, atol=1e-4)
        assert score[i] == pytest.approx(expected.sum(), abs=1e-3)


def test_relevance_adds_up_to_the_score():
    network = random_network(architecture("andi-residual"))
    values, baselines, classes = trajectories(4), trajectories(3, seed=2), np.array([0, 4, 2, 1])
    found, score = path.integrated_gradients(network, lambda _: baselines, 512)(values, classes)
    own = scores(network, values)[np.arange(4), classes] - scores(network, baselines)[:, classes].mean(axis=0)
    np.testing.assert_allclose(score, own, atol=1e-3 * np.abs(own).max())
    np.testing.assert_allclose(found.sum(axis=1), score, atol=0.05 * np.abs(score).max())


def test_a_network_with_a_normalisation_of_its_own_is_explained(here):
    random_network(architecture("andi-residual"))
    job("explain")("andi-residual", samples="3,17,30")
    found = catalog.open("relevance/andi-residual/test-samples-3-17-30")
    source = catalog.open("andi/test").isel(sample=[3, 17, 30])
    np.testing.assert_array_equal(found["position"], source["position"])
    assert found["relevance"].shape == (3, 320)
    assert found.attrs["parameters"]["method"] == "integrated-gradients"
    np.testing.assert_allclose(
        found["relevance"].sum("time"), found["score"], atol=0.3 * np.abs(found["score"].values).max()
    )


def test_maps_of_short_sequences_are_checked_by_as_many_steps_as_they_have(here, monkeypatch):
    layers = stack(
        ("LayerNormalization", {}),
        ("Conv1D", {"filters": 3, "kernel_size": 3, "activation": "relu"}),
        ("GlobalMaxPooling1D", {}),
        ("Dense", {"units": 2, "activation": "softmax"}),
    )
    short = Architecture("short", "guest", (24, 2), ("a", "b"), layers)
    sets = {"test": DataSet(Plan("", 1, 1, {}, {}, {}))}
    own = Study("guest", sets, Sample("x", ("sample", "step", "axis")), (short,))
    monkeypatch.setattr(study, "find", {"guest": own}.__getitem__)
    random_network(short)
    values = np.random.default_rng(0).normal(size=(20, 24, 2))
    tiny_data.write_labelled("guest/test", {"x": (("sample", "step", "axis"), values)}, np.arange(20) % 2, "ab", {}, 0)
    found = checks.check("short", "test", per_class=4)
    assert found.method == "integrated-gradients"
    assert list(found.ratios) == ["network as it is"]
    assert found.likeness["absolute"].size == found.maps.sizes["sample"]
    assert set(found.curve["order"].values) == {"relevant", "shifted", "random", "irrelevant"}
    assert found.curve["removed"].values.tolist() == [0, 5, 10], "up to half of a sequence"
    np.testing.assert_array_equal(found.curve["accuracy"].sel(removed=0), 1)


def test_what_is_not_for_it_is_told(here):
    random_network(architecture("andi-residual"))
    with pytest.raises(
        InputError, match="unknown method for network andi-residual 'gradient'; choose one of integrated"
    ):
        explain.explain("andi-residual", "test", method="gradient")
    with pytest.raises(InputError, match="unknown control 'zero-biases'; choose one of shuffled-weights"):
        explain.explain("andi-residual", "test", control="zero-biases")


def tracks_1d():
    """Create data sets of tracks of equal and of mixed length, and a network with predictions for them."""
    network = random_network(networks.NETWORKS[0])
    for split, positions in (("train-same", "400"), ("train-mixed", "10:300")):
        fill_here(STUDY.plan(split, {"trajectories": 20, "positions": positions}))
        classify.classify(network.name, split)
    return network


def test_a_network_of_tracks_is_explained_from_a_track_at_rest_on(here):
    network = tracks_1d()
    name = explain.explain(network.name, "train-mixed", samples=[3, 17])
    found, source = catalog.open(name), catalog.open("andi/train-mixed").isel(sample=[3, 17])
    length = source["length"].values
    np.testing.assert_array_equal(found["position"], source["position"])
    assert (np.isfinite(found["relevance"].values).sum(axis=1) == length).all()
    assert (found["relevance"][:, 0] == 0).all()
    for at in range(2):
        taken = seen.seen(source["position"].values[at : at + 1], length[at : at + 1])
        resting = seen.at_rest(taken[0])
        assert not resting[..., :2].any()
        np.testing.assert_array_equal(resting[..., 2:], taken[..., 2:])
        own, rest = (scores(network, values)[0, int(found["predicted"][at])] for values in (taken, resting))
        assert float(found["score"][at]) == pytest.approx(own - rest, rel=1e-3, abs=1e-3)
        summed = float(found["relevance"][at].sum())
        assert summed == pytest.approx(own - rest, abs=0.3 * max(1, abs(own - rest)))


@pytest.mark.slow
def test_maps_of_tracks_of_one_length_are_checked(here):
    network = tracks_1d()
    found = checks.check(network.name, "train-same", per_class=20)
    assert (found.maps["predicted"] == found.maps["label"]).all()
    assert found.maps["class"].values.tolist() == list(ANDI_MODELS)
    assert (found.curve["accuracy"].sel(removed=0) == 1).all()
    with pytest.raises(InputError, match="not finite: explain the network again, or samples of one length"):
        checks.check(network.name, "train-mixed", per_class=20)
