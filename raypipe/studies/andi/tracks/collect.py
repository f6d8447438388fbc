"""Tracks from files as data sets: read in pieces, grouped by track, put in order, and stored like trajectories.

A file may be larger than memory. Its points are distributed by track over parts on the local disk, each with whole
tracks, and the parts are put in order one after another. The ordered parts are kept as intermediate files under the
root of the store until workers have made a data set of them.
"""

import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from raypipe import store
from raypipe.errors import InputError
from raypipe.files import scratch_folder
from raypipe.store import Coordinate, Plan, Variable, objects, owner
from raypipe.studies.andi.tracks import seen
from raypipe.studies.andi.tracks.files import Source, open_tracks
from raypipe.studies.andi.tracks.order import Ordered, Tracks, axes_used, frame_step, order

_FOLDER = "tracks"
"""Folder of the intermediate files of all collections, under the root of the store."""

_PART_BYTES = 2**25
"""Bytes of a file per part: some hundred thousand points."""

_SHARD_VALUES = 2**21
"""Most numbers in a shard, unless a single track has more."""

_SHARD_TRACKS = 4096
"""Most tracks in a shard."""

_OF_TRACK = {
    "part": "number of the part of a track that was split at gaps, 0 of a whole one",
    "first_frame": "frame, or time, of the first point",
    "points": "points of the track, with those interpolated",
    "interpolated": "points that were interpolated in gaps",
    "doubled": "frames of the whole track with several positions, taken for missing",
    "unread": "points of the whole track without a number, taken for missing",
    "every": "every how many points one is stored",
}
"""Coordinates stored for each track besides its file and its name there, with their descriptions."""

COLUMNS = ("file", "track", *_OF_TRACK)


@dataclass
class FileSummary:
    """Summary of how a file was read, for people.

    Attributes:
        file: its name.
        layout: the format as which it was read.
        step: difference between one frame and the next.
        points: number of points in the file.
        unlinked: number of points that belong to no track.
        used: number of tracks, and of parts of split tracks, by number of dimensions.
        left: number of tracks left out, and a few of their names, by reason.
    """

    file: str
    layout: str
    step: float = 1.0
    points: int = 0
    unlinked: int = 0
    used: dict[int, int] = field(default_factory=dict)
    left: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "FileSummary":
        """Create from JSON values, in which keys are strings and pairs are lists."""
        used = {int(key): value for key, value in document["used"].items()}
        left = {why: (count, names) for why, (count, names) in document["left"].items()}
        return cls(**{**document, "used": used, "left": left})

    def text(self) -> str:
        """The summary in one line."""
        used = ", ".join(f"{count} in {dimensions}-D" for dimensions, count in sorted(self.used.items())) or "none"
        found = [f"{self.file}: {self.layout}; {self.points} points, frames {self.step:g} apart; tracks: {used}"]
        if self.unlinked:
            found.append(f"{self.unlinked} points belong to no track")
        return "; ".join([*found, *(f"left out {count}: {why} ({names})" for why, count, names in self.reasons())])

    def reasons(self) -> list[tuple[str, int, str]]:
        """Why tracks were left out, most frequent first: the reason, the number of tracks, and some of their names."""
        ordered = sorted(self.left.items(), key=lambda one: -one[1][0])
        return [(why, n, ", ".join(names) + (", …" if n > len(names) else "")) for why, (n, names) in ordered]

    def add(self, ordered: Ordered) -> None:
        """Add the counts of some of the file's tracks."""
        for dimensions, tracks in ordered.tracks.items():
            self.used[dimensions] = self.used.get(dimensions, 0) + len(tracks.table)
        for why, some in ordered.left.groupby("why", sort=False):
            count, names = self.left.get(str(why), (0, []))
            self.left[str(why)] = (count + len(some), [*names, *some["track"].tolist()][:3])
        self.unlinked += ordered.unlinked


