"""Files of tracks in common formats, and how their points are used."""

import gzip
import lzma
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from raypipe.errors import InputError
from raypipe.studies.andi.tracks.collect import collect, made_from
from raypipe.studies.andi.tracks.columns import parse, recognise
from raypipe.studies.andi.tracks.files import open_tracks
from raypipe.studies.andi.tracks.order import FEWEST, GAPS, axes_used, frame_step, order

STEPS = 40


def walk(seed=1, points=STEPS, dimensions=2):
    return np.random.default_rng(seed).normal(size=(points, dimensions)).cumsum(axis=0)


def table(tracks=3, points=STEPS, **more):
    """Return tracks 0, 1, … in the layout of trackpy."""
    parts = []
    for track in range(tracks):
        x, y = walk(track, points).T
        parts.append(pd.DataFrame({"particle": track, "frame": np.arange(points), "x": x, "y": y, **more}))
    return pd.concat(parts, ignore_index=True)


def read(path, gaps=GAPS[0], **columns):
    points = pd.concat(open_tracks(path, columns).pieces())
    return order(points, frame_step(points), axes_used(points), gaps)


def the_walks(ordered, dimension=2):
    tracks = ordered.tracks[dimension]
    return {
        name: tracks.positions[first:last]
        for name, first, last in zip(tracks.table["track"], tracks.starts[:-1], tracks.starts[1:], strict=True)
    }


def is_the_table(ordered, tracks=3, points=STEPS):
    walks = the_walks(ordered)
    assert list(walks) == [str(track) for track in range(tracks)]
    for track, positions in enumerate(walks.values()):
        np.testing.assert_allclose(positions, walk(track, points), rtol=1e-12)
    assert ordered.left.empty
    assert not ordered.unlinked


@pytest.mark.parametrize(
    "write",
    [
        lambda data, path: data.to_csv(path, index=False),
        lambda data, path: data.to_csv(path),
        lambda data, path: data.to_csv(path, index=False, sep="\t"),
        lambda data, path: data.to_csv(path, index=False, sep=" "),
        lambda data, path: data.to_csv(path, index=False, sep=";", decimal=","),
        lambda data, path: data.assign(note="bleached, dim").to_csv(path, index=False, sep=";", decimal=","),
        lambda data, path: data.assign(note="bleached, dim").to_csv(path, index=False, sep=";"),
        lambda data, path: data.assign(note="bleached, dim").to_csv(path, index=False, sep="\t"),
        lambda data, path: data.to_csv(path, index=False, encoding="utf-8-sig"),
        lambda data, path: data.to_csv(path, index=False, encoding="utf-16"),
        lambda data, path: data.astype({"particle": "float64"}).to_csv(path, index=False),
        lambda data, path: data.to_parquet(path),
        lambda data, path: data.set_index("frame").to_parquet(path),
        lambda data, path: data.set_index(["particle", "frame"]).to_parquet(path),
        lambda data, path: data.assign(frame=data["frame"] * 0.05).to_csv(path, index=False, sep=";", decimal=","),
        lambda data, path: data.assign(frame=data["frame"] * 0.033).to_csv(path, index=False),
        lambda data, path: data.assign(frame=data["frame"] * 5 + 100).to_csv(path, index=False),
        lambda data, path: data.sample(frac=1, random_state=1).sort_values("particle", kind="stable").to_csv(path),
        lambda data, path: data.assign(z=0.0).to_csv(path, index=False),
        lambda data, path: (
            data.rename(columns={"particle": "Track N°", "x": "X [µm]", "y": "Y (µm)"})
            .rename(columns={"Track N°": "Trajectory", "frame": "Frame"})
            .to_csv(path, index=False, encoding="cp1252")
        ),
        lambda data, path: data.rename(
            columns={"particle": "TRACK_ID", "x": "POSITION_X", "y": "POSITION_Y", "frame": "FRAME"}
        ).to_csv(path, index=False),
    ],
)
def test_tables_in_many_forms_give_the_same_tracks(tmp_path, write):
    write(table(), tmp_path / "tracks.csv")
    is_the_table(read(tmp_path / "tracks.csv"))


@pytest.mark.parametrize("before", [[], ["", "  "]])
def test_rows_of_units_below_the_names(tmp_path, before):
    lines = table().to_csv(index=False).splitlines()
    (tmp_path / "spots.csv").write_text("\n".join([*before, lines[0], "Track ID,Frame,X,Y", ",,(µm),(µm)", *lines[1:]]))
    is_the_table(read(tmp_path / "spots.csv"))


