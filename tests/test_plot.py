"""Figures: right values in the right place, right names, and no figures left open."""

import matplotlib
import numpy as np
import pytest
import tiny_results
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.colors import to_hex, to_rgb

from raypipe import plot
from raypipe.errors import InputError
from raypipe.networks import calibration
from raypipe.networks.evaluate import confused, evaluate
from raypipe.plot import plane
from raypipe.plot.classes import class_names, colours, one_per_class, symbol
from raypipe.plot.style import new_figure, raster
from raypipe.studies import andi, gray_scott
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.pictures import relevance
from raypipe.studies.gray_scott import pictures, tables
from raypipe.studies.gray_scott.colours import CLASS_COLOURS


def texts(figure):
    """Return all texts and titles in the axes of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        axes.get_title(loc) for axes in figure.axes for loc in ("center", "left")
    ]


def classes_of(predictions):
    """Return k, f and the class numbers over the scan's plane (f, k), with -1 outside."""
    plane = pictures.phase_lattice(predictions)
    return plane.x, plane.y, plane.image(predictions["predicted"].values).filled(-1)


def test_a_full_scan_is_drawn_point_by_point():
    predictions = tiny_results.scan_predictions()
    k, f, image = classes_of(predictions)
    assert image.shape == (95, 87)
    assert np.count_nonzero(image >= 0) == 5369
    # Points that belong to two rectangles have two predictions; either is accepted.
    said = {}
    for point in zip(predictions.k.values, predictions.f.values, predictions.predicted.values, strict=True):
        said.setdefault(point[:2], set()).add(point[2])
    for (k_point, f_point), classes in said.items():
        assert image[np.searchsorted(f, f_point), np.searchsorted(k, k_point)] in classes


def test_the_plane_beyond_the_scan_stays_empty():
    k, f, image = classes_of(tiny_results.scan_predictions(50))
    assert image[np.searchsorted(f, 0.1), np.searchsorted(k, 0.03)] == -1
    assert image[np.searchsorted(f, 0.1), np.searchsorted(k, 0.075)] == -1


@given(every=st.integers(2, 1000), cell=st.integers(0, 5368))
def test_a_thinned_scan_is_filled_with_the_nearest_class(every, cell):
    predictions = tiny_results.scan_predictions(every)
    k, f, image = classes_of(predictions)
    row, column = np.argwhere(image >= 0)[cell]
    distance = np.hypot((predictions.k - k[column]) / 0.000625, (predictions.f - f[row]) / 0.00125)
    nearest = predictions.predicted.values[distance.values < distance.values.min() + 1e-6]
    assert image[row, column] in nearest


def test_phase_diagram_has_axes_of_k_and_f_and_a_legend_of_the_classes_there():
    predictions = tiny_results.scan_predictions(100)
    predicted = np.where(predictions.k < 0.05, 13, 15)
    figure = plot.class_plane(pictures.phase_lattice(predictions), predicted, CLASS_COLOURS)
    axes = figure.axes[0]
    assert axes.get_xlabel().startswith("kill rate k")
    assert axes.get_ylabel().startswith("feed rate f")
    assert axes.get_xlim() == (0.02, 0.08)
    assert axes.get_ylim() == (0, 0.12)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["π", "h"]
    assert {text.get_text(): text.get_position()[0] < 0.05 for text in axes.texts} == {"π": True, "h": False}


PLANE = xr.Dataset(
    coords={
        "A": ("sample", [1.0, 1.0, 2.0, 2.0, 3.0], {"long_name": "amplitude"}),
        "B": ("sample", [10, 20, 10, 20, 10]),
        "seed": ("sample", [1, 2, 3, 4, 5]),
        "same": ("sample", np.ones(5)),
    }
)


