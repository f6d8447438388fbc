"""The whole page, and its server, which is reachable only from this machine."""

import logging
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import holoviews as hv
import panel as pn

from raypipe import study
from raypipe.errors import InputError
from raypipe.explorer import explored, work
from raypipe.explorer.files import FilesView
from raypipe.explorer.networks import NetworksView
from raypipe.explorer.plane import PlaneView
from raypipe.explorer.samples import SamplesView
from raypipe.networks import artifact

HOST = "127.0.0.1"

_MOST_BYTES = 2**30
"""Maximum size of a message from a page: an uploaded file arrives as a whole, encoded, and thus a third larger."""

_EMPTY = """<h2>There is nothing to explore yet</h2>
<p>No network has classified anything in this store. The quickest start: <code>make demo</code>, then
<code>RAYPIPE_STORE=demo/store raypipe explore</code>; or classify your own data set with
<code>raypipe classify_scan</code>.</p>"""

_TEMPLATE = """{% extends base %}
{% block contents %}
<header style="font-family: sans-serif"><h1 style="margin: 6px; font-size: 20px">raypipe</h1></header>
<main>{{ embed(roots.page) }}</main>
{{ embed(roots.location) }}
{% endblock %}"""


def serve(port: int, *, show: bool = False) -> None:
    """Serve the page until interrupted.

    Args:
        port: port of this machine.
        show: whether to open the page in a browser.

    Raises:
        InputError: if the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} of this machine is taken ({error.strerror}); name another with --port"
            ) from error
    for library in ("bokeh", "tornado"):  # otherwise they log each request
        logging.getLogger(library).setLevel(logging.WARNING)
    explored.at_hand()  # so that the first visitor does not have to wait for it
    pn.extension("tabulator")
    hv.extension("bokeh")
    print(f"http://{HOST}:{port}/", flush=True)
    server = pn.serve(
        {"/": page},
        address=HOST,
        port=port,
        show=show,
        start=False,
        title="raypipe",
        websocket_max_message_size=_MOST_BYTES,
        http_server_kwargs={"max_buffer_size": _MOST_BYTES},
        websocket_origin=[f"{HOST}:{port}", f"localhost:{port}"],
        verbose=False,
    )
    received: list[int] = []

    def end(number: int) -> None:
        received.append(number)
        server.io_loop.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        # The loop calls `end` between two callbacks. An exception raised by a handler of `signal.signal` would be lost
        # if it came while a finalizer runs, as when a page is closed.
        server.io_loop.asyncio_loop.add_signal_handler(number, end, number)
    server.start()
    try:
        server.io_loop.start()
    finally:
        work.end()
    if signal.SIGTERM in received:
        raise SystemExit(128 + signal.SIGTERM)


def page() -> Any:
    """Build the page for one visitor; the content of a tab is created when the tab is opened."""
    names = explored.at_hand()
    makers: dict[str, Callable[[], Any]] = {}
    if planes := explored.scans(names):
        makers["Plane"] = partial(_plane, planes)
    for of in study.all_studies():
        own = [name for name, one in names.items() if one.name == of.name]
        if own or of.takes_files:
            title = of.kind.capitalize()
            makers[f"{title} of {of.name}" if title in makers else title] = partial(_samples, of, own)
    if artifact.names():
        makers["Networks"] = _networks
    columns = [pn.Column() for _ in makers]
    tabs = pn.Tabs(*zip(makers, columns, strict=True))

    def opened(*_: Any) -> None:
        if tabs.active >= len(columns):  # the address is of a page with more tabs
            tabs.active = 0
        if not columns[tabs.active].objects:
            columns[tabs.active].objects = [list(makers.values())[tabs.active]()]

    _in_the_address(tab=(tabs, "active"))
    if makers:
        opened()
        tabs.param.watch(opened, "active")
    empty = [] if names else [pn.pane.HTML(_EMPTY)]
    whole = pn.Template(_TEMPLATE, location=True)
    whole.add_panel("page", pn.Column(*empty, tabs))
    return whole


def _plane(names: list[str]) -> Any:
    view = PlaneView(names)
    _in_the_address(plane=(view.chosen, "predictions"), sample=(view.chosen, "sample"), colour=(view, "colour"))
    return view


def _samples(of: study.Study, names: list[str]) -> Any:
    parts: list[Any] = [FilesView(of)] if of.takes_files else []
    if names:
        view, key = SamplesView(names), of.name
        chosen = {"": (view.chosen, "predictions"), "-class": (view, "called"), "-sample": (view.chosen, "sample")}
        _in_the_address(**{f"{key}{end}": one for end, one in chosen.items()})
        parts.append(view)
    return pn.Column(*parts)


def _networks() -> Any:
    view = NetworksView()
    _in_the_address(network=(view, "network"))
    return view


def _in_the_address(**chosen: tuple[Any, str]) -> None:
    """Keep the selection in the page's address, which can be sent to others."""
    if pn.state.location is not None:
        for key, (of, name) in chosen.items():
            pn.state.location.sync(of, {name: key})
