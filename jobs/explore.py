"""Explore the stores on a local web page: click on a scan, look through samples, compare networks.

    python jobs/explore.py
    python jobs/explore.py --study my_study.py --port 5010 --no-show

The address of the page contains the current selection. Press Ctrl-C to stop the server.
"""

from typing import Annotated

import typer

from raypipe.command import run


def main(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of this machine on which the page is served.")
    ] = 5006,
    show: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Explore the stores on a web page served by this machine."""
    from raypipe.explorer.page import serve  # imported here: it loads Panel, which other jobs do not need

    serve(port, show=show)


if __name__ == "__main__":
    run(main)
