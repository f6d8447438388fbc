"""Novelty detection: features, distances and their calibration, groups, figures, and user errors."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_data
import tiny_results
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import random_network
from without_ray import fill_here, job, worker_of

from raypipe import catalog, plot, repair, store, study
from raypipe.errors import InputError
from raypipe.networks import artifact, keras_model
from raypipe.networks.architecture import Architecture, Layer, stack
from raypipe.novelty import features, find, groups
from raypipe.novelty.find import Search, detection, nearest, novelty_of
from raypipe.novelty.groups import grouped
from raypipe.report.status import made_from
from raypipe.run import fill
from raypipe.store import Coordinate, Plan, Variable
from raypipe.study import DataSet, Sample, Study, architecture

SIZE = 12
SMALL = Architecture(
    "small",
    "guest",
    (SIZE, SIZE),
    ("calm", "wild"),
    stack(
        ("Conv1D", {"filters": 6, "kernel_size": 3, "activation": "relu"}),
        ("Conv1D", {"filters": 4, "kernel_size": 3, "activation": "relu"}),
        ("GlobalMaxPooling1D", {}),
        ("Dense", {"units": 5, "activation": "relu"}),
        ("Dense", {"units": 2, "activation": "softmax"}),
    ),
)


def turned(values, random):
    return np.roll(values, random.integers(0, SIZE), axis=1)


GUEST = Study(
    "guest",
    {name: DataSet(Plan("", 1, 1, {}, {}, {}), labelled=name != "scan") for name in ("train", "val", "test", "scan")},
    Sample("u", ("sample", "y", "x"), per_shard=16),
    (SMALL,),
    augmentations={"turned": turned},
)


def write(split, count, kinds=("calm", "wild"), seed=0, **coordinates):
    """Write fields with noise: `calm` ones are flat, `wild` ones striped, `odd` ones chequered."""
    random = np.random.default_rng(seed)
    kind = np.arange(count) % len(kinds)
    y, x = np.indices((SIZE, SIZE))
    shapes = {"calm": 0 * y, "wild": np.sin(y), "odd": 3.0 * ((x + y) % 2)}
    clean = np.stack([shapes[kinds[number]] for number in kind]) if count else np.zeros((0, SIZE, SIZE))
    if not count:
        shape = (0, SIZE, SIZE)
        empty = {"u": Variable(("sample", "y", "x"), shape, "float64", (1, SIZE, SIZE))}
        own = {"label": Coordinate(("sample",), kind, tiny_results.flags(kinds))}
        store.create(Plan(f"guest/{split}", 0, 1, empty, own, {}), {})
        return
    data = xr.Dataset(
        {"u": (("sample", "y", "x"), clean + 0.1 * random.standard_normal(clean.shape))},
        {
            "a": ("sample", np.linspace(0, 1, count).round(6)),
            "b": ("sample", random.random(count)),
            "label": ("sample", kind, tiny_results.flags(kinds)),
            **coordinates,
        },
    )
    tiny_results.write(f"guest/{split}", data if split != "scan" else data.drop_vars("label"))


@pytest.fixture
def guest(monkeypatch):
    """Set up the study and its network with random weights; stores are filled in this process."""
    monkeypatch.setattr(study, "find", {"guest": GUEST}.__getitem__)
    monkeypatch.setattr(study, "built_in", lambda: {"guest": GUEST})
    monkeypatch.setattr(find, "fill", fill_here)
    random_network(SMALL)


@pytest.fixture
def data(guest):
    write("train", 80)
    write("val", 60, seed=1)
    write("test", 60, ("calm", "odd", "wild"), seed=2)
    write("scan", 40, ("calm", "odd"), seed=3)


def test_features_are_the_directions_of_means_and_maxima_over_places(data):
    network, u = artifact.load("small"), catalog.open("guest/val")["u"].values.astype("float32")
    model = keras_model.load(network)
    parts = []
    made = u
    for layer in model.layers[1:3]:
        made = layer(made)
        both = np.concatenate([np.mean(made, axis=1), np.max(made, axis=1)], axis=1)
        parts.append(both / np.linalg.norm(both, axis=1, keepdims=True) / np.sqrt(2))
    found = features.extractor(network)(u)
    np.testing.assert_allclose(found, np.concatenate(parts, axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert features.length(network) == found.shape[1] == 2 * 6 + 2 * 4


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-3d", "andi-study", "andi-residual", "123-2"])
def test_the_number_of_features_is_known_beforehand(name):
    network = random_network(architecture(name))
    size = network.architecture.input_shape
    assert features.extractor(network)(np.zeros((1, *size), "float32")).shape == (1, features.length(network))


@pytest.mark.parametrize("hidden", [(("Dense", {"units": 8}),), ()])
def test_features_of_dense_layers_at_places_are_means_and_maxima_too(hidden):
    last = ("Dense", {"units": 2, "activation": "softmax"})
    network = random_network(replace(SMALL, layers=stack(*hidden, ("GlobalMaxPooling1D", {}), last)))
    found = features.extractor(network)(np.random.default_rng(0).normal(size=(3, SIZE, SIZE)).astype("float32"))
    assert found.shape == (3, features.length(network))


def test_a_network_without_hidden_layers_is_asked_for_what_its_last_layer_sees(guest):
    last = ("Dense", {"units": 2, "activation": "softmax"})
    network = random_network(replace(SMALL, layers=stack(("Flatten", {}), last)))
    values = np.random.default_rng(0).random((3, SIZE, SIZE)).astype("float32")
    flat = values.reshape(3, -1)
    expected = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(features.extractor(network)(values), expected, rtol=1e-5)
    assert features.length(network) == SIZE**2
    hidden = ("Dense", {"units": 7, "activation": "relu"})
    assert features.length(random_network(replace(SMALL, layers=stack(("Flatten", {}), hidden, last)))) == 7


DENSE = {"units": 2, "activation": "softmax"}
CONV = {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}


@pytest.mark.parametrize(
    "layers",
    [
        stack(
            ("Conv1D", {**CONV, "filters": 2, "groups": 2}),
            ("GlobalMaxPooling1D", {}),
            ("Activation", {"activation": "softmax"}),
        ),
        (
            Layer("Conv1D", "a", CONV),
            Layer("GlobalMaxPooling1D", "b", {}),
            Layer("Conv1D", "c", CONV, ("input",)),
            Layer("GlobalAveragePooling1D", "d", {}),
            Layer("Concatenate", "e", {}, ("b", "d")),
            Layer("Dense", "f", DENSE),
        ),
        stack(
            ("Dense", {"units": 3}),
            ("Reshape", {"target_shape": (SIZE * 3,)}),
            ("Dense", {"units": 4}),
            ("Dense", DENSE),
        ),
        stack(
            ("Flatten", {}),
            ("Reshape", {"target_shape": (6, 24)}),
            ("Dense", {"units": 3}),
            ("Flatten", {}),
            ("Dense", DENSE),
        ),
        (
            Layer("Dense", "a", {"units": 5}),
            Layer("Dense", "b", {"units": 5}, ("input",)),
            Layer("Dot", "c", {"axes": 1}, ("a", "b")),
            Layer("Dense", "d", {"units": 4}),
            Layer("Flatten", "e", {}),
            Layer("Dense", "f", DENSE),
        ),
    ],
    ids=["one convolution", "branches", "reshaped to one", "reshaped to two", "products"],
)
def test_the_number_of_features_follows_the_layers_that_are_seen(layers):
    network = random_network(replace(SMALL, layers=layers))
    values = np.random.default_rng(0).random((2, SIZE, SIZE)).astype("float32")
    assert features.extractor(network)(values).shape == (2, features.length(network))


def test_variants_follow_from_the_number_of_a_sample_whatever_the_shards(data):
    plan = features.plan("small", "guest/train", 3)
    assert (plan.name, plan.parameters["augmentation"]) == ("features/small/train-3-variants", "turned")
    fill_here(plan)
    found = catalog.open(plan.name)["features"].values
    network = artifact.load("small")
    alone = turned(catalog.open("guest/train")["u"].values[7:8].astype("float32"), np.random.default_rng(7))
    np.testing.assert_allclose(found[7, 1], features.extractor(network)(alone)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(plan.coordinates["label"].values, catalog.open("guest/train")["label"])
    other = replace(plan, name="features/small/otherwise", shard_samples=10)
    fill_here(other)
    np.testing.assert_allclose(catalog.open(other.name)["features"], found, rtol=1e-5, atol=1e-6)


def test_what_is_unlike_the_training_samples_is_flagged_and_grouped(data):
    found = catalog.open(find.find(Search("small", "test", threshold=0.9)))
    assert all("novelty/small/test" in made_from(f"guest/{split}") for split in ("train", "val", "test"))
    odd = found["label"].values == 1
    assert found["flagged"].values[odd].all()
    assert found["flagged"].values[~odd].mean() < 0.3
    assert set(found["group"].values[odd]) == {0}
    assert (found["group"].values[found["flagged"] == 0] == -1).all()
    told = detection(found)
    assert (told.classes, told.unknown, told.known, told.area, told.flagged) == (("odd",), 20, 40, 1.0, 1.0)
    assert "20 samples of odd, which the network does not know, against 40 others: ROC-AUC 1.000" in str(told)
    calm = found["label"].values == 0
    assert (found["nearest"].values[calm] == 0).all()
    assert found["class"].values.tolist() == ["calm", "wild"]


def test_novelty_is_one_minus_a_p_value():
    np.testing.assert_allclose(novelty_of(np.array([0, 1, 2.5, 9]), np.array([1.0, 2, 3])), [0, 0, 0.5, 0.75])


@given(seed=st.integers(0, 100), count=st.integers(1, 300), level=st.sampled_from([0.5, 0.9, 0.95]))
def test_samples_like_those_of_the_calibration_are_rarely_flagged(seed, count, level):
    """Among n + 1 samples, at most a share of 1 - level can have such a rank among the others."""
    every = np.random.default_rng(seed).random(count + 1)
    ranks = [novelty_of(every[one : one + 1], np.delete(every, one))[0] for one in range(count + 1)]
    assert np.mean(np.array(ranks) >= level) <= 1 - level + 1e-12


def test_the_nearest_training_sample_and_its_distance(monkeypatch):
    random = np.random.default_rng(0)
    learnt, asked = random.random((20, 3)).astype("float32"), random.random((11, 3)).astype("float32")
    monkeypatch.setattr(find, "BLOCK", 4)
    distance, place = nearest(asked, learnt)
    every = np.linalg.norm(asked[:, None] - learnt[None], axis=2)
    np.testing.assert_allclose(distance, every.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(place, every.argmin(axis=1))
    np.testing.assert_allclose(nearest(learnt, learnt)[0], 0, atol=1e-6)


def test_groups_are_as_many_as_there_are_the_largest_first(monkeypatch):
    random = np.random.default_rng(0)
    many, few = random.normal(0, 0.1, (60, 30)), random.normal(3, 0.1, (20, 30))
    alone = np.full((1, 30), -9.0)
    every = np.concatenate([few, many, alone])
    expected = [1] * 20 + [0] * 60 + [-1]
    assert grouped(every).tolist() == expected
    monkeypatch.setattr(groups, "MOST", 41)
    assert grouped(every).tolist() == expected
    assert grouped(many).tolist() == [0] * 60, "nothing divides them"
    assert grouped(many[:5]).tolist() == [-1] * 5
    assert grouped(np.empty((0, 30))).tolist() == []


def test_a_search_that_was_stopped_goes_on_and_a_finished_one_writes_nothing(data, monkeypatch):
    search = Search("small", "scan", threshold=0.9)

    def killed(plan, *_, **__):
        store.create(plan, {})
        worker = worker_of(plan)
        worker(fill.row_of(plan, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr(find, "fill", killed)
    with pytest.raises(KeyboardInterrupt):
        find.find(search)
    (line,) = store.ledger("features/small/train-2-variants")
    monkeypatch.setattr(find, "fill", fill_here)
    name = find.find(search)
    assert store.ledger("features/small/train-2-variants")[1] == line
    written = {one: store.ledger(one) for one in store.list_names()}
    assert find.find(search) == name
    assert {one: store.ledger(one) for one in store.list_names()} == written
    random_network(SMALL, seed=1)
    with pytest.raises(InputError, match="network_sha256"):
        find.find(search)


def test_what_is_damaged_can_be_planned_again(data):
    name = find.find(Search("small", "test", threshold=0.9, variants=2))
    for one in (name, "features/small/train-2-variants", "features/small/test"):
        store.begun(repair.plan_of(one))  # raises if the parameters differ


def test_the_network_says_what_it_has_learnt_from(data):
    network = artifact.load("small")
    made = {"data": {"train": {"name": "guest/test"}, "validation": {"name": "guest/val"}}}
    artifact.save(replace(network, provenance={"made_from": made}))
    assert Search("small", "scan").splits == ("test", "val", "scan")
    assert Search("small", "scan", reference="train", calibration="test").splits == ("train", "test", "scan")


def test_unknown_classes_of_the_reference_and_the_calibration_do_not_count(data):
    """Chequered samples in `test` do not make such samples familiar."""
    found = catalog.open(find.find(Search("small", "scan", reference="test", threshold=0.9)))
    odd = np.arange(40) % 2 == 1
    assert found["flagged"].values[odd].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "train2"}, "the study guest of network small has no split 'train2'; .*train, val, test, scan"),
        ({"reference": "scan"}, "reference split 'scan'"),
        ({"calibration": "train"}, "train for both reference and calibration"),
        ({"threshold": 0.99}, r"threshold of 0.99: 60 samples of guest/val resolve novelties from 0 to 0.9836"),
        ({"threshold": 0.0}, "threshold of 0"),
        ({"variants": 0}, "0 variants of each sample"),
        ({"augmentation": "bent"}, "augmentation 'bent'"),
        ({"network": "large"}, "no trained network 'large'"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(data, store_root, options, message):
    with pytest.raises(InputError, match=message):
        find.find(Search(**{"network": "small", "split": "scan", "threshold": 0.9, **options}))
    assert not (store_root / "features").exists()


def test_a_store_says_what_reference_and_calibration_were(data):
    found = catalog.open(find.find(Search("small", "scan", threshold=0.9))).attrs["parameters"]
    assert found["reference_parameters"] == store.plan_of("guest/train").parameters
    assert found["calibration_parameters"] == store.plan_of("guest/val").parameters


def test_fields_of_another_size_have_features_too():
    random_network(architecture("pattern-2d"))
    tiny_data.write_patterns("val", 3, size=64)
    planned = features.plan("pattern-2d", "gray_scott/val")
    fill_here(planned)
    assert catalog.open(planned.name)["features"].shape[0] == 3


def test_without_its_training_split_a_network_cannot_tell(guest, store_root):
    write("val", 60)
    write("scan", 4)
    with pytest.raises(InputError, match=r"no data set 'guest/train', which network small needs as reference: make it"):
        find.find(Search("small", "scan", threshold=0.9))
    write("train", 0)
    with pytest.raises(InputError, match="guest/train is empty: network small cannot use it"):
        find.find(Search("small", "scan", threshold=0.9))
    assert not (store_root / "features").exists()


def test_an_empty_scan_and_one_that_does_not_fit(guest, store_root):
    write("train", 20)
    write("val", 60)
    write("scan", 0)
    with pytest.raises(InputError, match=r"guest/scan is empty: network small cannot use it"):
        find.find(Search("small", "scan", threshold=0.9))
    write("test", 10, ("odd",))
    with pytest.raises(InputError, match=r"guest/test has no sample of the classes of network small, calm, wild"):
        find.find(Search("small", "val", calibration="test", threshold=0.9))
    assert not (store_root / "features").exists()


def test_sequences_without_augmentations_are_searched_too(monkeypatch):
    monkeypatch.setattr(find, "fill", fill_here)
    random_network(architecture("123-2"))
    for split, count in (("train", 60), ("val", 40), ("test", 30)):
        tiny_data.write_trajectories(split, count, seed=count)
    found = catalog.open(find.find(Search("123-2", "test", threshold=0.9)))
    assert found.sizes == {"sample": 30, "class": 5}
    assert found.attrs["parameters"]["variants"] == 1
    assert detection(found) is None
    with pytest.raises(InputError, match=r"axes none of a novelty map; expected two of the samples' parameters"):
        plot.novelty_map(found)
    assert len(plot.most_novel(found).axes) == 10


def texts(figure):
    return " ".join(
        [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)]
        + [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    )


def test_pictures_show_where_what_is_novel_is_and_what_it_looks_like(data):
    found = catalog.open(find.find(Search("small", "scan", threshold=0.9)))
    flagged = int(found["flagged"].sum())
    drawn = plot.novelty_map(found)
    assert (drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()) == ("a", "b")
    assert f"{flagged} of 40 samples flagged" in texts(drawn)
    assert f"group 0: {int((found['group'] == 0).sum())}" in texts(drawn)
    assert plot.novelty_map(found, axes="b,a").axes[0].get_xlabel() == "b"
    farthest = found["distance"].values.max()
    assert f"{farthest:.3g}, like" in plot.most_novel(found, 3).axes[0].get_title()
    image = plot.most_novel(found, 1).axes[0].images[0].get_array()
    np.testing.assert_array_equal(image, catalog.open("guest/scan")["u"][int(found["distance"].values.argmax())])
    rows = plot.novel_groups(found, 4)
    assert len(rows.axes) == 4 * (1 + found["group"].values.max())
    assert "group 0" in texts(rows)
    for figure in (drawn, rows):
        figure.canvas.draw()
    with pytest.raises(InputError, match=r"axes a, z of a novelty map; expected two of .*: a, b"):
        plot.novelty_map(found, axes="a,z")


def test_a_lattice_is_drawn_as_an_image(guest):
    write("train", 80)
    write("val", 60, seed=1)
    plane = np.indices((5, 8)).reshape(2, -1)
    write("scan", 40, ("calm", "odd"), b=("sample", plane[1] / 8.0), a=("sample", plane[0] / 5.0))
    found = catalog.open(find.find(Search("small", "scan", threshold=0.9)))
    mesh = plot.novelty_map(found).axes[0].collections[0]
    assert mesh.get_array().shape == (8, 5)
    limit = found["distance"].values[found["flagged"].values == 1].min()
    at = mesh.get_array()[3, 2] * limit
    assert at == pytest.approx(found["distance"].values[2 * 8 + 3], rel=1e-5)


def test_pictures_of_samples_that_were_made_anew_are_refused(data):
    found = catalog.open(find.find(Search("small", "scan", threshold=0.9)))
    found.attrs["parameters"]["source_parameters"] = {"seed": 2}
    with pytest.raises(InputError, match="guest/scan was made again, with other parameters"):
        plot.most_novel(found)


def test_the_job_says_how_much_is_novel_and_how_well_an_unknown_class_is_found(data, capsys):
    job("find_novel")(network="small", split="test", threshold=0.9)
    said = capsys.readouterr().out
    assert "of 60 samples have a novelty of 0.9 or more" in said
    assert "group 0" in said
    assert "20 samples of odd, which the network does not know, against 40 others: ROC-AUC 1.000" in said
    assert said.splitlines()[-1].endswith("novelty/small/test.zarr")