def test_numbers_with_a_comma_after_some_without(tmp_path):
    lines = table().to_csv(index=False, sep=";", decimal=",").splitlines()
    whole = [";".join([*line.split(";")[:2], str(number), "2"]) for number, line in enumerate(lines[1:4])]
    (tmp_path / "tracks.csv").write_text("\n".join([lines[0], *whole, *lines[4:]]))
    walks = the_walks(read(tmp_path / "tracks.csv"))
    np.testing.assert_allclose(walks["0"][3:], walk(0, STEPS)[3:], rtol=1e-12)
    assert len(walks["0"]) == STEPS


def test_trackmate_exports(tmp_path):
    particles = "".join(
        "<particle>"
        + "".join(f'<detection t="{t}" x="{x}" y="{y}" z="0.0"/>' for t, (x, y) in enumerate(walk(track)))
        + "</particle>"
        for track in range(3)
    )
    (tmp_path / "tracks.xml").write_text(f'<?xml version="1.0"?><Tracks spaceUnits="µm">{particles}</Tracks>')
    is_the_table(read(tmp_path / "tracks.xml"))
    assert "µm" in open_tracks(tmp_path / "tracks.xml").layout


def test_trackmate_files_have_spots_edges_and_what_is_not_linked(tmp_path):
    spots, tracks = "", ""
    for track in range(3):
        ids = [1000 * track + t for t in range(STEPS)]
        for number, t, (x, y) in zip(ids, range(STEPS), walk(track), strict=True):
            spots += f'<Spot ID="{number}" FRAME="{t}" POSITION_X="{x}" POSITION_Y="{y}" POSITION_Z="0.0"/>'
        edges = "".join(f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}"/>' for a, b in pairwise(ids))
        tracks += f'<Track TRACK_ID="{track}">{edges}</Track>'
    spots += '<Spot ID="9999" FRAME="3" POSITION_X="1" POSITION_Y="1" POSITION_Z="0.0"/>'
    (tmp_path / "model.xml").write_text(
        f'<TrackMate><Model spatialunits="µm"><AllSpots>{spots}</AllSpots><AllTracks>{tracks}</AllTracks></Model>'
        "</TrackMate>"
    )
    ordered = read(tmp_path / "model.xml")
    assert ordered.unlinked == 1
    assert [str(track) for track in range(3)] == sorted(the_walks(ordered))
    np.testing.assert_allclose(the_walks(ordered)["1"], walk(1))


def test_tracks_that_trackmates_filters_hide_are_left_out(tmp_path):
    spots, tracks = "", ""
    for track in range(3):
        for t, (x, y) in enumerate(walk(track)):
            spots += f'<Spot ID="{track}-{t}" FRAME="{t}" POSITION_X="{x}" POSITION_Y="{y}" POSITION_Z="0"/>'
        edges = (f'<Edge SPOT_SOURCE_ID="{track}-{t}" SPOT_TARGET_ID="{track}-{t + 1}"/>' for t in range(STEPS - 1))
        tracks += f'<Track TRACK_ID="{track}">{"".join(edges)}</Track>'
    shown = '<FilteredTracks><TrackID TRACK_ID="0"/><TrackID TRACK_ID="2"/></FilteredTracks>'
    (tmp_path / "model.xml").write_text(
        f"<TrackMate><Model><AllSpots>{spots}</AllSpots><AllTracks>{tracks}</AllTracks>{shown}</Model></TrackMate>"
    )
    ordered = read(tmp_path / "model.xml")
    assert sorted(the_walks(ordered)) == ["0", "2"]
    assert ordered.unlinked == 0
    assert ", left out 1 that its filters hide" in open_tracks(tmp_path / "model.xml").layout


@pytest.mark.parametrize(("ending", "opened"), [(".gz", gzip.open), (".xz", lzma.open)])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_compressed_tables(tmp_path, ending, opened, separator):
    path = tmp_path / f"spots.csv{ending}"
    with opened(path, "wb") as file:
        file.write(table().to_csv(index=False, sep=separator).encode("utf-16"))
    is_the_table(read(path))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read as tracks"):
        read(path)


