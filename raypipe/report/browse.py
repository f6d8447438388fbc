"""A window on a classified scan: a click on a cell of a picture describes the sample there, and draws it.

The pictures are those that the study has of the scan. The report shows the same ones, with a text for the cell that the
mouse points at.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from raypipe import catalog, store, study
from raypipe.errors import InputError
from raypipe.plot.classes import class_names, symbol
from raypipe.plot.confused import drawing
from raypipe.plot.style import styled
from raypipe.plot.window import can_show
from raypipe.report import scan
from raypipe.report.page import Cells, Picture
from raypipe.report.pictures import check, of_data_set

NEXT, BACK = "n", "b"
"""Keys that turn the pages."""

_SIZE = (13.0, 7.0)
_WRAP = 44


def browse(name: str, settings: Mapping[str, Any] | None = None) -> None:
    """Show the predictions `name` of a scan in a window; return when it is closed.

    Args:
        name: name of the store, such as "predictions/small/scan".
        settings: settings of the study's pictures, see `study.Picture`; the pictures that they apply to come first.

    Raises:
        InputError: if there is no display; if there are no such predictions; or if they are not of the current scan.
    """
    if name not in store.list_names(name):
        network, _, split = name.removeprefix("predictions/").rpartition("/")
        raise InputError(
            f"there are no predictions {name}; make them with raypipe classify_scan --network {network} --split {split}"
        )
    predictions = catalog.open(name)
    made = predictions.attrs["parameters"]
    of = study.find(made["source"].partition("/")[0])
    if not can_show():
        raise InputError(
            f"there is no display for a window; raypipe draw --study {of.name} writes the same pictures as files, and "
            "raypipe report a page that shows what is where you point"
        )
    from matplotlib import pyplot

    pages, samples = pages_of(of, name, settings or {}), catalog.open(made["source"])
    browser = Browser(pyplot.figure(figsize=_SIZE), pages, predictions, samples, drawing(of.seen))
    pyplot.show()
    del browser  # needed until here: the figure has only weak references to it


def pages_of(of: study.Study, name: str, settings: Mapping[str, Any]) -> list[Picture]:
    """Return the study's pictures of predictions whose cells are single samples, or else the classes over the plane.

    Raises:
        InputError: if there is no such setting, or a picture cannot be drawn.
    """
    usual = replace(of, pictures=(study.Picture("predictions/*", "raypipe.report.scan:classes"),))
    check([of, usual], settings)
    for one in (of, usual):
        found = [page for page in of_data_set(one, name, settings) if page.cells and page.cells.samples]
        if found:
            return found
    return []


class Browser:
    """A figure with a picture of a scan on the left, whose cells can be clicked, and the chosen sample on the right.

    Args:
        figure: figure that receives clicks, such as one of pyplot.
        pages: pictures whose cells have samples.
        predictions: predictions of the scan by a network.
        samples: the scan itself, in the same order.
        draw: function that draws a sample, see `study.Sample`.
        tell: function that is called with the text about the chosen sample.
    """

    @styled
    def __init__(
        self,
        figure: Figure,
        pages: Sequence[Picture],
        predictions: xr.Dataset,
        samples: xr.Dataset,
        draw: Callable[..., None],
        tell: Callable[[str], object] = print,
    ) -> None:
        if not pages:
            raise InputError("no picture of this scan has cells to click on")
        scan.require_same_samples(predictions, samples)
        self._figure, self._pages, self._number = figure, pages, 0
        self._predictions, self._samples = predictions, samples
        self._names = scan.parameters(predictions)
        self._draw, self._tell, self._chosen = draw, tell, -1
        self._probability = scan.shown_probability(predictions)[0]
        figure.set_layout_engine("none")
        self._picture = figure.add_axes((0.0, 0.05, 0.66, 0.95))
        self._sample = figure.add_axes((0.69, 0.3, 0.29, 0.6))
        self._text = figure.text(0.69, 0.2, "Click on a cell.", va="top", fontsize=11)
        self._page = figure.text(0.01, 0.015, "")
        self._sample.set_axis_off()
        figure.canvas.mpl_connect("button_press_event", self._clicked)
        figure.canvas.mpl_connect("key_press_event", self._turned)
        self._show()

    @styled
    def _show(self) -> None:
        """Draw the current page, and mark the chosen sample on it."""
        page = self._pages[self._number]
        image = Image.open(io.BytesIO(page.png))
        self._picture.clear()
        self._picture.set_axis_off()
        self._picture.imshow(image, extent=(0, image.width, image.height, 0))
        keys = f"   ({NEXT}: next, {BACK}: back)" if len(self._pages) > 1 else ""
        self._page.set_text(f"{page.name}, {self._number + 1} of {len(self._pages)}{keys}")
        self._mark()

    def _mark(self) -> None:
        for mark in self._picture.patches:
            mark.remove()
        cells, place = self._cells()
        for cell in np.flatnonzero(np.asarray(cells.samples) == self._chosen) if self._chosen >= 0 else ():
            row, column = divmod(int(cell), cells.columns)
            corner = (place["left"] + column * place["width"], place["top"] + row * place["height"])
            for colour, width in (("white", 4), ("black", 1.5)):
                frame = Rectangle(corner, place["width"], place["height"], fill=False, color=colour, linewidth=width)
                self._picture.add_patch(frame)
        self._figure.canvas.draw_idle()

    def _cells(self) -> tuple[Cells, dict[str, float]]:
        """Return the cells of the page, and the position and size of the first one in pixels of the page's image."""
        page = self._pages[self._number]
        assert page.cells
        assert page.cells.samples
        found, (width, height) = page.pointing(page.cells), Image.open(io.BytesIO(page.png)).size
        return page.cells, {
            "left": found["left"] * width,
            "top": found["top"] * height,
            "width": found["width"] * width / page.cells.columns,
            "height": found["height"] * height * page.cells.columns / len(page.cells.samples),
        }

    def _clicked(self, event: Any) -> None:
        toolbar = getattr(self._figure.canvas, "toolbar", None)
        if event.inaxes is not self._picture or (toolbar is not None and toolbar.mode):
            return  # while the toolbar zooms or pans, clicks belong to it
        cells, place = self._cells()
        column = int((event.xdata - place["left"]) // place["width"])
        row = int((event.ydata - place["top"]) // place["height"])
        cell = row * cells.columns + column
        assert cells.samples
        if 0 <= column < cells.columns and 0 <= cell < len(cells.samples) and cells.samples[cell] >= 0:
            self._choose(cells.samples[cell])

    @styled
    def _choose(self, number: int) -> None:
        self._chosen = number
        called = symbol(class_names(self._predictions)[int(self._predictions["predicted"].values[number])])
        said = scan.said(self._predictions, self._names, number, called, self._probability[number].max())
        self._tell(said)
        self._text.set_text(textwrap.fill(said, _WRAP))
        self._sample.clear()
        self._draw(self._sample, self._samples.isel(sample=number))
        self._mark()

    def _turned(self, event: Any) -> None:
        if step := {NEXT: 1, BACK: -1}.get(event.key, 0):
            self._number = (self._number + step) % len(self._pages)
            self._show()
