"""A classified scan of any study: its classes, the network's confidence, and where it differs from another network.

A study with a scan over two parameters adds each of these with one line:

    Picture("predictions/*/scan", "raypipe.report.scan:classes")
    Picture("predictions/*/scan", "raypipe.report.scan:confidence")
    Picture("predictions/*/scan", "raypipe.report.scan:disagreement")

`--set axes=B,A` chooses the axes; by default they are in the order that the study defines, or else sorted by name.
`--set against=small` chooses the network that others are compared with, `--set colours=tab20` one of matplotlib's
colour maps for the classes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from raypipe import catalog, store
from raypipe.errors import InputError
from raypipe.networks import calibration
from raypipe.plot import plane
from raypipe.plot.classes import class_names, study_colours, symbol
from raypipe.plot.plane import Lattice
from raypipe.report.holdings import known
from raypipe.report.page import Cells, Heading, Part, Picture, Table, Text

_UNSURE = 0.6
"""The caption counts the samples whose class has a lower probability than this."""

_NAMED = 5
"""Number of pairs of classes that the caption names; the table has all."""


@dataclass(frozen=True)
class Scan:
    """A classified scan, its plane, and the colours of the network's classes by name, in the order of their numbers."""

    predictions: xr.Dataset
    plane: Lattice
    colour_of: Mapping[str, str]

    @property
    def network(self) -> str:
        """Name of the network."""
        return str(self.predictions.attrs["parameters"]["network"])

    @property
    def title(self) -> str:
        """Title for readers, see `title`."""
        return title(self.predictions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return class_names(self.predictions)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Numbers of the predicted classes (sample,)."""
        return self.predictions["predicted"].values

    def cells(self, text: Callable[[int], str]) -> Cells | None:
        """Return cells with their place and the `text` of their sample's number; None if cells differ in size."""
        if self.plane.extent is None:
            return None
        (first, second), samples = self.plane.axes, self.plane.samples[::-1]
        texts = [
            "" if sample < 0 else f"{first} = {x:g}, {second} = {y:g}: {text(sample)}"
            for y, row in zip(self.plane.y[::-1], samples.tolist(), strict=True)
            for x, sample in zip(self.plane.x, row, strict=True)
        ]
        return Cells(len(self.plane.x), texts, self.plane.extent, samples.ravel().tolist())


def title(predictions: xr.Dataset) -> str:
    """Return the network, and the scan if the user gave it a name: "small", "small on scan-zoom"."""
    made = predictions.attrs["parameters"]
    of, _, split = made["source"].partition("/")
    study = known(of)
    own = study is not None and study.declared(split) != split
    return f"{made['network']} on {split}" if own else str(made["network"])


def scan_of(predictions: xr.Dataset, axes: str = "", colours: str = "") -> Scan:
    """Return the scan over the named axes, such as "A,B", or else over its parameters in the order of `parameters`.

    Its colours are those of `class_colours`.

    Raises:
        InputError: if it has no plane of two parameters, or there is no such colour map.
    """
    chosen = axes.split(",") if axes else parameters(predictions)
    return Scan(predictions, plane.lattice(predictions, chosen), class_colours(predictions, colours))


def class_colours(predictions: xr.Dataset, colours: str = "") -> dict[str, str]:
    """Return the colours of a network's classes by name, in the order of their numbers.

    They come from the named matplotlib colour map, or else from the study, if it has any.

    Raises:
        InputError: if there is no such colour map.
    """
    return study_colours(class_names(predictions), _study_name(predictions), colours)


def _study_name(predictions: xr.Dataset) -> str:
    return str(predictions.attrs["parameters"]["source"]).partition("/")[0]


def parameters(predictions: xr.Dataset) -> list[str]:
    """Return the names of the parameters that vary in the scan: those that are inputs of its samples, not computed.

    They are in the order that the study defines for axes, others after these by name.
    """
    source, names = predictions.attrs["parameters"]["source"], varying(predictions)
    if source not in store.list_names(source):
        return names
    given = {name for name, array in store.plan_of(source).arrays.items() if array.checksum}
    return [name for name in names if name in given]


def varying(predictions: xr.Dataset) -> list[str]:
    """Like `parameters`, with the coordinates that were computed with the samples."""
    of = known(_study_name(predictions))
    first = of.axes if of else ()
    return sorted(plane.parameters(predictions), key=lambda name: [*first, name].index(name))


def classes(predictions: xr.Dataset, axes: str = "", colours: str = "") -> Iterator[Part]:
    """Draw the classes over the plane of a scan."""
    yield from class_parts(scan_of(predictions, axes, colours))


def confidence(predictions: xr.Dataset, axes: str = "") -> Iterator[Part]:
    """Draw the network's confidence over the plane of a scan."""
    yield from confidence_parts(scan_of(predictions, axes))


def disagreement(predictions: xr.Dataset, against: str = "", axes: str = "", colours: str = "") -> Iterator[Part]:
    """Draw where the network differs from another one, by default the first of those that have classified the scan."""
    yield from disagreement_parts(scan_of(predictions, axes), against, colours)


def class_parts(scan: Scan, note: str = "") -> Iterator[Part]:
    """Draw the classes of a scan; `note` is appended to the caption."""
    first, second = scan.plane.labels
    yield Heading(f"By {scan.title}")
    yield Picture(
        f"phase-diagram-{scan.title}",
        plane.class_plane(scan.plane, scan.predicted, scan.colour_of),
        f"The class at each {_bare(first)} and {_bare(second)}, as {scan.network} classifies it.{note}{_unseen(scan)}",
        scan.cells(lambda sample: symbol(scan.names[scan.predicted[sample]])),
    )


def confidence_parts(scan: Scan) -> Iterator[Part]:
    """Draw the network's confidence, with calibrated probabilities if there is a temperature."""
    probability, temperature = shown_probability(scan.predictions)
    sure = probability.max(axis=1)
    calibrated = f", calibrated with T = {temperature:.2f}" if temperature else ""
    yield Heading(scan.title)
    yield Picture(
        f"confidence-{scan.title}",
        plane.entropy_plane(scan.plane, plane.normalised_entropy(probability), scan.predicted),
        f"How uncertain {scan.network} is: entropy of its {len(scan.names)} probabilities{calibrated}, relative to "
        f"that of equal ones. Lines are the borders of its classes. In {np.sum(sure < _UNSURE)} of {len(sure)} samples "
        f"no class reaches {_UNSURE:.0%}.{_unseen(scan)}",
        scan.cells(lambda sample: f"{symbol(scan.names[scan.predicted[sample]])}, {sure[sample]:.0%}"),
    )


def disagreement_parts(scan: Scan, against: str, colours: str = "") -> Iterator[Part]:
    """Draw where two networks classify a scan differently.

    Args:
        scan: the scan as one of them classifies it.
        against: the other network; by default the first, by name, of those that have classified the scan, with which
            all others are compared.
        colours: as in `class_colours`, for the classes of both.

    Raises:
        InputError: if the network `against` has not classified this scan, or there is no such colour map.
    """
    others = _others(scan.predictions)
    if against and against not in {scan.network, *others}:
        raise InputError(
            f"{against} has not classified {scan.predictions.attrs['parameters']['source']}; these have: "
            f"{', '.join(sorted({scan.network, *others}))}; run raypipe classify_scan --network {against}"
        )
    if not others:
        yield Text(f"Only {scan.network} has classified this scan. Classify it with another network to compare them.")
        return
    reference = against or min(scan.network, *others)
    if reference == scan.network:
        return
    other = catalog.open(others[reference])
    both = [class_names(other), scan.names]
    union = dict.fromkeys([*max(both, key=len), *both[0], *both[1]])  # in the order of the network with most classes
    merged = study_colours(list(union), _study_name(scan.predictions), colours)
    number = {name: place for place, name in enumerate(merged)}
    first, second = (
        np.array([number[name] for name in names])[said]
        for names, said in zip(both, (other["predicted"].values, scan.predicted), strict=True)
    )
    cells = scan.plane.samples[scan.plane.samples >= 0]
    called = [symbol(name) for name in merged]
    pairs = Counter(
        (called[one], called[two]) for one, two in zip(first[cells], second[cells], strict=True) if one != two
    )
    count = sum(pairs.values())
    most = "; ".join(f"{one} and {two} {times}" for (one, two), times in pairs.most_common(_NAMED))
    more = f"; {len(pairs) - _NAMED} other pairs {count - sum(n for _, n in pairs.most_common(_NAMED))}"
    commonest = f" Most often {most}{more if len(pairs) > _NAMED else ''}." if pairs else ""

    def said(sample: int) -> str:
        if first[sample] == second[sample]:
            return f"{called[first[sample]]} by both"
        return f"{called[first[sample]]} by {reference}, {called[second[sample]]} by {scan.network}"

    yield Heading(f"{reference} and {scan.title}")
    yield Picture(
        f"disagreement-{reference}-{scan.title}",
        plane.differing_planes(scan.plane, (first, second), (reference, scan.network), merged),
        f"{count} of {len(cells)} cells ({count / len(cells):.1%}) that {reference} and {scan.network} name "
        f"differently.{commonest} Grey lines are the borders of the classes.{_unseen(scan)}",
        scan.cells(said),
    )
    if pairs:
        rows = [(*pair, times, f"{times / len(cells):.2%}") for pair, times in pairs.most_common()]
        yield Table((reference, scan.network, "cells", "share"), rows)


def shown_probability(predictions: xr.Dataset) -> tuple[np.ndarray, float | None]:
    """Return probabilities (sample, class) as shown to users, and the temperature that calibrated them, if any."""
    made, raw = predictions.attrs["parameters"], predictions["probability"].values
    found = calibration.settled(made["network"], {})
    if found is None or found.network != made.get("network_sha256"):
        return raw, None
    return calibration.calibrated(raw, found.temperature), found.temperature


def require_same_samples(predictions: xr.Dataset, samples: xr.Dataset) -> None:
    """Make sure that predictions are of the samples that a data set has now.

    Raises:
        InputError: if the data set was made anew since.
    """
    made = predictions.attrs["parameters"]
    now = store.plan_of(made["source"]).parameters
    if (
        samples.sizes["sample"] != predictions.sizes["sample"]
        or made.get("source_parameters", now) != now
        or not _same_points(samples, predictions)
    ):
        raise InputError(
            f"the predictions of {made['network']} are of another scan than {made['source']}; make them again: "
            f"{', then '.join(commands_again(predictions))}"
        )


def commands_again(predictions: xr.Dataset) -> tuple[str, str]:
    """Return the commands that remove predictions and make them again."""
    made = predictions.attrs["parameters"]
    network, split = made["network"], made["source"].partition("/")[2]
    return (
        f"raypipe remove predictions/{network}/{split}",
        f"raypipe classify_scan --network {network} --split {split}",
    )


def said(predictions: xr.Dataset, names: Sequence[str], number: int, called: str, share: float) -> str:
    """Return these parameters of a sample, its seed, and what it is called with which probability, as text."""
    names = [*names, *(["seed"] if "seed" in predictions.coords else [])]
    values = [predictions[name].values[number].item() for name in names]
    at = ", ".join(
        f"{name} = {one:g}" if isinstance(one, float) else f"{name} = {one}"
        for name, one in zip(names, values, strict=True)
    )
    return f"{at}{': ' if at else ''}{called}, {share:.1%}"


def _others(predictions: xr.Dataset) -> dict[str, str]:
    """Return complete predictions of the same scan by other networks, by network name."""
    made = predictions.attrs["parameters"]
    found = {}
    for name in store.list_names("predictions/"):
        parameters = store.plan_of(name).parameters
        if (
            parameters.get("source") == made["source"]
            and "control" not in parameters
            and parameters["network"] != made["network"]
            and parameters.get("source_parameters") == made.get("source_parameters")
            and not store.missing(name)
            and _same_points(catalog.open(name), predictions)
        ):
            found[str(parameters["network"])] = name
    return found


def _same_points(one: xr.Dataset, other: xr.Dataset) -> bool:
    names = [name for name in [*parameters(other), "seed"] if name in other.coords]
    return all(name in one.coords and np.array_equal(one[name].values, other[name].values) for name in names)


def _unseen(scan: Scan) -> str:
    """Return what to add to the caption of a scan's picture."""
    return f" {scan.plane.note}" if scan.plane.note else ""


def _bare(label: str) -> str:
    """Return the label of an axis without its unit."""
    return label.partition(" (")[0]
