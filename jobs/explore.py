"""Explore what is in the stores on a page of this machine: click on a scan, look through samples, compare networks.

    python jobs/explore.py
    python jobs/explore.py --study my_study.py --port 5010 --no-show

What is chosen stands in the page's address. Ends with Ctrl-C.
"""

from typing import Annotated

import typer

from raypipe.command import run


def main(
    port: Annotated[int, typer.Option(help="Of this machine, at which the page is.")] = 5006,
    show: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Explore what is in the stores on a page of this machine."""
    from raypipe.explorer.page import serve  # loads what makes pages, which other jobs do not need

    serve(port, show=show)


if __name__ == "__main__":
    run(main)