@pytest.mark.parametrize(
    ("separator", "write", "message"),
    [
        (
            "\t",
            lambda value: f"{value:,.0f}",
            r"has '-?1,\d\d\d' beside '-?\d{1,3}'.*whether commas separate thousands",
        ),
        (",", lambda value: f'"{value:,.0f}"', "whether commas separate thousands cannot be told"),
        (",", lambda value: f'"{value:,.1f}"', r"has separators of thousands, as in '-?1,\d\d\d.\d'"),
        (
            ";",
            lambda value: f"{value:,.1f}".translate(str.maketrans(",.", ".,")),
            r"as in '-?1.\d\d\d,\d'; expected numbers without",
        ),
    ],
)
def test_separators_of_thousands_are_refused(tmp_path, separator, write, message):
    rows = [[0, t, x, y] for t, (x, y) in enumerate(1000 + 100 * walk(1))]
    lines = [separator.join([str(track), str(t), write(x), write(y)]) for track, t, x, y in rows]
    (tmp_path / "spots.txt").write_text("\n".join([separator.join(["particle", "frame", "x", "y"]), *lines]))
    with pytest.raises(InputError, match=message):
        open_tracks(tmp_path / "spots.txt")


@pytest.mark.parametrize("others", ["840,5", "0,125", "1840", "1,250"])
def test_commas_before_three_digits_are_fractions_where_nothing_speaks_for_thousands(tmp_path, others):
    lines = [f"{t};{1 + t % 3},234;{others}" for t in range(12)]
    (tmp_path / "spots.csv").write_text("\n".join(["frame;x;y", *lines]))
    (points,) = open_tracks(tmp_path / "spots.csv", {"track": "none"}).pieces()
    assert points["x"].tolist()[:3] == [1.234, 2.234, 3.234]
    assert points["y"].tolist()[0] == float(others.replace(",", "."))


def test_x_and_z_are_a_plane(tmp_path):
    data = table().rename(columns={"y": "height"})
    data.to_csv(tmp_path / "side.csv", index=False)
    is_the_table(read(tmp_path / "side.csv", z="height"))
    data.rename(columns={"height": "z"}).to_csv(tmp_path / "side.csv", index=False)
    is_the_table(read(tmp_path / "side.csv"))
    assert "x = x, z = z" in open_tracks(tmp_path / "side.csv").layout


@pytest.mark.parametrize("names", [["x", "y", "frame"], ["x", "y", "z", "frame"]])
def test_a_matlab_array_may_be_a_single_track(tmp_path, names):
    scipy.io.savemat(tmp_path / "one.mat", {"one": table(1, z=0.0)[names].to_numpy()})
    walks = the_walks(read(tmp_path / "one.mat", track="none"))
    assert list(walks) == ["1"]
    np.testing.assert_allclose(walks["1"], walk(0))
    assert "all one track" in open_tracks(tmp_path / "one.mat", {"track": "none"}).layout


@pytest.mark.parametrize(
    "names", [["x", "y", "particle"], ["x", "y", "frame", "particle"], ["x", "y", "z", "frame", "particle"]]
)
def test_matlab_arrays(tmp_path, names):
    scipy.io.savemat(
        tmp_path / "tr.mat", {"tr": table(z=0.0).assign(particle=lambda data: data.particle + 1)[names].to_numpy()}
    )
    walks = the_walks(read(tmp_path / "tr.mat"))
    assert list(walks) == ["1", "2", "3"]
    np.testing.assert_allclose(walks["3"], walk(2))


def test_a_column_of_a_matlab_array_has_one_role(tmp_path):
    data = table(mass=7.5).assign(particle=lambda data: data["particle"] + 1)
    scipy.io.savemat(tmp_path / "tr.mat", {"tr": data[["x", "y", "frame", "mass", "particle"]].to_numpy()})
    ordered = read(tmp_path / "tr.mat", frame="3")  # by default, the frame is column 4, and column 3 is z
    assert list(ordered.tracks) == [2]
    np.testing.assert_allclose(the_walks(ordered)["3"], walk(2))
    with pytest.raises(InputError, match="no column of tr is left for track; say which with --columns track="):
        open_tracks(tmp_path / "tr.mat", {"frame": "5"})


def test_large_numbers_of_tracks_stay_apart_beside_missing_ones(tmp_path):
    data = table(2).assign(particle=lambda data: data["particle"].add(2**53).astype("Int64"))
    data.loc[len(data)] = [pd.NA, 3, 1.0, 1.0]
    data.to_parquet(tmp_path / "tracks.parquet")
    ordered = read(tmp_path / "tracks.parquet")
    assert list(the_walks(ordered)) == [str(2**53), str(2**53 + 1)]
    assert ordered.unlinked == 1


