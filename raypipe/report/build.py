"""From the stores to `index.html`."""

from pathlib import Path

import raypipe
from raypipe import errors
from raypipe.errors import InputError
from raypipe.report import sections
from raypipe.report.holdings import Holdings
from raypipe.report.page import Section, render
from raypipe.store import objects
from raypipe.studies.gray_scott import tables


def build(output: Path, montage_class: str | None = None) -> Path:
    """Write `index.html`, and its pictures beside it as PNG files.

    Only complete data sets are drawn; a section that has none says which job makes them.

    Args:
        output: folder; made if it is not there.
        montage_class: the pattern class of which all patterns of the scan are shown; by default the commonest one that
            is not homogeneous.

    Returns:
        Path of the page.

    Raises:
        InputError: if there are no data at all, the class is unknown, or the folder cannot be written.
    """
    if montage_class is not None:
        errors.choice("pattern class", montage_class, tables.PATTERN_CLASSES_SECOND)
    holdings = Holdings.all()
    if not holdings.stores:
        raise InputError(f"there are no data sets under {objects.root()}; make some, or set {objects.ROOT_VARIABLE}")
    page = [
        Section("summary", "Summary", list(sections.summary(holdings))),
        Section("evaluation", "Evaluation", list(sections.evaluation(holdings))),
        Section("relevance", "Relevance", list(sections.relevance(holdings))),
        Section("saliency", "Saliency", list(sections.saliency(holdings))),
        Section("phase-diagram", "Phase diagram", list(sections.phase_diagram(holdings))),
        Section("montage", "Montage", list(sections.montage(holdings, montage_class))),
        Section("networks", "Networks", list(sections.networks(holdings))),
        Section("provenance", "Provenance", list(sections.provenance(holdings))),
    ]
    html, pictures = render("raypipe report", page, version=raypipe.__version__)
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, png in pictures.items():
            _write(output / f"{name}.png", png)
        return _write(output / "index.html", html.encode())
    except OSError as error:
        raise InputError(f"cannot write to {output}: {error.strerror}; choose another folder") from error


def _write(path: Path, data: bytes) -> Path:
    """Write a file, all of it or nothing."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    return partial.replace(path)
