"""The window that shows a classified scan: a click on a cell or tile describes its sample; other clicks do nothing."""

from pathlib import Path

import numpy as np
import parabola
import pytest
import tiny_results
import xarray as xr
from matplotlib import pyplot
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.figure import Figure
from tiny_results import write
from without_ray import job

from raypipe import catalog, command, study
from raypipe.errors import InputError
from raypipe.plot.classes import symbol
from raypipe.plot.confused import drawing
from raypipe.report import browse
from raypipe.report.browse import Browser, pages_of
from raypipe.studies.gray_scott import tables

NAME = "predictions/pattern-2d-second/scan"


@pytest.fixture
def said():
    """Write a thinned scan and the predictions of a network for it."""
    said = tiny_results.scan_predictions(150)
    fields = tiny_results.patterns(said.sizes["sample"], frames=1)
    write("gray_scott/scan", fields.assign_coords({name: said[name] for name in ("k", "f", "seed", "label")}))
    write(NAME, said)
    return said


class Window:
    """A browser in a figure without a window; records its messages and simulates clicks."""

    def __init__(self, name=NAME, **settings):
        self.figure, self.told = Figure(figsize=(10, 6)), []
        predictions = catalog.open(name)
        samples = catalog.open(predictions.attrs["parameters"]["source"])
        of = study.find(predictions.attrs["parameters"]["source"].partition("/")[0])
        self.pages = pages_of(of, name, settings)
        self.browser = Browser(self.figure, self.pages, predictions, samples, drawing(of.seen), self.told.append)
        self.picture, self.sample = self.figure.axes

    def press(self, x, y):
        """Click at a position, given as fractions of the displayed picture."""
        left, right, bottom, top = self.picture.images[0].get_extent()
        at = self.picture.transData.transform((left + x * (right - left), top + y * (bottom - top)))
        MouseEvent("button_press_event", self.figure.canvas, *at, button=1)._process()

    def press_cell(self, number, page=0):
        cells = self.pages[page].cells
        where = self.pages[page].pointing(cells)
        row, column = divmod(number, cells.columns)
        rows = len(cells.texts) // cells.columns
        self.press(
            where["left"] + (column + 0.5) * where["width"] / cells.columns,
            where["top"] + (row + 0.5) * where["height"] / rows,
        )

    def turn(self, key):
        KeyEvent("key_press_event", self.figure.canvas, key)._process()

    @property
    def marked(self):
        """Number of framed cells on the page; each frame is one white and one black patch."""
        return len(self.picture.patches) // 2


def told(said, sample):
    one = said.isel(sample=sample)
    name = symbol(tables.PATTERN_CLASSES_SECOND[int(one.predicted)])
    return f"k = {one.k:g}, f = {one.f:g}, seed = {one.seed.item()}: {name}, {'50.0%' if sample % 2 else '90.0%'}"


def test_a_click_on_a_cell_tells_what_is_there_and_shows_it_and_elsewhere_nothing(said):
    window = Window()
    assert window.pages[0].name == "phase-diagram-pattern-2d-second"
    for place in ((0.001, 0.001), (0.3, 0.3), (0.99, 0.5), (1.2, 0.5)):
        window.press(*place)
    MouseEvent("button_press_event", window.figure.canvas, 900, 300, button=1)._process()
    assert window.told == []
    assert not window.marked
    k, f = tables.scan_axes()
    for number, sample in enumerate((0, 7, 36)):
        one = said.isel(sample=sample)
        cell = (94 - int(np.searchsorted(f, one.f))) * 87 + int(np.searchsorted(k, one.k))
        window.press_cell(cell)
        assert window.told[number:] == [told(said, sample)]
        assert told(said, sample) in [text.get_text().replace("\n", " ") for text in window.figure.texts]
        np.testing.assert_allclose(window.sample.images[0].get_array(), sample / said.sizes["sample"])
        assert window.marked > 1, "a thinned scan fills the cells around with the same pattern"
    # While the zoom tool is active, clicks belong to the toolbar.
    window.figure.canvas.toolbar = type("Toolbar", (), {"mode": "zoom rect"})()
    window.press_cell(60 * 87 + 40)
    assert len(window.told) == 3
    window.figure.canvas.toolbar.mode = ""
    window.press_cell(60 * 87 + 40)
    assert len(window.told) == 4


