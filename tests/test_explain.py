"""Explanations: relevance from innvestigate, checked against independent formulas, and the jobs that make them."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import reference_relevance
import tiny_data
import xarray as xr
from tiny_networks import random_network, scores
from without_ray import fill_here, job

from raypipe import catalog, command, repair, store
from raypipe.errors import InputError
from raypipe.networks import artifact, checks, classify, explain, inputs, keras_model, propagation, relevance, saliency
from raypipe.networks.architecture import Architecture, Layer, stack, weights_of
from raypipe.networks.relevance import METHODS, explainable, normalisation, without_softmax
from raypipe.run import environments
from raypipe.study import architecture

SAMPLES = 6


@pytest.fixture
def classified_here(monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)


@pytest.fixture
def here(classified_here, monkeypatch):
    monkeypatch.setattr(explain, "fill", fill_here)


def some_trajectories(count: int) -> np.ndarray:
    walks = np.random.default_rng(1).normal(size=(count, 320)).cumsum(axis=1)
    return inputs.network_input(architecture("andi-study"), walks)


# Making a network explainable


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}])
def test_a_batch_normalisation_is_a_factor_and_a_shift(options):
    layer = Layer("BatchNormalization", "bn", options)
    random = np.random.default_rng(0)
    weights = {name: random.uniform(0.01, 3, 5) for name in weights_of(layer).values()}
    own = {what: weights[name] for what, name in weights_of(layer).items()}
    factor, shift = normalisation(layer, weights)
    x = random.normal(size=(7, 5))
    expected = (x - own["mean"]) / np.sqrt(own["variance"] + 1e-3) * own.get("scale", 1) + own.get("shift", 0)
    np.testing.assert_allclose(x * factor + shift, expected, rtol=1e-9)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}])
def test_normalisations_without_scale_or_shift_are_explainable_and_lose_what_is_added(options):
    layers = stack(
        ("Conv1D", {"filters": 3, "kernel_size": 3, "activation": "relu"}),
        ("BatchNormalization", options),
        ("GlobalMaxPooling1D", {}),
        ("Dense", {"units": 5, "activation": "softmax"}),
    )
    usual = architecture("andi-study")
    network = random_network(replace(usual, name="own", layers=layers))
    values = some_trajectories(SAMPLES)
    plain = keras_model.load(explainable(network)).predict(values, verbose=0)
    np.testing.assert_allclose(plain, scores(network, values), atol=1e-5)
    bare, (_, bn, *_) = relevance.without_biases(network), layers
    zero = {what for what, name in weights_of(bn).items() if not bare.weights[name].any()}
    assert zero == {"shift", "mean"} & set(weights_of(bn))


@pytest.mark.parametrize("name", ["andi-study", "132123-4"])
def test_an_explainable_network_predicts_the_same(name):
    network = random_network(architecture(name))
    values = some_trajectories(SAMPLES)
    plain = explainable(network)

    np.testing.assert_allclose(keras_model.load(plain).predict(values, verbose=0), scores(network, values), atol=1e-5)
    kinds = {layer.kind for layer in plain.architecture.layers}
    assert not kinds & {"BatchNormalization", "Dropout"}
    assert len({layer.name for layer in plain.architecture.layers}) == len(plain.architecture.layers)
    assert network.architecture == architecture(name), "the network itself is left as it was"


def sequences_in_two_channels(*layers: Layer, activation: str = "softmax"):
    last = Layer("Dense", "last", {"units": 3, "activation": activation})
    return random_network(Architecture("own", "andi", (40, 2), ("a", "b", "c"), (*layers, last)))


FIRST = Layer("Conv1D", "first", {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"})
LARGEST = Layer("GlobalMaxPooling1D", "largest", {})


@pytest.mark.parametrize(
    "layers",
    [
        (FIRST, LARGEST, Layer("BatchNormalization", "norm", {})),
        (
            FIRST,
            Layer("Dropout", "dropped", {"rate": 0.2}),
            Layer("Dropout", "again", {"rate": 0.2}),
            replace(FIRST, name="second"),
            Layer("Add", "sum", {}, ("second", "dropped", "again")),
            LARGEST,
        ),
    ],
    ids=["normalised behind a pooling", "a dropout as a source"],
)
def test_normalisations_and_dropouts_may_be_anywhere(layers):
    network = sequences_in_two_channels(*layers)
    values = np.random.default_rng(0).normal(size=(SAMPLES, 40, 2)).astype("float32")
    plain = explainable(network)
    np.testing.assert_allclose(scores(plain, values), scores(network, values), atol=1e-5)
    assert not {layer.kind for layer in plain.architecture.layers} & {"BatchNormalization", "Dropout"}


def test_what_innvestigate_gets_wrong_is_explained_here():
    difference = Layer("Subtract", "difference", {}, ("first", "second"))
    product = Layer("Dot", "product", {"axes": 1}, ("first", "second"))
    shares = Layer("Activation", "shares", {"activation": "softmax"})
    second = replace(FIRST, name="second")
    for between, opaque in (((LARGEST,), False), ((second, difference, LARGEST), True), ((shares, LARGEST), True)):
        for activation in ("softmax", "linear"):
            network = sequences_in_two_channels(FIRST, *between, activation=activation)
            assert explain.is_opaque(network.architecture) == opaque
            assert set(explain.methods(network.architecture)) == ({"integrated-gradients"} if opaque else {*METHODS})
    assert explain.is_opaque(sequences_in_two_channels(FIRST, second, product, Layer("Flatten", "f", {})).architecture)


# Relevance, in the environment with innvestigate


def run_in_explain(store_root, function, *arguments):
    import ray
    import relevance_cases

    settings = environments.runtime_env("explain")
    settings["env_vars"] = {**settings.get("env_vars", {}), "RAYPIPE_STORE": str(store_root)}
    return ray.get(ray.remote(runtime_env=settings)(getattr(relevance_cases, function)).remote(*arguments))


@pytest.mark.slow
def test_every_method_agrees_with_what_theory_says(ray_cluster, store_root):
    network = random_network(architecture("andi-study"))
    grid = random_network(architecture("132123-4"))
    bare = replace(relevance.without_biases(network), series="without-biases")
    artifact.save(bare)
    values = some_trajectories(SAMPLES)
    score = scores(network, values)
    classes = score.argmax(axis=1)
    picked = np.arange(SAMPLES), classes
    cases = [
        (network.name, "lrp-epsilon", {"epsilon": 1.0}),
        (grid.name, "lrp-epsilon", {"epsilon": 0.3}),
        (bare.name, "lrp-epsilon", relevance.settings_of(METHODS["lrp-epsilon"], "zero-biases")),
        (network.name, "gradient", {}),
        (network.name, "integrated-gradients", {"steps": 512}),
        (network.name, "deep-taylor", {}),
    ]
    plain = json.dumps(values.tolist()), json.dumps(classes.tolist())
    found = json.loads(run_in_explain(store_root, "analyse", json.dumps(cases), *plain))
    study, deep, conserved, gradient, integrated, taylor = (np.array(one) for one, _ in found)
    for (name, _, _), (_, explained) in zip(cases, found, strict=True):
        np.testing.assert_allclose(explained, scores(artifact.load(name), values)[picked], atol=1e-4)

    for one, of, epsilon in ((study, network, 1.0), (deep, grid, 0.3)):
        for i in range(SAMPLES):
            expected, _ = reference_relevance.relevance(of, values[i], classes[i], epsilon)
            np.testing.assert_allclose(one[i], expected, atol=1e-4 * np.abs(expected).max())

    np.testing.assert_allclose(conserved.sum(axis=1), scores(bare, values)[picked], rtol=1e-3)
    assert not np.allclose(study.sum(axis=1), score[picked], rtol=0.1), "biases and epsilon take some up"

    import tensorflow as tf

    model, watched = keras_model.load(without_softmax(network)), tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        chosen = tf.gather(model(watched), classes, batch_dims=1)
    np.testing.assert_allclose(gradient, tape.gradient(chosen, watched)[..., 0], atol=1e-5)

    at_rest = scores(network, np.zeros_like(values))[picked]
    np.testing.assert_allclose(integrated.sum(axis=1), score[picked] - at_rest, atol=0.05 * np.abs(score).max())

    assert (taylor >= 0).all()
    assert (taylor.max(axis=1) > 0)[score[picked] > 0].all()


@pytest.mark.slow
def test_of_channels_and_logits_relevance_adds_up_too(ray_cluster, store_root):
    norm = Layer("BatchNormalization", "norm", {})
    bare = relevance.without_biases(sequences_in_two_channels(FIRST, norm, LARGEST, activation="linear"))
    artifact.save(bare)
    values = np.random.default_rng(0).normal(size=(3, 40, 2)).astype("float32")
    case = [bare.name, "lrp-epsilon", relevance.settings_of(METHODS["lrp-epsilon"], "zero-biases")]
    plain = json.dumps([case]), json.dumps(values.tolist()), json.dumps([0, 1, 2])
    ((found, score),) = json.loads(run_in_explain(store_root, "analyse", *plain))
    np.testing.assert_allclose(score, scores(bare, values).diagonal(), atol=1e-5)
    np.testing.assert_allclose(np.sum(found, axis=1), score, rtol=1e-3)


@pytest.mark.slow
def test_a_network_whose_predictions_move_is_refused(ray_cluster, store_root):
    random_network(architecture("123-2"))
    plain = json.dumps(some_trajectories(2).tolist())
    message = run_in_explain(store_root, "analyse_with_tolerance", "123-2", -1.0, plain)
    assert message.startswith("probabilities of network 123-2 change by")


def test_the_job_explains_trajectories_through_ray(ray_cluster, classified_here, capsys):
    network = random_network(architecture("123-32"))
    tiny_data.write_trajectories("test", 40)
    job("explain")("123-32", per_class=3)

    found = catalog.open("relevance/123-32/test-3-per-class")
    source = catalog.open("andi/test").isel(sample=found["origin"].values)
    for name in ("position", "label"):
        np.testing.assert_array_equal(found[name], source[name])
    values = inputs.network_input(network.architecture, found["position"].values)
    score = scores(network, values)[np.arange(len(values)), found["predicted"].values]
    np.testing.assert_allclose(found["score"], score, atol=1e-4)
    for i, number in enumerate(found["predicted"].values):
        expected, _ = reference_relevance.relevance(network, values[i], number, 1.0)
        np.testing.assert_allclose(found["relevance"][i], expected, atol=1e-4 * np.abs(expected).max())
    assert found.attrs["versions"]["innvestigate"] == "2.1.2"
    assert capsys.readouterr().out.strip().endswith("relevance/123-32/test-3-per-class.zarr")


# Controls: modified networks whose maps validate those of the network itself


def test_a_shuffled_network_has_the_same_weights_in_other_places():
    network = random_network(architecture("123132-4"))
    shuffled = relevance.changed(network, "shuffled-weights", **relevance.CONTROLS["shuffled-weights"])
    for name, array in network.weights.items():
        assert shuffled.weights[name].shape == array.shape
        np.testing.assert_array_equal(np.sort(shuffled.weights[name], axis=None), np.sort(array, axis=None))
        assert not np.array_equal(shuffled.weights[name], array), name
    backwards = replace(network, weights=dict(reversed(network.weights.items())))
    again, other = relevance.shuffled(backwards, 0), relevance.shuffled(network, 1)
    assert all(np.array_equal(array, again.weights[name]) for name, array in shuffled.weights.items())
    assert not any(np.array_equal(array, other.weights[name]) for name, array in shuffled.weights.items())


def test_a_network_without_biases_conserves_relevance_and_is_silent_at_rest():
    network = random_network(architecture("andi-study"))
    bare = relevance.changed(network, "zero-biases", **relevance.CONTROLS["zero-biases"])
    np.testing.assert_array_equal(scores(bare, np.zeros((1, 320, 1), "float32")), np.zeros((1, 5)))
    epsilon = relevance.settings_of(METHODS["lrp-epsilon"], "zero-biases")["epsilon"]
    for values in some_trajectories(2):
        found, score = reference_relevance.relevance(explainable(bare), values, 3, epsilon)
        assert found.sum() == pytest.approx(score, rel=1e-4)
        with_biases, score = reference_relevance.relevance(network, values, 3, epsilon)
        assert with_biases.sum() != pytest.approx(score, rel=0.01), "biases take some up"


def test_a_control_explains_the_same_decisions_under_another_name(here, monkeypatch):
    made = []
    monkeypatch.setattr(explain, "fill", lambda plan, **_: made.append(plan))
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 10)
    classify.classify("123-2", "test")
    names = [explain.explain("123-2", "test", control=control) for control in (None, *relevance.CONTROLS)]
    names.append(explain.explain("123-2", "test", method="gradient", control="zero-biases"))

    ends = ("", "-shuffled-weights", "-zero-biases", "-gradient-zero-biases")
    assert names == [f"relevance/123-2/test{end}" for end in ends]
    plain, shuffled, bare, gradient = (plan.parameters for plan in made)
    assert not {"control", "control_settings"} & set(plain), "maps made before there were controls can be continued"
    assert shuffled == {**plain, "control": "shuffled-weights", "control_settings": {"seed": 0}}
    assert bare == {**plain, "control": "zero-biases", "control_settings": {}, "settings": {"epsilon": 1e-6}}
    assert gradient["settings"] == {}
    for plan in made:
        for name in ("origin", "predicted"):
            np.testing.assert_array_equal(plan.coordinates[name].values, made[0].coordinates[name].values)


def test_how_many_of_each_class_is_in_the_name_unless_it_is_one(here):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 10)
    classify.classify("123-2", "test")
    plain = explain.plan("123-2", "test")
    more = explain.plan("123-2", "test", per_class=500, method="gradient", control="zero-biases")
    assert (plain.name, more.name) == (
        "relevance/123-2/test",
        "relevance/123-2/test-gradient-zero-biases-500-per-class",
    )
    for plan in (plain, more, replace(more, name="relevance/123-2/test-gradient-zero-biases")):  # an earlier name
        store.create(plan, {})
        mending = repair.plan_of(plan.name)
        assert (mending.name, mending.parameters) == (plan.name, plan.parameters)
    chosen = explain.plan("123-2", "test", per_class=500, where={"label": "attm"})
    assert chosen.name.startswith("relevance/123-2/test-samples-"), "of chosen samples the numbers tell"


def test_deep_taylor_of_sums_is_refused(here):
    second = replace(FIRST, name="second")
    summed = Layer("Add", "sum", {}, ("first", "second"))
    layers = (FIRST, second, summed, LARGEST, Layer("Dense", "scores", {"units": 5, "activation": "softmax"}))
    random_network(replace(architecture("123-2"), name="sum", layers=layers))
    with pytest.raises(InputError, match=r"deep-taylor: innvestigate counts twice .* choose one of lrp"):
        explain.check("sum", "deep-taylor", 1)
    assert explain.check("sum", None, 1)[1] == "lrp-epsilon"


def test_deep_taylor_of_other_activations_than_relu_is_refused(here):
    layers = stack(
        ("Conv1D", {"filters": 2, "kernel_size": 3, "activation": "elu"}),
        ("GlobalMaxPooling1D", {}),
        ("Dense", {"units": 5, "activation": "softmax"}),
    )
    random_network(replace(architecture("123-2"), name="elu", layers=layers))
    with pytest.raises(
        InputError, match=r"network elu cannot be explained by deep-taylor.*it has elu; choose one of lrp"
    ):
        explain.check("elu", "deep-taylor", 1)
    assert explain.check("elu", "gradient", 1)[1] == "gradient"
    random_network(architecture("123-2"))
    assert explain.check("123-2", "deep-taylor", 1)[1] == "deep-taylor"


@pytest.mark.slow
def test_the_job_checks_relevance_through_ray(ray_cluster, classified_here, tmp_path, capsys):
    network = random_network(architecture("123-32"))
    tiny_data.write_trajectories("test", 60)
    job("check_relevance")("123-32", per_class=4, output=tmp_path / "figures")

    real = catalog.open("relevance/123-32/test-4-per-class")
    for control in relevance.CONTROLS:
        found = catalog.open(f"relevance/123-32/test-{control}-4-per-class")
        values = inputs.network_input(network.architecture, found["position"].values)
        changed = relevance.changed(network, control, **relevance.CONTROLS[control])
        picked = np.arange(len(values)), found["predicted"].values
        np.testing.assert_allclose(found["score"], scores(changed, values)[picked], rtol=1e-4, atol=1e-4)
        assert not np.allclose(found["relevance"], real["relevance"], rtol=0.1)
    np.testing.assert_array_equal(found["predicted"], real["predicted"])
    np.testing.assert_allclose(found["relevance"].sum("time"), found["score"], rtol=1e-3)
    printed = capsys.readouterr().out
    assert "sum of relevance / score, without biases (ε = 1e-06): median 1.000" in printed
    pictures = ("mean_relevance", "perturbation", "conservation", "shuffled_weights")
    assert printed.split()[-4:] == [str(tmp_path / "figures" / f"123-32_test_{name}.png") for name in pictures]
    assert len(list((tmp_path / "figures").iterdir())) == 4


# Choice of samples


def predictions(label: list[int], predicted: list[int]) -> xr.Dataset:
    names = ("class", ["red", "green", "blue"])
    return xr.Dataset({"predicted": ("sample", predicted)}, {"label": ("sample", label), "class": names})


def test_the_first_correct_samples_of_each_class_are_chosen():
    found = explain.chosen(predictions([0, 1, 0, 1, 0, 1], [1, 1, 0, 1, 0, 1]), 2)
    assert found.tolist() == [2, 4, 1, 3]


def test_a_class_with_too_few_correct_samples_is_told(caplog):
    caplog.set_level(logging.INFO)
    found = explain.chosen(predictions([0, 1, 0, 1, 0], [0, 2, 0, 0, 1]), 3)
    assert found.tolist() == [0, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "class red: 2 of 3 samples are classified correctly, 3 asked for",
        "class green: 0 of 2 samples are classified correctly, 3 asked for; its first one, classified wrongly, is "
        "explained instead",
    ]


def test_mistakes_are_told(here):
    for name in ("123-2", "pattern-2d"):
        random_network(architecture(name))
    with pytest.raises(InputError, match=r"no trained network 'andi-study'.*raypipe train_network"):
        explain.explain("andi-study", "test")
    with pytest.raises(InputError, match="unknown method for network 123-2 'saliency'; choose one of lrp-epsilon"):
        explain.explain("123-2", "test", method="saliency")
    with pytest.raises(InputError, match="unknown method for network pattern-2d 'magic'; choose one of gradient, smoo"):
        explain.explain("pattern-2d", "test", method="magic")
    with pytest.raises(InputError, match="unknown control 'zero'; choose one of shuffled-weights, zero-biases"):
        explain.explain("123-2", "test", control="zero")
    with pytest.raises(InputError, match="control 'zero-biases' with method gradient, whose maps do not add up to a"):
        explain.explain("pattern-2d", "test", control="zero-biases")
    with pytest.raises(InputError, match="unknown control 'zero'"):
        explain.explain("pattern-2d", "test", control="zero")
    with pytest.raises(InputError, match="0 samples per class; expected 1 or more"):
        explain.explain("123-2", "test", per_class=0)
    with pytest.raises(InputError, match="no data set 'predictions/123-2/test'"):
        explain.explain("123-2", "test")
    tiny_data.write_trajectories("test", 5)
    classify.classify("123-2", "test")
    random_network(architecture("123-2"), seed=1)
    with pytest.raises(InputError, match="predictions/123-2/test was made by an earlier network 123-2"):
        explain.explain("123-2", "test")
    with pytest.raises(InputError, match="1 of 2 samples have no label"):
        explain.chosen(predictions([0, -1], [0, 0]), 1)


def test_the_job_says_what_is_wrong_before_it_classifies(here, store_root, capsys):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 5)
    with pytest.raises(SystemExit, match="2"):
        command.run(job("explain"), ["--network", "123-2", "--method", "magic"])
    assert capsys.readouterr().err.startswith("error: unknown method for network 123-2 'magic'")
    assert not (store_root / "predictions").exists()


def test_only_the_default_method_has_the_short_name(here, monkeypatch):
    made = []
    monkeypatch.setattr(explain, "fill", lambda plan, **_: made.append(plan))
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 10)
    classify.classify("123-2", "test")
    names = [explain.explain("123-2", "test", method=method) for method in relevance.METHODS]

    assert names == [f"relevance/123-2/test{end}" for end in ("", "-gradient", "-integrated-gradients", "-deep-taylor")]
    assert made[0].parameters["settings"] == {"epsilon": 1.0}
    assert made[0].parameters["source"] == "andi/test"
    assert {plan.environment for plan in made} == {"explain"}


# Maps of fields


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-3d"])
def test_patterns_are_explained_with_the_frames_of_their_network(here, name):
    network = random_network(architecture(name))
    tiny_data.write_patterns("test", 16)
    classify.classify(name, "test")
    found = catalog.open(explain.explain(name, "test"))

    u = catalog.open("gray_scott/test")["u"].isel(sample=found["origin"].values)
    np.testing.assert_array_equal(found["u"], u.isel(frame=-1).astype("float32"))
    values = inputs.network_input(network.architecture, u.sel(frame=list(network.architecture.frame_times)).values)
    expected = saliency.saliency_map(network)(values, found["predicted"].values)
    np.testing.assert_allclose(found["saliency"], expected, atol=1e-5)
    assert found["saliency"].dims == ("sample", "y", "x")


@pytest.mark.slow
def test_relevance_of_fields_agrees_with_innvestigate(ray_cluster, store_root):
    network = propagation.merged(random_network(architecture("pattern-2d")))
    plain = replace(network, series="plain")
    artifact.save(plain)
    values = np.random.default_rng(0).uniform(size=(2, *network.architecture.input_shape)).astype("float32")
    np.save(store_root / "values.npy", values)
    classes = scores(plain, values).argmax(axis=1)
    for composite, epsilon in ((False, 0.1), (True, 0.1)):
        run_in_explain(
            store_root,
            "analyse_fields",
            plain.name,
            str(store_root / "values.npy"),
            classes.tolist(),
            epsilon,
            composite,
        )
        expected = np.load(store_root / "values.npy.relevance.npy")
        found, _ = propagation.propagation(plain, epsilon=epsilon, composite=composite)(values, classes)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_each_method_has_a_store_of_its_own(here, monkeypatch):
    made = []
    monkeypatch.setattr(explain, "fill", lambda plan, **_: made.append(plan))
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("test", 16)
    classify.classify("pattern-2d", "test")
    names = [explain.explain("pattern-2d", "test", method=method) for method in (None, *explain.FIELD_METHODS)]
    names.append(explain.explain("pattern-2d", "test", method="lrp-epsilon", control="zero-biases"))

    ends = ("", "", "-smoothgrad", "-lrp", "-lrp-epsilon", "-lrp-epsilon-zero-biases")
    assert names == [f"saliency/pattern-2d/test{end}" for end in ends]
    for plan in made[:2]:
        assert (plan.parameters["method"], plan.parameters["settings"]) == ("gradient", {})
        assert plan.parameters["per_class"] == 1
        assert set(plan.variables) == {"saliency", "u"}
    assert set(made[3].variables) == {"saliency", "relevance", "score", "u"}
    assert made[-1].parameters["settings"] == {"epsilon": 1e-6}
    assert {plan.environment for plan in made} == {None}


def test_chosen_samples_are_explained_whatever_they_were_taken_for(here):
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("test", 16)
    classify.classify("pattern-2d", "test")
    name = explain.explain("pattern-2d", "test", method="lrp", samples=[5, 3])
    found = catalog.open(name)
    said = catalog.open("predictions/pattern-2d/test")

    assert name == "saliency/pattern-2d/test-lrp-samples-5-3"
    assert found["origin"].values.tolist() == [5, 3]
    for key in ("label", "predicted"):
        np.testing.assert_array_equal(found[key], said[key].isel(sample=[5, 3]))
    assert found.attrs["parameters"]["samples"] == [5, 3]
    mending = repair.plan_of(name)
    assert (mending.name, mending.parameters) == (name, found.attrs["parameters"])
    assert found["relevance"].dims == ("sample", "y", "x")
    positive = found["relevance"].values.clip(min=0)
    np.testing.assert_allclose(found["saliency"], saliency.scaled(positive), atol=1e-6)
    one, other = ([*range(7)], [*range(8)])
    names = {explain.plan("pattern-2d", "test", samples=samples).name for samples in (one, other)}
    assert len(names) == 2
    assert all(len(long) < 60 for long in names)

    for samples, message in (
        ([16], "no sample 16 in test, which has 16; expected numbers from 0 to 15"),
        ([-1], "no sample -1 in test"),
        ([], "no samples to explain"),
        ([2, 2], "samples 2, 2; expected each only once"),
    ):
        with pytest.raises(InputError, match=message):
            explain.plan("pattern-2d", "test", samples=samples)


def test_samples_are_chosen_by_class_and_by_point():
    said = predictions([0, 1, 1, 1], [0, 0, 1, 1]).assign_coords(k=("sample", [0.06, 0.06, 0.05, 0.06]))
    assert explain.matching(said, {"label": "green"}).tolist() == [1, 2, 3]
    assert explain.matching(said, {"k": "0.060", "predicted": "green"}).tolist() == [3]
    assert explain.chosen(said, 1, explain.matching(said, {"k": 0.06})).tolist() == [0, 3]
    tiny = said.assign_coords(D=("sample", [1e-12, 2e-12, 5e-12, 1e-9]), seed=("sample", [2**53, 2**53 + 2, 3, 4]))
    assert explain.matching(tiny, {"D": "1e-12"}).tolist() == [0]
    assert explain.matching(tiny, {"seed": str(2**53)}).tolist() == [0]
    bare = said.assign_coords(label=("sample", [-1] * 4))
    assert explain.chosen(bare, 2, explain.matching(bare, {"k": "0.06"})).tolist() == [0, 1, 3]
    for where, message in (
        ({"f": "1"}, "unknown coordinate 'f'"),
        ({"label": "pink"}, "unknown class 'pink'"),
        ({"k": "much"}, "cannot choose samples by k=much; expected a number"),
        ({"k": "0.07"}, "no sample has k=0.07"),
    ):
        with pytest.raises(InputError, match=message):
            explain.matching(said, where)


@pytest.mark.parametrize("method", ["gradient", "lrp"])
def test_the_job_checks_the_maps_of_fields(here, monkeypatch, tmp_path, capsys, method):
    monkeypatch.setattr(checks, "classify", classify.classify)
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("test", 15)
    classify.classify("pattern-2d", "test")
    # A random network is right by chance only: count three samples as correctly classified.
    monkeypatch.setattr(explain, "chosen", lambda *_: np.array([0, 4, 9]))
    opened = catalog.open

    def agreed(name):
        data = opened(name)
        return data.assign_coords(label=data["predicted"]) if name.startswith("saliency/") else data

    monkeypatch.setattr(checks.catalog, "open", agreed)
    job("check_relevance")("pattern-2d", method=method, output=tmp_path / "figures")

    said = capsys.readouterr().out
    assert said.startswith("pattern-2d on test: 3 fields that are classified correctly")
    assert ("sum of relevance / score, without biases (ε = 1e-06)" in said) == (method == "lrp")
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    ends = ("perturbation", "shuffled_weights", *(["conservation"] if method == "lrp" else []))
    assert drawn == {f"pattern-2d_test_{method}_{end}.png" for end in ends}


@pytest.mark.parametrize("method", ["gradient", "lrp"])
def test_fields_of_another_size_are_explained_and_their_maps_checked(here, monkeypatch, method):
    monkeypatch.setattr(checks, "classify", classify.classify)
    layers = stack(
        ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}),
        ("GlobalMaxPooling2D", {}),
        ("Dense", {"units": 15, "activation": "linear"}),
    )
    random_network(replace(architecture("pattern-2d"), layers=layers))
    tiny_data.write_patterns("test", 4, size=20)
    classify.classify("pattern-2d", "test")
    monkeypatch.setattr(explain, "chosen", lambda *_: np.array([0, 2]))
    opened = catalog.open

    def agreed(name):
        data = opened(name)
        return data.assign_coords(label=data["predicted"]) if name.startswith("saliency/") else data

    monkeypatch.setattr(checks.catalog, "open", agreed)
    found = checks.check("pattern-2d", "test", method=method)
    assert found.maps["saliency"].shape == (2, 20, 20)
    assert found.maps["saliency"].values.max() == 1
    assert found.curve["removed"].values.tolist() == [0, 4, 8, 16, 32, 64, 128]
    np.testing.assert_array_equal(found.curve["accuracy"].sel(removed=0), 1)