def test_the_lattice_of_a_scan_has_a_cell_for_each_point():
    found = plane.lattice(PLANE)
    assert (found.axes, found.labels, found.extent) == (("A", "B"), ("amplitude A", "B"), (0.5, 3.5, 5, 25))
    assert found.samples.tolist() == [[0, 2, 4], [1, 3, -1]]
    image = found.image(np.arange(5.0))
    assert image.mask.tolist() == [[False, False, False], [False, False, True]]
    assert plane.lattice(PLANE, ("B", "A")).samples.tolist() == [[0, 1], [2, 3], [4, -1]]
    spread = PLANE.assign_coords(A=("sample", [1.0, 1.0, 2.0, 2.0, 9.0]))
    assert plane.lattice(spread).extent is None
    np.testing.assert_array_equal(plane.lattice(spread).edges[0], [0.5, 1.5, 5.5, 12.5])


def test_a_cell_of_several_samples_shows_their_most_frequent_class():
    scan = xr.Dataset(
        {"predicted": ("sample", [2, 2, 1, 0, 1, 1, 0])},
        coords={"A": ("sample", [1, 1, 1, 2, 2, 3, 3]), "B": ("sample", [5, 5, 5, 5, 6, 5, 6])},
    )
    found = plane.lattice(scan)
    assert found.samples.tolist() == [[1, 3, 5], [-1, 4, 6]]
    assert found.note == (
        "Cells with several samples (1) show one, of the most frequent class; 2 of 7 samples are not shown. In 1 of "
        "these cells the classes differ."
    )
    unclassified = plane.lattice(scan.drop_vars("predicted"))
    assert unclassified.samples.tolist() == [[2, 3, 5], [-1, 4, 6]]
    assert unclassified.note == "Cells with several samples (1) show one, the last; 2 of 7 samples are not shown."
    assert plane.lattice(scan.isel(sample=slice(2, None))).note == ""


def test_scattered_points_are_refused_before_memory_is_taken_for_their_lattice():
    scattered = np.random.default_rng(0).uniform(size=(2, 200_000))
    with pytest.raises(InputError, match=r"200000 points fill 0\.0% of a lattice of 200000 × 200000 values"):
        plane.lattice(xr.Dataset(coords={name: ("sample", one) for name, one in zip("AB", scattered, strict=True)}))


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_cells_are_equally_wide_or_not_in_any_unit(unit):
    for even, values in ((True, np.linspace(1, 1000, 1000, dtype="float32")), (False, np.geomspace(1, 1000, 7))):
        a, b = (one.ravel() for one in np.meshgrid(unit * values, [0, 1]))
        found = plane.lattice(xr.Dataset(coords={"A": ("sample", a), "B": ("sample", b)}))
        assert (found.extent is not None) == even


@pytest.mark.parametrize(
    ("scan", "axes", "message"),
    [
        (PLANE.drop_vars("B"), (), "a plane of A; expected two parameters of the scan, which has A: name the axes"),
        (PLANE.assign_coords(C=("sample", np.arange(5))), (), "a plane of A, B, C; expected two"),
        (PLANE, ("A", "Q"), "a plane of A, Q; expected two parameters of the scan, which has A, B"),
        (
            xr.Dataset(coords={"A": ("sample", np.arange(100.0)), "B": ("sample", np.arange(100.0) ** 2)}),
            (),
            "100 points fill 1.0% of a lattice of 100 × 100 values of A and B",
        ),
    ],
)
def test_what_is_no_plane_is_one_line(scan, axes, message):
    with pytest.raises(InputError, match=message):
        plane.lattice(scan, axes)


