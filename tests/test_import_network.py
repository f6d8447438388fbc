"""Imported networks: files written by TensorFlow 2.14 in its own environment, and by Keras 3 in this one."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import foreign_models
import numpy as np
import pytest
import tiny_data
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import catalog, command
from raypipe.errors import InputError
from raypipe.networks import artifact, classify, explain, keras_model
from raypipe.networks.architecture import Layer
from raypipe.networks.foreign import config, graph, reader
from raypipe.networks.foreign.importing import import_network
from raypipe.networks.foreign.layers import Read, tidied
from raypipe.report import build as report
from raypipe.run import environments
from raypipe.study import architecture


@pytest.fixture(scope="module")
def saved(ray_cluster, tmp_path_factory):
    """Create a folder of networks saved by TensorFlow 2.14; some SavedModels lack the metadata file of Keras."""
    import ray

    folder = tmp_path_factory.mktemp("theirs")
    settings = environments.runtime_env("explain")
    assert ray.get(ray.remote(runtime_env=settings)(foreign_models.save_all).remote(str(folder))).startswith("2.14.")
    for name in ("pattern", "pattern_3d", "trajectory", "residual"):
        shutil.copytree(folder / name, folder / f"{name}-bare")
        (folder / f"{name}-bare" / "keras_metadata.pb").unlink()
    assert not (folder / "pattern-before-2.5" / "keras_metadata.pb").exists()
    return folder


@pytest.fixture
def keras_3(tmp_path):
    """Save a classifier of patterns with Keras 3, and its outputs."""
    from tensorflow import keras

    model = foreign_models.randomised(foreign_models.pattern(keras))
    inputs = foreign_models.samples((128, 128, 3))
    np.savez(tmp_path / "new.npz", inputs=inputs, outputs=model(inputs, training=False).numpy())
    model.save(tmp_path / "new.keras")
    model.save(tmp_path / "new.h5")
    model.export(tmp_path / "new", verbose=False)
    return tmp_path


@pytest.fixture
def here(monkeypatch):
    for stage in (classify, explain):
        monkeypatch.setattr(stage, "fill", fill_here)


def assert_says_the_same(name: str, original: Path) -> None:
    with np.load(original) as known:
        outputs = keras_model.load(artifact.load(name)).predict(known["inputs"], verbose=0)
        np.testing.assert_allclose(outputs, known["outputs"], rtol=1e-4, atol=1e-4 * np.abs(known["outputs"]).max())
        assert np.ptp(known["outputs"], axis=0).max() > 0.01, "the same for all samples, the test is empty"


OF_2_14 = [
    f"{network}{form}"
    for network in ("pattern", "pattern_3d", "trajectory", "residual")
    for form in ("", "-bare", ".h5", ".keras")
]


@pytest.mark.parametrize("file", [*OF_2_14, "pattern-before-2.5"])
def test_a_network_of_tensorflow_2_14_says_the_same_here(file, saved):
    network = file.partition(".")[0].partition("-")[0]
    frames = range(10) if network == "pattern_3d" else None
    classes = "abcdefghijklmno" if network.startswith("pattern") else None
    found = import_network(str(saved / file), name="theirs/one", classes=classes, frames=frames)
    assert artifact.names() == [found.name] == ["theirs/one"]
    assert_says_the_same("theirs/one", saved / f"{network}.npz")
    kept = artifact.load("theirs/one")
    assert kept.architecture == found.architecture
    assert kept.architecture.study == ("gray_scott" if network.startswith("pattern") else "andi")
    assert kept.provenance["difference"] <= 1e-4
    own = kept.provenance["made_from"]["imported"]
    assert own["file"] == file
    assert own["framework"] == ("Keras 2.14.0" if file.endswith((".h5", ".keras")) else "TensorFlow 2.14.1")
    if file.endswith((".h5", ".keras")):
        assert own["sha256"] == hashlib.sha256((saved / file).read_bytes()).hexdigest()


def test_what_the_numbers_mean_is_that_of_the_study_if_it_is_known(saved):
    found = import_network(str(saved / "trajectory")).architecture
    assert found.name == "trajectory"
    assert found.classes == architecture("andi-study").classes
    assert import_network(str(saved / "pattern.h5")).architecture.classes == architecture("pattern-2d").classes
    with pytest.raises(InputError, match="3 different classes are named, a,b,c; name 15"):
        import_network(str(saved / "pattern.h5"), name="again", classes=["a", "b", "c"])
    with pytest.raises(InputError, match="of 3 frames; 2 times are given: give 3"):
        import_network(str(saved / "pattern.h5"), name="again", classes="abcdefghijklmno", frames=[1, 2])
    with pytest.raises(InputError, match=r"--frames with trajectory.h5 of the study andi"):
        import_network(str(saved / "trajectory.h5"), name="again", frames=[1, 2])
    assert artifact.names() == ["pattern", "trajectory"]


@pytest.mark.parametrize("file", ["new.keras", "new.h5", "new"])
def test_a_network_of_keras_3_says_the_same_here(file, keras_3):
    found = import_network(str(keras_3 / file), name="new", classes="abcdefghijklmno")
    assert_says_the_same("new", keras_3 / "new.npz")
    assert found.provenance["made_from"]["imported"]["framework"].startswith(
        "Keras 3." if "." in file else "TensorFlow 2.2"
    )


def rearranged(keras):
    """Build a classifier of trajectories with layers that rearrange axes, and a dot product."""
    of = keras.layers
    inputs = keras.Input((320, 1))
    first = of.Conv1D(4, 5, strides=5, activation="relu")(inputs)
    folded = of.Permute((2, 1))(of.Reshape((32, 8))(first))
    alike = of.Dot(axes=(2, 1), normalize=True)([folded, of.Reshape((32, -1))(first)])
    return keras.Model(inputs, of.Dense(5, activation="softmax")(of.Flatten()(alike)))


def flattened(keras):
    """Build a classifier that flattens the output of its convolution."""
    of = keras.layers
    layers = [of.Conv1D(4, 5, strides=5, activation="relu"), of.Flatten(), of.Dense(8, activation="relu"), of.Dense(5)]
    return keras.Sequential([keras.Input((320, 1)), *layers])


@pytest.mark.parametrize(("build", "file"), [(rearranged, "new.keras"), (rearranged, "new.h5"), (flattened, "new")])
def test_layers_that_rearrange_say_the_same_here(build, file, tmp_path):
    from tensorflow import keras

    model, inputs = foreign_models.randomised(build(keras)), foreign_models.samples((320, 1))
    np.savez(tmp_path / "new.npz", inputs=inputs, outputs=model(inputs, training=False).numpy())
    if "." in file:
        model.save(tmp_path / file)
    else:
        model.export(tmp_path / file, verbose=False)
    found = import_network(str(tmp_path / file), name="theirs/new")
    assert_says_the_same("theirs/new", tmp_path / "new.npz")
    kinds = [layer.kind for layer in found.architecture.layers]
    assert {"Reshape", "Permute", "Dot", "Flatten"} & set(kinds) == (
        {"Reshape", "Permute", "Dot", "Flatten"} if build is rearranged else {"Flatten"}
    )


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_batch_normalisation_along_another_axis_is_refused(ending, tmp_path, store_root):
    from tensorflow import keras

    def saved(axis):
        of = keras.layers
        layers = [of.Conv1D(2, 3), of.BatchNormalization(axis=axis), of.GlobalMaxPooling1D(), of.Dense(5)]
        file = tmp_path / f"axis.{ending}"
        keras.Sequential([keras.Input((320, 1)), *layers]).save(file)
        return str(file)

    with pytest.raises(
        InputError, match=r"of class BatchNormalization with axis = 1 of 3 dimensions.*expected the last"
    ):
        import_network(saved(1), name="theirs/axis")
    assert not store_root.exists()
    assert import_network(saved(2), name="theirs/axis").name == "theirs/axis"


def test_the_jobs_take_a_network_of_others(saved, here, tmp_path, capsys):
    job("import_network")(str(saved / "trajectory-bare"), name="theirs/bare", classes=None, frames=None)
    said = capsys.readouterr().out
    assert said.startswith("theirs/bare, of the study andi: 7 layers, ")
    assert "outputs for random samples differ from the original's by " in said
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 20)
    job("evaluate")("theirs/bare", output=tmp_path)
    drawn = ("confused", "confusion", "recall", "reliability")
    assert sorted(one.name for one in tmp_path.glob("*.png")) == [f"theirs_bare_test_{what}.png" for what in drawn]
    assert "theirs/bare on test" in capsys.readouterr().out
    job("rank_networks")("theirs/bare", reference="123-2", output=tmp_path / "ranking.csv")
    assert "theirs/bare" in (tmp_path / "ranking.csv").read_text()
    job("networks")()
    listed = capsys.readouterr().out
    assert "theirs/bare" in listed
    assert "shipped/andi-study" in listed
    assert "theirs/bare" in report.build(tmp_path / "report", {}).read_text()


@pytest.mark.slow
def test_a_network_of_others_is_explained(saved, monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)
    import_network(str(saved / "trajectory"), name="theirs")
    tiny_data.write_trajectories("test", 20)
    job("explain")("theirs", "test", per_class=1)
    assert np.isfinite(catalog.open("relevance/theirs/test")["relevance"]).all()


def test_mistakes_get_one_line_and_nothing_is_kept(saved, tmp_path, store_root, capsys):
    (tmp_path / "text.h5").write_text("no network")
    (tmp_path / "cut.h5").write_bytes((saved / "pattern.h5").read_bytes()[:5000])
    (tmp_path / "cut.keras").write_bytes((saved / "pattern.keras").read_bytes()[:-5000])
    (tmp_path / "empty").mkdir()
    shutil.copytree(saved / "pattern", tmp_path / "cut")
    (tmp_path / "cut/saved_model.pb").write_bytes((saved / "pattern/saved_model.pb").read_bytes()[:3000])
    shutil.copytree(saved / "pattern", tmp_path / "lost")
    shutil.rmtree(tmp_path / "lost/variables")
    mistakes = {
        tmp_path / "none.h5": "there is no such file",
        tmp_path / "text.h5": "text.h5 cannot be read as a .h5 or .keras file",
        tmp_path / "cut.h5": "cut.h5 cannot be read as",
        tmp_path / "cut.keras": "cut.keras cannot be read as",
        tmp_path / "empty": "has no saved_model.pb",
        tmp_path / "cut": "cut cannot be read as a SavedModel",
        tmp_path / "lost": "lost cannot be read as a SavedModel",
        saved / "weights-only.h5": "has weights only",
        saved / "odd.h5": "has a layer lstm of class LSTM",
        saved / "code.h5": "has a layer theirs of class Lambda",
        saved / "code": "/theirs/add)",
        saved / "binary.h5": "ends in a layer of kind Dense with the activation sigmoid",
        saved / "many": "has 4 outputs; it is not known which of the study's classes these are",
        saved / "other": "takes samples of shape (100, 2) and has 5 outputs; the known studies take other samples",
    }
    for file, expected in mistakes.items():
        with pytest.raises(SystemExit, match="2"):
            command.run(job("import_network"), [str(file), "--name", "theirs"])
        said = capsys.readouterr().err
        assert expected in said, said
        assert said.count("\n") == 1, said
        assert said.startswith("error: ")
    assert not store_root.exists()


def test_a_network_that_says_otherwise_here_is_refused(keras_3, store_root, monkeypatch):
    read = reader.read

    def slightly_wrong(*arguments):
        arrays, documents = artifact.unpack(read(*arguments), "test")
        return artifact.pack({**arrays, "outputs": arrays["outputs"] * 1.001}, documents)

    monkeypatch.setattr(reader, "read", slightly_wrong)
    with pytest.raises(
        InputError, match=r"gives other results once imported: outputs for random samples differ by 1.0e-03"
    ):
        import_network(str(keras_3 / "new.keras"), name="new", classes="abcdefghijklmno")
    assert not store_root.exists()


def test_a_name_is_never_taken_twice(keras_3):
    import_network(str(keras_3 / "new.keras"), classes="abcdefghijklmno")
    before = artifact.checksum("new")
    with pytest.raises(InputError, match="network new already exists, made from this same file"):
        import_network(str(keras_3 / "new.keras"), classes="abcdefghijklmno")
    with pytest.raises(InputError, match="network new already exists; choose another --name"):
        import_network(str(keras_3 / "new.h5"), classes="abcdefghijklmno")
    with pytest.raises(InputError, match="pattern-2d is the name of a network of the study gray_scott"):
        import_network(str(keras_3 / "new.h5"), name="pattern-2d", classes="abcdefghijklmno")
    with pytest.raises(InputError, match=r"is not a valid name"):
        import_network(str(keras_3 / "new.h5"), name="../new", classes="abcdefghijklmno")
    assert artifact.names() == ["new"]
    assert artifact.checksum("new") == before


# Descriptions of layers by Keras


def described(*layers: tuple[str, dict]) -> dict:
    named = [{"class_name": kind, "config": {"name": f"own_{i}", **own}} for i, (kind, own) in enumerate(layers)]
    return {"class_name": "Sequential", "config": {"name": "theirs", "layers": named}}


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("Conv1D", {"data_format": "channels_first"}, "data_format = 'channels_first'"),
        ("Dense", {"dtype": "mixed_float16"}, "computes in mixed_float16"),
        ("Dense", {"dtype": {"config": {"name": "bfloat16"}}}, "computes in bfloat16"),
        ("Dense", {"activation": {"class_name": "LeakyReLU"}}, "activation = {'class_name': 'LeakyReLU'}"),
        ("ReLU", {"max_value": 6.0}, "max_value = 6.0"),
        ("Dropout", {"noise_shape": [1, 2]}, r"noise_shape = \(1, 2\)"),
        ("BatchNormalization", {"renorm": True}, "renorm = True"),
        ("Dense", {"unheard_of": 1}, "unheard_of = 1"),
        ("MultiHeadAttention", {}, "which is not supported; supported are"),
    ],
)
def test_an_option_without_counterpart_is_named_with_its_layer(kind, options, said):
    with pytest.raises(InputError, match=rf"theirs.h5 has a layer own_0 of class {kind}.*{said}"):
        config.layers_of(described((kind, options)), "theirs.h5")


def test_options_that_are_as_usual_are_left_out_and_what_does_nothing_too():
    model = described(
        ("InputLayer", {"batch_input_shape": [None, 8, 2]}),
        ("RandomFlip", {"mode": "horizontal"}),
        ("Conv1D", {"filters": 3, "kernel_size": [4], "strides": [1], "padding": "same", "activation": "relu"}),
        ("MaxPooling1D", {"pool_size": {"class_name": "__tuple__", "items": [2]}, "strides": [2]}),
        ("AveragePooling1D", {"pool_size": [3], "strides": [1], "padding": "valid"}),
    )
    kinds = [(one.layer.kind, one.layer.options) for one in config.layers_of(model, "theirs.h5")]
    assert kinds == [
        ("Conv1D", {"filters": 3, "kernel_size": (4,), "padding": "same", "activation": "relu"}),
        ("MaxPooling1D", {"pool_size": (2,)}),
        ("AveragePooling1D", {"pool_size": (3,), "strides": (1,)}),
    ]


def test_operations_on_channels_that_come_first_are_refused():
    import tensorflow as tf

    def convolution(values):
        return tf.nn.conv2d(values, np.ones((2, 2, 3, 4), "float32"), 1, "VALID", data_format="NCHW")

    for build in (convolution, lambda values: tf.nn.avg_pool2d(values, 2, 2, "VALID", data_format="NCHW")):
        with tf.Graph().as_default() as made:
            output = build(tf.compat.v1.placeholder("float32", (None, 3, 8, 8)))
        with pytest.raises(InputError, match=r"theirs has the operation \w+ \(\w+\) on channels that come first"):
            graph.layers_of(made.as_graph_def(add_shapes=True), output.name, "theirs")


def test_layers_used_twice_and_second_inputs_are_refused():
    def functional(*layers):
        found = described(*[(kind, {}) for kind, _ in layers])
        for one, (_, nodes) in zip(found["config"]["layers"], layers, strict=True):
            one["inbound_nodes"] = nodes
        outputs = [[f"own_{len(layers) - 1}", 0, 0]]
        return {"class_name": "Functional", "config": {**found["config"], "output_layers": outputs}}

    twice = functional(("InputLayer", []), ("Flatten", [[["own_0", 0, 0, {}]], [["own_1", 0, 0, {}]]]))
    with pytest.raises(InputError, match="uses its layer own_1 2 times"):
        config.layers_of(twice, "theirs.h5")
    with pytest.raises(InputError, match="has another input, own_1"):
        config.layers_of(functional(("InputLayer", []), ("InputLayer", [])), "theirs.h5")


def test_an_activation_that_is_used_otherwise_stays_a_layer():
    dense = Layer("Dense", "a", {"units": 2, "activation": "linear"}, ("input",))
    relu = Layer("Activation", "b", {"activation": "relu"}, ("a",))
    joined = [Layer("Add", "c", {}, ("a", "b")), Layer("Dense", "d", {"units": 2, "activation": "linear"}, ("c",))]
    layers, _ = tidied([Read(one) for one in (dense, relu, *joined)], "theirs")
    assert [one.kind for one in layers] == ["Dense", "Activation", "Add", "Dense"]
    assert layers[2].sources == ("dense_1", "activation_2")
    alone, _ = tidied([Read(one) for one in (dense, replace(relu, options={"activation": "softmax"}))], "theirs")
    assert [(one.kind, one.options["activation"]) for one in alone] == [("Dense", "softmax")]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
def test_an_activation_that_changes_nothing_does_not_hide_the_last_one(activation):
    """Keras recommends such a float32 activation at the end of a mixed-precision network."""
    first = Layer("Activation", "a", {"activation": "linear"}, ("input",))
    dense = Layer("Dense", "b", {"units": 2, "activation": activation}, ("a",))
    idle = Layer("Activation", "c", {"activation": "linear"}, ("b",))
    dropout = Layer("Dropout", "d", {"rate": 0.5}, ("c",))
    found = [Read(one) for one in (first, dense, idle, dropout)]
    if activation == "sigmoid":
        with pytest.raises(InputError, match="theirs ends in a layer of kind Dense with the activation sigmoid"):
            tidied(found, "theirs")
        return
    layers, _ = tidied(found, "theirs")
    assert [(one.kind, one.options["activation"], one.sources) for one in layers] == [("Dense", activation, ())]


def test_a_batch_normalisation_without_scale_gets_one_of_ones():
    layer = Layer("BatchNormalization", "a", {"scale": False, "epsilon": 0.01}, ("input",))
    last = Layer("Dense", "b", {"units": 2, "activation": "linear"}, ("a",))
    shift, mean, variance = np.arange(1.0, 7.0).reshape(3, 2)
    (found, _), weights = tidied([Read(layer, [shift, mean, variance]), Read(last, [])], "theirs")
    assert found.options == {"epsilon": 0.01}
    np.testing.assert_array_equal([weights[f"{found.name}/{i}"] for i in range(4)], [[1, 1], shift, mean, variance])


def test_samples_of_any_size_get_that_of_the_study():
    assert reader._sized((None, 1), [[128, 128, 3], [320, 1]], "theirs") == (320, 1)
    with pytest.raises(InputError, match="takes samples of any size"):
        reader._sized((None, 2), [[320, 1]], "theirs")
