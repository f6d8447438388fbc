"""Find data sets by name and samples by their parameters, without Ray or TensorFlow.

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
"""Folder of the cards and tables, with one subfolder per study."""

PREDICTIONS = "predictions"
"""Kind of the stores that hold predictions of networks."""


class Card(BaseModel):
    """Describes a data set or a network: what it is, how it is made and what to cite.

    Attributes:
        name: name of the data set or network.
        kind: what the samples are, in one word, such as "walks"; `search` can filter by it.
        title: one-line title.
        summary: short description.
        command: command that makes it.
        references: works to cite.
        licence: SPDX identifier of the licence.
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
        """Attributes that a store of this data set carries."""
        return self.model_dump(exclude={"name"})

    def text(self) -> str:
        """The card as lines of text."""
        return "\n".join([self.name, *(f"  {key}: {value}" for key, value in self.attributes().items())])


class Field(BaseModel):
    """An array of a data set: its dimensions with their sizes, how it is stored, and its meaning."""

    dims: dict[str, int]
    dtype: str
    units: str = ""
    meaning: str = ""
    chunks: tuple[int, ...] | None = None


class Description(BaseModel):
    """Describes a stored data set: its card (if it has one), its schema, and how it was made.

    Attributes:
        name: name of the data set.
        about: kind, title, summary, command, references, licence.
        samples: number of samples.
        bytes: stored size, including the ledger.
        location: path or URL.
        created: date and time in ISO 8601.
        fields: the arrays, by name.
        seeds: lowest and highest seed, or None if the samples have no seeds.
        parameters: parameters that the data set was made with.
        provenance: versions of the software that made it, including the commit where it is known.
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
        """The description as lines of text."""
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
    """All cards in data_catalog/, sorted by name, or only those of one kind, such as "network".

    Raises:
        InputError: if a file there is not a valid card.
    """
    found = (_card(file) for file in sorted(DATA_CATALOG.glob("*/*.toml")))
    return tuple(one for one in found if kind in (None, one.kind))


def _card(file: Path) -> Card:
    try:
        return Card(**tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # from TOML, decoding or pydantic
        raise InputError(f"{file} is not a data set card: {one_line(error)}; fix it, or reinstall raypipe") from error


def card(name: str) -> Card:
    """Card of a data set, or of a network that is shipped with raypipe.

    Raises:
        InputError: if there is no card with that name.
    """
    by_name = {one.name: one for one in cards()}
    return by_name[choice("card", name, tuple(by_name))]


def names(kind: str | None = None) -> list[str]:
    """Names of the complete data sets under the root, all or of one kind; damaged ones are skipped with a warning."""
    found = []
    for name in store.list_names():
        try:
            found += [name] if _is_complete(name, kind) else []
        except DamageError as error:
            _left_out(name, error)
    return found


def _left_out(name: str, error: DamageError) -> None:
    logging.getLogger(__name__).warning("%s is left out: %s", name, error)


def of_kind(kind: str | None) -> list[str]:
    """Like `names`, but an error if there are no data sets of that kind.

    Raises:
        InputError: if `kind` is given and there are none.
    """
    found = names(kind)
    if kind is not None and not found:
        kinds = sorted({_kind(one, store.attributes(one)) for one in names()})
        if not kinds:
            raise InputError(f"there are no data sets of any kind under {objects.root()}; make one first")
        choice("kind of data sets", kind, kinds)
    return found


def _is_complete(name: str, kind: str | None) -> bool:
    """Whether a data set is complete and of the given kind, if one is given."""
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
        name: name of the data set below the root, which is RAYPIPE_STORE or ./store.
        partial: whether to open an incomplete data set too; missing values then read as NaN, or -1 for integers.
        chunked: whether to return dask arrays, one chunk per shard; needs dask.

    Raises:
        InputError: if the data set does not exist or is incomplete, or dask is missing; the message says what to do.
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
    """Describe a stored data set and how it was made.

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
        provenance=plan.provenance,
    )


