"""Readers of formats that no library reads: TrackMate's two kinds of XML, MATLAB arrays of points, challenge files."""

import bz2
import codecs
import gzip
import lzma
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Callable, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from raypipe.errors import InputError
from raypipe.studies.andi.tracks.columns import AXES, ONE_TRACK, track_names

_COMPRESSED: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
"""What opens a compressed file, by the suffix of its name."""

UNREADABLE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""Errors raised if a file cannot be read, decompressed, decoded or parsed."""

HEAD = 2**16
"""Number of bytes at the beginning of a file by which its format is recognised."""


def opened(path: Path) -> BufferedIOBase:
    """Open a file for reading, decompressed if its name says that it is compressed."""
    return _COMPRESSED.get(path.suffix.lower(), lambda plain: plain.open("rb"))(path)


def encoding_of(head: bytes) -> str:
    """Encoding of a text, guessed from its beginning."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def text_lines(path: Path) -> list[str]:
    """The lines of a text file, compressed or not, without leading and trailing spaces."""
    with opened(path) as file:
        data = file.read()
    return [line.strip() for line in data.decode(encoding_of(data[:HEAD])).splitlines()]


def _table(track: Sequence[Any] | np.ndarray, frame: Sequence[Any] | np.ndarray, positions: np.ndarray) -> pd.DataFrame:
    columns = {axis: positions[:, i].astype("float64") for i, axis in enumerate(AXES[: positions.shape[1]])}
    names = track_names(pd.Series(track, dtype="object"))
    return pd.DataFrame({"track": names, "frame": np.asarray(frame, "float64"), **columns})


def is_challenge(line: str) -> bool:
    """Whether a line has the first AnDi challenge's format: the dimension and numbers, separated by ;."""
    fields = line.strip().split(";")
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    return len(numbers) > 1 and numbers[0] in (1, 2, 3)