def test_entropy_is_of_equal_probabilities_one_and_of_a_sure_network_nothing():
    probability = [[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]
    np.testing.assert_allclose(plane.normalised_entropy(probability), [0, 1, 0.5])


def test_how_unsure_a_network_is_over_the_plane_with_borders_between_its_classes():
    axes = plot.entropy_plane(plane.lattice(PLANE), np.linspace(0, 1, 5), np.array([0, 0, 1, 1, 1])).axes[0]
    cells, lines = axes.collections
    np.testing.assert_array_equal(cells.get_array().filled(-1), [[0, 0.5, 1], [0.25, 0.75, -1]])
    assert cells.get_clim() == (0, 1)
    segments = {tuple(map(tuple, one.tolist())) for one in lines.get_segments()}
    inner = {((1.5, 5), (1.5, 15)), ((1.5, 15), (1.5, 25))}
    around_the_cell_outside = {((2.5, 15), (2.5, 25)), ((2.5, 15), (3.5, 15))}
    assert inner | around_the_cell_outside < segments
    assert len(segments) == 2 + 2 + 8, "and eight on the sides of the lattice"


def test_cells_that_two_networks_name_otherwise_are_shown_as_each_names_them():
    colour_of = dict(zip(("alpha", "beta", "other", "none"), colours(4), strict=True))
    first, second = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])
    figure = plot.differing_planes(plane.lattice(PLANE), (first, second), ("one", "two"), colour_of)
    left, right = figure.axes
    assert left.collections[0].get_array().filled(-1).tolist() == [[-1, -1, 1], [0, -1, -1]]
    assert right.collections[0].get_array().filled(-1).tolist() == [[-1, -1, 0], [2, -1, -1]]
    assert (left.get_title(), right.get_title()) == ("as classified by one", "as classified by two")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["α", "β", "other"]


def test_every_pattern_class_has_a_symbol_and_a_colour():
    assert tuple(CLASS_COLOURS) == tables.PATTERN_CLASSES_SECOND
    symbols = [symbol(name) for name in tables.PATTERN_CLASSES_SECOND]
    assert symbols == list("αβγδεζηθικλμνπlh")
    assert symbol("attm") == "attm"


@pytest.mark.parametrize("classes", [2, 6, 7, 20, 21, 50])
def test_classes_without_colours_of_their_own_get_different_ones(classes):
    assert len(set(colours(classes))) == classes


# Linear RGB as seen without one cone type: Machado, Oliveira and Fernandes (2009), severity 1.
VISION = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no medium": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.2119035, 0.6806995, 0.10739696],
    [0.08830246, 0.28171884, 0.6299787],
]
TO_OKLAB = [
    [0.21045426, 0.79361779, -0.00407205],
    [1.9779985, -2.4285922, 0.45059371],
    [0.02590404, 0.78277177, -0.80867577],
]


@pytest.mark.parametrize(
    ("vision", "least"), [("all cones", 0.12), ("no long", 0.07), ("no medium", 0.07), ("no short", 0.07)]
)
def test_colours_of_classes_differ_for_every_kind_of_vision(vision, least):
    rgb = np.array([to_rgb(colour) for colour in CLASS_COLOURS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    oklab = np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_OKLAB)
    distance = np.linalg.norm(oklab[:, None] - oklab, axis=-1)
    assert distance[~np.eye(len(rgb), dtype=bool)].min() > least


def test_confusion_matrix_shows_counts_shares_and_names():
    figure = plot.confusion_matrix(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 200]]), ("alpha", "l", "pi"))
    axes = figure.axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "3\n75 %"),
        ((1, 0), "1\n25 %"),
        ((2, 2), "200\n100 %"),
    }
    for axis, title in ((axes.xaxis, "predicted class"), (axes.yaxis, "true class")):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["α", "l", "π"]
        assert axis.get_label_text() == title
    np.testing.assert_array_equal(axes.images[0].get_array(), [[75, 25, 0], [0, 0, 0], [0, 0, 100]])


def test_accuracy_by_any_stratum_has_its_name_its_values_and_notes():
    said = tiny_results.predictions(["left", "right"], 12).assign_coords(
        size=("sample", np.resize([1.0, 2.0, 4.0], 12), {"long_name": "size of the box"})
    )
    evaluation = evaluate(said, ("size",))
    (axes,) = plot.accuracy_by_stratum({"small": evaluation}, {"size": {2: "resonance"}}).axes
    assert axes.get_xlabel() == "size of the box"
    assert axes.get_xticks().tolist() == [1, 2, 4]
    assert [text.get_text() for text in axes.texts] == ["resonance"]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["left"], [0.5, 1, 1])
    np.testing.assert_allclose(lines["all (accuracy)"], [0.75, 1, 1])
    with pytest.raises(InputError, match=r"see Study\.strata"):
        plot.accuracy_by_stratum({"small": evaluate(said)})