def test_matlab_arrays_of_the_newer_kind(tmp_path):
    import h5py

    with h5py.File(tmp_path / "tr.mat", "w", userblock_size=512) as file:
        file["tr"] = table()[["x", "y", "frame", "particle"]].to_numpy().T
    with (tmp_path / "tr.mat").open("r+b") as file:
        header = b"MATLAB 7.3 MAT-file".ljust(116) + b"\0" * 8 + b"\x00\x02IM"
        file.write(header)
    is_the_table(read(tmp_path / "tr.mat"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_first_challenges_lines(tmp_path, encoding):
    lines = [[1, *walk(0, 12, 1).T.ravel()], [2, *walk(1, 20, 2).T.ravel()], [3, *walk(2, 15, 3).T.ravel()]]
    (tmp_path / "task1.txt").write_text(
        "\n".join(";".join(str(float(v)) for v in line) for line in lines) + "\n", encoding
    )
    ordered = read(tmp_path / "task1.txt")
    for dimension, (seed, points) in {1: (0, 12), 2: (1, 20), 3: (2, 15)}.items():
        assert list(the_walks(ordered, dimension)) == [str(dimension - 1)]
        np.testing.assert_allclose(the_walks(ordered, dimension)[str(seed)], walk(seed, points, dimension))


def test_points_of_no_track_are_counted(tmp_path):
    data = table().astype({"particle": "object"})
    data.loc[len(data)] = [None, 3, 1.0, 1.0]
    data.loc[len(data)] = ["None", 3, 1.0, 1.0]
    data.loc[len(data)] = ["-1", 3, 1.0, 1.0]
    data.to_csv(tmp_path / "tracks.csv", index=False)
    assert read(tmp_path / "tracks.csv").unlinked == 3


def write_with(tmp_path, change):
    data = table(1)
    change(data).to_csv(tmp_path / "tracks.csv", index=False)
    return tmp_path / "tracks.csv"


def test_gaps_are_interpolated_split_or_refused(tmp_path):
    path = write_with(tmp_path, lambda data: data.drop([15, 16, 17]))
    (positions,) = the_walks(read(path)).values()
    np.testing.assert_allclose(np.delete(positions, [15, 16, 17], axis=0), np.delete(walk(0), [15, 16, 17], axis=0))
    np.testing.assert_allclose(np.diff(positions[14:19], axis=0), [(walk(0)[18] - walk(0)[14]) / 4] * 4)
    assert read(path).tracks[2].table["interpolated"].tolist() == [3]

    split = read(path, "split").tracks[2]
    assert split.table[["part", "first_frame", "points"]].to_numpy().tolist() == [[1, 0, 15], [2, 18, 22]]
    np.testing.assert_allclose(split.positions, np.delete(walk(0), [15, 16, 17], axis=0))

    refused = read(path, "refuse")
    assert refused.tracks == {}
    assert refused.left.to_numpy().tolist() == [["0", 37, "frames are missing"]]


def test_parts_that_are_too_short_are_told(tmp_path):
    ordered = read(write_with(tmp_path, lambda data: data.drop([5])), "split")
    assert ordered.tracks[2].table["points"].tolist() == [34]
    assert ordered.left.to_numpy().tolist() == [["0 part 1", 5, f"a part of fewer than {FEWEST} points"]]


def test_points_twice_are_one_and_several_positions_in_a_frame_are_none(tmp_path):
    twice = write_with(tmp_path, lambda data: pd.concat([data, data.iloc[[5]]]))
    is_the_table(read(twice), tracks=1)
    other = write_with(tmp_path, lambda data: pd.concat([data, data.iloc[[5]].assign(x=100.0)]))
    row = read(other).tracks[2].table.iloc[0]
    assert (row["points"], row["interpolated"], row["doubled"]) == (40, 1, 1)


def test_a_track_ends_where_it_splits(tmp_path):
    path = write_with(tmp_path, lambda data: pd.concat([data, data.iloc[20:].assign(x=data["x"] + 5)]))
    row = read(path).tracks[2].table.iloc[0]
    assert (row["points"], row["interpolated"], row["doubled"]) == (20, 0, 20)


@pytest.mark.parametrize("value", ["lost", "", "nan", "inf"])
def test_what_is_no_number_is_missing(tmp_path, value):
    path = write_with(
        tmp_path, lambda data: data.astype({"x": "object"}).assign(x=lambda d: d["x"].where(d.index != 7, value))
    )
    row = read(path).tracks[2].table.iloc[0]
    assert (row["points"], row["interpolated"], row["unread"]) == (40, 1, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.iloc[:9], "fewer than 10 points"),
        (lambda data: data.assign(x=3.0, y=4.0), "does not move"),
        (lambda data: data.assign(x=np.nan, y=np.nan), "no point has a number"),
        (
            lambda data: data.assign(frame=data["frame"].where(data["frame"] < 39, 39.5)),
            "its frames are not multiples of 1 (--step sets another)",
        ),
        (
            lambda data: data.assign(frame=data["frame"].where(data["frame"] < 39, 10**9)),
            "more frames are missing than present",
        ),
    ],
)
def test_what_cannot_be_used_is_left_out_with_a_word(tmp_path, change, why):
    ordered = read(write_with(tmp_path, change))
    assert ordered.tracks == {}
    assert ordered.left["why"].tolist() == [why]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rows_in_any_order_and_tracks_in_any_blocks_give_the_same(data):
    points = table(4, 15).rename(columns={"particle": "track"}).astype({"track": "str"})
    lacking = data.draw(st.lists(st.integers(0, len(points) - 1), max_size=12, unique=True))
    points = points.drop(lacking)
    gaps = data.draw(st.sampled_from(GAPS))
    whole = order(points, 1, ("x", "y"), gaps)
    shuffled = order(points.sample(frac=1, random_state=data.draw(st.integers(0, 99))), 1, ("x", "y"), gaps)
    alone = [order(part, 1, ("x", "y"), gaps) for _, part in points.groupby("track")]
    expected = {} if not whole.tracks else keyed(whole)
    assert keyed(shuffled) == expected
    assert {key: value for one in alone for key, value in keyed(one).items()} == expected
    assert sorted(map(tuple, shuffled.left.to_numpy())) == sorted(map(tuple, whole.left.to_numpy()))


