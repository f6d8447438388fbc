"""Puts tracks in order: sorts them by frame, leaves out what cannot be used, treats gaps, and counts what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from raypipe.studies.andi.tracks.columns import AXES

GAPS = ("interpolate", "split", "refuse")
"""How to treat missing frames of a track, the default first."""

FEWEST = 10
"""Fewest points of a usable track."""

_STEP_TRACKS = 1000
"""Number of tracks from which the step between frames is found."""

_OFF_FRAME = 0.2
"""How far a time may be from a frame, as a fraction of the step between frames."""

_LEFT = {"track": "str", "points": "int64", "why": "str"}


@dataclass(frozen=True)
class Tracks:
    """Tracks with the same number of dimensions, ready for networks.

    Attributes:
        table: a row per track: `track`, `part` (from 1 if the track was split at gaps, else 0), `first_frame`,
            `points` (including interpolated ones), `interpolated`, and, for the whole track, `doubled` (frames in which
            it had several positions) and `unread` (points without a number).
        positions: those of all tracks one after another, shape (points, dimensions), float64, in the file's units.
    """

    table: pd.DataFrame
    positions: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Where each track begins in `positions`, and where the last one ends; int64, (tracks + 1,)."""
        return np.concatenate([[0], np.cumsum(self.table["points"])]).astype("int64")


@dataclass(frozen=True)
class Ordered:
    """Result of `order`.

    Attributes:
        tracks: usable tracks, by number of dimensions.
        left: a row per track, or part of a track, that was left out: `track`, `points`, `why`.
        unlinked: number of points that belong to no track.
    """

    tracks: dict[int, Tracks]
    left: pd.DataFrame
    unlinked: int


def frame_step(points: pd.DataFrame) -> float:
    """Step between one frame and the next: the most frequent difference within tracks; 1 if there is none.

    This also works for a column of times, or if only every second frame was used. For rounded times, such as steps of
    33, 34 and 33 ms, it is the mean of the steps near the most frequent one. Uses the first _STEP_TRACKS tracks.
    """
    some = points[pd.factorize(points["track"])[0] < _STEP_TRACKS]
    by_frame = some.dropna(subset=["track", "frame"]).sort_values(["track", "frame"], kind="stable")
    steps = by_frame["frame"].diff()[by_frame["track"].eq(by_frame["track"].shift())]
    steps = steps[(steps > 0) & np.isfinite(steps)]
    if steps.empty:
        return 1.0
    steps = steps.round(9 - int(np.floor(np.log10(steps.median()))))  # to 10 digits, whatever the unit of time
    commonest = float(steps.mode().iloc[0])
    around = steps[(steps - commonest).abs() < commonest / 2]
    return commonest if (around == commonest).all() else float(around.mean())


def axes_used(points: pd.DataFrame) -> tuple[str, ...]:
    """The axes along which anything moves, so not a z that is the same everywhere; the first axis if nothing moves."""
    there = [axis for axis in AXES if axis in points]
    return tuple([axis for axis in there if points[axis].nunique() > 1] or there[:1])


def order(points: pd.DataFrame, step: float, axes: Sequence[str], gaps: str = GAPS[0]) -> Ordered:
    """Put whole tracks in order; `points` are as from `Source.pieces`.

    - Points without a track are counted and left out.
    - A point without a number on one of its track's axes is treated as missing. An axis along which a track does not
      move, or has no number at all, is not one of its axes.
    - Points in the same frame at the same position count as one. A frame in which a track has several positions is
      treated as missing, because the right one cannot be known; a track that splits therefore ends there.
    - Frames missing between the first and the last form a gap. Depending on `gaps`, positions are interpolated linearly
      in gaps, the track is split there, or the track is left out.
    - Tracks, and parts of split tracks, are left out if they have fewer than FEWEST points or do not move. Tracks are
      also left out if their frames are not multiples of the step, or if they would need more interpolated points than
      they have.

    `step` is the file's `frame_step`, `axes` are its `axes_used`.
    """
    linked = points.dropna(subset=["track"])
    tracks: dict[int, Tracks] = {}
    left = [pd.DataFrame(columns=list(_LEFT)).astype(_LEFT)]
    positions = linked[list(axes)]
    along = positions.where(np.isfinite(positions)).groupby(linked["track"], sort=False)
    least, most = along.min(), along.max()
    moves = most > least
    numbers = moves.where(moves.any(axis=1), least.notna(), axis=0)  # tracks that do not move are left out below
    for kind, of_kind in numbers.groupby(list(axes), sort=False):
        own = [axis for axis, has in zip(axes, tuple(kind), strict=True) if has]
        members = linked if len(of_kind) == len(numbers) else linked[linked["track"].isin(of_kind.index)]
        if own:
            made, out = _ordered(members, own, step, gaps)
            tracks[len(own)] = _joined(tracks[len(own)], made) if len(own) in tracks else made
        else:
            sizes = members.groupby("track", sort=False).size()
            out = pd.DataFrame({"track": sizes.index, "points": sizes.to_numpy(), "why": "no point has a number"})
        left.append(out)
    usable = {dimension: made for dimension, made in sorted(tracks.items()) if len(made.table)}
    return Ordered(usable, pd.concat(left, ignore_index=True), len(points) - len(linked))


def _joined(one: Tracks, other: Tracks) -> Tracks:
    table = pd.concat([one.table, other.table], ignore_index=True)
    return Tracks(table, np.concatenate([one.positions, other.positions]))


