"""Classifying data sets."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import tiny_data
import tiny_results
import xarray as xr
from tiny_networks import random_network
from without_ray import fill_here, job, worker_of

from raypipe import catalog, command, store, study
from raypipe.errors import InputError
from raypipe.networks import classify, explain, inputs, keras_model, path, relevance, saliency
from raypipe.networks.architecture import Architecture, stack
from raypipe.networks.evaluate import evaluate, table
from raypipe.novelty import features, find
from raypipe.run import fill
from raypipe.store import Coordinate, Plan, Variable, creation, label_attributes
from raypipe.studies.andi import STUDY, diffusion
from raypipe.studies.gray_scott import tables
from raypipe.study import DataSet, Sample, Study, architecture


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(classify, "fill", fill_here)


def write_scan(count: int) -> None:
    """Write unlabelled patterns with three frames."""
    u = np.random.default_rng(0).uniform(size=(count, 128, 128, 3))
    k = np.linspace(0.03, 0.06, count)
    coordinates = {
        "k": Coordinate(("sample",), k),
        "label": Coordinate(("sample",), np.full(count, -1)),
        "frame": Coordinate(("frame",), np.array(tables.FRAME_TIMES_2D)),
    }
    variables = {"u": Variable(("sample", "y", "x", "frame"), u.shape, "float64", (1, 128, 128, 1))}
    store.create(Plan("gray_scott/scan", count, count, variables, coordinates, {}), {})
    store.write_shard("gray_scott/scan", 0, slice(0, count), {"u": u}, seeds=None, seconds=0, attempt="test")


def test_a_flipped_byte_in_the_source_is_one_line(here, store_root):
    """It names the data set, the shard and the repair command; users see the worker's message unchanged."""
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("test", 10)
    chunk = store_root / "andi/test.zarr/position/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    plan = classify.plan("123-2", "test")
    store.create(plan, {})
    worker = worker_of(plan)
    said = worker(fill.row_of(plan, 0))
    assert said["traceback"] == ""
    assert "\n" not in said["error"]
    assert said["error"].startswith("predictions/123-2/test, shard 0 (samples 0 to 9): ")
    assert "andi/test.zarr/position/c/0/0 is damaged: " in said["error"]
    assert said["error"].endswith("; repair it with: raypipe verify andi/test --repair")
    assert store.missing(plan.name) == [0]


def test_trajectories_in_shards_and_batches_are_as_in_one_piece(here, monkeypatch):
    andi = study.find("andi")
    smaller = replace(andi, sample=replace(andi.sample, per_shard=7))
    network = random_network(architecture("123-32"))
    monkeypatch.setattr(study, "find", {"andi": smaller}.__getitem__)
    monkeypatch.setattr(classify, "BATCH", 3)
    tiny_data.write_trajectories("test", 20)
    found = catalog.open(classify.classify("123-32", "test"))
    source = catalog.open("andi/test")

    expected = keras_model.load(network).predict(inputs.network_input(network.architecture, source["position"].values))
    np.testing.assert_allclose(found["probability"], expected, atol=1e-6)
    np.testing.assert_array_equal(found["predicted"], expected.argmax(axis=1))
    np.testing.assert_array_equal(found["label"], source["label"])
    assert found["label"].attrs["flag_meanings"] == "attm ctrw fbm lw sbm"
    assert found["class"].values.tolist() == list(diffusion.ANDI_MODELS)
    assert len(np.unique(found["predicted"])) > 1, "the network tells nothing apart, the test is empty"


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-3d"])
def test_a_pattern_network_sees_its_frames_and_gives_probabilities(here, name):
    network = random_network(architecture(name))
    tiny_data.write_patterns("test", 2)
    found = catalog.open(classify.classify(name, "test"))

    u = catalog.open("gray_scott/test")["u"].sel(frame=list(network.architecture.frame_times)).values
    outputs = keras_model.load(network)(inputs.network_input(network.architecture, u)).numpy().astype("float64")
    if name == "pattern-2d":
        outputs = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["probability"], outputs, atol=1e-5)