def keyed(ordered):
    found = {}
    for tracks in ordered.tracks.values():
        for i, row in enumerate(tracks.table.itertuples()):
            found[row.track, row.part] = tracks.positions[tracks.starts[i] : tracks.starts[i + 1]].tolist()
    return found


def test_columns_are_recognised_by_what_programs_call_them():
    assert recognise(["", "TRACK_ID", "POSITION_X", "POSITION_Y", "POSITION_T", "FRAME"], {}, "it") == {
        "track": "TRACK_ID",
        "frame": "FRAME",
        "x": "POSITION_X",
        "y": "POSITION_Y",
    }
    assert recognise(["id", "t (s)", "x [nm]", "y [nm]", "z [nm]"], {}, "it")["frame"] == "t (s)"
    assert recognise(["a", "frame", "x"], parse("track=a"), "it")["track"] == "a"
    assert recognise(["frame", "x"], parse("track=none"), "it")["track"] is None


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["particle", "frame", "pos_a"], "", "no column is recognised as x; its columns are particle, frame, pos_a"),
        (["a" * 90, *"bcdefghijklmnopqrsuvw"], "", f"columns are {'a' * 40}…, b, .* u, and 2 more;"),
        (["frame", "x"], "", "--columns track=none if the file is a single track"),
        (["particle", "frame", "x [px]", "x [nm]"], "", r"x may be x \[px\] or x \[nm\]"),
        (["particle", "frame", "x"], "x=X", "has no column 'X'"),
        (["particle", "frame", "x"], "which=X", "--columns has 'which=X'"),
        (["particle", "frame", "x"], "x", "--columns has 'x'"),
        (["particle", "frame", "x"], "x=x,x=y", "--columns has 'x=y' after x or y; expected each of them once"),
        (["particle", "frame", "x"], "x=x,y=x", "--columns has 'y=x' after y or x"),
    ],
)
def test_columns_that_are_not_known_are_asked_for(names, given, message):
    with pytest.raises(InputError, match=message):
        recognise(names, parse(given), "it")


@pytest.mark.parametrize("word", ["#NV", "-", "n. def."])
def test_words_among_numbers_with_a_comma_take_nothing_else_along(tmp_path, word):
    data = table()
    texts = data["x"].map("{:.17g}".format).str.replace(".", ",")
    data.assign(x=texts.where(data.index != 5, word)).to_csv(tmp_path / "spots.csv", index=False, sep=";", decimal=",")
    ordered = read(tmp_path / "spots.csv")
    assert ordered.tracks[2].table[["unread", "interpolated"]].to_numpy().tolist() == [[1, 1], [0, 0], [0, 0]]
    for track in (1, 2):
        np.testing.assert_allclose(the_walks(ordered)[str(track)], walk(track), rtol=1e-12)


