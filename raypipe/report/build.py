"""Write the report on the stores, `index.html`."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import raypipe
from raypipe.errors import InputError, make_folder
from raypipe.files import write
from raypipe.report import pictures, sections
from raypipe.report.holdings import Holdings, known
from raypipe.report.page import Section, render
from raypipe.store import objects


def build(output: Path, settings: Mapping[str, Any] | None = None) -> Path:
    """Write `index.html`, and its pictures beside it as PNG files.

    Only complete data sets are drawn; a section without any says which commands make them. The sections that all
    studies share come first and last; in between are the pictures of each study that has data or networks.

    Args:
        output: the folder; it is created if it does not exist.
        settings: settings of the studies' pictures, see `study.Picture`.

    Returns:
        Path of the page.

    Raises:
        InputError: if there are no data at all; if a setting does not exist or cannot be used; or if the folder cannot
            be written to.
    """
    settings = settings or {}
    holdings = Holdings.all()
    if not holdings.stores and not holdings.damaged:
        raise InputError(f"there are no data sets under {objects.root()}; make some, or set {objects.ROOT_VARIABLE}")
    studies = [of for name in holdings.studies if (of := known(name))]
    pictures.check(studies, settings)
    page = [
        Section("summary", "Summary", list(sections.summary(holdings))),
        Section("evaluation", "Evaluation", list(sections.evaluation(holdings))),
        *(section for of in studies for section in pictures.sections(of, holdings.stores, settings)),
        Section("networks", "Networks", list(sections.networks(holdings))),
        Section("provenance", "Provenance", list(sections.provenance(holdings))),
    ]
    subtitle = "What was simulated, what the networks learned, what they look at."
    html, files = render("raypipe report", page, version=raypipe.__version__, subtitle=subtitle)
    make_folder(output)
    contents = {f"{name}.png": png for name, png in files.items()} | {"index.html": html.encode()}
    for name, data in contents.items():
        write(output / name, partial(Path.write_bytes, data=data))
    return output / "index.html"
