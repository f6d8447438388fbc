"""The page for exploring stores, in a real browser: it describes the sample that was clicked."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import holoviews as hv
import numpy as np
import panel as pn
import parabola
import pytest
import tiny_grid
import tiny_results
import xarray as xr
from playwright.sync_api import expect
from ports import free_ports
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import catalog, command, store, study
from raypipe.errors import InputError
from raypipe.explorer import drawing, explored, files, sample, samples, work
from raypipe.explorer.networks import NetworksView, _parts
from raypipe.explorer.plane import PlaneView
from raypipe.explorer.sample import alert as error_of
from raypipe.explorer.sample import image
from raypipe.explorer.samples import SamplesView
from raypipe.explorer.tiles import bars
from raypipe.networks import artifact
from raypipe.store import objects

PARABOLA = str(Path(parabola.__file__))
SCAN, SHARP = "parabola/scan", "predictions/sharp/scan"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("no-sandbox", "disable-gpu", "no-first-run", "disable-sync")
SILENT = ("disable-background-networking", "disable-component-update")
COMMAND = (sys.executable, "-c", "from raypipe.command import raypipe; raypipe()", "explore", "--no-show")

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium; install Debian's package chromium")


def fill_root(points=9):
    """Write a user's scan, trajectories and patterns, each with predictions; relevance of trajectories; networks."""
    parabola.save_network()
    fill_here(study.find("parabola").plan("scan", {"points": points}))
    scan = catalog.open(SCAN)
    probability = parabola.classifier(artifact.load("sharp"))(scan.u.values)
    said = scan[["a", "b", "seed"]].assign(
        predicted=("sample", probability.argmax(axis=1)), probability=(("sample", "class"), probability)
    )
    made = {"network": "sharp", "network_sha256": artifact.checksum("sharp"), "source": SCAN}
    tiny_results.write(SHARP, said.assign_coords({"class": ("class", list(parabola.CLASSES))}), **made)
    walks = tiny_results.trajectories(10)
    names = ("relevance", "predicted")
    probability = np.eye(5, dtype="float32")[walks.predicted.values]
    said = walks.drop_vars(["position", "relevance"]).assign(probability=(("sample", "class"), probability))
    tiny_results.write("andi/test", walks.drop_vars([*names, "class"]))
    random_network(study.architecture("andi-study"), val_accuracy=0.5)
    random_network(study.architecture("123-2"), val_accuracy=0.6)
    random_network(study.architecture("132-4"), val_accuracy=0.7)
    tiny_results.write("predictions/andi-study/test", said)
    network = random_network(study.architecture("pattern-2d"))
    fields = tiny_results.patterns(4).assign_coords(frame=("frame", [14940, 14970, 15000]))
    tiny_results.write("gray_scott/test", fields)
    probability = np.eye(15, dtype="float32")[:4]
    said = fields.drop_vars("u").assign(
        predicted=("sample", np.arange(4)), probability=(("sample", "class"), probability)
    )
    made = {"network": "pattern-2d", "network_sha256": artifact.checksum("pattern-2d"), "source": "gray_scott/test"}
    said = said.assign_coords({"class": ("class", list(network.architecture.classes))})
    tiny_results.write("predictions/pattern-2d/test", said, **made)
    origin = ("sample", np.arange(10))
    tiny_results.write("relevance/andi-study/test", walks.assign_coords(origin=origin))
    for name in store.list_names():
        store.mark(name, hosts=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    found = tmp_path_factory.mktemp("explored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(found))
        patch.setenv("RAYPIPE_STUDY", PARABOLA)
        fill_root()
    return found


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
    objects.put(artifact.temperature_path("sharp"), b"{}")
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


class Server:
    """`raypipe explore` for a root, as a separate process."""

    def __init__(self, root, *flags):
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [*COMMAND, "--port", str(port), *flags],
            env={**os.environ, "RAYPIPE_STORE": str(root)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == self.url
        self.answers()

    def answers(self):
        end = time.monotonic() + 60
        while True:
            try:
                return urllib.request.urlopen(self.url, timeout=30).read().decode()
            except OSError:
                assert time.monotonic() < end
                assert self.process.poll() is None
                time.sleep(0.2)

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_server_says_nothing_but_its_address(root, tmp_path, monkeypatch, number, code):
    with (tmp_path / "said").open("w+") as said:
        monkeypatch.setattr(subprocess, "DEVNULL", said)
        found = Server(root, "--no-show")
        found.process.send_signal(number)
        assert found.process.wait(30) == code
        said.seek(0)
        assert said.read() == ""


def test_the_end_does_not_wait_for_a_request_in_progress():
    program = "import time; from raypipe.explorer import work; f = work.ask(time.sleep, 3600); " + (
        "time.sleep(1); work.end(); print(type(f.exception()).__name__)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "BrokenProcessPool\n", "")


@pytest.fixture(scope="module")
def server(root):
    found = Server(root, "--study", PARABOLA)
    yield found
    found.end()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{one}" for one in (*QUIET, *SILENT)])
        yield found
        found.close()


@pytest.fixture
def asked():
    """Collect every address that the page requested."""
    return []


@pytest.fixture
def page(browser, asked):
    found = browser.new_page(viewport={"width": 1360, "height": 1100})
    found.on("request", lambda request: asked.append(request.url))
    found.set_default_timeout(30_000)
    yield found
    found.close()
    assert asked
    assert all(re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:", one) for one in asked), (
        "nothing leaves the machine"
    )


# Position of a point of the plane in the browser window.
PLACE = """
([x, y]) => {
  const [plot] = [...Bokeh.index.query((view) => view.model.type === "Figure")];
  const box = plot.canvas_view.el.getBoundingClientRect(), frame = plot.frame;
  return [box.left + frame.x_scale.compute(x), box.top + frame.y_scale.compute(y)];
}
"""


def click_at(page, x, y):
    page.wait_for_timeout(400)  # two quick clicks would count as a double click
    page.mouse.click(*page.evaluate(PLACE, [x, y]))


def opened(page, url):
    page.goto(url)
    page.locator("p.sample").first.wait_for()
    return page


def told(page, text):
    """Wait until the page shows the sample with this text and its picture; then the page no longer shifts."""
    page.locator("p.sample", has_text=text).first.wait_for()
    page.locator(f'img[alt*="{text}"]').first.wait_for()


@needs_chromium
def test_a_click_on_a_cell_tells_what_is_there(page, server):
    opened(page, server.url)
    page.locator("canvas").first.wait_for()
    page.wait_for_function("window.Bokeh && [...Bokeh.index.query((v) => v.model.type === 'Figure')].length")
    for a, b, name in ((0.25, 0.75, "island"), (0.5, 0.125, "below"), (1.0, 1.0, "above")):
        click_at(page, a + 0.03, b - 0.03)
        seed = 1000 + round(8 * a) * 9 + round(8 * b)
        told(page, f"a = {a:g}, b = {b:g}, seed = {seed}: {name}, ")
        assert f"sample={seed - 1000}" in page.url


@needs_chromium
def test_neighbours_can_be_clicked_and_the_keyboard_moves_on(page, server):
    opened(page, f"{server.url}?sample=0")
    told(page, "a = 0, b = 0, ")
    page.locator(".tiles button").nth(2).click()
    told(page, "a = 0.125, b = 0, ")
    page.get_by_role("combobox", name="a", exact=True).focus()
    page.keyboard.press("ArrowDown")
    told(page, "a = 0.25, b = 0, ")
    button = page.locator(".tiles button").first
    button.focus()
    page.keyboard.press("Enter")
    told(page, "b = 0.125, ")


@needs_chromium
def test_the_address_has_what_is_chosen(page, server):
    opened(page, f"{server.url}?sample=20&colour=confidence&tab=0")
    told(page, "a = 0.25, b = 0.25, ")
    assert page.get_by_role("button", name="confidence").get_attribute("class")
    page.get_by_role("button", name="class", exact=True).click()
    page.wait_for_url(re.compile("colour=class"))
    page.reload()
    told(page, "a = 0.25, b = 0.25, ")


@needs_chromium
def test_a_sample_is_simulated_and_explained_when_that_is_asked_for(page, server):
    opened(page, f"{server.url}?sample=0")
    told(page, "a = 0, b = 0, ")
    for place, value in enumerate(("0.2", "0.74")):
        field = page.locator("input[type=text]").nth(place)
        field.fill(value)
        field.press("Enter")
    page.get_by_role("button", name="Simulate here").click()
    # TensorFlow is loaded first, which takes long on a busy machine.
    page.locator("p.simulated", has_text="simulated at a = 0.2, b = 0.74: island").wait_for(timeout=120_000)
    page.get_by_role("button", name="Explain").click()
    page.locator("p[role=alert]", has_text="raypipe explain --network sharp --split scan --samples 0").wait_for()
    page.goto(f"{server.url}?tab=3&gray_scott-sample=2")
    told(page, "k = 0.0466667, f = 0.0366667: ")
    page.get_by_role("button", name="Explain").click()
    page.get_by_alt_text("what speaks for its class").wait_for()


@needs_chromium
def test_samples_of_a_class_are_side_by_side(page, server):
    opened(page, f"{server.url}?tab=1")
    page.get_by_label("class").select_option(label="island")
    count = int((parabola.class_of(*np.meshgrid(*[np.linspace(0, 1, 9)] * 2)) == 2).sum())
    page.locator("p.count", has_text=f"{count} samples, page 1 of 1").wait_for()
    tiles = page.locator(".tiles button")
    expect(tiles).to_have_count(count)
    assert all("island" in one for one in tiles.all_inner_texts())
    tiles.first.click()
    told(page, ": island, ")


@needs_chromium
def test_trajectories_have_their_relevance_in_colour(page, server):
    opened(page, f"{server.url}?tab=2")
    page.get_by_label("noise").select_option(label="0.1")
    page.locator("p.count", has_text="5 samples").wait_for()
    page.locator(".tiles button").first.click()
    told(page, ", noise = 0.1: ")
    page.get_by_role("button", name="Explain").click()
    page.get_by_alt_text("what speaks for its class").wait_for()


@needs_chromium
def test_networks_can_be_sorted_and_chosen(page, server):
    page.goto(f"{server.url}?tab=4")
    page.locator(".tabulator-cell", has_text="andi-study").click()
    page.locator("p.network", has_text="andi-study, ").wait_for()
    page.get_by_alt_text("loss and accuracy of andi-study after each epoch").wait_for()
    page.get_by_alt_text("confusion matrix of predictions/andi-study/test").wait_for()
    assert "network=andi-study" in page.url


@needs_chromium
def test_a_network_of_a_grid_is_chosen_by_its_cell(page, server):
    page.goto(f"{server.url}?tab=4")
    page.locator("canvas").first.wait_for()
    page.wait_for_function("window.Bokeh && [...Bokeh.index.query((v) => v.model.type === 'Figure')].length")
    click_at(page, "4", "132")
    page.locator("p.network", has_text="132-4, ").wait_for()


@needs_chromium
@pytest.mark.parametrize("tab", range(5))
def test_everybody_can_use_it(page, server, tab):
    """Accessibility as checked by axe-core: names of controls, contrast, order."""
    from axe_playwright_python.sync_playwright import Axe

    page.goto(f"{server.url}?tab={tab}&sample=20")
    page.locator("p.sample").or_(page.locator(".tabulator-cell", has_text="andi-study")).first.wait_for()
    page.wait_for_timeout(1000)
    found = Axe().run(page).response["violations"]
    of_the_table = {"aria-required-children", "empty-table-header"} if tab == 4 else set()  # issues of Tabulator itself
    others = [one for one in found if one["id"] not in of_the_table]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in others] == []


@needs_chromium
def test_an_empty_store_says_how_to_begin(page, tmp_path):
    root = tmp_path / "nothing"
    server = Server(root)
    try:
        for made in (False, True):
            if made:
                root.mkdir()
            page.goto(server.url)
            page.get_by_role("heading", name="There is nothing to explore yet").wait_for()
            assert page.get_by_text("make demo").count()
    finally:
        server.end()


@pytest.mark.parametrize(("port", "message"), [("0", "or equal to 1"), ("99999", "less than or equal to 65535")])
def test_what_is_no_port_is_told(port, message, capsys):
    with pytest.raises(SystemExit) as end:
        command.run(job("explore"), ["--port", port])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(server):
    port = server.url.rpartition(":")[2].strip("/")
    run = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: port {port} of this machine is taken")
    assert run.stderr.count("\n") == 1


@needs_chromium
@pytest.mark.slow
def test_a_file_of_tracks_is_classified(page, server):
    page.goto(f"{server.url}?tab=2")
    page.set_input_files("input[type=file]", Path(__file__).parent.parent / "examples" / "tracks.csv")
    page.locator("p.file", has_text="tracks: 40 in 2-D").wait_for(timeout=300_000)
    tracks = page.frame_locator("iframe")
    tracks.get_by_role("heading", name="Tracks", exact=True).wait_for()


@needs_chromium
@pytest.mark.parametrize("megabytes", [0, 20])
def test_a_file_that_is_none_is_told(page, server, tmp_path, megabytes):
    other = tmp_path / "(1) notes.csv"
    other.write_text("nothing,of,that\n1,2,3\n" + 10**6 * megabytes * "4")
    page.goto(f"{server.url}?tab=2")
    page.set_input_files("input[type=file]", other)
    page.locator("p[role=alert]", has_text="notes.csv").wait_for(timeout=60_000)
