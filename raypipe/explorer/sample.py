"""The chosen sample: what it looks like, how a network classifies it and why, and its neighbours."""

import asyncio
from html import escape
from typing import Any

import numpy as np
import panel as pn
import param
import xarray as xr

from raypipe import catalog
from raypipe.errors import InputError
from raypipe.explorer import drawing, work
from raypipe.explorer.explored import Explored, explored
from raypipe.explorer.tiles import Tiles, bars, data_url
from raypipe.plot.plane import Lattice
from raypipe.report.holdings import stores

_WIDTH = 560

PLAYED_FRAMES = 3
"""Samples with more frames than this can also be played."""


class Chosen(param.Parameterized):
    """The current selection: predictions and one of their samples."""

    predictions: Any = param.Selector(default=None, objects=[])
    sample = param.Integer(default=-1)
    further = param.Dict(default={}, doc="values of the inputs after the first two, which choose the plane")

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.param.predictions.objects = names
        self.predictions = names[0]
        # Off by default without initial objects, but an old address may name predictions that are gone.
        self.param.predictions.check_on_set = True

    @property
    def there(self) -> bool:
        """Whether the chosen sample is one of the predictions' samples."""
        return 0 <= self.sample < len(self.of.predicted)

    @property
    def of(self) -> Explored:
        """The chosen predictions."""
        return explored(self.predictions)

    @property
    def plane(self) -> Lattice:
        """The chosen plane, if the predictions have any."""
        found = self.of.slice(self.further)
        assert found
        return found

    def still(self, of: Explored, number: int | None = None) -> bool:
        """Return whether these predictions, and this sample if it is given, are still chosen."""
        return self.predictions == of.name and number in (None, self.sample)


class SampleView(pn.viewable.Viewer):
    """The chosen sample.

    Args:
        chosen: the current selection.
        around: whether to show the sample's neighbours in the plane.
    """

    def __init__(self, chosen: Chosen, *, around: bool = False, **params: Any) -> None:
        super().__init__(**params)
        self._chosen, self._around = chosen, around
        self._text = pn.pane.HTML("", stylesheets=[".bk-clearfix { font: 15px sans-serif; }"])
        self._picture = pn.pane.HTML("")
        self._probabilities = pn.pane.HTML("")
        self._player = pn.widgets.Player(name="frame", value=0, start=0, end=0, interval=400, visible=False, width=300)
        self._played = pn.pane.HTML("", visible=False)
        self._why = pn.widgets.Button(name="Explain", button_type="primary", visible=False)
        self._explanation = pn.pane.HTML("")
        self._tiles = Tiles(visible=around, width=_WIDTH)
        self._heading = pn.pane.HTML("", visible=around)
        self._why.on_click(self._explain)
        self._player.param.watch(self._play, "value")
        self._tiles.param.watch(lambda event: chosen.param.update(sample=event.obj.chosen), "pressed")
        chosen.param.watch(self._show, ["predictions", "sample"])
        self._show()

    def __panel__(self) -> Any:
        """The column that is shown."""
        return pn.Column(
            self._text,
            self._picture,
            self._player,
            self._played,
            self._probabilities,
            self._why,
            self._explanation,
            self._heading,
            self._tiles,
            width=_WIDTH,
        )

    def _show(self, *_: Any) -> None:
        self._explanation.object = ""
        of, number = self._chosen.of, self._chosen.sample
        self._why.visible = self._chosen.there
        if not self._chosen.there:
            self._player.visible = self._played.visible = False
            self._picture.object = self._probabilities.object = self._heading.object = ""
            self._tiles.tiles = []
            self._say("Click on a sample.")
            return
        self._say(of.said(number))
        self._picture.object = image(drawing.sample(of, number), of.said(number))
        self._probabilities.object = bars(of.ranking(number))
        frames = 1 if of.study.seen.is_sequence else of.samples.sizes.get(drawing.FRAME, 1)
        self._player.visible = self._played.visible = frames > PLAYED_FRAMES
        self._player.param.update(end=frames - 1, value=0)
        self._played.object = ""
        if self._around:
            # Later, so that the sample itself is sent first.
            pn.state.execute(lambda: self._show_neighbours(of, number), schedule=True)

    def _say(self, text: str) -> None:
        self._text.object = f'<p role="status" class="sample" style="margin:2px">{escape(text)}</p>'

    def _show_neighbours(self, of: Explored, number: int) -> None:
        if not self._chosen.still(of, number):
            return
        near = self._chosen.plane.neighbours(number)
        self._heading.object = '<h2 style="margin:2px;font-size:16px">Neighbours</h2>' if near else ""
        self._tiles.lay([(one, drawing.thumbnail(of, one), of.ranking(one)[0][0]) for one in near])

    def _play(self, event: Any) -> None:
        if self._player.visible:
            png = drawing.frame(self._chosen.of, self._chosen.sample, event.new)
            self._played.object = image(png, f"frame {event.new}")

    async def _explain(self, _: Any) -> None:
        of, number = self._chosen.of, self._chosen.sample
        self._why.loading = True
        try:
            found = _stored(of, number)
            shown: Any = found or await asyncio.wrap_future(work.ask(work.explained, of.network, of.split, number))
            said = image(drawing.explanation(of.study.seen, shown), "what speaks for its class")
        except Exception as error:  # from another process: the visitor should see any error
            said = alert(error)
        finally:
            self._why.loading = False
        if self._chosen.still(of, number):
            self._explanation.object = said