def test_labels_count_the_classes_of_the_network(here):
    """A network of the second pass classifies patterns of the first pass, which has no pi."""
    random_network(architecture("pattern-2d-second"))
    tiny_data.write_patterns("test", 15)
    found = catalog.open(classify.classify("pattern-2d-second", "test"))
    assert found["label"].values.tolist() == [*range(13), 14, 15]
    assert found["label"].attrs["flag_meanings"].split() == found["class"].values.tolist()
    assert found["label"].attrs["flag_values"] == list(range(16))
    said = table(evaluate(found.assign(predicted=found["label"])))
    assert "accuracy 1.000" in said
    assert "pi             0     nan       nan  -" in said


def test_the_scan_is_classified_without_labels(here, capsys):
    random_network(architecture("pattern-2d-second"))
    write_scan(3)
    job("classify_scan")()

    found = catalog.open("predictions/pattern-2d-second/scan")
    assert found["k"].values.tolist() == catalog.open("gray_scott/scan")["k"].values.tolist()
    assert found["class"].values.tolist() == list(tables.PATTERN_CLASSES_SECOND)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["class", "pattern-2d-second", "share"]
    assert sum(int(line[1]) for line in lines[1:]) == 3


def test_two_classifications_of_a_scan_are_counted_side_by_side(here, capsys):
    random_network(architecture("pattern-2d-second"))
    random_network(architecture("pattern-2d"), seed=1)
    write_scan(3)
    job("classify_scan")(against="pattern-2d")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "pattern-2d-second", "share", "pattern-2d", "share"]
    assert lines[14].split()[0] == "pi"
    assert lines[14].split()[3:] == ["-", "-"]
    for column in (1, 3):
        counts = [line.split()[column] for line in lines[1:]]
        assert sum(int(one) for one in counts if one != "-") == 3
    assert len({len(line) for line in lines}) == 1, "columns are aligned"


def test_a_second_run_writes_nothing_and_another_network_is_refused(here):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("val", 5)
    name = classify.classify("123-2", "val")
    written = store.ledger(name)
    classify.classify("123-2", "val")
    assert store.ledger(name) == written

    random_network(architecture("123-2"), seed=1)
    with pytest.raises(InputError, match="network_sha256"):
        classify.classify("123-2", "val")


def test_a_worker_that_finds_another_network_of_that_name_ends_the_run(here):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("val", 5)
    plan = classify.plan("123-2", "val")
    store.create(plan, {})
    random_network(architecture("123-2"), seed=1)
    said = worker_of(plan)(fill.row_of(plan, 0))
    assert "networks/123-2.safetensors has the checksum " in said["error"]
    assert said["error"].endswith(
        "another job has replaced the network since this one began; run the same command again"
    )
    assert said["stops"]
    assert store.missing(plan.name) == [0]


@pytest.mark.parametrize(
    "compute",
    [find.found, features.features_of, relevance.relevance_of, saliency.saliency_of, path.relevance_of],
    ids=lambda compute: f"{compute.__module__}.{compute.__name__}",
)
def test_all_that_networks_compute_is_by_the_network_of_the_plan(compute):
    random_network(architecture("123-2"))
    with pytest.raises(InputError, match="another job has replaced the network"):
        compute({"network": "123-2", "network_sha256": "0" * 64, "source": "andi/val"})


def test_probabilities_that_are_not_finite_are_never_written(here, monkeypatch):
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("val", 10)

    def broken(trained):
        def probability(values):
            found = np.full((len(values), 5), 0.2, "float32")
            found[3:, 1] = np.nan
            return found

        return probability

    monkeypatch.setattr(classify, "classifier", broken)
    with pytest.raises(AssertionError, match=r"probabilities by network 123-2 are not finite for 7 .* number 3;"):
        classify.classify("123-2", "val")
    assert store.finished("predictions/123-2/val") == []


