"""What the explorer shows, without a browser: planes, choices of samples, simulations, files, networks."""

import asyncio
import shutil
import time
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import holoviews as hv
import numpy as np
import panel as pn
import parabola
import pytest
import tiny_grid
import tiny_results
import xarray as xr
from explored_root import PARABOLA, SCAN, SHARP, make_root
from tiny_networks import random_network

from raypipe import store, study
from raypipe.errors import InputError
from raypipe.explorer import drawing, explored, files, sample, samples, work
from raypipe.explorer.networks import NetworksView, _parts
from raypipe.explorer.plane import PlaneView, _options
from raypipe.explorer.sample import alert as error_of
from raypipe.explorer.sample import image
from raypipe.explorer.samples import SamplesView
from raypipe.explorer.tiles import bars
from raypipe.networks import artifact, calibration
from raypipe.store import objects


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("explored"))


@pytest.fixture
def at_root(root, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    monkeypatch.setenv("RAYPIPE_STUDY", PARABOLA)


def test_predictions_at_hand_and_those_of_scans(at_root):
    there = explored.at_hand()
    assert list(there) == ["predictions/andi-study/test", "predictions/pattern-2d/test", SHARP]
    assert explored.scans(there) == [SHARP]


def test_what_is_damaged_is_left_out_and_the_rest_is_there(root, tmp_path, monkeypatch, caplog):
    shutil.copytree(root, tmp_path / "store", dirs_exist_ok=True)
    monkeypatch.setenv("RAYPIPE_STUDY", PARABOLA)
    (tmp_path / "store" / "predictions/andi-study/test.zarr/zarr.json").write_text("{")
    explored._explored.cache_clear()
    assert list(explored.at_hand()) == ["predictions/pattern-2d/test", SHARP]
    assert "predictions/andi-study/test is left out. " in caplog.text
    explored._explored.cache_clear()


def test_a_point_of_the_plane_is_the_sample_of_its_cell(at_root):
    of = explored.explored(SHARP)
    assert of.parameters == ["a", "b"]
    for number in range(len(of.predicted)):
        x, y = of.place(number)
        for step in (0.0, 0.06, -0.06):  # cells have a width of 1/8
            assert of.plane.at(x + step, y - step) == number
    assert of.plane.at(-0.07, 0.5) == of.plane.at(0.5, 1.07) == -1


def test_neighbours_are_those_around(at_root):
    of = explored.explored(SHARP)
    assert of.plane.neighbours(0) == [1, 10, 9], "of a corner: above, above right, right"
    middle = 4 * 9 + 4
    places = [np.subtract(of.place(one), of.place(middle)) * 8 for one in of.plane.neighbours(middle)]
    around = [(-1, 1), (0, 1), (1, 1), (-1, 0), (1, 0), (-1, -1), (0, -1), (1, -1)]
    np.testing.assert_allclose(places, around)


def test_samples_by_class_and_parameters(at_root):
    of = explored.explored(SHARP)
    island = of.matching("island")
    assert len(island)
    assert (parabola.class_of(of.samples.a.values, of.samples.b.values)[island] == 2).all()
    within = of.matching("", {"a": (0.5, 0.5)})
    np.testing.assert_array_equal(of.samples.a.values[within], 0.5)
    np.testing.assert_allclose(of.samples.b.values[within], np.linspace(0, 1, 9))


def test_many_classes_of_few_kinds_are_named_by_kind():
    """Networks of tracks have a class per model and exponent; the most probable class may belong to another model."""
    classes = ["fbm_0.50", "fbm_0.60", "fbm_0.70", "lw_1.50", "lw_1.60", "lw_1.70"]
    probability = np.array([[0.3, 0.3, 0.0, 0.4, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0, 0.2, 0.7]])
    said = xr.Dataset(
        {"probability": (("sample", "class"), probability), "predicted": ("sample", probability.argmax(axis=1))},
        {"class": ("class", classes)},
        {"parameters": {"network": "tracks-2d", "source": "andi/tracks-own-2d"}},
    )
    of = explored.Explored("predictions/tracks-2d/tracks-own-2d", study.find("andi"), said, said)
    assert list(of.kinds) == ["fbm", "lw"]
    assert of.named.tolist() == [0, 1]
    assert of.ranking(0) == [("fbm", pytest.approx(0.6)), ("lw", pytest.approx(0.4))]
    few = explored.Explored("", study.find("andi"), said.isel({"class": [0, 3]}), said)
    assert list(few.kinds) == ["fbm_0.50", "lw_1.50"]


@pytest.mark.parametrize(
    "classes",
    [
        ("state_a", "state_b"),
        ("class_0", "class_1", "class_2", "class_3"),
        ("spots_small", "spots_large", "stripes_small", "stripes_large"),
        ("a_1", "a_2", "a_3", "a_4", "none"),
    ],
)
def test_classes_of_a_users_study_are_not_merged(classes):
    probability = np.eye(len(classes))
    said = xr.Dataset(
        {"probability": (("sample", "class"), probability), "predicted": ("sample", np.arange(len(classes)))},
        {"class": ("class", list(classes))},
        {"parameters": {"network": "own", "source": "parabola/scan"}},
    )
    of = explored.Explored("", study.find("andi"), said, said)
    assert tuple(of.kinds) == classes
    assert of.named.tolist() == list(range(len(classes)))


PLANE = {"a": (0.0, 1.0, 2.0), "b": (0.0, 1.0)}


def points(**axes):
    """Return the coordinates of all points of a plane."""
    values = [one.ravel() for one in np.meshgrid(*axes.values(), indexing="ij")]
    named = {name: ("sample", one) for name, one in zip(axes, values, strict=True)}
    return {**named, "seed": ("sample", np.arange(len(values[0])))}


def write_scan(coordinates, start="flat"):
    fields = np.zeros((len(coordinates["seed"][1]), 2, 2))
    tiny_results.write(SCAN, xr.Dataset({"u": (("sample", "y", "x"), fields)}, coordinates), start=start)
    store.mark(SCAN, hosts=1)


def write_made(name, made, coordinates, **parameters):
    """Write a product of a network (default "sharp") from the current scan."""
    own = {"network": "sharp", "network_sha256": "now", "source": SCAN, **parameters}
    made = xr.Dataset(made, coordinates)
    tiny_results.write(name, made, **{"source_parameters": store.plan_of(SCAN).parameters, **own})
    store.mark(name, hosts=1)


def write_said(coordinates, name=SHARP, **parameters):
    predicted = np.arange(len(coordinates["seed"][1])) % 2
    said = {"predicted": ("sample", predicted), "probability": (("sample", "class"), np.eye(2)[predicted])}
    write_made(name, said, {**coordinates, "class": ("class", ["x", "y"])}, **parameters)


@pytest.fixture
def small(monkeypatch):
    """Write a scan of six points and the predictions of two networks for it."""
    monkeypatch.setenv("RAYPIPE_STUDY", PARABOLA)
    explored._explored.cache_clear()
    explored._distance.cache_clear()
    write_scan(points(**PLANE))
    write_said(points(**PLANE))
    write_said(points(**PLANE), "predictions/other/scan", network="other")
    yield
    explored._explored.cache_clear()
    explored._distance.cache_clear()


def test_predictions_of_a_scan_made_anew_with_other_settings_are_refused(small, caplog):
    assert explored.explored(SHARP) is explored.explored(SHARP)
    store.remove(SCAN)
    time.sleep(1)  # creation times have a resolution of one second
    write_scan(points(**PLANE), start="noise")
    with pytest.raises(InputError, match="of another scan than parabola/scan; make them again: raypipe remove"):
        explored.explored(SHARP)
    assert explored.at_hand() == {}
    assert "predictions/sharp/scan is left out. " in caplog.text


def test_novelty_is_shown_when_it_is_there_and_not_that_of_an_earlier_network(small):
    of, name = explored.explored(SHARP), "novelty/sharp/scan"
    assert of.colourings == ["class", "confidence"]
    distance = {"distance": ("sample", np.arange(6.0)), "flagged": ("sample", [0, 0, 1, 1, 1, 1])}
    write_made(name, distance, {})
    assert of.colourings == ["class", "confidence", "novelty"]
    np.testing.assert_array_equal(of.distance, np.arange(6) / 2)
    store.remove(name)
    write_made(name, distance, {}, network_sha256="before")
    assert of.colourings == ["class", "confidence"]


def test_an_explanation_of_an_earlier_network_or_scan_is_not_shown(small):
    of, origin = explored.explored(SHARP), {"origin": ("sample", [2])}
    made = {"saliency": (("sample", "y", "x"), np.ones((1, 2, 2)))}
    write_made("saliency/sharp/scan", made, origin, network_sha256="before")
    write_made("saliency/sharp/scan-samples-2", made, origin, source_parameters={"start": "noise"})
    assert sample._stored(of, 2) is None
    write_made("saliency/sharp/scan-samples-2-3", made, origin)
    assert list(sample._stored(of, 2)) == ["saliency"]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("turn", [{"predictions": "predictions/other/scan"}, {"sample": 3}])
def test_what_was_asked_for_of_another_network_or_sample_is_not_shown(small, monkeypatch, fails, turn):
    chosen = sample.Chosen([SHARP, "predictions/other/scan"])
    chosen.sample = 2
    view, new, asked = sample.SampleView(chosen), sample.Simulation(chosen), []
    monkeypatch.setattr(work, "ask", lambda *_: asked.append(Future()) or asked[-1])
    monkeypatch.setattr(drawing, "explanation", lambda *_: b"late")
    monkeypatch.setattr(sample, "_simulated", lambda *_: "late")

    async def visit():
        tasks = [asyncio.create_task(one(None)) for one in (view._explain, new._simulate)]
        await asyncio.sleep(0.01)
        chosen.param.update(**turn)
        for future in asked:
            future.set_exception(RuntimeError("late")) if fails else future.set_result((None, None))
        await asyncio.gather(*tasks)

    asyncio.run(visit())
    assert view._explanation.object == ""
    assert ("late" in new._result.object) == ("sample" in turn), "a simulation is of the network, wherever one looks"
    assert not view._why.loading
    assert not new._button.loading


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
def test_a_click_between_whole_numbers_simulates_the_sample_that_is_there(small):
    for name in (SCAN, SHARP):
        store.remove(name)
    there = points(a=np.arange(1, 6), b=np.linspace(0, 4e-9, 5))
    write_scan(there)
    write_said(there)
    explored._explored.cache_clear()
    new = sample.Simulation(sample.Chosen([SHARP]))
    assert [widget.value for widget in new._point] == [3, 2e-9]
    of = explored.explored(SHARP)
    new.at(2.7, 3.2e-9)
    assert [widget.value for widget in new._point] == [of.predictions.a.values[of.plane.at(2.7, 3.2e-9)], 3.2e-9]
    assert new._inputs() == {"a": 3, "b": 3.2e-9, "seed": 13}
    new._point[0].value = None
    with pytest.raises(InputError, match="a is empty; expected a number"):
        new._inputs()


def write_cube():
    """Write a scan of three parameters, and predictions for it."""
    for name in (SCAN, SHARP):
        store.remove(name)
    there = points(**PLANE, c=(0.5, 1.5, 2.5))
    write_scan(there)
    write_said(there)
    explored._explored.cache_clear()
    return explored.explored(SHARP)


def test_values_that_are_nearly_equal_have_an_entry_each():
    assert _options(np.array([0.03, 0.06, 1000000])) == {"0.03": 0.03, "0.06": 0.06, "1e+06": 1e6}
    assert _options(np.array([1, 1 + 1e-9])) == {"1": 1.0, "1.000000001": 1 + 1e-9}
    assert _options(np.array([1, np.nextafter(1, 2)])) == {"1": 1.0, "1.0000000000000002": np.nextafter(1, 2)}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
def test_each_value_of_a_further_parameter_has_its_plane(small):
    hv.extension("bokeh")
    of = write_cube()
    assert of.further["c"].tolist() == [0.5, 1.5, 2.5]
    number = {
        (a, b, c): n
        for n, (a, b, c) in enumerate(zip(of.samples.a.values, of.samples.b.values, of.samples.c.values, strict=True))
    }
    for c in (0.5, 1.5, 2.5):
        plane = of.slice({"c": c})
        assert {plane.at(a, b): of.place(plane.at(a, b)) for a, b in ((0, 0), (2, 1))} == {
            number[0, 0, c]: (0, 0),
            number[2, 1, c]: (2, 1),
        }
    assert of.slice({}) is of.slice({"c": 7}) is of.slice({"c": 2.5})

    view = PlaneView([SHARP])
    (further,) = view._further.objects
    assert (further.name, further.value) == ("c", 2.5)
    view.chosen.sample = number[1, 1, 0.5]  # as from an address
    assert (further.value, view.chosen.plane) == (0.5, of.slice({"c": 0.5}))
    further.value = 1.5
    assert view.chosen.sample == number[1, 1, 1.5]
    assert view._simulation._inputs() == {"a": 1, "b": 1, "c": 1.5, "seed": number[1, 1, 1.5]}
    assert "y 50.0%" in view._legend.object


def test_a_simulation_is_calibrated_and_its_picture_has_all_outputs(small, monkeypatch):
    of, drawn = explored.explored(SHARP), []
    monkeypatch.setattr(drawing, "made", lambda _, one: drawn.append(one) or b"")
    of.__dict__["_shown"] = of._shown[0], 2.0
    point = {"a": 0.5, "b": 0.5, "seed": 7}
    said = sample._simulated(of, point, {"u": np.full((2, 2), 3.0)}, np.array([0.9, 0.1]))
    assert "simulated at a = 0.5, b = 0.5: x, 75.0%" in said
    assert drawn[0].u.values.tolist() == [[3, 3], [3, 3]]
    assert (float(drawn[0].a), int(drawn[0].seed)) == (0.5, 7)


def test_a_temperature_that_is_fitted_meanwhile_is_used(small):
    before = explored.explored(SHARP)
    assert before.calibrated(np.array([0.9, 0.1])).tolist() == [0.9, 0.1]
    objects.put(calibration.path("sharp"), b"{}")
    assert explored.explored(SHARP) is not before


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
def test_a_class_chosen_before_is_still_chosen_for_another_network_or_all_are(small):
    view = SamplesView([SHARP, "predictions/other/scan"])
    shown = pn.widgets.Select.from_param(view.param.called, name="class")
    view.called = "y"
    view.chosen.predictions = "predictions/other/scan"
    assert (view.called, shown.value, len(view._numbers)) == ("y", "y", 3)
    store.remove(SHARP)
    write_made(
        SHARP,
        {"predicted": ("sample", np.zeros(6, int)), "probability": (("sample", "class"), np.eye(2)[np.zeros(6, int)])},
        {**points(**PLANE), "class": ("class", ["x", "y"])},
    )
    explored._explored.cache_clear()
    view.chosen.predictions = SHARP
    assert (view.called, shown.value, len(view._numbers)) == ("all", "all", 6)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
def test_an_empty_end_of_a_range_is_no_limit(small, monkeypatch):
    monkeypatch.setattr(samples, "MOST_OPTIONS", 1)
    view = SamplesView([SHARP])
    low, high = view._picked["a"]
    low.value = 0.5
    assert len(view._numbers) == 4
    high.value = None
    assert len(view._numbers) == 4


def test_computed_coordinates_describe_samples_without_inputs(root, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", str(root))
    of = explored.explored("predictions/andi-study/test")
    assert of.parameters == of.inputs == ["exponent", "noise"]
    monkeypatch.setattr(explored.scan, "parameters", lambda _: [])
    computed = explored.Explored(of.name, of.study, of.predictions, of.samples)
    assert (computed.inputs, computed.parameters, computed.plane) == ([], ["exponent", "noise"], None)
    assert computed.said(0).startswith("exponent = ")


def test_tracks_are_no_scan_whatever_their_coordinates(small, monkeypatch):
    of = explored.explored(SHARP)
    assert of.is_scan
    user = replace(of, study=replace(of.study, takes_files="classify_tracks"))
    assert user.is_scan, "a scan of a study that takes files"
    monkeypatch.setattr(study.Study, "declared", lambda *_: None)
    assert not user.is_scan


def test_results_of_an_earlier_network_are_left_out(root, tmp_path, monkeypatch):
    shutil.copytree(root, tmp_path / "store", dirs_exist_ok=True)
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RAYPIPE_STUDY", PARABOLA)
    name, said = "predictions/andi-study/val", tiny_results.predictions(study.architecture("andi-study").classes, 10)
    made = {"network": "andi-study", "network_sha256": artifact.checksum("andi-study"), "source": "andi/val"}
    tiny_results.write(name, said, **made)
    assert name in "".join(_parts(artifact.load("andi-study")))
    random_network(study.architecture("andi-study"), seed=1)
    assert name not in "".join(_parts(artifact.load("andi-study")))
    with pytest.raises(InputError, match="sharp has been trained again since it classified parabola/scan"):
        work.simulated(SCAN, "sharp", "before", {"a": 0.5, "b": 0.5, "seed": 1})


def test_only_networks_of_the_grid_are_on_its_map(store_root):
    hv.extension("bokeh")
    grid = study.find("andi").grid
    for kernel in (10, 2, 4):
        tiny_grid.save(f"123-{kernel}", 0.5)
    other = replace(grid, filters=(8,)).network("132-2")
    random_network(other, val_accuracy=0.9)
    heat = NetworksView()._heat_map("andi", grid)
    assert heat.object.data["name"].tolist() == ["123-2", "123-4", "123-10"]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # about a future version of Panel
def test_the_answer_for_an_earlier_file_does_not_replace_that_for_a_later_one(monkeypatch):
    answers = {}

    async def worked(job, name, content):
        answers[name] = asyncio.get_running_loop().create_future()
        return await answers[name]

    monkeypatch.setattr(files, "_worked", worked)
    view = files.FilesView(study.find("andi"))

    async def visit():
        tasks = []
        for name in ("first.csv", "second.csv"):
            view._drop.filename = name
            tasks.append(asyncio.create_task(view._given(SimpleNamespace(new=b"x"))))
            await asyncio.sleep(0)
        answers["second.csv"].set_result(("<p>second</p>", "second"))
        answers["first.csv"].set_exception(OSError("first"))
        await asyncio.gather(*tasks)

    asyncio.run(visit())
    assert "second" in view._state.object
    assert "second" in view._page.object


def test_an_address_of_what_is_gone_changes_nothing(small):
    chosen = sample.Chosen([SHARP, "predictions/other/scan"])
    with pytest.raises(ValueError, match="predictions/gone/scan"):
        chosen.predictions = "predictions/gone/scan"
    assert chosen.predictions == SHARP


def test_a_scan_with_labels_is_one_but_not_a_set_of_examples(small):
    assert explored.scans([SHARP]) == [SHARP]
    for shown, *labels in ((True, -1), (True, 0), (False, 0, 1)):  # with two samples per cell one would be hidden
        store.remove(SHARP)
        store.remove(SCAN)
        there = points(**{**PLANE, "label": labels})
        write_scan(there)
        write_said(there)
        explored._explored.cache_clear()
        assert explored.scans([SHARP]) == [SHARP] * shown


def test_predictions_of_other_samples_are_refused(monkeypatch):
    monkeypatch.setenv("RAYPIPE_STUDY", PARABOLA)
    a = ("sample", [0.0, 1.0])
    tiny_results.write(SCAN, xr.Dataset({"u": (("sample", "y", "x"), np.zeros((2, 2, 2)))}, {"a": a}))
    others = {"a": ("sample", [0.0, 2.0]), "class": ("class", ["x", "y"])}
    said = xr.Dataset({"predicted": ("sample", [0, 1])}, others)
    tiny_results.write(SHARP, said, network="sharp", source=SCAN)
    with pytest.raises(InputError, match="of another scan than parabola/scan; make them again: raypipe remove"):
        explored.explored(SHARP)


def test_what_stores_and_networks_are_called_is_no_markup():
    assert "<b>" not in bars([("<b>", 0.5)])
    assert "<b>" not in image(b"", '"><b>')
    assert "<b>" not in error_of(InputError("<b>"))


def test_a_network_that_was_not_evaluated_is_not_the_best_of_its_cell(store_root):
    for name, accuracy in (("123-2", 0.6), ("132-2", 0.5), ("evaluated/123-2", 0.7)):
        tiny_grid.save(name.rpartition("/")[2], accuracy, series=name.rpartition("/")[0])
    random_network(study.architecture("123-2"))
    hv.extension("bokeh")
    heat = NetworksView()._heat_map("andi", study.find("andi").grid)
    assert set(heat.object.data["name"]) == {"evaluated/123-2", "132-2"}