def test_a_click_on_a_tile_of_the_montage_tells_the_same(said):
    window = Window(montage_class="kappa")
    assert [page.name for page in window.pages] == [
        "montage-pattern-2d-second-kappa",
        "phase-diagram-pattern-2d-second",
        "confidence-pattern-2d-second",
    ], "first what was chosen"
    number = tables.PATTERN_CLASSES_SECOND.index("kappa")
    members = np.flatnonzero(said.predicted.values == number)
    members = members[np.lexsort((said.f.values[members], said.k.values[members]))]
    window.press_cell(len(members) - 1)
    assert window.told == [told(said, members[-1])]
    assert window.marked == 1
    window.press_cell(len(members))
    assert len(window.told) == 1, "there is no tile"
    window.turn("n")
    assert window.marked > 1, "the same pattern on the next page"
    window.turn("x")
    window.turn("b")
    assert window.marked == 1
    window.turn("b")
    assert "confidence-pattern-2d-second, 3 of 3" in [
        text.get_text().partition("   ")[0] for text in window.figure.texts
    ]


def test_any_study_with_a_plane_can_be_browsed(monkeypatch):
    monkeypatch.setenv("RAYPIPE_STUDY", str(Path(parabola.__file__)))
    a, b = (one.ravel() for one in np.meshgrid([0.0, 0.5, 1.0], [0.0, 1.0], indexing="ij"))
    points = {"a": ("sample", a), "b": ("sample", b), "seed": ("sample", 10_000_000 + np.arange(6))}
    fields = np.arange(24.0).reshape(6, 2, 2)
    computed = ("sample", np.arange(6))
    write("parabola/scan", xr.Dataset({"u": (("sample", "y", "x"), fields), "steps": computed}, points))
    classes = {**points, "steps": computed, "class": ("class", list(parabola.CLASSES))}
    probability = np.tile(np.array([0.2, 0.7, 0.1], "float32"), (6, 1))
    found = xr.Dataset(
        {"predicted": ("sample", [0, 1, 1, 1, 2, 1]), "probability": (("sample", "class"), probability)}, classes
    )
    write("predictions/sharp/scan", found, network="sharp", source="parabola/scan")
    window = Window("predictions/sharp/scan")
    window.press_cell(0)  # top left: a = 0, b = 1
    window.press_cell(5)  # bottom right: a = 1, b = 0
    assert window.told == [
        "a = 0, b = 1, seed = 10000001: above, 70.0%",
        "a = 1, b = 0, seed = 10000004: island, 70.0%",
    ]
    np.testing.assert_array_equal(window.sample.images[0].get_array(), fields[4])


def test_of_more_than_two_parameters_the_plane_is_named(monkeypatch):
    monkeypatch.setenv("RAYPIPE_STUDY", str(Path(parabola.__file__)))
    places = [one.ravel() for one in np.meshgrid([0.0, 0.5, 1.0], [0.0, 1.0], [3.0, 4.0], indexing="ij")]
    points = {name: ("sample", one) for name, one in zip("abc", places, strict=True)}
    write("parabola/scan", xr.Dataset({"u": (("sample", "y", "x"), np.zeros((12, 2, 2)))}, points))
    probability = np.tile(np.array([0.2, 0.7, 0.1], "float32"), (12, 1))
    said = {"predicted": ("sample", np.ones(12, int)), "probability": (("sample", "class"), probability)}
    found = xr.Dataset(said, {**points, "class": ("class", list(parabola.CLASSES))})
    write("predictions/sharp/scan", found, network="sharp", source="parabola/scan")
    with pytest.raises(
        InputError, match=r"a plane of a, b, c; expected two parameters.*name the axes, such as axes=A,B"
    ):
        Window("predictions/sharp/scan")
    window = Window("predictions/sharp/scan", axes="c,a")
    window.press_cell(0)  # top left: c = 3, a = 1, of the two with different b the last
    assert window.told == ["a = 1, b = 1, c = 3: above, 70.0%"]


def test_predictions_of_another_scan_are_refused(said):
    predictions = catalog.open(NAME)
    other = catalog.open("gray_scott/scan").assign_coords(f=said.f + 1)
    with pytest.raises(InputError, match="of another scan than gray_scott/scan; make them again: raypipe remove"):
        Browser(Figure(), [None], predictions, other, lambda *_: None)


def run(flags):
    with pytest.raises(SystemExit) as end:
        command.run(job("browse_scan"), flags.split())
    return end.value.code


def test_without_a_display_one_line_says_what_to_do(said, capsys, monkeypatch):
    monkeypatch.setattr(browse, "can_show", lambda: False)
    assert run("--network pattern-2d-second") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: there is no display for a window; raypipe draw --study gray_scott writes")
    assert error.count("\n") == 1


def test_without_predictions_one_line_says_how_to_make_them(capsys):
    assert run("--network pattern-2d") == 2
    assert "raypipe classify_scan --network pattern-2d --split scan" in capsys.readouterr().err


def test_the_job_opens_a_window(said, monkeypatch):
    shown = []
    pyplot.switch_backend("agg")
    monkeypatch.setattr(browse, "can_show", lambda: True)
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(len(pyplot.gcf().axes)))
    assert run("--set montage_class=nu") == 0
    pyplot.close("all")
    assert shown == [2]