def test_mistakes_are_told_before_anything_is_written(here, store_root):
    with pytest.raises(InputError, match=r"no trained network 'pattern-2d'.*raypipe train_network"):
        classify.classify("pattern-2d", "test")
    for name in ("pattern-2d", "pattern-3d", "123-2"):
        random_network(architecture(name))
    with pytest.raises(InputError, match="no data set 'gray_scott/test'"):
        classify.classify("pattern-2d", "test")
    with pytest.raises(InputError, match=r"the study andi of network 123-2 has no split 'val2'; .*train, val, test"):
        classify.classify("123-2", "val2")
    tiny_data.write_patterns("val2", 1)
    with pytest.raises(InputError, match=r"val2 has the classes .* pi l h, not only alpha"):
        classify.classify("pattern-2d", "val2")
    write_scan(1)
    with pytest.raises(InputError, match="scan has no frames at t = 11400, 11800"):
        classify.classify("pattern-3d", "scan")
    assert not (store_root / "predictions").exists()


def write_fields(name, shape, **coordinates):
    """Write a user's scan: fields u (sample, y, x, frame) of zeros."""
    made = {"k": Coordinate(("sample",), np.arange(shape[0], dtype=float)), **coordinates}
    variables = {"u": Variable(("sample", "y", "x", "frame"), shape, "float32", (1, *shape[1:]))}
    store.create(Plan(name, shape[0], max(1, shape[0]), variables, made, {}), {})
    if shape[0]:
        arrays = {"u": np.zeros(shape, "float32")}
        store.write_shard(name, 0, slice(0, shape[0]), arrays, seeds=None, seconds=0, attempt="test")


LAST = ("Dense", {"units": 3, "activation": "softmax"})


@pytest.fixture
def guest(monkeypatch):
    """Define a user's study whose network takes 8 x 8 points in 2 frames at any times."""
    layers = stack(("Flatten", {}), ("Dense", {"units": 2, "activation": "softmax"}))
    small = Architecture("small", "guest", (8, 8, 2), ("calm", "wild"), layers)
    sample = Sample("u", ("sample", "y", "x", "frame"))
    splits = ("scan", "fine", "train")
    own = Study("guest", {split: DataSet(Plan("", 1, 1, {}, {}, {})) for split in splits}, sample, [small])
    monkeypatch.setattr(study, "find", {"guest": own}.__getitem__)
    monkeypatch.setattr(study, "built_in", dict)
    random_network(small)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 8, 8, 2), "is empty"),
        ((1, 8, 9, 2), "has samples of 8 × 9 points, not 8 × 8"),
        ((1, 8, 8, 3), "has samples of 3 frames, not 2"),
    ],
    ids=["empty", "size", "frames"],
)
def test_a_scan_that_does_not_fit_is_refused_before_anything_is_written(here, guest, store_root, shape, message):
    write_fields("guest/scan", shape)
    with pytest.raises(InputError, match=rf"guest/scan {message}: network small cannot classify it; .*--split scan"):
        classify.classify("small", "scan")
    assert not (store_root / "predictions").exists()


def test_the_command_with_which_a_scan_was_made_is_told(here, guest):
    write_fields("guest/scan", (1, 8, 8, 3))
    store.mark("guest/scan", command="raypipe generate --study guest --split scan --set frames=3")
    with pytest.raises(
        InputError, match=r"raypipe remove guest/scan, and make it .* other settings than with .* --set frames=3$"
    ):
        classify.classify("small", "scan")