def test_times_that_were_rounded_are_frames(tmp_path):
    table(points=200).assign(frame=lambda data: (data["frame"] * 100 / 3).round()).to_csv(tmp_path / "ms.csv")
    is_the_table(read(tmp_path / "ms.csv"), points=200)


@pytest.mark.parametrize("step", [1e-3 / 86400, 1 / 3, 5e7])
def test_the_unit_of_time_does_not_matter(tmp_path, step):
    table(points=200).assign(frame=lambda data: data["frame"] * step).to_csv(tmp_path / "times.csv")
    is_the_table(read(tmp_path / "times.csv"), points=200)


def test_an_infinite_position_is_no_movement(tmp_path):
    table().assign(z=lambda data: np.where(data.index == 5, np.inf, 3.0)).to_csv(tmp_path / "flat.csv", index=False)
    is_the_table(read(tmp_path / "flat.csv"))


def test_an_axis_along_which_a_track_does_not_move_is_none_of_its_axes(tmp_path):
    data = table()
    data.assign(y=data["particle"].where(data["particle"] < 2, data["y"])).to_csv(tmp_path / "kymograph.csv")
    ordered = read(tmp_path / "kymograph.csv")
    assert {axes: len(some.table) for axes, some in ordered.tracks.items()} == {1: 2, 2: 1}
    np.testing.assert_allclose(the_walks(ordered, 1)["1"][:, 0], walk(1)[:, 0])


def test_parts_that_rest_are_told(tmp_path):
    data = table(tracks=1, points=60)
    gap = data["frame"].between(30, 39)
    data.assign(x=data["x"].where(data["frame"] < 40, 7.0), y=data["y"].where(data["frame"] < 40, 7.0))[~gap].to_csv(
        tmp_path / "bleached.csv"
    )
    ordered = read(tmp_path / "bleached.csv", "split")
    assert ordered.tracks[2].table["points"].tolist() == [30]
    assert ordered.left[["track", "points", "why"]].to_numpy().tolist() == [
        ["0 part 2", 20, "a part that does not move"]
    ]


@pytest.mark.parametrize("nobody", [np.nan, -1.0])
def test_points_of_no_track_in_a_matlab_array(tmp_path, nobody):
    data = table().assign(particle=lambda data: data["particle"].astype("float64"))
    data.loc[len(data)] = [nobody, 3, 0.5, 0.5]
    scipy.io.savemat(tmp_path / "tr.mat", {"tr": data[["x", "y", "frame", "particle"]].to_numpy()})
    ordered = read(tmp_path / "tr.mat")
    assert list(the_walks(ordered)) == ["0", "1", "2"]
    assert ordered.unlinked == 1


def in_the_middle(folder, content, name="spots.csv"):
    """Write a valid file of 70 000 rows, followed by `content`."""
    path = folder / name
    table(tracks=700, points=100).to_csv(path, index=False)
    path.write_bytes(path.read_bytes() + content)
    return path


def test_what_cannot_be_read_behind_the_beginning_is_told_too(tmp_path):
    for content in ("7,1,2,3 µm\n".encode("cp1252"), b'7,1,"2,3\n'):
        path = in_the_middle(tmp_path, content)
        with pytest.raises(InputError, match="cannot be read as tracks"):
            read(path)
    empty = tmp_path / "empty.parquet"
    table().iloc[:0].to_parquet(empty)
    with pytest.raises(InputError, match="has no rows"):
        collect([empty], "none", made_from([empty], {}, GAPS[0], None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<Tracks>", "damaged XML"),
        (b"<html></html>", "XML of html"),
        (b"<Tracks></Tracks>", "has no tracks"),
        (b"2.0;0.0;0.1;0.2;0.3;0.4\n", "may have been cut short"),
        (b"1.0;0.0;0.1\nword\n", "line 2 is not"),
        (b"PAR1 and no more", "cannot be read"),
        (b"MATLAB 5.0 MAT-file and no more", "cannot be read"),
        (b"\x00\x01\x02\x03", "is not text"),
        (b"\x93NUMPY\x01\x00\x76\x00", "is not text"),
    ],
)
def test_what_is_no_file_of_tracks_is_refused(tmp_path, content, message):
    (tmp_path / "tracks").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_tracks(tmp_path / "tracks")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read as tracks"):
        open_tracks(tmp_path / "none.csv")