def made_from(files: Sequence[Path], columns: dict[str, str], gaps: str, step: float | None) -> dict[str, Any]:
    """Everything that determines a collection of tracks, as JSON values.

    Raises:
        InputError: if a file cannot be read or is given twice, or the step is invalid.
    """
    if step is not None and not (math.isfinite(step) and step > 0):
        raise InputError(f"the step between frames is {step}; expected a number above 0, or none to have it found")
    found = []
    for file, name in zip(files, _names(files), strict=True):
        try:
            with file.open("rb") as content:
                found.append({"file": name, "sha256": hashlib.file_digest(content, "sha256").hexdigest()})
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}; expected a file of tracks") from error
    return {"files": found, "columns": columns, "gaps": gaps, "step": step}


def _names(files: Sequence[Path]) -> list[str]:
    """Names of files; if some are the same, their paths relative to the folder that contains all of them."""
    if len({file.name for file in files}) == len(files):
        return [file.name for file in files]
    paths = [os.path.abspath(file) for file in files]
    if twice := [str(file) for file, path in zip(files, paths, strict=True) if paths.count(path) > 1]:
        raise InputError(f"{twice[0]} is given more than once; expected each file once")
    folder = os.path.commonpath(paths)
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def data_set(name: str, dimensions: int) -> str:
    """Name of the data set of a collection's tracks in this number of dimensions."""
    return f"andi/tracks-{name}-{dimensions}d"


def collected(name: str, made: Mapping[str, Any]) -> list[FileSummary] | None:
    """Summaries of the files of a collection if all its data sets are complete, else None.

    Raises:
        InputError: if a collection of this name exists that was made from other files or in another way.
    """
    summaries: list[FileSummary] | None = None
    names = store.list_names("andi")
    there = {d: data_set(name, d) for d in (1, 2, 3) if data_set(name, d) in names}
    for of in there.values():
        stored = store.plan_of(of).parameters
        if others := [key for key, value in made.items() if stored.get(key) != value]:
            raise InputError(
                f"tracks {name} already exist, made with other {', '.join(others)}; give these another --name, or "
                f"remove those: raypipe remove {of}"
            )
        if store.is_marked_complete(of):
            summaries = [FileSummary.read(one) for one in store.open(of).attrs["told"]]
    if not all(store.is_marked_complete(of) for of in there.values()):
        return None
    return summaries if summaries and set(there) == {d for one in summaries for d in one.used} else None


@contextmanager
def planned(
    files: Sequence[Path], name: str, made: Mapping[str, Any]
) -> Iterator[tuple[list[FileSummary], list[Plan]]]:
    """Summaries of files of tracks, and the plans of their data sets; no plans if these are complete.

    Within the context, the data sets can be made: intermediate files exist, and this process owns them, as another job
    of the same name would write others in their place. Intermediate files that killed jobs have left are removed.

    Args:
        files: of tracks.
        name: of the collection.
        made: from `made_from`.

    Raises:
        InputError: see `collected` and `collect`; or if another job is reading tracks under this name.
    """
    if summaries := collected(name, made):
        yield summaries, []
        return
    for left in filter(objects.is_name, objects.folders(_FOLDER)):
        with suppress(InputError), owner.held(left):  # refused if they are in use
            objects.delete_folder(left)
    with owner.held(_folder(name)) as own:
        try:
            # Another job may have completed the data sets in the meantime.
            yield (summaries, []) if (summaries := collected(name, made)) else collect(files, name, made)
        finally:
            with suppress(InputError):  # must not hide the error that ended the job
                own.check()
                forget(name)


