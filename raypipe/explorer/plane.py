"""The plane of a scan, in which a click shows the sample there."""

from html import escape
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import param

from raypipe.explorer.explored import CLASS, CONFIDENCE, NOVELTY, Explored
from raypipe.explorer.sample import Chosen, SampleView, Simulation
from raypipe.plot.classes import symbol
from raypipe.plot.plane import Lattice

_WIDTH, _HEIGHT = 620, 520

_SHADES = {CONFIDENCE: ("viridis", "probability of the class"), NOVELTY: ("YlOrRd", "distance (flagged from 1 on)")}


class PlaneView(pn.viewable.Viewer):
    """The plane of predictions, coloured by class, confidence or novelty, with the chosen sample beside it.

    Args:
        names: names of predictions that have a plane.
    """

    colour: Any = param.Selector(default=CLASS, objects=[CLASS])

    def __init__(self, names: list[str], **params: Any) -> None:
        super().__init__(**params)
        self.chosen = Chosen(names)
        self._mark = hv.streams.Pipe(data=[])
        self._simulation = Simulation(self.chosen)
        self._plot = pn.pane.HoloViews(width=_WIDTH, height=_HEIGHT)
        self._legend = pn.pane.HTML("", width=_WIDTH)
        self._place: list[Any] = [pn.widgets.Select(width=130) for _ in range(2)]
        for widget in self._place:
            widget.param.watch(self._placed, "value")
        self._further = pn.FlexBox()
        self._following = False
        self.chosen.param.watch(self._renew, "predictions")
        self.chosen.param.watch(self._sliced, "further")
        self.param.watch(self._draw, "colour")
        self.chosen.param.watch(self._follow, "sample")
        self._renew()

    def __panel__(self) -> Any:
        """The plane on the left, the sample on the right."""
        return pn.FlexBox(
            pn.Column(
                pn.Row(
                    pn.widgets.Select.from_param(self.chosen.param.predictions, name="network and scan", width=380),
                    pn.widgets.RadioButtonGroup.from_param(
                        self.param.colour, name="colour by", button_type="primary", button_style="outline"
                    ),
                ),
                self._further,
                self._plot,
                pn.Row(*self._place),
                self._legend,
                pn.pane.HTML('<h2 style="margin:2px;font-size:16px">A new sample</h2>'),
                self._simulation,
            ),
            SampleView(self.chosen, around=True),
        )

    def _renew(self, *_: Any) -> None:
        of = self.chosen.of
        self.param.colour.objects = of.colourings
        if self.colour not in of.colourings:
            self.colour = CLASS
        self._further.objects = [_list_of(name, values) for name, values in of.further.items()]
        for widget in self._further.objects:
            widget.param.watch(self._choose_further, "value")
        if not self.chosen.there:
            self.chosen.sample = -1
        with param.parameterized.discard_events(self.chosen):
            self.chosen.further = {widget.name: widget.value for widget in self._further.objects}
        self._sliced()
        self._follow()

    def _choose_further(self, _: Any) -> None:
        """Show another plane, and in it the sample at the same place."""
        if not self._following:
            self.chosen.further = {widget.name: widget.value for widget in self._further.objects}
            if self.chosen.there:
                self.chosen.sample = self.chosen.plane.at(*self.chosen.of.place(self.chosen.sample))

    def _sliced(self, *_: Any) -> None:
        """Show the chosen plane."""
        plane = self.chosen.plane
        self._following = True
        for widget, name, values in zip(self._place, plane.axes, (plane.x, plane.y), strict=True):
            middle = float(values[len(values) // 2])
            value = widget.value if widget.name == name and widget.value in values else middle
            widget.param.update(name=name, options=_options(values), value=value)
        self._following = False
        self._draw()

    def _draw(self, *_: Any) -> None:
        of = self.chosen.of
        drawn = _plane(of, self.chosen.plane, self.colour)
        tap = hv.streams.SingleTap(source=drawn, x=None, y=None)
        tap.add_subscriber(self._tapped)
        mark = hv.DynamicMap(_marked, streams=[self._mark])
        self._plot.object = (drawn * mark).opts(width=_WIDTH, height=_HEIGHT)
        legend = _legend(of, self.chosen.plane) if self.colour == CLASS else ""
        note = self.chosen.plane.note
        self._legend.object = legend + (
            f'<p style="margin:2px;font:13px sans-serif">{escape(note)}</p>' if note else ""
        )

    def _tapped(self, x: float | None = None, y: float | None = None) -> None:
        if x is None or y is None:
            return
        number = self.chosen.plane.at(x, y)
        if number >= 0:
            self.chosen.sample = number
        self._simulation.at(x, y)

    def _placed(self, _: Any) -> None:
        if not self._following:
            self.chosen.sample = self.chosen.plane.at(*(widget.value for widget in self._place))

    def _follow(self, *_: Any) -> None:
        """Move the mark and the two values to the chosen sample."""
        of, number = self.chosen.of, self.chosen.sample
        if not self.chosen.there:
            self._mark.send([])
            return
        further = {name: float(of.predictions[name].values[number]) for name in of.further}
        if further != self.chosen.further:
            self._following = True
            for widget in self._further.objects:
                widget.value = further[widget.name]
            self._following = False
            self.chosen.further = further
        place = of.place(number)
        self._mark.send([place])
        self._simulation.at(*place)
        self._following = True
        for widget, value in zip(self._place, place, strict=True):
            widget.value = value
        self._following = False


def _list_of(name: str, values: np.ndarray) -> Any:
    return pn.widgets.Select(name=name, options=_options(values), value=float(values[-1]), width=130)


def _options(values: np.ndarray) -> dict[str, float]:
    """Return different values by their text, with as many digits as they need to differ, at least six."""
    texts = ({f"{value:.{digits}g}": float(value) for value in values} for digits in range(6, 18))
    return next(one for one in texts if len(one) == len(values))


def _marked(data: list[tuple[float, float]]) -> Any:
    white = hv.Points(data).opts(size=13, color="white", marker="square", fill_alpha=0, line_width=4)
    return white * hv.Points(data).opts(size=13, color="black", marker="square", fill_alpha=0, line_width=1.5)


def _plane(of: Explored, plane: Lattice, colour: str) -> Any:
    values: Any
    if colour == CLASS:
        values = of.predicted.astype("float32")
        count = len(of.classes)
        options: dict[str, Any] = {"cmap": list(of.colour_of.values()), "clim": (-0.5, count - 0.5)}
    else:
        cmap, title = _SHADES[colour]
        values = of.probability.max(axis=1) if colour == CONFIDENCE else of.distance
        options = {"cmap": cmap, "colorbar": True, "clabel": title}
        if colour != CONFIDENCE:
            options["clim"] = (0.0, 2.0)
    image = np.where(plane.samples < 0, np.nan, np.asarray(values, "float32")[plane.samples])
    dimensions = [hv.Dimension(f"axis{place}", label=label) for place, label in enumerate(plane.labels)]
    kind = hv.Image if plane.extent is not None and min(image.shape) > 1 else hv.QuadMesh
    tolerance = {"rtol": 0.1} if kind is hv.Image else {}
    drawn = kind((plane.x, plane.y, image), dimensions, hv.Dimension("value", label=colour), **tolerance)
    return drawn.opts(tools=[], active_tools=[], default_tools=["pan", "wheel_zoom", "box_zoom", "reset"], **options)


def _legend(of: Explored, plane: Lattice) -> str:
    shown = of.predicted[plane.samples[plane.samples >= 0]]
    counts = np.bincount(shown, minlength=len(of.classes))
    items = "".join(
        f'<li style="display:inline-block;margin-right:12px"><span aria-hidden="true" style="display:inline-block;'
        f'width:12px;height:12px;border:1px solid #767676;background:{of.colour_of[name]}"></span> '
        f"{escape(symbol(name))} {count / len(shown):.1%}</li>"
        for name, count in zip(of.classes, counts, strict=True)
        if count
    )
    return f'<ul aria-label="classes" style="list-style:none;padding:0;margin:2px;font:13px sans-serif">{items}</ul>'
