"""Parts of the report about the classified scan: pictures that show (k, f) at the mouse pointer."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from raypipe import catalog
from raypipe.errors import DamageError, InputError, choice
from raypipe.plot.classes import class_names, symbol
from raypipe.plot.plane import refined_planes
from raypipe.report import scan
from raypipe.report.page import Cells, Heading, Missing, Part, Picture, Text
from raypipe.studies.gray_scott import pictures, tables

HOMOGENEOUS = ("l", "h")
"""The classes without a pattern."""


def phase_diagram(predictions: xr.Dataset, axes: str = "", colours: str = "") -> Iterator[Part]:
    """The scan as a network classifies it; `axes` as in `scan.scan_of`, `colours` as in `scan.class_colours`."""
    classified, points = predictions.sizes["sample"], len(tables.scan_simulations())
    nearest = classified < points and not pictures.is_own(predictions)
    thinned = f" Each point has the class of the nearest of {classified} patterns." if nearest else ""
    yield from scan.class_parts(_scan(predictions, axes, colours), thinned)


def confidence(predictions: xr.Dataset, axes: str = "") -> Iterator[Part]:
    """How sure the network is of each pattern of the scan."""
    yield from scan.confidence_parts(_scan(predictions, axes))


def disagreement(predictions: xr.Dataset, against: str = "", axes: str = "", colours: str = "") -> Iterator[Part]:
    """Where the network classifies the scan differently from another, by default the first by name that has done so."""
    yield from scan.disagreement_parts(_scan(predictions, axes), against, colours)


def _scan(predictions: xr.Dataset, axes: str = "", colours: str = "") -> scan.Scan:
    return scan.Scan(predictions, pictures.phase_lattice(predictions, axes), scan.class_colours(predictions, colours))


def refined(refined: xr.Dataset) -> Iterator[Part]:
    """A refined scan: its classes, and which of its points were simulated."""
    network, simulated = refined.attrs["parameters"]["network"], int((refined["simulated"].values == 1).sum())
    yield Heading(f"By {network}, from {simulated} simulations")
    yield Picture(
        f"refined-{network}-{simulated}",
        refined_planes(refined, scan.class_colours(refined)),
        f"The pattern at each kill rate k and feed rate f, as {network} classifies {simulated} of {len(refined.k)} "
        "points; the others have the class of the nearest of these.",
    )


def montage(predictions: xr.Dataset, montage_class: str | None = None) -> Iterator[Part]:
    """Patterns of the scan of one class, at most MONTAGE_MOST; by default the most frequent class with a pattern.

    Raises:
        InputError: if the class is unknown, or the scan does not exist.
    """
    if montage_class is not None:
        known = dict.fromkeys([*tables.PATTERN_CLASSES_SECOND, *class_names(predictions)])
        choice("pattern class", montage_class, list(known))
    made_of = predictions.attrs["parameters"]
    network, source = made_of["network"], made_of["source"]
    fields = catalog.open(source)
    try:
        scan.require_same_samples(predictions, fields)
    except DamageError:
        raise
    except InputError:
        yield Missing(
            f"The predictions of {network} are of another scan. Remove them and classify the scan again:",
            scan.commands_again(predictions),
        )
        return
    names = class_names(predictions)
    called = np.array(names)[predictions["predicted"].values]
    patterned = [name for name in names if name not in HOMOGENEOUS]
    name = montage_class or max(patterned, key=lambda one: np.sum(called == one))
    members = np.flatnonzero(called == name)
    members = members[np.lexsort([fields[rate].values[members] for rate in ("f", "k")])]
    found, count = len(members), min(len(members), pictures.MONTAGE_MOST)
    members = members[np.linspace(0, found - 1, count).round().astype(int)]
    patterns = fields.isel(sample=members)
    title = scan.title(predictions)
    yield Heading(f"Class {symbol(name)} by {title}")
    if not count:
        yield Text(f"{network} finds no pattern of this class in the scan.")
        return
    which = f"All {count} patterns" if count == found else f"{count} of {found} patterns, evenly over k and f,"
    blank = pictures.MONTAGE_COLUMNS * pictures.montage_rows(count) - count
    yield Picture(
        f"montage-{title}-{name}",
        pictures.montage(patterns),
        f"{which} of the scan that {network} classifies as {symbol(name)}: the field u at the end.",
        Cells(
            pictures.MONTAGE_COLUMNS,
            [
                f"k = {k:g}, f = {f:g}, seed {seed}"
                for k, f, seed in zip(*(patterns[rate].values for rate in ("k", "f", "seed")), strict=True)
            ]
            + [""] * blank,
            samples=[*members.tolist(), *[-1] * blank],
        ),
        palette=True,
    )