def collect(files: Sequence[Path], name: str, made: Mapping[str, Any]) -> tuple[list[FileSummary], list[Plan]]:
    """Read files of tracks and put them in order, for data sets of tracks in one to three dimensions.

    Args:
        files: of tracks.
        name: of the collection.
        made: from `made_from`.

    Returns:
        The summary of each file, and the plans of the data sets. `forget` removes their intermediate files.

    Raises:
        InputError: if a file cannot be read, or there is no usable track.
    """
    forget(name)
    summaries: list[FileSummary] = []
    parts: dict[int, list[tuple[str, pd.DataFrame]]] = {}
    for number, (file, entry) in enumerate(zip(files, made["files"], strict=True)):
        source = open_tracks(file, made["columns"])
        summary = FileSummary(entry["file"], source.layout)
        summaries.append(summary)
        for part, ordered in enumerate(_ordered(source, file, summary, made["gaps"], made["step"])):
            summary.add(ordered)
            for dimensions, tracks in ordered.tracks.items():
                thin = _thinned(tracks)
                path = f"{_folder(name)}/{dimensions}d-{number}-{part}.parquet"
                objects.put(path, _packed(thin))
                parts.setdefault(dimensions, []).append((path, thin.table.assign(file=summary.file)))
    if not parts:
        raise InputError(f"no track can be used: {'; '.join(one.text() for one in summaries)}")
    return summaries, [_plan(data_set(name, d), d, some, made, summaries) for d, some in sorted(parts.items())]


def forget(name: str) -> None:
    """Remove the intermediate files from which the data sets of a collection are made."""
    objects.delete_folder(_folder(name))


def _folder(name: str) -> str:
    return f"{_FOLDER}/{name}"