def _ordered(points: pd.DataFrame, axes: list[str], step: float, gaps: str) -> tuple[Tracks, pd.DataFrame]:
    """Put tracks with the same axes in order; return them and a table of those left out."""
    code, names = pd.factorize(points["track"])

    def count(codes: pd.Series) -> np.ndarray:
        return np.bincount(codes, minlength=len(names))

    at = _sorted(points[["frame", *axes]].assign(code=code))
    size = {"points": count(at["code"])}
    sound = np.isfinite(at[["frame", *axes]].to_numpy()).all(axis=1)
    size["unread"], at = count(at["code"][~sound]), at.loc[sound]
    number = (at["frame"] - at.groupby("code")["frame"].transform("first")) / step
    at = at.assign(number=number.round())
    off = count(at["code"][(number - at["number"]).abs() > _OFF_FRAME]) > 0
    at, size["doubled"] = _once(at, axes, len(names))
    at = at.assign(missing=at["number"].diff().sub(1).where(at["code"].eq(at["code"].shift()), 0))
    missing = np.bincount(at["code"], at["missing"], minlength=len(names))
    left = count(at["code"])
    reasons = {
        f"its frames are not multiples of {step:g} (--step sets another)": off,
        f"fewer than {FEWEST} points": left < FEWEST,
        "does not move": ~_moves(at, axes, len(names)),
        "frames are missing": (missing > 0) & (gaps == "refuse"),
        "more frames are missing than present": (missing > left) & (gaps == "interpolate"),
    }
    why = np.select(list(reasons.values()), list(reasons), "").astype(object)
    out = pd.DataFrame({"track": names, "points": size["points"], "why": why})[why != ""]

    at = at[(why == "")[at["code"]]]
    tracks = _filled(at, axes, split=gaps == "split")
    for what in ("doubled", "unread"):
        tracks.table[what] = size[what][tracks.table["code"]]
    tracks.table["track"] = np.asarray(names, object)[tracks.table.pop("code")]
    return _without_short(tracks, out)


def _sorted(at: pd.DataFrame) -> pd.DataFrame:
    """Points sorted by track and frame; points already in this order, as in most files, are not copied."""
    code, frame = at["code"].to_numpy(), at["frame"].to_numpy()
    if ((code[1:] > code[:-1]) | (code[1:] == code[:-1]) & (frame[1:] >= frame[:-1])).all():
        return at
    return at.iloc[np.lexsort((frame, code))]


def _once(at: pd.DataFrame, axes: list[str], tracks: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Sorted points without frames that have several positions, and the number of such frames of each track."""
    code, number = at["code"].to_numpy(), at["number"].to_numpy()
    again = np.flatnonzero((code[1:] == code[:-1]) & (number[1:] == number[:-1]))
    alike = np.zeros(len(at), "bool")
    alike[again], alike[again + 1] = True, True
    some = at[alike].drop_duplicates(["code", "number", *axes])
    several = some.duplicated(["code", "number"], keep=False)
    doubled = np.bincount(some[several].drop_duplicates(["code", "number"])["code"], minlength=tracks)
    alike[alike] = ~at.index[alike].isin(some.index[~several])
    return at[~alike], doubled


def _moves(at: pd.DataFrame, axes: list[str], tracks: int) -> np.ndarray:
    of_track = at.groupby("code")[axes]
    moves = (of_track.max() > of_track.min()).any(axis=1)
    return moves.reindex(range(tracks), fill_value=False).to_numpy()


def _filled(at: pd.DataFrame, axes: list[str], *, split: bool) -> Tracks:
    """Tracks without gaps: either split there, or interpolated."""
    jumps = (at["missing"] > 0).cumsum() if split else pd.Series(0, index=at.index)
    at = at.assign(part=jumps - jumps.groupby(at["code"]).transform("first"))
    pieces = at.groupby(["code", "part"], as_index=False).agg(
        first=("number", "first"), last=("number", "last"), first_frame=("frame", "first"), there=("number", "size")
    )
    points = (pieces["last"] - pieces["first"] + 1).astype("int64")
    starts = points.cumsum() - points
    # All tracks one after another on one line: the frames of a track are consecutive, and no two tracks share a place.
    place = np.repeat((starts - pieces["first"]).to_numpy(), pieces["there"]) + at["number"].to_numpy()
    line = np.arange(points.sum())
    positions = [np.interp(line, place, at[axis].to_numpy()) for axis in axes] if len(line) else [line] * len(axes)
    whole = pieces.groupby("code")["part"].transform("size") == 1
    table = pd.DataFrame(
        {
            "code": pieces["code"],
            "part": (pieces["part"] + 1).mask(whole, 0),
            "first_frame": pieces["first_frame"],
            "points": points,
            "interpolated": points - pieces["there"],
        }
    )
    return Tracks(table, np.stack(positions, axis=1))


def _without_short(tracks: Tracks, left: pd.DataFrame) -> tuple[Tracks, pd.DataFrame]:
    """Move parts that are too short after splitting, or do not move, from the tracks to the table of those left out."""
    table, starts = tracks.table, tracks.starts[:-1]
    if table.empty:
        return tracks, left
    moves = np.maximum.reduceat(tracks.positions, starts) > np.minimum.reduceat(tracks.positions, starts)
    short, rests = np.asarray(table["points"] < FEWEST), ~moves.any(axis=1)
    why = np.select([short, rests], [f"a part of fewer than {FEWEST} points", "a part that does not move"], "")
    parts = table[why != ""]
    out = pd.DataFrame({"track": parts["track"] + " part " + parts["part"].astype("str"), "points": parts["points"]})
    kept = np.repeat(why == "", table["points"])
    return (
        Tracks(table[why == ""].reset_index(drop=True), tracks.positions[kept]),
        pd.concat([left, out.assign(why=why[why != ""])]),
    )
