"""The trained networks: a table, the grid's accuracies, and the training and confusion matrices of one network."""

import io
from html import escape
from typing import Any

import holoviews as hv
import pandas as pd
import panel as pn
import param

from raypipe import catalog
from raypipe.errors import InputError
from raypipe.explorer.sample import alert, image
from raypipe.networks import artifact, inputs
from raypipe.networks.artifact import Artifact
from raypipe.networks.grid import Grid
from raypipe.plot.style import raster
from raypipe.report.figures import figure
from raypipe.report.holdings import Store, known, stores

_DOTS = 90
_ROWS = 15


class NetworksView(pn.viewable.Viewer):
    """The networks as a table and, for those of a grid, as a map, with the chosen one beside them."""

    network = param.String(default="")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._networks = {one.name: one for one in artifact.sound({})}
        self._table = pn.widgets.Tabulator(
            table(list(self._networks.values())),
            show_index=False,
            disabled=True,
            pagination="local",
            page_size=_ROWS,
            header_filters={"network": {"type": "input", "func": "like", "placeholder": "part of a name"}},
            width=680,
        )
        self._name = pn.widgets.Select.from_param(
            self.param.network, name="network", options=["", *self._networks], width=380
        )
        self._pictures = pn.pane.HTML("")
        self._table.on_click(self._clicked)
        self.param.watch(self._show, "network")

    def __panel__(self) -> Any:
        """The table on the left, the network on the right."""
        studies = {one.architecture.study for one in self._networks.values()}
        grids = {name: of.grid for name in sorted(studies) if (of := known(name)) is not None and of.grid}
        maps = [heat for name, grid in grids.items() if (heat := self._heat_map(name, grid)) is not None]
        return pn.FlexBox(pn.Column(self._table, *maps), pn.Column(self._name, self._pictures))

    def _clicked(self, event: Any) -> None:
        self.network = self._table.value["network"].iloc[event.row]

    def _heat_map(self, study: str, grid: Grid) -> Any:
        """Draw the best network for each word and kernel size; return None if there are fewer than two networks."""
        own = {one.name: one for one in grid.networks}
        rows = [
            (f"{member.kernel_size}", member.word, one.metrics.get("val_accuracy", float("nan")), one.name)
            for one in self._networks.values()
            if own.get(one.architecture.name) == one.architecture  # other grids have networks of the same names
            for member in [grid.members[one.architecture.name]]
        ]
        if len(rows) < 2:
            return None
        rows.sort(key=lambda row: (list(grid.words).index(row[1]), int(row[0])))
        frame = pd.DataFrame(rows, columns=["kernel size", "word", "validation accuracy", "name"])
        frame = frame.sort_values("validation accuracy", ascending=False).drop_duplicates(["kernel size", "word"])
        frame = frame.sort_index()  # HoloViews keeps the order
        heat = hv.HeatMap(frame, ["kernel size", "word"], "validation accuracy").opts(
            width=360,
            height=max(220, 18 * frame["word"].nunique()),
            cmap="viridis",
            colorbar=True,
            title=f"best of {study}'s grid",
            default_tools=["hover"],
        )
        by_cell = {(one, two): name for one, two, name in frame[["kernel size", "word", "name"]].to_numpy()}
        tap = hv.streams.Tap(source=heat, x=None, y=None)

        def tapped(x: Any = None, y: Any = None) -> None:
            if (x, y) in by_cell:
                self.network = by_cell[x, y]

        tap.add_subscriber(tapped)
        return pn.pane.HoloViews(heat)

    def _show(self, *_: Any) -> None:
        one = self._networks.get(self.network)
        self._pictures.object = "" if one is None else "".join(_parts(one))


def table(networks: list[Artifact]) -> pd.DataFrame:
    """Return one row per network with its study, parameters, epochs and validation accuracy."""
    rows = [{"study": one.architecture.study, **one.facts} for one in networks]
    found = pd.DataFrame(rows, columns=["name", "study", "parameters", "epochs", "val_accuracy"])
    found = found.rename(columns={"name": "network", "val_accuracy": "accuracy"})
    return found.sort_values("accuracy", ascending=False, na_position="last", ignore_index=True).round({"accuracy": 4})


def _parts(one: Artifact) -> list[str]:
    """Return the HTML for a network: its training history, and a confusion matrix for each labelled data set."""
    parts = [f'<p role="status" class="network">{escape(one.name)}, {one.parameters} parameters</p>']
    if one.epochs:
        parts.append(_picture("history", one.name, f"loss and accuracy of {one.name} after each epoch"))
    for of in stores():
        if _is_of(one, of):
            try:
                if inputs.is_labelled(catalog.open(of.name)):
                    parts.append(_picture("confusion", of.name, f"confusion matrix of {of.name}"))
            except InputError as error:
                parts.append(alert(error))
    return parts


def _is_of(one: Artifact, of: Store) -> bool:
    """Whether a store has the predictions of a network."""
    made_by = of.parameters.get("network")
    return of.product == catalog.PREDICTIONS and of.complete and made_by == one.name and not of.is_outdated


def _picture(what: str, name: str, text: str) -> str:
    try:
        png = io.BytesIO()
        raster(figure(what, name), _DOTS).save(png, "PNG")
    except InputError as error:
        return alert(error)
    return f"<figure style='margin:4px'>{image(png.getvalue(), text)}<figcaption>{escape(text)}</figcaption></figure>"
