"""Saliency and relevance of fields, by gradients and by propagation, against formulas and cases computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_networks import random_network, scores

from raypipe.errors import InputError
from raypipe.networks import classify, propagation, relevance, saliency
from raypipe.networks.architecture import Architecture, Layer
from raypipe.study import architecture


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6, 2, 1)])
def test_saliency_of_a_linear_network_is_its_kernel(shape):
    layers = (Layer("Flatten", "flatten", {}), Layer("Dense", "dense", {"units": 2, "activation": "softmax"}))
    network = random_network(Architecture("linear", "gray_scott", shape, ("low", "high"), layers, (1, 2, 3)))
    values = np.random.default_rng(0).uniform(size=(5, *shape)).astype("float32")
    classes = np.array([0, 1, 1, 0, 1])
    found = saliency.saliency_map(network)(values, classes)

    kernel = network.weights["dense/0"].reshape(*shape, 2)
    largest = np.abs(kernel).reshape(4, 6, -1, 2).max(axis=2)
    for one, number in zip(found, classes, strict=True):
        expected = largest[..., number] - largest[..., number].min()
        np.testing.assert_allclose(one, expected / expected.max(), atol=1e-6)


def small_network(shape, *, biases=True):
    """Return a network of fields with convolutions, maxima, a sum, and normalisations that can and cannot be merged."""
    convolution = "Conv2D" if len(shape) == 3 else "Conv3D"
    pooling = convolution.replace("Conv", "MaxPooling")
    kernel = (3, 3) if len(shape) == 3 else (3, 3, 1)
    layers = (
        Layer("BatchNormalization", "standard", {}),
        Layer(convolution, "first", {"filters": 4, "kernel_size": kernel, "activation": "relu"}),
        Layer(pooling, "halved", {"pool_size": (2, 2) if len(shape) == 3 else (2, 2, 1)}),
        Layer(convolution, "second", {"filters": 4, "kernel_size": kernel, "activation": "relu"}),
        Layer(convolution, "beside", {"filters": 4, "kernel_size": kernel, "use_bias": False}, ("halved",)),
        Layer("Add", "sum", {}, ("second", "beside")),
        Layer("BatchNormalization", "again", {}),
        Layer("Activation", "positive", {"activation": "relu"}),
        Layer("Flatten", "flat", {}),
        Layer("Dropout", "dropped", {"rate": 0.5}),
        Layer("Dense", "last", {"units": 3, "activation": "softmax"}),
    )
    network = random_network(Architecture("small", "gray_scott", shape, ("a", "b", "c"), layers, (1, 2, 3)))
    return network if biases else relevance.without_biases(network)


SHAPES = [(12, 14, 3), (12, 14, 2, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_without_its_normalisations_says_the_same(shape):
    network = small_network(shape)
    values = np.random.default_rng(0).uniform(size=(5, *shape)).astype("float32")
    plain = propagation.merged(network)

    np.testing.assert_allclose(scores(plain, values), scores(network, values), atol=1e-5)
    kinds = [layer.kind for layer in plain.architecture.layers]
    assert kinds.count("BatchNormalization") == 1, "that after a sum stays"
    assert "Dropout" not in kinds
    same = replace(
        network.architecture.layers[1], options={**network.architecture.layers[1].options, "padding": "same"}
    )
    layers = (network.architecture.layers[0], same, *network.architecture.layers[2:])
    padded = random_network(replace(network.architecture, name="padded", layers=layers))
    assert [one.name for one in propagation.merged(padded).architecture.layers][:2] == ["standard", "first"]
    np.testing.assert_allclose(scores(propagation.merged(padded), values), scores(padded, values), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_relevance_adds_up_to_the_score_without_biases(shape):
    network = small_network(shape, biases=False)
    values = np.random.default_rng(0).uniform(size=(5, *shape)).astype("float32")
    classes = np.array([0, 1, 2, 0, 1])
    found, score = propagation.propagation(network, epsilon=1e-7, composite=False)(values, classes)

    np.testing.assert_allclose(score, scores(network, values)[np.arange(5), classes], rtol=1e-4, atol=1e-4)
    assert found.shape == values.shape
    np.testing.assert_allclose(found.reshape(5, -1).sum(axis=1), score, rtol=1e-2)
    with_biases, score = propagation.propagation(small_network(shape), epsilon=1e-7, composite=False)(values, classes)
    assert not np.allclose(with_biases.reshape(5, -1).sum(axis=1), score, rtol=1e-2), "biases take some up"


def test_relevance_of_a_case_computed_by_hand():
    layers = (
        Layer("Conv2D", "first", {"filters": 1, "kernel_size": (1, 2), "activation": "relu"}),
        Layer("Conv2D", "second", {"filters": 1, "kernel_size": (1, 2), "activation": "relu"}),
        Layer("Flatten", "flat", {}),
        Layer("Dense", "last", {"units": 2, "activation": "softmax"}),
    )
    network = random_network(Architecture("hand", "gray_scott", (1, 3, 1), ("a", "b"), layers, (1,)))
    for name, values in {
        "first/0": [2.0, 1.0], "first/1": [0.5], "second/0": [1.0, -0.25], "second/1": [0.25],
        "last/0": [3.0, 1.0], "last/1": [1.0, 0.0],
    }.items():  # fmt: skip
        network.weights[name] = np.array(values, "float32").reshape(network.weights[name].shape)
    values, classes = np.array([1.0, 2.0, 4.0], "float32").reshape(1, 1, 3, 1), np.array([0])
    # first: 4.5, 8.5; second: 4.5 - 2.125 + 0.25 = 2.625; score of a: 3 * 2.625 + 1 = 8.875
    found, score = propagation.propagation(network, epsilon=0.0, composite=False)(values, classes)
    second = 8.875 * 7.875 / 8.875
    first = second * np.array([4.5, -2.125]) / 2.625
    expected = [first[0] * 2 / 4.5, first[0] * 2 / 4.5 + first[1] * 4 / 8.5, first[1] * 4 / 8.5]
    assert score.item() == pytest.approx(8.875)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5)
    found, _ = propagation.propagation(network, epsilon=0.0, composite=True)(values, classes)
    # z+: all relevance goes to the first of the two, which alone has a positive weight; flat: half to each point
    np.testing.assert_allclose(found.ravel(), [second / 2, second / 2, 0], rtol=1e-5)


def by_hand(*layers, shape=(1, 4, 1), **weights):
    """Return a network of these layers, with the given kernel for each layer name."""
    network = random_network(Architecture("hand", "gray_scott", shape, ("a", "b"), layers, (1,)))
    for name, values in weights.items():
        own = network.weights[f"{name}/0"]
        network.weights[f"{name}/0"] = np.array(values, "float32").reshape(own.shape)
    return network


BARE = {"kernel_size": (1, 1), "use_bias": False}

LAST = Layer("Dense", "last", {"units": 2, "activation": "softmax", "use_bias": False})


@pytest.mark.parametrize("pooling", ["GlobalAveragePooling2D", "AveragePooling2D"])
def test_a_mean_gives_each_the_share_that_it_has_in_it(pooling):
    mean = Layer(pooling, "mean", {} if pooling.startswith("Global") else {"pool_size": (1, 4)})
    same = Layer("Conv2D", "same", {"filters": 1, **BARE})
    network = by_hand(same, mean, Layer("Flatten", "flat", {}), LAST, same=[1], last=[3, 1])
    values = np.array([0.0, 1.0, 0.0, 3.0], "float32").reshape(1, 1, 4, 1)
    found, score = propagation.propagation(network, epsilon=1e-7, composite=False)(values, np.array([0]))
    assert score.item() == pytest.approx(3)
    np.testing.assert_allclose(found.ravel(), [0, 0.75, 0, 2.25], rtol=1e-5)


def test_where_a_convolution_takes_negative_values_nothing_grows_without_bound():
    first = Layer("Conv2D", "first", {"filters": 2, **BARE})
    second = Layer("Conv2D", "second", {"filters": 1, **BARE})
    layers = first, second, Layer("GlobalMaxPooling2D", "most", {}), LAST
    network = by_hand(*layers, first=[1, -0.999], second=[1, 1], last=[3, 1])
    values = np.ones((1, 1, 4, 1), "float32")
    found, score = propagation.propagation(network, epsilon=0.0, composite=True)(values, np.array([0]))
    assert found.sum() == pytest.approx(score.item(), rel=1e-4)
    assert np.abs(found).max() <= score.item() * 1.001


def test_there_is_no_rule_for_a_product():
    layers = (
        Layer("Conv2D", "one", {"filters": 1, **BARE}),
        Layer("GlobalMaxPooling2D", "most", {}),
        Layer("GlobalAveragePooling2D", "mean", {}, ("one",)),
        Layer("Dot", "product", {"axes": 1}, ("most", "mean")),
        LAST,
    )
    with pytest.raises(InputError, match="there is no rule for its layer product; choose gradient"):
        propagation.check(Architecture("hand", "gray_scott", (1, 4, 1), ("a", "b"), layers, (1,)), "LRP")


def test_a_layer_that_has_no_rule_is_named():
    network = small_network(SHAPES[0])
    layers = (Layer("LayerNormalization", "odd", {}), *network.architecture.layers[-3:])
    odd = random_network(replace(network.architecture, name="odd", layers=layers))
    with pytest.raises(InputError, match="odd cannot be explained by lrp: there is no rule for its layer odd"):
        propagation.check(odd.architecture, "lrp")


def test_smoothgrad_is_the_mean_over_noise_that_follows_from_the_sample():
    network = small_network(SHAPES[0])
    random = np.random.default_rng(0)
    values = random.uniform(size=(3, *SHAPES[0])).astype("float32")
    classes, numbers = np.array([0, 1, 2]), np.array([7, 8, 9])
    settings = {"copies": 8, "noise": 0.2, "seed": 0}
    smooth = saliency.smooth_saliency_map(network, **settings)
    found = smooth(values, classes, numbers)

    np.testing.assert_allclose(smooth(values[1:2], classes[1:2], numbers[1:2]), found[1:2], atol=1e-5)
    assert not np.allclose(smooth(values[1:2], classes[1:2], numbers[2:]), found[1:2], atol=1e-3)
    without_noise = saliency.smooth_saliency_map(network, **{**settings, "noise": 0.0})(values, classes, numbers)
    np.testing.assert_allclose(without_noise, saliency.saliency_map(network)(values, classes), atol=1e-5)
    noise = np.random.default_rng([0, 7]).standard_normal((8, *SHAPES[0]), "float32") * 0.2 * np.ptp(values[0])
    gradients = saliency.score_gradient(network)(values[0] + noise, np.zeros(8, "int64"))
    expected = saliency.scaled(np.abs(gradients.mean(axis=0)).max(axis=-1)[None])
    np.testing.assert_allclose(found[:1], expected, atol=1e-4)


def test_fewer_of_large_fields_are_differentiated_at_once():
    of = architecture("pattern-2d")
    sizes = [replace(of, input_shape=(size, size, 3)) for size in (64, 128, 256, 1024)]
    assert [min(saliency.BATCH, classify.batch_of(one, one.input_shape[0])) for one in sizes] == [16, 16, 8, 1]


def test_maps_are_scaled_one_by_one():
    maps = np.array([[[1.0, 2.0], [3.0, 5.0]], [[7.0, 7.0], [7.0, 7.0]]])
    np.testing.assert_array_equal(saliency.scaled(maps), [[[0, 0.25], [0.5, 1]], [[0, 0], [0, 0]]])