def _stored(of: Explored, number: int) -> dict[str, np.ndarray] | None:
    """Return a stored explanation of the sample; None if there is none."""
    for one in stores():
        made = one.parameters
        if one.product not in ("relevance", "saliency") or not one.complete or one.is_control:
            continue
        if not of.owns(made):
            continue
        found = catalog.open(one.name)
        places = np.flatnonzero(found["origin"].values == number)
        if len(places):
            explained: xr.Dataset = found.isel(sample=int(places[0])).load()
            return {str(key): values.values for key, values in explained.data_vars.items()}
    return None


class Simulation(pn.viewable.Viewer):
    """A new sample at a point of the plane, simulated on request."""

    def __init__(self, chosen: Chosen, **params: Any) -> None:
        super().__init__(**params)
        self._chosen = chosen
        self._point: list[Any] = [pn.widgets.LiteralInput(type=(int, float), width=130) for _ in range(2)]
        self._button = pn.widgets.Button(name="Simulate here", button_type="primary")
        self._result = pn.pane.HTML("")
        self._button.on_click(self._simulate)
        chosen.param.watch(self._renamed, "predictions")
        self._renamed()

    def __panel__(self) -> Any:
        """The column that is shown."""
        return pn.Column(pn.Row(*self._point, pn.Column(pn.Spacer(height=14), self._button)), self._result)

    def at(self, x: float, y: float) -> None:
        """Set the point of the next simulation."""
        of = self._chosen.of
        for widget, name, value in zip(self._point, self._chosen.plane.axes, (x, y), strict=True):
            widget.value = _valued(of, name, float(f"{value:.9g}"))

    def _renamed(self, *_: Any) -> None:
        plane = self._chosen.plane
        for widget, name in zip(self._point, plane.axes, strict=True):
            widget.name = name
        self.at(*(float(values[len(values) // 2]) for values in (plane.x, plane.y)))
        self._result.object = ""

    async def _simulate(self, _: Any) -> None:
        of = self._chosen.of
        self._button.loading = True
        try:
            point = self._inputs()
            made = of.predictions.attrs["parameters"]["network_sha256"]
            new, probability = await asyncio.wrap_future(work.ask(work.simulated, of.source, of.network, made, point))
            said = _simulated(of, point, new, probability)
        except Exception as error:
            said = alert(error)
        finally:
            self._button.loading = False
        if self._chosen.still(of):
            self._result.object = said

    def _inputs(self) -> dict[str, float]:
        """Return the inputs of the simulation: those of the chosen or the nearest sample, except for the plane's two.

        Raises:
            InputError: if one of the two is empty.
        """
        of, plane = self._chosen.of, self._chosen.plane
        place = {widget.name: widget.value for widget in self._point}
        if empty := [name for name, value in place.items() if value is None]:
            raise InputError(f"{empty[0]} is empty; expected a number")
        there = plane.samples[plane.samples >= 0]
        away = sum(
            ((of.samples[name].values[there] - value) / max(float(np.ptp(of.samples[name].values)), 1e-300)) ** 2
            for name, value in place.items()
        )
        like = int(there[np.argmin(away)])
        if self._chosen.there and of.place(self._chosen.sample) == of.place(like):
            like = self._chosen.sample  # of several in a cell
        point = {
            str(name): values.values[like].item()
            for name, values in of.samples.coords.items()
            if values.dims == ("sample",)
        }
        return {**point, **{name: _valued(of, name, value) for name, value in place.items()}}


def _valued(of: Explored, name: str, value: float) -> float:
    """Return a value that the parameter can have, rounded if the samples have integers."""
    return round(value) if of.samples[name].dtype.kind in "iu" else value


def _simulated(of: Explored, point: dict[str, float], new: dict[str, np.ndarray], probability: np.ndarray) -> str:
    # With the coordinates of the data set's first sample that all samples share, such as the times of frames.
    one = of.samples.isel(sample=0).drop_vars([name for name in of.samples.data_vars if name not in new])
    one = one.assign({name: (one[name].dims, values) for name, values in new.items() if name in one})
    one = one.assign_coords({name: value for name, value in point.items() if name not in new})
    ranking = of.ranked(of.calibrated(probability))
    said = f"simulated at {', '.join(f'{name} = {point[name]:g}' for name in of.inputs)}: "
    said += f"{ranking[0][0]}, {ranking[0][1]:.1%}"
    made = image(drawing.made(of.study.seen, one), said)
    return f'<p role="status" class="simulated">{escape(said)}</p>{made}{bars(ranking)}'


def image(png: bytes, text: str) -> str:
    """Return the HTML of a picture that is at most as wide as the page."""
    return f'<img src="{data_url(png)}" alt="{escape(text, quote=True)}" style="max-width:100%">'


def alert(error: Exception) -> str:
    """Return the HTML of a message that says why something cannot be shown."""
    kind = "" if isinstance(error, InputError | RuntimeError) else f"{type(error).__name__}: "
    return f'<p role="alert" style="color:#8b0000">{escape(kind + " ".join(str(error).split()))}</p>'