def test_accuracy_by_a_stratum_of_texts_has_them_in_their_order():
    said = tiny_results.predictions(["left", "right"], 12).assign_coords(
        start=("sample", np.where(np.arange(12) < 3, "spot", np.resize(["noise", "spot", "blank"], 12)))
    )
    evaluation = evaluate(said, ("start",))
    figure = plot.accuracy_by_stratum({"small": evaluation})
    figure.canvas.draw()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["blank", "noise", "spot"]
    (line,) = (line for line in axes.lines if line.get_label() == "all (accuracy)")
    np.testing.assert_allclose(line.get_ydata(), evaluation.accuracy_by_start)


def test_training_history_shows_training_and_validation_from_epoch_1():
    history = {"loss": [3, 2], "val_loss": [4, 3], "accuracy": [0.1, 0.2], "val_accuracy": [0.3, 0.4]}
    loss, accuracy = plot.training_history(history).axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        for line, key in zip(axes.lines, (quantity, f"val_{quantity}"), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), np.transpose([[1, 2], history[key]]))
            assert line.get_label() == ("validation" if key.startswith("val") else "training")


def test_the_example_of_a_class_is_one_that_the_network_got_right():
    dataset = tiny_results.predictions(diffusion.ANDI_MODELS, 10)
    assert one_per_class(dataset) == [5, 1, 2, 3, 4]
    dataset["predicted"][5] = 2
    assert one_per_class(dataset) == [0, 1, 2, 3, 4]


def test_class_names_are_those_of_the_labels_too():
    dataset = tiny_results.predictions(diffusion.ANDI_MODELS, 10)
    assert class_names(dataset) == class_names(dataset.drop_vars("class")) == diffusion.ANDI_MODELS


def test_relevance_marks_the_25_most_relevant_steps_of_one_trajectory_per_class():
    trajectories = tiny_results.trajectories()
    figure = relevance(trajectories)
    assert len(figure.axes) == 5
    for axes, sample in zip(figure.axes, (5, 1, 2, 3, 4), strict=True):
        one = trajectories.isel(sample=sample)
        time, position = np.transpose(axes.collections[0].get_offsets())
        assert sorted(time) == sorted(np.argsort(one.relevance.values)[-25:])
        np.testing.assert_array_equal(position, one.position.values[time.astype(int)])
    assert figure.axes[0].get_title("left") == "true class attm, predicted attm; exponent α = 0.58, noise σ = 1"
    assert figure.axes[-1].get_xlabel() == "time t (steps)"


def test_relevance_of_tracks_without_labels_is_one_per_model_that_was_predicted():
    trajectories = tiny_results.trajectories().drop_vars(["label", "exponent", "noise"])
    predicted = trajectories["predicted"].values
    titles = [axes.get_title("left") for axes in relevance(trajectories).axes]
    names = [class_names(trajectories)[number] for number in dict.fromkeys(predicted.tolist())]
    assert titles == [f"predicted {name}" for name in names]
    plane = trajectories.drop_vars("position").assign(
        position=(("sample", "time", "axis"), np.stack([trajectories["position"].values] * 2, axis=2))
    )
    assert [axes.get_title("left") for axes in relevance(plane).axes if axes.axison] == titles