def test_a_variable_or_classes_that_the_network_does_not_know(here, guest, store_root):
    labels = Coordinate(("sample",), np.zeros(1, "int64"), label_attributes(("calm", "mad")))
    write_fields("guest/train", (1, 8, 8, 2), label=labels)
    with pytest.raises(InputError, match="guest/train has the classes calm mad, not only calm wild"):
        classify.classify("small", "train")
    store.create(Plan("guest/scan", 1, 1, {"v": Variable(("sample",), (1,), "float32", (1,))}, {}, {}), {})
    store.write_shard(
        "guest/scan", 0, slice(0, 1), {"v": np.zeros(1, "float32")}, seeds=None, seconds=0, attempt="test"
    )
    with pytest.raises(InputError, match=r"guest/scan has no u \(sample, y, x, frame\)"):
        classify.classify("small", "scan")
    with pytest.raises(InputError, match=r"network small has no split 'test'; .* scan, fine, train"):
        classify.classify("small", "test")
    assert not (store_root / "predictions").exists()


def test_the_job_classifies_any_scan_of_a_users_and_goes_on_where_it_was(guest, monkeypatch, capsys):
    write_fields("guest/fine", (5, 8, 8, 2))
    own = study.find("guest")
    shards = {"guest": replace(own, sample=replace(own.sample, per_shard=2))}
    monkeypatch.setattr(study, "find", shards.__getitem__)

    def killed(plan, **_):
        store.create(plan, {})
        worker = worker_of(plan)
        worker(fill.row_of(plan, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr(classify, "fill", killed)
    with pytest.raises(KeyboardInterrupt):
        job("classify_scan")(network="small", split="fine")
    (line,) = store.ledger("predictions/small/fine")
    monkeypatch.setattr(classify, "fill", fill_here)
    job("classify_scan")(network="small", split="fine")
    assert store.ledger("predictions/small/fine")[1] == line, "what was finished is not classified again"
    assert catalog.open("predictions/small/fine").sizes == {"sample": 5, "class": 2}
    _, *lines = capsys.readouterr().out.splitlines()
    assert sum(int(line.split()[1]) for line in lines) == 5


def test_what_a_data_set_has_grown_by_is_classified_too(here, tmp_path, monkeypatch):
    random_network(architecture("123-2"))
    for count in (8000, 8500):
        fill_here(STUDY.plan("val-own", {"trajectories": count, "generator": "raypipe", "noise": 0.5}))
        classify.classify("123-2", "val-own")
        assert catalog.open("predictions/123-2/val-own").sizes["sample"] == count
        assert store.verify("predictions/123-2/val-own").sound
    longer = catalog.open("predictions/123-2/val-own").load()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "at-once"))
    random_network(architecture("123-2"))
    fill_here(STUDY.plan("val-own", {"trajectories": 8500, "generator": "raypipe", "noise": 0.5}))
    classify.classify("123-2", "val-own")
    at_once = catalog.open("predictions/123-2/val-own")
    np.testing.assert_allclose(longer.probability, at_once.probability, atol=1e-6)
    np.testing.assert_array_equal(longer.seed, at_once.seed)
    other = STUDY.plan("val-own", {"trajectories": 9000, "generator": "raypipe", "noise": 1.0})
    store.remove("andi/val-own")
    fill_here(other)
    with pytest.raises(InputError, match=r"predictions.*was made with other parameters: source_parameters"):
        classify.classify("123-2", "val-own")


def test_predictions_older_than_what_they_were_made_of_are_told(here, monkeypatch, caplog):
    """A simulation may have been corrected, and its data set generated again with the same parameters."""
    days = itertools.count(1)
    monkeypatch.setattr(creation, "now", lambda: f"2026-01-{next(days):02}")
    random_network(architecture("123-2"))
    tiny_data.write_trajectories("val", 5)
    plan = classify.plan("123-2", "val")
    fill_here(plan)
    fill.fill(plan)
    assert "older" not in caplog.text
    store.remove("andi/val")
    tiny_data.write_trajectories("val", 5)
    fill.fill(classify.plan("123-2", "val"))
    assert "predictions/123-2/val is older than andi/val, which has been made again since" in caplog.text
    assert "remove it with raypipe remove predictions/123-2/val" in caplog.text