def _ordered(source: Source, file: Path, summary: FileSummary, gaps: str, step: float | None) -> Iterator[Ordered]:
    """Put the tracks of a file in order, part by part."""
    parts = max(1, file.stat().st_size // _PART_BYTES)
    pieces = source.pieces()
    if (first := next(pieces, None)) is None:
        raise InputError(f"{file} has no rows; expected a table of tracks")
    numbers: dict[str, int] = {}
    schema = pa.schema(
        [("track", pa.int64()), *((name, pa.float64()) for name in first.columns[1:]), ("part", pa.int32())]
    )
    extents = []

    def batches() -> Iterator[pa.RecordBatch]:
        for piece in chain([first], pieces):
            summary.points += len(piece)
            extents.append(piece.drop(columns=["track", "frame"]).agg(["min", "max"]))
            track = piece["track"].astype("category").cat
            number = np.array([*(numbers.setdefault(name, len(numbers)) for name in track.categories), -1])[track.codes]
            yield from pa.Table.from_pandas(
                piece.assign(track=number, part=number % parts), schema, preserve_index=False
            ).to_batches()

    with scratch_folder("raypipe-tracks-") as scratch:
        folder = scratch / "parts"
        try:
            folder.mkdir()
            pyarrow.dataset.write_dataset(
                batches(),
                folder,
                schema=schema,
                format="ipc",
                partitioning=pyarrow.dataset.partitioning(pa.schema([schema.field("part")])),
                max_partitions=parts,
                preserve_order=True,
            )
        except OSError as error:
            raise InputError(
                f"the points of {file} cannot be sorted in {folder}: {error}; free some space, or set TMPDIR"
            ) from error
        axes, names = axes_used(pd.concat(extents)), np.array(list(numbers), "object")
        found: float | None = step
        for part in sorted(folder.iterdir(), key=lambda one: int(one.name)):
            points = pyarrow.dataset.dataset(part, format="ipc").to_table().to_pandas()
            code, there = pd.factorize(points["track"].where(points["track"] >= 0))
            points["track"] = pd.Categorical.from_codes(code, names[there.astype("int64")])
            found = summary.step = frame_step(points) if found is None else found
            yield order(points, found, axes, gaps)


def _thinned(tracks: Tracks) -> Tracks:
    """Keep only every n-th point of tracks that are too long for the networks.

    Walks of all models look alike at any scale, so thinning changes them less than cutting off their beginning would,
    which matters in models that age.
    """
    points = tracks.table["points"].to_numpy()
    every = -(-(points - 1) // (seen.MOST - 1))
    place = np.arange(len(tracks.positions)) - np.repeat(tracks.starts[:-1], points)
    kept = place % np.repeat(every, points) == 0
    return Tracks(tracks.table.assign(every=every, length=-(-points // every)), tracks.positions[kept])


def _packed(tracks: Tracks) -> bytes:
    """Positions as a Parquet file with a row per track."""
    ends = np.concatenate([[0], np.cumsum(tracks.table["length"])]) * tracks.positions.shape[1]
    positions = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(tracks.positions.ravel()))
    file = io.BytesIO()
    pyarrow.parquet.write_table(
        pa.table({"position": positions}), file, row_group_size=_SHARD_TRACKS, use_dictionary=False, compression="lz4"
    )
    return file.getvalue()


def _plan(
    name: str,
    dimensions: int,
    parts: list[tuple[str, pd.DataFrame]],
    made: Mapping[str, Any],
    summaries: Sequence[FileSummary],
) -> Plan:
    table = pd.concat([one for _, one in parts], ignore_index=True)
    count, longest = len(table), int(table["length"].max())
    shard = min(count, _SHARD_TRACKS, max(1, _SHARD_VALUES // (longest * dimensions)))
    shape = (longest,) if dimensions == 1 else (longest, dimensions)
    dims = ("sample", "time", "axis")[: 1 + len(shape)]
    position = {"long_name": "position, as the file has it; after the length of a track NaN"}
    names = table["track"].to_numpy()
    numbers = pd.to_numeric(table["track"], errors="coerce")
    whole = numbers.notna().all() and (numbers == numbers.round()).all() and (numbers.abs() < 2**53).all()
    # The numbers must give the same text as the names: 007 and 7 are two tracks.
    whole = whole and (numbers.astype("int64").astype("str") == names).all()
    coordinates = {
        "file": Coordinate(("sample",), table["file"].to_numpy().astype("U"), {"long_name": "file of the track"}),
        "track": Coordinate(
            ("sample",),
            numbers.to_numpy().astype("int64") if whole else names.astype("U"),
            {"long_name": "name of the track in its file"},
        ),
    }
    for column, meaning in _OF_TRACK.items():
        coordinates[column] = Coordinate(("sample",), table[column].to_numpy(), {"long_name": meaning})
    return Plan(
        name=name,
        samples=count,
        shard_samples=shard,
        variables={
            "position": Variable(dims, (count, *shape), "float64", (shard, *shape), position, "lz4"),
            "length": Variable(
                ("sample",), (count,), "int64", (shard,), {"long_name": "positions stored of the track"}
            ),
        },
        coordinates=coordinates,
        parameters={
            **made,
            "dimensions": dimensions,
            "longest": longest,
            "parts": [[path, len(one)] for path, one in parts],
        },
        compute="raypipe.studies.andi.tracks.collect:compute",
        attributes={
            "title": f"Tracks of {', '.join(sorted(table['file'].unique()))}",
            "told": json.loads(json.dumps([asdict(one) for one in summaries])),
        },
    )


def compute(parameters: dict[str, Any]) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a function for `fill`: the positions of tracks that `collect` has put in order."""
    paths, counts = zip(*parameters["parts"], strict=True)
    starts = np.concatenate([[0], np.cumsum(counts)])
    dimensions, longest = parameters["dimensions"], parameters["longest"]
    packed = lru_cache(maxsize=2)(objects.get)  # a worker makes many shards from one part, one after the other

    def made(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        first, last = int(rows["sample"][0]), int(rows["sample"][-1]) + 1
        found = []
        for part, path in enumerate(paths):
            begin, end = max(first, starts[part]), min(last, starts[part + 1])
            if begin < end:
                found.append(_rows(packed(path), begin - starts[part], end - starts[part]))
        tracks = pa.concat_tables(found)["position"].combine_chunks()
        length = np.asarray(tracks.value_lengths()) // dimensions
        position = np.full((len(length), longest, dimensions), np.nan)
        position[np.arange(longest) < length[:, None]] = np.asarray(tracks.flatten()).reshape(-1, dimensions)
        return {"position": position[..., 0] if dimensions == 1 else position, "length": length}

    return made


def _rows(packed: bytes, first: int, last: int) -> pa.Table:
    """Rows of a file made by `_packed`; decodes only the row groups that contain them."""
    groups = range(first // _SHARD_TRACKS, -(-last // _SHARD_TRACKS))
    table = pyarrow.parquet.ParquetFile(io.BytesIO(packed)).read_row_groups(list(groups))
    return table.slice(first - groups[0] * _SHARD_TRACKS, last - first)