def challenge(path: Path) -> tuple[str, pd.DataFrame]:
    """Read a text file of the first AnDi challenge. Each line is a track: its dimension, all x, then all y, then all z.

    A file may mix tracks of different dimensions: axes that a track lacks are NaN in all of its points.

    Raises:
        InputError: if a line has another format, or its numbers cannot be divided equally among the axes.
    """
    parts = []
    for number, line in enumerate(text_lines(path)):
        if not line:
            continue
        if not is_challenge(line):
            raise InputError(f"{path}: line {number + 1} is not a dimension and numbers, separated by ;")
        dimension, *values = (float(field) for field in line.split(";"))
        if len(values) % int(dimension):
            raise InputError(
                f"{path}: line {number + 1} has {len(values)} numbers, which do not divide among "
                f"{int(dimension)} axes; it may have been cut short"
            )
        positions = np.full((len(values) // int(dimension), 3), np.nan)
        positions[:, : int(dimension)] = np.reshape(values, (int(dimension), -1)).T
        parts.append(positions)
    points = [len(positions) for positions in parts]
    frame = np.concatenate([np.arange(count) for count in points])
    table = _table(np.repeat(np.arange(len(parts)), points), frame, np.concatenate(parts))
    return f"{len(parts)} lines", table.dropna(axis=1, how="all")


def trackmate(path: Path) -> tuple[str, pd.DataFrame]:
    """Read TrackMate's XML: an export of tracks (`Tracks`), or TrackMate's own file (`TrackMate`) with spots and edges.

    Raises:
        InputError: if the file is neither of these, has no tracks, or is damaged.
    """
    try:
        with opened(path) as file:
            root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is damaged XML: {error}") from error
    if root.tag == "Tracks":
        found = [
            (number, *(float(point.get(name, "nan")) for name in ("t", *AXES)))
            for number, particle in enumerate(root.iter("particle"))
            for point in particle.iter("detection")
        ]
        said, hidden = "exported tracks", 0
    elif root.tag == "TrackMate":
        found, hidden = _trackmate_model(root)
        said = f"spots and edges{f', left out {hidden} that its filters hide' if hidden else ''}"
    else:
        raise InputError(f"{path} is XML of {root.tag}; expected TrackMate's, with Tracks or TrackMate")
    if not found:
        raise InputError(f"{path} has no tracks{f' but {hidden} that its filters hide' if hidden else ''}")
    array = np.array([values[1:] for values in found])
    unit = root.get("spaceUnits") or next((model.get("spatialunits") for model in root.iter("Model")), None)
    return f"{said}{f' in {unit}' if unit else ''}", _table([row[0] for row in found], array[:, 0], array[:, 1:])


def _trackmate_model(root: ElementTree.Element) -> tuple[list[tuple[Any, ...]], int]:
    """Points of the tracks that pass the user's filters, points without a track, and the number of hidden tracks."""
    names = ("FRAME", "POSITION_X", "POSITION_Y", "POSITION_Z")
    spots = {spot.get("ID"): tuple(float(spot.get(name, "nan")) for name in names) for spot in root.iter("Spot")}
    found: list[tuple[Any, ...]] = []
    linked: set[str | None] = set()
    filtered = root.find(".//FilteredTracks")
    shown = None if filtered is None else {one.get("TRACK_ID") for one in filtered.iter("TrackID")}
    hidden = 0
    for track in root.iter("Track"):
        ends = {edge.get(end) for edge in track.iter("Edge") for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")}
        linked |= ends
        if shown is None or track.get("TRACK_ID") in shown:
            found += [(track.get("TRACK_ID"), *spots[end]) for end in ends if end in spots]
        else:
            hidden += 1
    return found + [(np.nan, *values) for spot, values in spots.items() if spot not in linked], hidden


def matlab(path: Path, given: dict[str, str]) -> tuple[str, pd.DataFrame]:
    """Read a MATLAB array of points. Its columns are the positions, the frame if there is one, and the track's number.

    This is the format of `tr` from `track.m` of Crocker and Grier. The array is the one of this name, or else the only
    numeric one of two dimensions with at least three columns. `given` has column numbers, from 1, by role. With
    ONE_TRACK there is no column of tracks, and the frame comes last.

    Raises:
        InputError: if there is no such array or more than one, or `given` has no valid column numbers.
    """
    arrays = {name: array for name, array in _matlab_arrays(path).items() if array.ndim == 2 and array.shape[1] >= 3}
    name = "tr" if "tr" in arrays else next(iter(arrays), None)
    if name is None or (name != "tr" and len(arrays) > 1):
        raise InputError(
            f"{path} has {', '.join(arrays) or 'no array of points'}; expected one array of points, e.g. tr"
        )
    array = np.asarray(arrays[name], "float64")
    width = array.shape[1]
    single = given.get("track") == ONE_TRACK
    last = width if single else width - 1  # column of the frames
    usual = {"x": 1, "y": 2} | ({} if single else {"track": width}) | ({"frame": last} if last > 2 else {})
    usual |= {"z": 3} if last == 4 else {}
    try:
        own = {role: int(column) for role, column in given.items() if not (role == "track" and single)}
    except ValueError:
        raise InputError(f"{path} is an array; give --columns by number, such as x=1,y=2,frame=3,track=4") from None
    places = {role: place for role, place in usual.items() if place not in own.values()} | own
    if absent := [role for role in ("x", "track") if role not in places and not (role == "track" and single)]:
        raise InputError(f"{path}: no column of {name} is left for {absent[0]}; say which with --columns {absent[0]}=…")
    if wrong := [role for role, place in places.items() if not 1 <= place <= width]:
        raise InputError(f"{path}: {name} has {width} columns; {wrong[0]} cannot be column {places[wrong[0]]}")
    column = {role: array[:, place - 1] for role, place in places.items()}
    tracks = np.ones(len(array)) if single else column["track"]
    order = np.argsort(tracks, kind="stable")
    track = tracks[order]
    starts = np.searchsorted(track, track)
    frame = column["frame"][order] if "frame" in column else np.arange(len(track)) - starts
    positions = np.stack([column[axis][order] for axis in AXES if axis in column], axis=1)
    shown = ", ".join(f"{role} = column {place}" for role, place in sorted(places.items(), key=lambda item: item[1]))
    more = f"{', all one track' if single else ''}{'' if 'frame' in column else ', frames in order'}"
    return f"{name}, {shown}{more}", _table(track, frame, positions)


def _matlab_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        found = scipy.io.loadmat(path)
    except NotImplementedError:  # Files of version 7.3 are HDF5, with transposed arrays.
        import h5py

        with h5py.File(path) as file:
            found = {name: node[()].T for name, node in file.items() if isinstance(node, h5py.Dataset)}
    except Exception as error:  # For damaged files, scipy raises all kinds of errors.
        raise InputError(f"{path} cannot be read as a MATLAB file: {error}") from error
    return {
        name: array
        for name, array in found.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and not name.startswith("__")
    }
