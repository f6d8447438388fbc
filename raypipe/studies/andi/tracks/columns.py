"""Recognition of the columns of a table, by the names that programs give them, and the names of tracks."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from raypipe.errors import InputError

AXES = ("x", "y", "z")
ROLES = ("track", "frame", *AXES)

ONE_TRACK = "none"
"""Given as the column of tracks if the whole file is a single track."""

_PLACES = ("position", "pos", "coordinate", "coord", "centroid")

_NAMES = {
    "track": (
        "track id",
        "trackid",
        "track",
        "particle",
        "particle id",
        "trajectory",
        "trajectory id",
        "traj idx",
        "traj id",
        "traj",
        "track number",
        "track no",
        "molecule",
        "molecule id",
        "trace",
        "trace id",
        "tid",
        "id",
    ),
    "frame": (
        "frame",
        "frame number",
        "frame no",
        "frame idx",
        "frame index",
        "frames",
        "image number",
        "time point",
        "timepoint",
        "slice",
        "position t",
        "t",
        "time",
        "timestamp",
    ),
} | {
    axis: (axis, *(name for word in _PLACES for name in (f"{word} {axis}", f"{axis} {word}")), f"{axis}c")
    for axis in AXES
}
"""Column names of TrackMate, trackpy, MOSAIC, u-track and the challenges, as `_plain` makes them, surest first."""

_UNITS = {"um", "μm", "nm", "mm", "px", "pix", "pixel", "pixels", "micron", "microns", "s", "sec", "ms", "seconds"}


_MOST_NAMES, _MOST_CHARACTERS = 20, 40
"""Most columns that a message names, and most characters of each."""

_UNLINKED = {"", "none", "nan", "na", "null"}
"""What programs write instead of a track's name for a point without a track. Negative integers mean the same."""


def track_names(column: pd.Series) -> pd.Series:
    """Names of tracks as categories of strings, with 7.0 as 7; missing where a point belongs to no track."""
    code, written = pd.factorize(column)
    text = pd.Series(written).astype("str").str.strip().str.replace(r"^(-?\d+)\.0*$", r"\1", regex=True)
    unlinked = text.str.casefold().isin(_UNLINKED) | text.str.fullmatch(r"-\d+")
    number, names = pd.factorize(text.mask(unlinked, np.nan))
    return pd.Series(pd.Categorical.from_codes(np.append(number, -1)[code], names), column.index)


def _plain(name: str) -> str:
    """A name in lower case, without anything in brackets, punctuation, or a unit at its end."""
    name = re.sub(r"\([^)]*\)|\[[^]]*\]", " ", unicodedata.normalize("NFKC", name).casefold())
    words = re.split(r"[\W_]+", name)
    words = [word for word in words if word]
    if len(words) > 1 and words[-1] in _UNITS:
        words.pop()
    return " ".join(words)


def _listed(names: Sequence[str]) -> str:
    """The first names, each cut if it is long, for a message."""
    shown = [name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}…" for name in names[:_MOST_NAMES]]
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*shown, *more]) or "none"


def recognise(names: Sequence[str], given: dict[str, str], where: str) -> dict[str, str | None]:
    """Find the column of each role: `track`, `frame`, `x`, and `y` and `z` if present.

    Columns in `given`, by role, take precedence over recognised ones; `where` names the file in messages. The column of
    tracks is None if it is given as ONE_TRACK.

    Raises:
        InputError: if a required column is not found, or two could be meant. The message lists the columns to choose
            from.
    """
    found: dict[str, str | None] = {}
    plain = {name: _plain(name) for name in names}
    there = _listed([name for name in names if name.strip()])
    for role in ROLES:
        if role in given:
            if given[role] not in names and not (role == "track" and given[role] == ONE_TRACK):
                raise InputError(f"{where} has no column {given[role]!r}; its columns are {there}")
            found[role] = given[role] if given[role] in names else None
            continue
        for known in _NAMES[role]:
            of_it = [name for name in names if plain[name] == known and name not in given.values()]
            if len(of_it) > 1:
                raise InputError(f"{where}: {role} may be {' or '.join(of_it)}; say which with --columns {role}=…")
            if of_it:
                found[role] = of_it[0]
                break
    if missing := [role for role in ("track", "frame", "x") if role not in found]:
        one = f", or --columns track={ONE_TRACK} if the file is a single track" if "track" in missing else ""
        raise InputError(
            f"{where}: no column is recognised as {' or '.join(missing)}; its columns are {there}; "
            f"say which with --columns {','.join(f'{role}=…' for role in missing)}{one}"
        )
    return found


def parse(text: str | None) -> dict[str, str]:
    """Parse columns by role from text such as `track=TRACK_ID,frame=FRAME,x=POSITION_X`.

    Raises:
        InputError: if a part is not such a pair, its role is unknown, or its role or column is there twice.
    """
    given: dict[str, str] = {}
    for part in text.split(",") if text else []:
        role, equals, name = part.partition("=")
        if not equals or not name or role.strip() not in ROLES:
            raise InputError(f"--columns has {part!r}; expected something like track=TRACK_ID,frame=FRAME,x=X,y=Y")
        if role.strip() in given or name in given.values():
            raise InputError(f"--columns has {part!r} after {role.strip()} or {name}; expected each of them once")
        given[role.strip()] = name
    return given