def search(
    kind: str | None = None,
    *,
    classes: Collection[str] | None = None,
    data_sets: Collection[str] | None = None,
    **values: Any,
) -> "pandas.DataFrame":
    """Find samples in all stored data sets by their parameters, without reading their large arrays.

    Args:
        kind: kind of data sets to search, such as "walks", or "predictions" for predictions of networks.
        classes: class names; a sample matches if it is labelled with one of them or, in predictions, predicted as one.
        data_sets: names of the data sets to search, instead of all.
        **values: conditions on coordinates, by name: one value, a tuple of minimum and maximum, or a list of values.
            Data sets without such a coordinate are skipped.

    Returns:
        One row per sample: the columns `data_set`, `sample` (its index there) and `class` (its name, or an empty text),
        and the coordinates that the matching data sets have for their samples.

    Raises:
        InputError: if there is no such kind or data set, no data set searched has such a class or coordinate, or a
            condition is not valid.
        DamageError: if one of `data_sets` is damaged. Without `data_sets`, such are skipped with a warning.
    """
    import pandas

    chosen = of_kind(kind) if data_sets is None else [_chosen(one, kind) for one in data_sets]
    coordinates: set[str] = set()
    labels: set[str] = set()
    found = []
    for name in chosen:
        try:
            found += _matching(name, classes, values, coordinates, labels)
        except DamageError as error:
            if data_sets is not None:
                raise
            _left_out(name, error)
    for what, wanted, known in (("coordinate", values, coordinates), ("class", classes or (), labels)):
        if missing := [one for one in wanted if one not in known]:
            available = ", ".join(sorted(known)) or "none"
            hint = "; search data sets of the kind predictions" if what == "class" and not known else ""
            raise InputError(f"no data set searched has the {what} {', '.join(missing)}; available: {available}{hint}")
    if not found:
        return pandas.DataFrame(columns=["data_set", "sample", "class"])
    return pandas.concat(found, ignore_index=True)


def _chosen(name: str, kind: str | None) -> str:
    """The name of a requested data set, after checking that it exists; no other data set is opened for this."""
    there = name in store.list_names(name) and _is_complete(name, kind)
    return name if there else choice("data set", name, of_kind(kind))


def records(found: "pandas.DataFrame") -> list[dict[Any, Any]]:
    """The rows of a table as JSON-compatible dicts with all digits; None replaces NaN, infinity and missing values."""
    known = found.notna() & ~found.isin([np.inf, -np.inf])
    return found.astype(object).where(known, None).to_dict("records")


def _matching(
    name: str, classes: Collection[str] | None, values: dict[str, Any], coordinates: set[str], labels: set[str]
) -> "list[pandas.DataFrame]":
    """The matching samples of a data set; adds its coordinates, and its classes if it has labels, to the sets."""
    import pandas

    opened = store.open(name)
    columns = {str(key): one.values for key, one in opened.variables.items() if one.dims == ("sample",)}
    by = "predicted" if name.startswith(f"{PREDICTIONS}/") else "label"
    named = np.array([*_classes(opened, by), ""], object)
    numbers = columns.get(by, np.array(-1))
    if numbers.dtype.kind not in "iu" or numbers.max(initial=-1) >= len(named) - 1:  # an output of that name
        numbers = np.array(-1)
    of_class = np.broadcast_to(numbers, opened.sizes["sample"])  # numbers: names need up to 100 times the memory
    coordinates |= set(columns)
    labels |= set(named[:-1]) if numbers.max(initial=-1) >= 0 else set()
    if not set(values) <= set(columns):
        return []
    hit = np.ones(opened.sizes["sample"], bool)
    for key, wanted in values.items():
        hit &= _within(key, columns[key], wanted)
    if classes is not None:
        hit &= np.isin(named, list(classes))[of_class]
    numbers = np.flatnonzero(hit)
    own = {key: one[numbers] for key, one in columns.items()}
    return [pandas.DataFrame({"data_set": name, "sample": numbers, "class": named[of_class[numbers]], **own})]


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
    return (column >= least) & (column <= most)


def equal(column: np.ndarray, wanted: Any) -> np.ndarray:
    """Mask of the values in a column that equal `wanted`, or one of several wanted values.

    Integers and texts must match exactly, floating-point numbers within `_tolerance`.
    """
    hit = np.zeros(column.shape, bool)
    for one in np.atleast_1d(np.asarray(wanted, object)).tolist():
        near = column.dtype.kind == "f"
        hit |= np.isclose(column, one, rtol=0, atol=_tolerance(column, one)) if near else column == one
    return hit


def _tolerance(column: np.ndarray, value: Any) -> float:
    """How far a floating-point number in a column may be from a value and still match it.

    The relative tolerance is 1e-6, since values may be copied from a table. For zero it is the rounding error of values
    obtained by summation.
    """
    if not np.isfinite(value):
        return 0.0
    largest = float(np.abs(column[np.isfinite(column)]).max(initial=0))
    return 1e-6 * abs(value) if value else 4 * float(np.finfo(column.dtype).eps) * largest
