import dataclasses
import json

import numpy as np
import pytest
from keras_outputs import keras_outputs
from tiny_networks import random_network

from raypipe.errors import InputError
from raypipe.networks import artifact, classify, keras_model
from raypipe.networks.architecture import Architecture, Layer, stack
from raypipe.run import environments
from raypipe.study import architecture

NAMES = ("123-2", "132123123132-16", "andi-study", "andi-residual", "pattern-2d")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("andi-study", 18465), ("andi-residual", None), ("123-2", 40717), ("pattern-2d", 277723), ("pattern-3d", None)],
)
def test_a_model_is_what_its_architecture_says(name, parameters):
    described = architecture(name)
    model = keras_model.build(described)
    assert model.input_shape == (None, *described.input_shape)
    assert model.output_shape == (None, len(described.classes))
    assert {layer.name for layer in model.layers[1:]} == {layer.name for layer in described.layers}
    assert parameters in (None, model.count_params())


def test_map_lengths_of_the_deepest_network_with_the_widest_kernel():
    model = keras_model.build(architecture("123123123123-16"))
    assert [layer.output.shape[1] for layer in model.layers if "pooling" in layer.name] == [152, 68, 26, 5]


def own(*layers, classes=("a", "b")):
    return Architecture("own", "andi", (320, 1), classes, stack(*layers))


FLAT = ("Flatten", {})


@pytest.mark.parametrize(
    ("last", "logits"),
    [
        ([("Dense", {"units": 2})], True),
        ([("Dense", {"units": 2, "activation": "linear"})], True),
        ([("Dense", {"units": 2, "activation": "softmax"})], False),
        ([("Dense", {"units": 2}), ("Activation", {"activation": "softmax"})], False),
    ],
)
def test_outputs_are_logits_or_probabilities(last, logits):
    made = own(FLAT, *last)
    assert made.returns_logits == logits
    outputs = classify.classifier(random_network(made))(np.ones((3, 320, 1), "float32"))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([FLAT, ("Dense", {"units": 2, "activation": "sigmoid"})], "network own ends with the activation sigmoid; exp"),
        ([FLAT, ("Dense", {"units": 2}), ("Dropout", {"rate": 0.5})], "network own ends in a layer Dropout; expected"),
        ([], "network own has no layers; expected class scores"),
        ([FLAT, ("Dense", {"units": 3})], r"network own has outputs of shape \(3,\); expected \(2,\), one for each"),
        ([("Dense", {"units": 2})], r"network own has outputs of shape \(320, 2\); expected \(2,\)"),
    ],
)
def test_a_network_of_other_outputs_is_refused(layers, message):
    with pytest.raises(InputError, match=message):
        keras_model.build(own(*layers))


def test_an_architecture_in_lists_and_numbers_of_numpy_is_trained_saved_and_found_again():
    loose = Architecture(
        "loose",
        "andi",
        [np.int64(320), 1],
        np.array(["a", "b"]),
        [
            Layer("Conv1D", "one", {"filters": np.int64(3), "kernel_size": [3], "activation": np.str_("relu")}),
            Layer("Dropout", "two", {"rate": np.float32(0.5)}, ["one"]),
            Layer("Flatten", "three", {}),
            Layer("Dense", "four", {"units": np.int32(2), "use_bias": np.bool_(True)}),
        ],
        np.linspace(0, 20, 3),
        ["train", "val"],
    )
    assert (loose.input_shape, loose.classes, loose.frame_times) == ((320, 1), ("a", "b"), (0, 10, 20))
    assert {loose.splits: 1, loose.layers[1].sources: 2} == {("train", "val"): 1, ("one",): 2}
    random_network(loose)
    assert artifact.load("loose").architecture == loose
    assert json.loads(json.dumps([one.options for one in loose.layers])) == [
        {"filters": 3, "kernel_size": [3], "activation": "relu"}, {"rate": 0.5}, {}, {"units": 2, "use_bias": True},
    ]  # fmt: skip


@pytest.mark.parametrize("value", [None, {"l2": 1}, (1.5, 2), ((1, 2), (3, 4)), abs, 1j])
def test_options_that_could_not_be_loaded_are_refused(value):
    with pytest.raises(InputError, match=r"layer one has the option odd = .*; expected a number, a text or several"):
        Layer("Dense", "one", {"units": 2, "odd": value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_times": (0.5, 1)}, r"network own has frame_times = \(0.5, 1\); expected whole numbers in a tuple"),
        ({"classes": "ab"}, "network own has classes = 'ab'; expected texts in a tuple"),
        ({"classes": (0, 1)}, r"network own has classes = \(0, 1\); expected texts"),
        ({"input_shape": 320}, "network own has input_shape = 320; expected whole numbers, or None"),
        ({"layers": ("Dense",)}, r"network own has layers = \('Dense',\); expected layers"),
    ],
)
def test_architectures_of_other_types_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(own(FLAT, ("Dense", {"units": 2})), **change)


def test_softmax_where_outputs_are_no_logits():
    trained = random_network(architecture("andi-study"))
    outputs = keras_model.load(trained).predict(np.zeros((2, 320, 1), "float32"), verbose=0)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_weights_survive_the_way_through_an_artifact():
    trained = random_network(architecture("132-4"))
    found = keras_model.weights(keras_model.load(trained))
    assert list(found) == [
        "conv1d_1/0", "conv1d_1/1", "batchnormalization_2/0", "batchnormalization_2/1", "batchnormalization_2/2",
        "batchnormalization_2/3", "dense_4/0", "dense_4/1", "dense_7/0", "dense_7/1",
    ]  # fmt: skip
    for name, array in trained.weights.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("change", [{"dense_4/0": np.zeros((3, 3))}, {}])
def test_weights_that_do_not_fit(change):
    trained = random_network(architecture("132-4"))
    kept = {name: array for name, array in trained.weights.items() if name != "dense_4/0"}
    with pytest.raises(InputError, match="weights of network 132-4 do not fit its architecture"):
        keras_model.load(dataclasses.replace(trained, weights={**kept, **change}))


def test_keras_3_and_keras_2_give_the_same_outputs(ray_cluster, store_root):
    import ray

    for name in NAMES:
        random_network(architecture(name))
    there = ray.remote(runtime_env=environments.runtime_env("explain"))(keras_outputs)
    there_version, there_outputs = ray.get(there.remote(NAMES, str(store_root)))
    here_version, here_outputs = keras_outputs(NAMES, str(store_root))
    assert (here_version[0], there_version[0]) == ("3", "2")
    for there_found, here_found in zip(there_outputs, here_outputs, strict=True):
        assert np.ptp(here_found, axis=0).min() > 1e-4, "the outputs do not depend on the samples"
        np.testing.assert_allclose(there_found, here_found, atol=1e-5)
