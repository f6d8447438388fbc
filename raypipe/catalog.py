"""Data sets by name, what they are, and their samples by what they were made with; without Ray and TensorFlow.

from raypipe import catalog

catalog.open("logistic/scan").x.mean("time")
catalog.search(kind="walks", classes=["drifting"], speed=(0.4, 0.6))
"""

import logging
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from raypipe import store
from raypipe.errors import DamageError, InputError, choice, one_line
from raypipe.store import objects

if TYPE_CHECKING:
    import pandas
    import xarray


DATA_CATALOG = Path(__file__).parent / "data_catalog"
"""Folder of the tables and cards, a folder in it for each study."""

PREDICTIONS = "predictions"
"""Kind of the stores that say what networks take samples for."""


class Card(BaseModel):
    """What a data set or a network is, how it is made and whom to cite.

    Attributes:
        name: of it.
        kind: what its samples are, in a word, such as "walks", by which `search` finds them.
        title: in a line.
        summary: what there is of it.
        command: that makes it.
        references: to cite.
        licence: by its SPDX identifier.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    title: str
    summary: str
    command: str
    references: str
    licence: str = "CC0-1.0"

    def attributes(self) -> dict[str, str]:
        """What a store of this data set says of itself."""
        return self.model_dump(exclude={"name"})

    def text(self) -> str:
        """In lines."""
        return "\n".join([self.name, *(f"  {key}: {value}" for key, value in self.attributes().items())])


class Field(BaseModel):
    """An array of a data set: its dimensions with their sizes, how it is stored, and what it is."""

    dims: dict[str, int]
    dtype: str
    units: str = ""
    meaning: str = ""
    chunks: tuple[int, ...] | None = None


class Description(BaseModel):
    """A data set at hand: its card as far as it has one, its schema, and how it was made.

    Attributes:
        name: of it.
        about: kind, title, summary, command, references, licence.
        samples: how many.
        bytes: as they lie there.
        location: path or URL.
        created: ISO 8601.
        fields: by name.
        seeds: the lowest and the highest, if samples have some.
        parameters: that it was made with.
        provenance: versions of what made it, its commit among them where that is known.
    """

    name: str
    about: dict[str, str]
    samples: int
    bytes: int
    location: str
    created: str
    fields: dict[str, Field]
    seeds: tuple[int, int] | None
    parameters: dict[str, Any]
    provenance: dict[str, Any]

    def text(self) -> str:
        """In lines."""
        lines = [self.name, *(f"  {key}: {value}" for key, value in self.about.items())]
        lines += [f"  samples: {self.samples}, {self.bytes / 1e6:.1f} MB in {self.location}, from {self.created[:10]}"]
        lines += [f"  seeds: {self.seeds[0]} to {self.seeds[1]}"] if self.seeds else []
        for name, one in self.fields.items():
            dims = ", ".join(f"{dim} {size}" for dim, size in one.dims.items())
            units = f" [{one.units}]" if one.units not in ("", "1") else ""
            lines.append(f"  {name} ({dims}) {one.dtype}{units}  {one.meaning}")
        lines += [f"  made with {name} = {value}" for name, value in self.parameters.items()]
        return "\n".join([*lines, "  by " + ", ".join(f"{name} {value}" for name, value in self.provenance.items())])


def cards(kind: str | None = None) -> tuple[Card, ...]:
    """All cards of data_catalog/, by name, or those of a kind, such as "network".

    Raises:
        InputError: if a file there is none.
    """
    found = (_card(file) for file in sorted(DATA_CATALOG.glob("*/*.toml")))
    return tuple(one for one in found if kind in (None, one.kind))


def _card(file: Path) -> Card:
    try:
        return Card(**tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # of TOML, text and pydantic
        raise InputError(f"{file} is not a data set card: {one_line(error)}; fix it, or reinstall raypipe") from error


def card(name: str) -> Card:
    """Card of a data set, or of a network that comes along.

    Raises:
        InputError: if there is none of that name.
    """
    by_name = {one.name: one for one in cards()}
    return by_name[choice("card", name, tuple(by_name))]


def names(kind: str | None = None) -> list[str]:
    """Names of the data sets under the root that are complete: all, or those of a kind; of damaged ones a warning."""
    found = []
    for name in store.list_names():
        try:
            found += [name] if _is_complete(name, kind) else []
        except DamageError as error:
            logging.getLogger(__name__).warning("%s is left out: %s", name, error)
    return found


def of_kind(kind: str | None) -> list[str]:
    """The same, if there are any of that kind.

    Raises:
        InputError: if there are none.
    """
    found = names(kind)
    if kind is not None and not found:
        kinds = sorted({_kind(one, store.attributes(one)) for one in names()})
        if not kinds:
            raise InputError(f"there are no data sets of any kind under {objects.root()}; make one first")
        choice("kind of data sets", kind, kinds)
    return found


def _is_complete(name: str, kind: str | None) -> bool:
    """Whether a data set is complete, and of a kind."""
    return store.is_marked_complete(name) and (kind is None or _kind(name, store.attributes(name)) == kind)


def _kind(name: str, attributes: Mapping[Any, Any]) -> str:
    first = name.partition("/")[0]
    if first == PREDICTIONS:
        return first
    return str(
        attributes.get("kind") or next((one.kind for one in cards() if one.name.partition("/")[0] == first), first)
    )


def open(name: str, *, partial: bool = False, chunked: bool = False) -> "xarray.Dataset":
    """Open a data set lazily, by name: `logistic/scan`, `predictions/small/test`, …

    Args:
        name: of the data set below the root, RAYPIPE_STORE or ./store.
        partial: also if it is not complete; what is missing reads as NaN, or -1 where values are integers.
        chunked: as dask arrays, in whole shards; dask must be installed.

    Raises:
        InputError: if it is not there or not complete, or dask is missing; the message says what to do.
    """
    opened = store.open(name, partial=partial)
    if not chunked:
        return opened
    try:
        return opened.chunk({dim: size for one in opened.data_vars.values() for dim, size in _shards(one).items()})
    except ImportError as error:
        raise InputError(f"{error}; install dask, or open {name} without chunked=True") from error


def _shards(one: "xarray.DataArray") -> dict[Any, int]:
    return dict(zip(one.dims, one.encoding.get("shards") or one.shape, strict=True))


def describe(name: str) -> Description:
    """What a data set at hand is, and how it was made.

    Raises:
        InputError: if there is no such data set.
    """
    plan, opened = store.plan_of(name), store.open(name, partial=True)
    about = {key: str(opened.attrs[key]) for key in Card.model_fields if key in opened.attrs}
    fields = {
        str(key): Field(
            dims={str(dim): size for dim, size in one.sizes.items()},
            dtype=str(one.dtype),
            units=str(one.attrs.get("units", "")),
            meaning=str(one.attrs.get("long_name", "")),
            chunks=one.encoding.get("chunks"),
        )
        for key, one in opened.variables.items()
    }
    seeds = opened["seed"].values if "seed" in opened and opened.sizes["sample"] else None
    return Description(
        name=name,
        about={"kind": _kind(name, opened.attrs), **about},
        samples=plan.samples,
        bytes=store.size(name),
        location=store.location(name),
        created=plan.created,
        fields=fields,
        seeds=None if seeds is None else (int(seeds.min()), int(seeds.max())),
        parameters=plan.parameters,
        provenance=plan.provenance or {},
    )


def search(
    kind: str | None = None,
    *,
    classes: Collection[str] | None = None,
    data_sets: Collection[str] | None = None,
    **values: Any,
) -> "pandas.DataFrame":
    """Samples of all data sets at hand by what they were made with; what is large of them is not read.

    Args:
        kind: of data sets, such as "walks", or "predictions" for what networks take samples for.
        classes: names of classes, one of which a sample is labelled with; in predictions, predicted as.
        data_sets: names of those to look into, instead of all.
        **values: by the name of a coordinate, one value, a pair of the least and the largest, or a list of values. A
            data set that does not have it is left out.

    Returns:
        A row per sample: `data_set`, `sample`, its number there, `class`, its name or an empty text, and the
        coordinates that the data sets found have for their samples.

    Raises:
        InputError: if there is no such kind, data set, class or coordinate in any of them, or a pair is none.
        DamageError: if one of `data_sets` is damaged; without them it is left out.
    """
    import pandas

    chosen = of_kind(kind) if data_sets is None else [_chosen(one, kind) for one in data_sets]
    known: set[str] = set()
    found = [one for name in chosen if (one := _matching(name, classes, values, known)) is not None]
    if missing := [one for one in (*values, *(classes or ())) if one not in known]:
        raise InputError(
            f"no data set searched has {', '.join(missing)}; available: {', '.join(sorted(known)) or 'none'}"
        )
    if not found:
        return pandas.DataFrame(columns=["data_set", "sample", "class"])
    return pandas.concat(found, ignore_index=True)


def _chosen(name: str, kind: str | None) -> str:
    """A data set that is asked for, once it is sure that it is there; no other one is looked into."""
    there = name in store.list_names(name) and _is_complete(name, kind)
    return name if there else choice("data set", name, of_kind(kind))


def records(found: "pandas.DataFrame") -> list[dict[Any, Any]]:
    """The rows of a table as JSON can have them, with all digits; what is not finite or not known is None."""
    known = found.notna() & ~found.isin([np.inf, -np.inf])
    return found.astype(object).where(known, None).to_dict("records")


def _matching(
    name: str, classes: Collection[str] | None, values: dict[str, Any], known: set[str]
) -> "pandas.DataFrame | None":
    """The samples of a data set that are looked for; `known` gets the names of its coordinates and classes."""
    import pandas

    opened = store.open(name)
    columns = {str(key): one.values for key, one in opened.variables.items() if one.dims == ("sample",)}
    by = "predicted" if name.startswith(f"{PREDICTIONS}/") else "label"
    named = np.array([*_classes(opened, by), ""], object)
    numbers = columns.get(by, np.array(-1))
    if numbers.dtype.kind not in "iu" or numbers.max(initial=-1) >= len(named) - 1:  # an output that is called so
        numbers = np.array(-1)
    of_class = np.broadcast_to(numbers, opened.sizes["sample"])  # numbers: names take up to 100 times more
    known |= {*columns, *named[np.unique(of_class)]} - {""}
    if not set(values) <= set(columns):
        return None
    hit = np.ones(opened.sizes["sample"], bool)
    for key, wanted in values.items():
        hit &= _within(key, columns[key], wanted)
    if classes is not None:
        hit &= np.isin(named, list(classes))[of_class]
    numbers = np.flatnonzero(hit)
    own = {key: one[numbers] for key, one in columns.items()}
    return pandas.DataFrame({"data_set": name, "sample": numbers, "class": named[of_class[numbers]], **own})


def _classes(opened: "xarray.Dataset", by: str) -> Iterator[str]:
    if by in opened:
        named = opened["class"].values.tolist() if "class" in opened else []
        yield from opened[by].attrs.get("flag_meanings", "").split() or named


def _within(name: str, column: np.ndarray, wanted: Any) -> np.ndarray:
    number = column.dtype.kind in "iufb"
    if any(isinstance(one, str) == number for one in np.atleast_1d(np.asarray(wanted, object)).tolist()):
        raise InputError(
            f"cannot search for {name} = {wanted!r}; {name} is {'a number' if number else 'a text'}: expected "
            f"{'a number, or a pair of minimum and maximum' if number else 'one of its texts'}"
        )
    if not isinstance(wanted, tuple):
        return equal(column, wanted)
    if len(wanted) != 2 or wanted[0] > wanted[1]:
        raise InputError(f"cannot search for {name} = {wanted!r}; expected a pair of the least and the largest")
    least, most = wanted
    if column.dtype.kind == "f":
        least, most = least - _tolerance(column, least), most + _tolerance(column, most)
    hit: np.ndarray = (column >= least) & (column <= most)
    return hit


def equal(column: np.ndarray, wanted: Any) -> np.ndarray:
    """Which values of a column are the one wanted, or one of those.

    Whole numbers and texts exactly, others within `_tolerance`.
    """
    hit = np.zeros(column.shape, bool)
    for one in np.atleast_1d(np.asarray(wanted, object)).tolist():
        near = column.dtype.kind == "f"
        hit |= np.isclose(column, one, rtol=0, atol=_tolerance(column, one)) if near else column == one
    return hit


def _tolerance(column: np.ndarray, value: Any) -> float:
    """By how much a number of a column may differ from a value and yet be meant to be it.

    By a millionth, as it may be typed from a table; about zero by what values err by that were added up.
    """
    if not np.isfinite(value):
        return 0.0
    largest = float(np.abs(column[np.isfinite(column)]).max(initial=0))
    return 1e-6 * abs(value) if value else 4 * float(np.finfo(column.dtype).eps) * largest