def test_montage_has_a_tile_and_k_and_f_of_every_pattern():
    patterns = tiny_results.patterns(13)
    figure = pictures.montage(patterns)
    assert pictures.montage_rows(13) == 2
    assert texts(figure)[:13] == [
        f"k {k:g}\nf {f:g}" for k, f in zip(patterns.k.values, patterns.f.values, strict=True)
    ]
    axes = figure.axes[0]
    assert axes.get_position().bounds == (0, 0, 1, 1)
    canvas = np.asarray(axes.images[0].get_array().filled(np.nan))
    height, width = canvas.shape[0] / 2, canvas.shape[1] / pictures.MONTAGE_COLUMNS
    for number in range(20):
        centre = canvas[int(number // 10 * height + 64), int((number % 10 + 0.5) * width)]
        np.testing.assert_allclose(centre, number / 13 if number < 13 else np.nan, rtol=1e-6)


def test_class_gallery_has_examples_of_every_class_from_its_whole_length():
    labels = tiny_results.predictions(tables.PATTERN_CLASSES, 40)["label"]
    patterns = tiny_results.patterns(40).assign_coords(label=labels)
    figure = pictures.class_gallery(patterns, examples=2)
    label = patterns["label"].values
    for column, number in enumerate(np.unique(label)[:8]):
        members = np.flatnonzero(label == number)
        for row, sample in enumerate((members[0], members[len(members) // 2])):
            drawn = figure.axes[row * 8 + column].images[0].get_array()
            np.testing.assert_array_equal(drawn, patterns["u"].values[sample, :, :, -1])


def test_gallery_has_pattern_and_saliency_of_one_sample_per_class():
    figure = pictures.pattern_gallery(tiny_results.saliency(15))
    titles = [text for text in texts(figure) if text]
    assert len(titles) == 15
    assert titles[0] == "α, taken for β\nk 0.06\nf 0.01"
    assert titles[1].startswith("β\nk 0.0585")
    patterns = [axes.images[0].get_array() for axes in figure.axes if axes.get_title()]
    np.testing.assert_allclose([pattern[0, 0] for pattern in patterns], np.arange(15) / 15, rtol=1e-6)


def test_saliency_is_blurred_over_the_periodic_border_and_scaled():
    figure = pictures.pattern_gallery(tiny_results.saliency(15))
    overlay = next(axes.images[1].get_array() for axes in figure.axes if len(axes.images) == 2)
    assert overlay.max() == overlay[0, 0] == 1
    assert overlay[-1, -1] == pytest.approx(overlay[1, 1])
    assert overlay[0, 2] == pytest.approx(np.exp(-(2**2) / (2 * 2**2)), rel=0.01)


def test_a_pattern_that_nothing_matters_in_has_no_saliency():
    dataset = tiny_results.saliency(15)
    dataset["saliency"][:] = 0
    figure = pictures.pattern_gallery(dataset)
    assert not any(axes.images[1].get_array().any() for axes in figure.axes if len(axes.images) == 2)


def test_a_refined_scan_shows_classes_and_the_rounds_of_what_was_simulated():
    refined = tiny_results.refined().assign_attrs(parameters={"axes": ["k", "f"]})
    left, right, _ = plot.refined_planes(refined, CLASS_COLOURS).axes
    (classes,) = left.collections
    np.testing.assert_array_equal(classes.get_array(), np.arange(12).reshape(4, 3).T)
    _, rounds = right.collections
    assert rounds.get_array().mask.tolist() == [[False, False, True, True]] * 3
    np.testing.assert_array_equal(rounds.get_array()[:, :2], [[0, 1]] * 3)
    assert (left.get_xlabel(), left.get_ylabel()) == ("k", "f")
    assert right.get_title() == "6 of 12 cells simulated"
    few = refined.isel(sample=[0, 1, 3]).assign(predicted=("sample", [0, 0, 2]))
    figure = plot.refined_scan(few)
    assert [text.get_text() for text in figure.legends[0].texts] == ["α", "γ"]
    assert figure.axes[0].collections[0].get_array().mask.tolist() == [[False, False], [False, True]], (
        "outside the scan"
    )
    own = plot.refined_scan(few.assign_attrs(parameters={"axes": ["k", "f"], "source": "gray_scott/scan"}))
    found = [to_hex(patch.get_facecolor()) for patch in own.legends[0].legend_handles]
    assert found == [CLASS_COLOURS["alpha"], CLASS_COLOURS["gamma"]], "those of its study"


def test_chosen_patterns_are_all_drawn_and_those_without_label_by_what_they_were_taken_for():
    chosen = tiny_results.saliency(15).isel(sample=[0, 1, 1])
    chosen.attrs["parameters"] = {"samples": [0, 1, 1]}
    titles = [text.split("\n")[0] for text in texts(pictures.pattern_gallery(chosen)) if text]
    assert titles == ["α, taken for β", "β", "β"]
    chosen["label"] = ("sample", [-1, -1, -1])
    titles = [text.split("\n")[0] for text in texts(pictures.pattern_gallery(chosen)) if text]
    assert titles == ["β", "β", "β"]


def confusions(samples=30):
    """Return predictions in which all `alpha` and one `gamma` are classified as `beta`, and their probabilities."""
    label = np.arange(samples) % 3
    predicted = np.where(label == 0, 1, label)
    predicted[2] = 1
    probability = np.full((samples, 3), 0.1)
    probability[np.arange(samples), predicted] = np.linspace(0.5, 0.8, samples)
    said = tiny_results.predictions(tables.PATTERN_CLASSES[:3], samples)
    return said.assign(predicted=("sample", predicted)).assign_coords(label=("sample", label)), probability


def test_what_was_confused_stands_between_what_was_recognised():
    said, probability = confusions()
    pairs = confused(evaluate(said))
    sample = gray_scott.STUDY.seen
    figure = plot.confused_samples(tiny_results.patterns(30), said, probability, pairs, sample)

    drawn = {axes.get_title(): axes.images[0].get_array()[0, 0] for axes in figure.axes if axes.images}
    # The most confident ones: patterns 27, 24, 21 and 18 of α, 29 of γ, 28 of β; pattern i is i / 30 everywhere.
    assert drawn == pytest.approx(
        {
            "α taken for β, 78 %": 27 / 30,
            "α taken for β, 75 %": 24 / 30,
            "α taken for β, 72 %": 21 / 30,
            "α taken for β, 69 %": 18 / 30,
            "β, 79 %": 28 / 30,
            "γ, 80 %": 29 / 30,
            "γ taken for β, 52 %": 2 / 30,
        }
    )
    said_of = [text for text in texts(figure) if "recognised" in text or " of " in text]
    assert said_of == ["no α\nrecognised", "10 of 10\nα taken\nfor β", "1 of 10\nγ taken\nfor β"]
    first = next(axes for axes in figure.axes if axes.images)
    assert first.get_xlabel().startswith("k ")


def test_sequences_that_were_confused_are_drawn_as_lines():
    said, probability = confusions(10)
    data = tiny_results.trajectories(10)
    figure = plot.confused_samples(data, said, probability, confused(evaluate(said)), andi.STUDY.seen)
    line = next(axes.lines[0] for axes in figure.axes if axes.get_title().startswith("α taken for β"))
    np.testing.assert_array_equal(line.get_ydata(), data["position"].values[9])


def test_recalls_of_several_splits_are_drawn_beside_each_other():
    said, _ = confusions()
    figure = plot.recalls({"val": evaluate(said), "test": evaluate(said)})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["α", "β", "γ"]
    for container in axes.containers:
        np.testing.assert_allclose(container.lines[0].get_ydata(), [0, 1, 0.9])
    assert [text.get_text() for text in figure.legends[0].texts] == ["val: accuracy 0.633", "test: accuracy 0.633"]


def test_reliability_has_confidence_and_accuracy_of_each_bin():
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65]])
    label = np.array([0, 1, 1])
    raw = calibration.reliability(probability, label, bins=10)
    shown = calibration.reliability(calibration.calibrated(probability, 2.0), label, bins=10)
    figure = plot.reliability({"test": {"as it is": raw, "with T = 2.00": shown}})
    above, below = figure.axes
    points = above.containers[0].lines[0]
    np.testing.assert_allclose(points.get_xdata(), [0.65, 0.9])
    np.testing.assert_allclose(points.get_ydata(), [1, 0.5])
    np.testing.assert_array_equal(below.patches[0].get_data().values, raw["count"])
    assert above.get_title(loc="left").startswith(f"test\nas it is: error {raw['error'].item():.3f}")


def test_drawing_leaves_neither_figures_nor_settings_behind():
    before = dict(matplotlib.rcParams)
    figure = plot.training_history({key: [0.5] for key in ("loss", "val_loss", "accuracy", "val_accuracy")})
    raster(figure, 50)
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("palette", [False, True])
def test_an_image_has_the_size_of_its_figure(palette):
    image = raster(new_figure(3, 2), 50, palette=palette)
    assert image.size == (150, 100)
    assert image.convert("RGB").getpixel((75, 50)) == (255, 255, 255)
