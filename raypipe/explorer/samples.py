"""Samples side by side, filtered by class and parameters; a click shows one of them."""

import math
from functools import partial
from typing import Any

import numpy as np
import panel as pn
import param

from raypipe.explorer import drawing
from raypipe.explorer.explored import MOST_OPTIONS, Explored
from raypipe.explorer.sample import Chosen, SampleView
from raypipe.explorer.tiles import Tiles
from raypipe.plot.classes import symbol

PER_PAGE = 24
_WIDTH = 680

ALL = "all"


class SamplesView(pn.viewable.Viewer):
    """Samples of predictions as tiles, with the chosen one beside them.

    Args:
        names: names of the predictions to choose from.
    """

    called: Any = param.Selector(default=ALL, objects=[ALL])
    page = param.Integer(default=1, bounds=(1, None))

    def __init__(self, names: list[str], **params: Any) -> None:
        super().__init__(**params)
        self.chosen = Chosen(names)
        self._filters = pn.FlexBox()
        self._tiles = Tiles(width=_WIDTH)
        self._count = pn.pane.HTML("")
        self._back, self._next = (pn.widgets.Button(name=name, width=90) for name in ("previous", "next"))
        self._back.on_click(partial(self._turn, -1))
        self._next.on_click(partial(self._turn, 1))
        self.chosen.param.watch(self._renew, "predictions")
        self._tiles.param.watch(lambda event: self.chosen.param.update(sample=event.obj.chosen), "pressed")
        self.param.watch(self._narrow, "called")
        self.param.watch(self._draw, "page")
        self._renew()

    def __panel__(self) -> Any:
        """The tiles on the left, the sample on the right."""
        return pn.FlexBox(
            pn.Column(
                pn.Row(
                    pn.widgets.Select.from_param(self.chosen.param.predictions, name="network and data set", width=380),
                    pn.widgets.Select.from_param(self.param.called, name="class", width=130),
                ),
                self._filters,
                pn.Row(self._count, self._back, self._next),
                self._tiles,
                width=_WIDTH,
            ),
            SampleView(self.chosen),
        )

    def _renew(self, *_: Any) -> None:
        of = self.chosen.of
        there = [list(of.kinds)[number] for number in np.unique(of.named)]
        self._picked: dict[str, list[Any]] = {}
        for name in of.parameters:
            values = np.unique(of.predictions[name].values)
            if len(values) <= MOST_OPTIONS:
                options = {ALL: ALL, **{f"{value:g}": float(value) for value in values}}
                self._picked[name] = [pn.widgets.Select(name=name, options=options, value=ALL, width=110)]
            else:
                ends = (("from", values[0]), ("to", values[-1]))
                self._picked[name] = [
                    pn.widgets.LiteralInput(name=f"{name} {end}", value=float(value), type=(int, float), width=110)
                    for end, value in ends
                ]
        self._filters.objects = [widget for widgets in self._picked.values() for widget in widgets]
        for widget in self._filters.objects:
            widget.param.watch(self._narrow, "value")
        if not self.chosen.there:
            self.chosen.sample = -1
        before = self.called
        with param.parameterized.discard_events(self):
            self.called = ALL  # valid before and after the objects change
        self.param.called.objects = {ALL: ALL, **{_long(name): name for name in there}}
        with param.parameterized.discard_events(self):
            self.called = before if before in there else ALL
        self.param.trigger("called")  # for the list and the address too, whether it has changed or not

    def _within(self) -> dict[str, tuple[float, float]]:
        """Return the ranges that were chosen; an empty end is no limit."""
        ranges = {name: (widgets[0].value, widgets[-1].value) for name, widgets in self._picked.items()}
        return {
            name: (-math.inf if low is None else low, math.inf if high is None else high)
            for name, (low, high) in ranges.items()
            if low != ALL
        }

    def _narrow(self, *_: Any) -> None:
        of = self.chosen.of
        self._numbers = of.matching("" if self.called == ALL else self.called, self._within())
        with param.parameterized.discard_events(self):
            self.page = 1
        self._draw()

    def _turn(self, by: int, _: Any) -> None:
        self.page = min(max(self.page + by, 1), self._pages)

    @property
    def _pages(self) -> int:
        return max(1, -(-len(self._numbers) // PER_PAGE))

    def _draw(self, *_: Any) -> None:
        of = self.chosen.of
        shown = self._numbers[(self.page - 1) * PER_PAGE : self.page * PER_PAGE].tolist()
        count = f"{len(self._numbers)} samples, page {self.page} of {self._pages}"
        self._count.object = f'<p class="count" role="status" style="margin:2px">{count}</p>'
        self._back.disabled, self._next.disabled = self.page == 1, self.page == self._pages
        self._tiles.lay([(one, drawing.thumbnail(of, one), self._text(of, one)) for one in shown])

    def _text(self, of: Explored, number: int) -> str:
        at = ", ".join(f"{name} {of.predictions[name].values[number]:g}" for name in of.parameters[:2])
        name, share = of.ranking(number, 1)[0]
        return f"{at} {name} {share:.0%}".strip()


def _long(name: str) -> str:
    return name if symbol(name) == name else f"{symbol(name)} {name}"
