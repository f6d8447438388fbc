"""Points of tracks from files: tables of any program, TrackMate's XML, MATLAB arrays, the AnDi challenges' text files.

A file is opened as a `Source`, which describes how the file was understood and yields its points in pieces. A file may
therefore be larger than memory if its format allows it (CSV and similar, Parquet).
"""

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet

from raypipe.errors import InputError
from raypipe.studies.andi.tracks import formats
from raypipe.studies.andi.tracks.columns import AXES, recognise, track_names

_PIECE = 2**20
"""Rows of a table that are read at a time."""

_SAMPLE = 1000
"""Rows used to find out how numbers are written, and whether rows of units follow the column names."""

_THOUSANDS = r"[+-]?[1-9]\d{0,2},\d{3}"
"""Text such as 12,345: an integer with a thousands separator, or a number with three decimals."""


@dataclass(frozen=True)
class Source:
    """A file of tracks whose format was recognised.

    Attributes:
        layout: the format as which the file is read, in words.
        pieces: function that yields its points as tables with `track` (strings or categories, missing where a point
            belongs to no track), `frame`, and those of x, y and z that are present; float64, NaN where there is no
            number.
    """

    layout: str
    pieces: Callable[[], Iterator[pd.DataFrame]]


def open_tracks(path: Path, columns: dict[str, str] | None = None) -> Source:
    """Open a file of tracks; `columns` are those that the user names, by role.

    Raises:
        InputError: if the file is empty, or its format or columns are not recognised.
    """
    with _reading(path):
        source = _opened(path, columns or {})

    def pieces() -> Iterator[pd.DataFrame]:
        with _reading(path):
            yield from source.pieces()

    return Source(source.layout, pieces)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors in the content of a file, wherever they occur, into InputError."""
    try:
        yield
    except InputError:
        raise
    except formats.UNREADABLE as error:
        raise InputError(f"{path} cannot be read as tracks: {' '.join(str(error).split())}") from error


def _opened(path: Path, given: dict[str, str]) -> Source:
    head = _head(path)
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq") or head.startswith(b"PAR1"):
        return _parquet(path, given)
    if suffix == ".mat" or head.startswith(b"MATLAB"):
        return _whole("MATLAB array", lambda: formats.matlab(path, given))
    if head.lstrip(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return _whole("TrackMate XML", lambda: formats.trackmate(path))
    return _text(path, head, given)


def _head(path: Path) -> bytes:
    with formats.opened(path) as file:
        head = file.read(formats.HEAD)
    if not head.strip():
        raise InputError(f"{path} is empty; expected a table of tracks")
    return head


def _whole(layout: str, read: Callable[[], tuple[str, pd.DataFrame]]) -> Source:
    said, table = read()
    return Source(f"{layout}: {said}", lambda: iter([table]))


def _parquet(path: Path, given: dict[str, str]) -> Source:
    file = pyarrow.parquet.ParquetFile(path)
    found = recognise(file.schema_arrow.names, given, str(path))

    def pieces() -> Iterator[pd.DataFrame]:
        names = [name for name in found.values() if name]
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_PIECE, columns=names):
            # pandas' metadata are ignored, as they would turn columns into the index. With missing ones among them,
            # integers would become float64, in which large numbers of different tracks may be equal.
            yield _canonical(batch.to_pandas(ignore_metadata=True, integer_object_nulls=True), found)

    return Source(f"Parquet: {_shown(found)}", pieces)


def _text(path: Path, head: bytes, given: dict[str, str]) -> Source:
    encoding = formats.encoding_of(head)
    if b"\0" in head and encoding != "utf-16":
        raise InputError(f"{path} is not text; expected CSV, TSV, Parquet, TrackMate's XML or MATLAB arrays")
    lines = codecs.getincrementaldecoder(encoding)("replace").decode(head).splitlines()
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)  # lines before the header
    first = lines[blank]
    if formats.is_challenge(first):
        return _whole("AnDi challenge, dimension;positions", lambda: formats.challenge(path))
    separator = next((mark for mark in "\t;," if mark in first), r"\s+")
    options: dict[str, Any] = {"sep": separator, "encoding": encoding, "index_col": False}
    sample = pd.read_csv(path, **options, nrows=_SAMPLE, dtype=str)
    found = recognise(list(sample.columns), given, str(path))
    positions = sample[[name for axis in AXES if (name := found.get(axis))]]
    numbers = list(dict.fromkeys(name for role, name in found.items() if role != "track" and name is not None))
    commas = _has_decimal_commas(sample[numbers], path)
    options["decimal"] = decimal = "," if commas and separator != "," else "."
    units = _rows_of_units(positions.replace(",", ".", regex=True) if decimal == "," else positions)

    def pieces() -> Iterator[pd.DataFrame]:
        names = list(dict.fromkeys(name for name in found.values() if name))
        types: Any = {found["track"]: str} if found["track"] else None
        with pd.read_csv(
            path, **options, usecols=names, dtype=types, skiprows=range(blank + 1, blank + 1 + units), chunksize=_PIECE
        ) as parts:
            for part in parts:
                yield _canonical(part, found, decimal)

    kind = {"\t": "tab-separated", ";": "separated by ;", ",": "CSV"}.get(separator, "space-separated")
    more = [f"decimal {decimal}"] if decimal != "." else []
    more += [encoding] if encoding not in ("utf-8", "utf-8-sig") else []
    return Source(f"{', '.join([kind, *more])}: {_shown(found)}", pieces)


def _has_decimal_commas(numbers: pd.DataFrame, path: Path) -> bool:
    """Whether fractions are written with a comma.

    Raises:
        InputError: if thousands are separated, by commas or points, or may be by commas.
    """
    columns = [column.dropna().str.strip() for _, column in numbers.items()]
    texts = pd.concat(columns)
    grouped = texts[texts.str.contains(r"\d,\d{3}[.,]|\d\.\d{3},")]
    if len(grouped):
        raise InputError(
            f"{path} has separators of thousands, as in {grouped.iloc[0]!r}; expected numbers without, write them so"
        )
    commas = texts.str.contains(r"\d,\d")
    if commas.any() and texts[commas].str.fullmatch(_THOUSANDS).all():
        for column in columns:
            alike = column.str.fullmatch(_THOUSANDS)
            others = column[~alike & column.str.fullmatch(r"[+-]?\d+(\.\d+)?")]
            if alike.any() and len(others) and others.str.fullmatch(r"[+-]?\d{1,3}(\.\d+)?").all():
                raise InputError(
                    f"{path} has {column[alike].iloc[0]!r} beside {others.iloc[0]!r}, and no fraction of other than "
                    "three digits; whether commas separate thousands cannot be told: write numbers without separators "
                    "of thousands, or with a point before the fraction"
                )
    return bool(commas.any())


def _rows_of_units(positions: pd.DataFrame) -> int:
    """Number of rows below the column names that are names and units again; TrackMate writes three."""
    numbers = positions.apply(pd.to_numeric, errors="coerce").notna().any(axis=1).to_numpy()
    return int(numbers.argmax()) if numbers.any() else 0


def _shown(found: dict[str, str | None]) -> str:
    return ", ".join(f"{role} = {name if name is not None else 'single'}" for role, name in found.items())


def _canonical(table: pd.DataFrame, found: dict[str, str | None], decimal: str = ".") -> pd.DataFrame:
    """A table with the columns by role, as in `Source.pieces`."""
    numbers = {
        role: _numbers(table[name], decimal) for role, name in found.items() if role != "track" and name is not None
    }
    track = found["track"]
    names = track_names(table[track]) if track is not None else pd.Series("1", index=table.index, dtype="str")
    return pd.DataFrame({"track": names, **numbers})


def _numbers(column: pd.Series, decimal: str) -> pd.Series:
    """Convert a column to float64, NaN where there is no number; one such entry makes pandas read others as strings."""
    if decimal != "." and not pd.api.types.is_numeric_dtype(column):
        column = column.astype("str").str.replace(decimal, ".", regex=False)
    return pd.to_numeric(column, errors="coerce").astype("float64")