def test_fields_of_another_size_are_classified_by_networks_that_pool_over_all(here, caplog):
    trained = random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("val", 5, size=64)
    caplog.set_level("INFO")
    classify.classify("pattern-2d", "val")
    assert "pattern-2d was trained on fields of 128 × 128 points; these have 64 × 64" in caplog.text
    values = catalog.open("gray_scott/val").u.sel(frame=[14940, 14970, 15000]).values.astype("float32")
    smaller = replace(trained, architecture=replace(trained.architecture, input_shape=(64, 64, 3)))
    expected = keras_model.load(smaller)(values, training=False).numpy()
    expected = np.exp(expected - expected.max(axis=1, keepdims=True))
    found = catalog.open("predictions/pattern-2d/val").probability
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_networks_that_do_not_pool_over_all_take_fields_of_one_size():
    own = architecture("pattern-2d")
    flat = replace(own, layers=tuple(one for one in own.layers if not one.kind.startswith("Global")))
    data = xr.Dataset({"u": (("sample", "y", "x", "frame"), np.zeros((2, 64, 64, 3)))})
    assert inputs.fitted(own, data).input_shape == (64, 64, 3)
    assert inputs.fitted(flat, data) == flat
    assert inputs.fitted(architecture("123-2"), data) == architecture("123-2")
    assert inputs.misfit(own, data.assign_coords(frame=[14940, 14970, 15000])) == (
        "has samples of 64 × 64 points, not 128 × 128"
    )


def test_samples_of_another_size_or_other_dimensions_are_told_before_anything_is_written(here, store_root):
    random_network(architecture("pattern-2d"))
    channels = xr.Dataset({"u": (("sample", "y", "x"), np.zeros((2, 128, 128)))})
    tiny_results.write("gray_scott/test", channels)
    with pytest.raises(InputError, match=r"test has no u \(sample, y, x, frame\): network pattern-2d"):
        classify.classify("pattern-2d", "test")
    with pytest.raises(InputError, match=r"samples of shape \(128, 128, 2\); network pattern-2d takes \(128, 128, 3\)"):
        inputs.network_input(architecture("pattern-2d"), np.zeros((1, 128, 128, 2)))
    assert not (store_root / "predictions").exists()


def test_labels_stay_where_only_some_classes_are_subdivided(here, guest):
    classes = ("calm", "wild_1", "wild_2")
    random_network(Architecture("small", "guest", (8, 8, 2), classes, stack(("Flatten", {}), LAST)))
    labels = Coordinate(("sample",), np.array([0, 1, 1, 0]), label_attributes(("calm", "wild")))
    write_fields("guest/train", (4, 8, 8, 2), label=labels)
    said = catalog.open(classify.classify("small", "train"))
    assert said["label"].values.tolist() == [0, 1, 1, 0]
    assert said["label"].attrs["flag_meanings"] == "calm wild"
    assert evaluate(said)["label"].values.tolist() == ["calm", "wild"]
    assert explain.has_other_labels(said)
    assert explain.chosen(said, 1, np.arange(4)).tolist() == [0], "by what was predicted, the same of all"


def test_networks_that_see_more_or_less_than_there_is_are_refused():
    data = xr.Dataset({"u": (("sample", "y", "x", "frame"), np.zeros((2, 8, 8, 3)))})
    own = replace(architecture("pattern-2d"), frame_times=None)
    assert inputs.misfit(replace(own, input_shape=(8, 8, 3)), data) is None
    assert inputs.misfit(replace(own, input_shape=(8, 8, 3, 1)), data) is None
    assert inputs.misfit(replace(own, input_shape=(8, 8, 3, 4)), data) == (
        "has one value at each point of u (sample, y, x, frame), not 4"
    )
    assert inputs.misfit(replace(own, input_shape=(8,)), data) == "has samples of 8 × 8 points, not 8"


def test_the_job_says_what_is_wrong_in_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.run(job("classify_scan"), ["--network", "pattern-2d"])
    said = capsys.readouterr().err
    assert said.startswith("error: there is no trained network 'pattern-2d'")
    assert said.count("\n") == 1
