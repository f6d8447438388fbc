"""Tracks in formats that no library reads: TrackMate's two kinds of XML, arrays of tracks, the challenge's lines."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from raypipe.errors import InputError
from raypipe.studies.andi.tracks.columns import AXES, track_names


def _table(track: Sequence[Any] | np.ndarray, frame: Sequence[Any] | np.ndarray, positions: np.ndarray) -> pd.DataFrame:
    columns = {axis: positions[:, i].astype("float64") for i, axis in enumerate(AXES[: positions.shape[1]])}
    names = track_names(pd.Series(track, dtype="object"))
    return pd.DataFrame({"track": names, "frame": np.asarray(frame, "float64"), **columns})


def is_challenge(line: str) -> bool:
    """Whether a line is one of the first challenge's: the dimension and numbers, separated by ;."""
    fields = line.strip().split(";")
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    return len(numbers) > 1 and numbers[0] in (1, 2, 3)


def challenge(path: Path) -> tuple[str, pd.DataFrame]:
    """The first AnDi challenge's text: a line per track: its dimension, all x, then all y, then all z.

    Tracks of several dimensions keep theirs: what an axis lacks is NaN in all of its points.

    Raises:
        InputError: if a line is no such line, or its numbers are not as many for each axis.
    """
    parts = []
    lines = [(number, line) for number, line in enumerate(path.read_text().splitlines()) if line.strip()]
    for track, (number, line) in enumerate(lines):
        if not is_challenge(line):
            raise InputError(f"{path}: line {number + 1} is not a dimension and numbers, separated by ;")
        dimension, *values = (float(field) for field in line.strip().split(";"))
        if len(values) % int(dimension):
            raise InputError(
                f"{path}: line {number + 1} has {len(values)} numbers, which do not divide among "
                f"{int(dimension)} axes; it may have been cut short"
            )
        positions = np.full((len(values) // int(dimension), 3), np.nan)
        positions[:, : int(dimension)] = np.reshape(values, (int(dimension), -1)).T
        parts.append(_table([track] * len(positions), range(len(positions)), positions))
    table = pd.concat(parts, ignore_index=True)
    return f"{len(parts)} lines", table.dropna(axis=1, how="all")


def trackmate(path: Path) -> tuple[str, pd.DataFrame]:
    """TrackMate's XML: its export of tracks (`Tracks`), or its own file (`TrackMate`), with spots and edges.

    Raises:
        InputError: if it is neither, or damaged.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is damaged XML: {error}") from error
    if root.tag == "Tracks":
        found = [
            (number, *(float(point.get(name, "nan")) for name in ("t", *AXES)))
            for number, particle in enumerate(root.iter("particle"))
            for point in particle.iter("detection")
        ]
        said = "exported tracks"
    elif root.tag == "TrackMate":
        found, said = _trackmate_model(root), "spots and edges"
    else:
        raise InputError(f"{path} is XML of {root.tag}; expected TrackMate's, with Tracks or TrackMate")
    if not found:
        raise InputError(f"{path} has no tracks")
    array = np.array([values[1:] for values in found])
    unit = root.get("spaceUnits") or next((model.get("spatialunits") for model in root.iter("Model")), None)
    return f"{said}{f' in {unit}' if unit else ''}", _table([row[0] for row in found], array[:, 0], array[:, 1:])


def _trackmate_model(root: ElementTree.Element) -> list[tuple[Any, ...]]:
    names = ("FRAME", "POSITION_X", "POSITION_Y", "POSITION_Z")
    spots = {spot.get("ID"): tuple(float(spot.get(name, "nan")) for name in names) for spot in root.iter("Spot")}
    found: list[tuple[Any, ...]] = []
    linked: set[str | None] = set()
    for track in root.iter("Track"):
        ends = {edge.get(end) for edge in track.iter("Edge") for end in ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")}
        found += [(track.get("TRACK_ID"), *spots[end]) for end in ends if end in spots]
        linked |= ends
    return found + [(np.nan, *values) for spot, values in spots.items() if spot not in linked]


def matlab(path: Path, given: dict[str, str]) -> tuple[str, pd.DataFrame]:
    """A MATLAB array of points: positions first, the track's number last, before it the frame if there is one.

    So `track.m` of Crocker and Grier writes its `tr`. The array is that of this name, or the only one of numbers.
    `given` has numbers of columns, from 1.

    Raises:
        InputError: if there is no such array, or more than one.
    """
    arrays = {name: array for name, array in _matlab_arrays(path).items() if array.ndim == 2 and array.shape[1] >= 3}
    name = "tr" if "tr" in arrays else next(iter(arrays), None)
    if name is None or (name != "tr" and len(arrays) > 1):
        raise InputError(
            f"{path} has {', '.join(arrays) or 'no array of points'}; expected one array of points, e.g. tr"
        )
    array = np.asarray(arrays[name], "float64")
    width = array.shape[1]
    usual = {"x": 1, "y": 2, "track": width} | ({"frame": width - 1} if width > 3 else {})
    usual |= {"z": 3} if width == 5 else {}
    try:
        places = usual | {role: int(column) for role, column in given.items()}
    except ValueError:
        raise InputError(f"{path} is an array; give --columns by number, such as x=1,y=2,frame=3,track=4") from None
    if wrong := [role for role, place in places.items() if not 1 <= place <= width]:
        raise InputError(f"{path}: {name} has {width} columns; {wrong[0]} cannot be column {places[wrong[0]]}")
    column = {role: array[:, place - 1] for role, place in places.items()}
    order = np.argsort(column["track"], kind="stable")
    track = column["track"][order]
    starts = np.searchsorted(track, track)
    frame = column["frame"][order] if "frame" in column else np.arange(len(track)) - starts
    positions = np.stack([column[axis][order] for axis in AXES if axis in column], axis=1)
    shown = ", ".join(f"{role} = column {place}" for role, place in sorted(places.items(), key=lambda item: item[1]))
    more = "" if "frame" in column else ", frames in order"
    return f"{name}, {shown}{more}", _table(track, frame, positions)


def _matlab_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        found = scipy.io.loadmat(path)
    except NotImplementedError:  # Files of version 7.3 are HDF5, and their arrays lie the other way.
        import h5py

        with h5py.File(path) as file:
            found = {name: node[()].T for name, node in file.items() if isinstance(node, h5py.Dataset)}
    except Exception as error:  # Of damaged files scipy raises what comes.
        raise InputError(f"{path} cannot be read as a MATLAB file: {error}") from error
    return {
        name: array
        for name, array in found.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and not name.startswith("__")
    }
