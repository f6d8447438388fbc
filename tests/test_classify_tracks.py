"""Tracks from files through Ray into a table, a store and a page."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_tracks_files import table, walk
from tiny_networks import random_network
from without_ray import fill_here

from raypipe import catalog, repair, store
from raypipe.command import call
from raypipe.errors import InputError
from raypipe.jobs import classify_tracks, draw, score_tracks
from raypipe.jobs import explain as explain_job
from raypipe.networks import classify, explain
from raypipe.plot.style import raster
from raypipe.store import objects, owner
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import challenge_files, collect, networks, outcomes, page, results, seen

EXAMPLE = Path(__file__).parent.parent / "examples" / "tracks.csv"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(monkeypatch):
    """Compute everything in this process; the first test shows that workers give the same results."""
    for module in (classify, explain, classify_tracks):
        monkeypatch.setattr(module, "fill", fill_here)


def job(*arguments):
    own = () if "--network" in arguments else ("--network", "tracks-{}d")
    call(classify_tracks.main, [str(one) for one in (*arguments, *own, "--familiar", "familiar-{}d")])


def random_networks(*dimensions, threshold=0.0):
    """Save random networks for models and for familiarity; with threshold 0 all tracks count as unfamiliar."""
    for number in dimensions:
        random_network(networks.NETWORKS[number - 1])
        limits = {f"val_threshold/{most}": threshold for most in outcomes.TIMES}
        random_network(networks.FAMILIAR[number - 1], **limits)


def made(file, **more):
    return collect.made_from([file], more.pop("columns", {}), more.pop("gaps", "interpolate"), more.pop("step", None))


def positions(plan):
    return collect.compute(plan.parameters)({"sample": np.arange(plan.samples)})


def mixed(tracks=9):
    """Return tracks of 10, 20, … points."""
    whole = table(tracks, points=10 * tracks)
    return whole[whole["frame"] < 10 * (1 + whole["particle"])]


def test_tracks_become_a_table_a_store_and_a_page(folder, ray_cluster, capsys):
    random_networks(2, threshold=1.0)
    data = pd.concat([mixed(), table(1, 1).assign(particle=99)])
    data[data["frame"] != 15].to_csv("cells.csv", index=False)
    job("cells.csv", "--workers", "1")
    said = capsys.readouterr().out
    assert "left out 1: fewer than 10 points (99)" in said
    assert "written: tracks-cells.csv with 9 tracks, tracks-cells.html" in said
    found = pd.read_csv("tracks-cells.csv", keep_default_na=False)
    assert found["track"].tolist() == list(range(9))
    assert found["points"].tolist() == [10 * (1 + track) for track in range(9)]
    assert found["interpolated"].tolist() == [0, *[1] * 8]
    assert found["warnings"].tolist() == ["", *["1 points interpolated"] * 8]
    np.testing.assert_allclose(found[list(ANDI_MODELS)].sum(axis=1), 1, atol=0.001)
    assert (found["model"] == found[list(ANDI_MODELS)].idxmax(axis=1)).all()
    assert ((found["exponent_low"] < found["exponent"]) & (found["exponent"] < found["exponent_high"])).all()
    html = (folder / "tracks-cells.html").read_text()
    assert "cells.csv" in html
    assert html.count("<img") == 3
    shown = page.examples(found)
    numbers = catalog.open(next(one for one in store.list_names("relevance")))["origin"].values
    assert sorted(numbers) == sorted(shown.index)

    tracks = catalog.open("andi/tracks-cells-2d")
    np.testing.assert_allclose(tracks["position"][0, :10], walk(0, 90)[:10])
    assert np.isnan(tracks["position"][0, 10:]).all()
    predictions = catalog.open("predictions/tracks-2d/tracks-cells-2d")
    expected = outcomes.outcome(predictions["probability"].values)
    np.testing.assert_allclose(found["exponent"], expected.exponent, atol=0.001)
    assert not list((folder / "store" / "tracks").rglob("*.*"))

    before = store.ledger("andi/tracks-cells-2d"), store.ledger("predictions/tracks-2d/tracks-cells-2d")
    job("cells.csv", "--output", "again.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet("again.parquet")[["track", "exponent"]], found[["track", "exponent"]])
    assert before == (store.ledger("andi/tracks-cells-2d"), store.ledger("predictions/tracks-2d/tracks-cells-2d"))


@pytest.mark.slow
def test_the_network_that_comes_along_names_the_tracks_of_the_example(folder, ray_cluster):
    call(classify_tracks.main, [str(EXAMPLE)])
    found = pd.read_csv("tracks-tracks.csv").set_index("track")
    assert len(found) == 40
    # The example has eight simulated tracks of each model.
    assert (found["model"].value_counts().reindex(ANDI_MODELS, fill_value=0) >= 4).all()
    assert found["exponent"].between(0, 2.05).all()


def test_tracks_that_are_of_no_model_are_not_named(folder, here):
    random_networks(2)
    table(4).to_csv("cells.csv", index=False)
    job("cells.csv")
    found = pd.read_csv("tracks-cells.csv", keep_default_na=False)
    familiar = catalog.open("predictions/familiar-2d/tracks-cells-2d")["probability"].values
    np.testing.assert_allclose(found["unfamiliar"], 1 - familiar[:, 0], atol=1e-4)
    assert set(found["model"]) == {results.NONE}
    kinds = np.array(outcomes.STRANGERS)[familiar[:, 1:].argmax(axis=1)]
    assert found["warnings"].tolist() == [f"like motion that is {kind}" for kind in kinds]
    assert page.shares(found).set_index("model")["share"].tolist() == [0, 0, 0, 0, 0, 1]


def test_what_classify_tracks_has_made_is_explained_and_drawn(folder, here):
    """The tracks are two-dimensional, unlabelled, and in a split that the study does not declare."""
    random_networks(2, threshold=1.0)
    table(4).to_csv("cells.csv", index=False)
    job("cells.csv")
    call(explain_job.main, ["--network", "tracks-2d", "--split", "tracks-cells-2d", "--samples", "1,2"])
    assert catalog.open("relevance/tracks-2d/tracks-cells-2d-samples-1-2").sizes["sample"] == 2
    call(draw.main, ["--study", "andi"])
    drawn = sorted(one.name for one in (folder / "figures").iterdir())
    assert len(drawn) == 2
    assert all(one.startswith("relevance-tracks-2d-tracks-cells-2d-samples-") for one in drawn)
    with pytest.raises(InputError, match="network tracks-2d has no split 'tracks-others-2d'"):
        call(explain_job.main, ["--network", "tracks-2d", "--split", "tracks-others-2d"])


def test_tracks_of_several_dimensions_go_through_several_networks(folder, here):
    random_networks(1, 2, 3, threshold=1.0)
    lines = [";".join(map(str, [d, *walk(d, 30, d).T.ravel()])) for d in (1, 2, 3, 2)]
    (folder / "task.txt").write_text("\n".join(lines))
    job("task.txt")
    found = pd.read_csv("tracks-task.csv")
    assert found["dimensions"].tolist() == [1, 2, 2, 3]
    assert found["track"].tolist() == [0, 1, 3, 2]
    assert sorted(store.list_names("predictions")) == [
        f"predictions/{name}-{d}d/tracks-task-{d}d" for name in ("familiar", "tracks") for d in (1, 2, 3)
    ]


def test_a_network_of_something_else_is_refused(folder, here):
    random_networks(2)
    table().to_csv("cells.csv", index=False)
    for network, familiar, wrong in (("tracks-2d",) * 3, ("familiar-2d",) * 3):
        with pytest.raises(InputError, match=f"network {wrong} has other classes than .*-2d; choose one with the"):
            call(classify_tracks.main, ["cells.csv", "--network", network, "--familiar", familiar])


@pytest.mark.parametrize("threshold", [np.nan, np.inf, None])
def test_a_network_without_thresholds_is_refused_before_the_work(folder, here, threshold):
    random_networks(1, 2, threshold=1.0)
    limits = {} if threshold is None else {f"val_threshold/{most}": threshold for most in outcomes.TIMES[1:3]}
    known = {f"val_threshold/{most}": 1.0 for most in (*outcomes.TIMES[:1], *outcomes.TIMES[3:])}
    random_network(networks.FAMILIAR[1], **known, **limits)
    lines = [";".join(map(str, [d, *walk(d, 30, d).T.ravel()])) for d in (1, 2)]
    (folder / "task.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match="familiar-2d has no threshold for flagging tracks of up to 32, 64 steps; exp"):
        job("task.txt")
    assert store.list_names("predictions") == []


def test_a_network_of_other_dimensions_is_refused(folder, here):
    random_networks(1, 2)
    table().to_csv("cells.csv", index=False)
    with pytest.raises(InputError, match="tracks in 2 dimensions, not 1: network tracks-1d cannot classify it"):
        job("cells.csv", "--network", "tracks-1d")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv cannot be read: No such file"),
        (["cells.csv", "--output", "x.xlsx"], "format '.xlsx'"),
        (["cells.csv", "--gaps", "ignore"], "gaps 'ignore'"),
        (["cells.csv", "--columns", "who=x"], "--columns has 'who=x'"),
        (["cells.csv", "--name", "a/b"], "'a/b' cannot name tracks; expected letters"),
        (["cells.csv", "--step", "0"], r"the step between frames is 0\.0; expected a number above 0"),
        (["cells.csv", "--step", "-1"], r"the step between frames is -1\.0"),
        (["cells.csv", "--step", "nan"], "the step between frames is nan"),
        (["cells.csv", "./cells.csv"], "cells.csv is given more than once; expected each"),
        (["short.csv"], "no track can be used: short.csv: CSV.*left out 3: fewer than 10 points"),
    ],
)
def test_mistakes_are_told(folder, arguments, message):
    table().to_csv("cells.csv", index=False)
    table(points=5).to_csv("short.csv", index=False)
    with pytest.raises(InputError, match=message):
        job(*arguments)
    assert not (folder / "store" / "andi").exists()


def test_other_files_of_the_same_name_are_told(folder, here):
    random_networks(2)
    table().to_csv("cells.csv", index=False)
    fill_here(*collect.collect([folder / "cells.csv"], "cells", made(folder / "cells.csv"))[1])
    table(4).to_csv("cells.csv", index=False)
    with pytest.raises(InputError, match="tracks cells already exist, made with other files; give these another"):
        job("cells.csv")
    job("cells.csv", "--name", "more")
    assert len(pd.read_csv("tracks-more.csv")) == 4


def test_many_parts_have_the_same_tracks(folder, monkeypatch):
    data = table(60, 30).sample(frac=1, random_state=1)
    data.to_csv("cells.csv", index=False)
    _, (whole,) = collect.collect([folder / "cells.csv"], "one", made(folder / "cells.csv"))
    expected = positions(whole)
    names = whole.coordinates["track"].values
    monkeypatch.setattr(collect, "_PART_BYTES", 10_000)
    monkeypatch.setattr(collect, "_SHARD_TRACKS", 5)  # gives each part several row groups
    monkeypatch.setattr("raypipe.studies.andi.tracks.files._PIECE", 100)
    told, (plan,) = collect.collect([folder / "cells.csv"], "many", made(folder / "cells.csv"))
    assert len(plan.parameters["parts"]) > 3
    assert (told[0].points, told[0].used) == (1800, {2: 60})
    found = positions(plan)
    place = {name: at for at, name in enumerate(plan.coordinates["track"].values)}
    order = [place[name] for name in names]
    for variable, values in expected.items():
        np.testing.assert_array_equal(found[variable][order], values)
    some = np.arange(17, 43)
    shard = collect.compute(plan.parameters)({"sample": some})
    np.testing.assert_array_equal(shard["position"], found["position"][some])


def test_points_that_a_killed_job_left_in_the_temporary_folder_are_removed(folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    left = folder / "tmp" / "raypipe-tracks-left"
    (left / "parts").mkdir(parents=True)
    (left / ".owner").touch()
    table().to_csv("cells.csv", index=False)
    assert collect.collect([folder / "cells.csv"], "cells", made(folder / "cells.csv"))[0][0].used == {2: 3}
    assert list((folder / "tmp").iterdir()) == []


def test_a_long_track_is_seen_at_every_so_many_points(folder):
    long = pd.concat([table(1, 2500), table(1, 1000).assign(particle=1), table(1, 1001).assign(particle=2)])
    long.to_csv("cells.csv", index=False)
    _, (plan,) = collect.collect([folder / "cells.csv"], "long", made(folder / "cells.csv"))
    found = positions(plan)
    assert plan.coordinates["every"].values.tolist() == [3, 1, 2]
    assert found["length"].tolist() == [834, 1000, 501]
    assert max(found["length"]) <= seen.MOST
    np.testing.assert_allclose(found["position"][0, :834], walk(0, 2500)[::3])


def test_names_of_tracks_may_be_texts(folder):
    table(2).replace({"particle": {0: "a", 1: "b c"}}).astype({"particle": str}).to_csv("cells.csv", index=False)
    _, (plan,) = collect.collect([folder / "cells.csv"], "texts", made(folder / "cells.csv"))
    assert plan.coordinates["track"].values.tolist() == ["a", "b c"]


def test_names_with_zeros_in_front_stay_apart(folder):
    table(2).assign(particle=lambda data: data["particle"].map({0: "007", 1: "7"})).to_csv("cells.csv", index=False)
    _, (plan,) = collect.collect([folder / "cells.csv"], "zeros", made(folder / "cells.csv"))
    assert plan.coordinates["track"].values.tolist() == ["007", "7"]


def test_files_of_one_name_are_told_apart_by_their_folders(folder):
    files = [folder / day / "spots.csv" for day in ("day1", "day2")]
    for file in files:
        file.parent.mkdir()
        table(1).to_csv(file, index=False)
    kept = collect.made_from(files, {}, "interpolate", None)
    assert [one["file"] for one in kept["files"]] == ["day1/spots.csv", "day2/spots.csv"]
    told, (plan,) = collect.collect(files, "days", kept)
    assert (
        plan.coordinates["file"].values.tolist() == [one.file for one in told] == ["day1/spots.csv", "day2/spots.csv"]
    )


def test_what_was_interrupted_between_two_dimensions_is_continued(folder):
    lines = [";".join(map(str, [d, *walk(d, 30, d).T.ravel()])) for d in (1, 2, 2)]
    (folder / "task.txt").write_text("\n".join(lines))
    of = made(folder / "task.txt")
    _, (line, plane) = collect.collect([folder / "task.txt"], "task", of)
    fill_here(line)
    store.create(plane, {})
    collect.forget("task")
    assert collect.collected("task", of) is None
    told, plans = collect.collect([folder / "task.txt"], "task", of)
    fill_here(*plans)
    assert collect.collected("task", of) == told
    # Damaged tracks cannot be recreated without the files.
    with pytest.raises(
        InputError, match=r"raypipe remove andi/tracks-task-2d, then give raypipe classify_tracks the sam"
    ):
        repair.plan_of("andi/tracks-task-2d")


def test_a_second_job_of_the_same_name_leaves_the_first_alone(folder, here):
    random_networks(2, threshold=1.0)
    table().to_csv("cells.csv", index=False)
    (folder / "other").mkdir()
    table(4).assign(x=lambda data: data["x"] + 1).to_csv("other/cells.csv", index=False)
    file = folder / "cells.csv"
    with collect.planned([file], "cells", made(file)) as (_, plans):
        for second in ("cells.csv", "other/cells.csv"):
            with pytest.raises(InputError, match=r"^tracks/cells is being made by process"):
                job(second)
        fill_here(*plans)
        job("cells.csv")  # what is complete is only read
    np.testing.assert_allclose(catalog.open("andi/tracks-cells-2d")["position"][2, :40], walk(2))
    assert objects.paths("tracks") == []


def test_intermediate_files_of_killed_jobs_are_removed(folder, here):
    random_networks(2, threshold=1.0)
    table().to_csv("cells.csv", index=False)
    for name in ("killed", "alive"):
        objects.put(f"tracks/{name}/2d-0-0.parquet", b"positions")
    with owner.held("tracks/alive"):
        job("cells.csv")
        assert objects.folders("tracks") == ["tracks/alive"]


def test_a_table_has_numbers_and_texts_as_names(folder):
    numbers, texts = (pd.DataFrame({"track": names, "exponent": 1.0}) for names in ([1, 2], ["a", "b"]))
    for name in ("table.parquet", "table.csv"):
        results.write(pd.concat([numbers, texts]), folder / name)
    assert pd.read_parquet("table.parquet")["track"].tolist() == ["1", "2", "a", "b"]
    assert pd.read_csv("table.csv")["track"].tolist() == ["1", "2", "a", "b"]
    results.write(numbers, folder / "numbers.parquet")
    assert pd.read_parquet("numbers.parquet")["track"].tolist() == [1, 2]


def test_an_interrupted_write_leaves_no_table_that_looks_whole(folder, monkeypatch):
    found = pd.DataFrame({"track": [1, 2], "exponent": 1.0})
    for name in ("table.parquet", "table.csv"):
        results.write(found, folder / name)

    def interrupted(_, path, **__):
        Path(path).write_text("track,exponent\n1,1.0\n")
        raise KeyboardInterrupt

    for name, reading in (("table.parquet", pd.read_parquet), ("table.csv", pd.read_csv)):
        monkeypatch.setattr(pd.DataFrame, f"to_{name.rpartition('.')[2]}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            results.write(found, folder / name)
        assert len(reading(name)) == 2


def test_names_of_tracks_are_no_formulas():
    shown = pd.DataFrame({"track": [r"$\cell$"], "model": ["fbm"], "dimensions": [2], "fbm": [0.9], "unfamiliar": 0.1})
    shown = shown.assign(exponent=1.0, exponent_low=0.8, exponent_high=1.2)
    of = xr.Dataset(
        {"position": (("sample", "time", "axis"), walk()[None]), "relevance": (("sample", "time"), np.ones((1, 40)))},
        {"origin": ("sample", [0])},
    )
    raster(page.examples_figure(shown, {2: of}))


def some_results(count=400, seed=1):
    random = np.random.default_rng(seed)
    probability = random.dirichlet(np.full(5, 0.2), size=count)
    return pd.DataFrame(
        {
            "file": "cells.csv",
            "track": np.arange(count),
            "unfamiliar": 0.1,
            "model": np.array(ANDI_MODELS)[probability.argmax(axis=1)],
            **dict(zip(ANDI_MODELS, probability.T, strict=True)),
        }
    )


@pytest.mark.parametrize("count", [400, 6000])
def test_shares_have_intervals_that_hold_the_truth(count):
    inside = [
        ((of["low"] < 0.2) & (of["high"] > 0.2))[:5].mean()
        for of in (page.shares(some_results(count, s)) for s in range(20))
    ]
    assert 0.88 < np.mean(inside) <= 1
    assert page.shares(some_results())["named"].sum() == 400


@pytest.mark.parametrize("count", [400, 6000])
def test_parts_of_a_track_do_not_narrow_the_intervals_of_shares(count):
    found = some_results(count)
    whole, split = page.shares(found), page.shares(pd.concat([found] * 4))
    np.testing.assert_allclose(split[["share", "low", "high"]], whole[["share", "low", "high"]])


def test_the_interval_of_a_rare_model_does_not_begin_below_zero():
    found = some_results(6000).assign(attm=(np.arange(6000) == 7).astype("float64"))
    assert page.shares(found)["low"].min() == 0


def test_scores_are_the_challenges(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE.parent.parent / "benchmarks")
    import scores

    random = np.random.default_rng(1)
    label = random.integers(140, size=1000)
    probability = np.where(random.random(1000) < 0.7, 0, 1)[:, None] * np.eye(140)[random.integers(140, size=1000)]
    probability += np.where(probability.sum(axis=1) == 0, 1, 0)[:, None] * np.eye(140)[label]
    predictions = xr.Dataset(
        {"probability": (("sample", "class"), probability)},
        coords={
            "label": ("sample", outcomes.MODEL[label]),
            "exponent": ("sample", outcomes.EXPONENT[label]),
            "length": ("sample", random.integers(10, 1000, 1000)),
        },
    )
    model, exponent = (scores.score(predictions, task) for task in ("model", "exponent"))
    said = outcomes.outcome(probability)
    right = said.probability.argmax(axis=1) == outcomes.MODEL[label]
    assert model["figure"][0] == pytest.approx(right.mean())
    assert exponent["figure"][0] == pytest.approx(np.abs(said.exponent - outcomes.EXPONENT[label]).mean())
    assert model["tracks"][1:].sum() == model["tracks"][0] == 1000
    assert (model["low"] <= model["figure"]).all()
    assert "UCL" in scores.beside(exponent, "exponent", 2, "ours")
    assert scores.entries("model", 3)["all lengths"].max() == 0.9277


def test_the_table_says_what_was_done_to_a_track():
    found = pd.DataFrame({"interpolated": [0, 2], "doubled": [0, 1], "unread": [0, 0], "every": [1, 3]})
    assert results._warnings(found, np.array(["", "like motion that is directed"])).tolist() == [
        "",
        "like motion that is directed; 2 points interpolated; several positions in 1 frames; only 1 point in 3 used",
    ]


def challenge_task(folder):
    """Write a task of five tracks, one of which does not move, and the table of results for the others."""
    lines = [";".join(map(str, [d, *(walk(d, 20, d) * (at != 2)).T.ravel()])) for at, d in enumerate((1, 2, 2, 3, 1))]
    (folder / "task.txt").write_text("\n".join(lines) + "\n")
    found = some_results(4).assign(track=[0, 4, 1, 3], exponent=[0.5, 1.5, 1.0, 0.75])
    found = found.assign(dimensions=[1, 1, 2, 3], points=20, unread=0)
    found.to_csv(folder / "table.csv", index=False)
    return found


def score_job(*arguments):
    call(score_tracks.main, [str(one) for one in arguments])


def test_predictions_are_written_and_scored_as_the_challenge_did(folder, capsys):
    found = challenge_task(folder).set_index("track")
    named = found[list(ANDI_MODELS)].to_numpy().argmax(axis=1)
    models = dict(zip(found.index, named, strict=True)) | {2: 4}
    (folder / "ref1.txt").write_text("1.0;0.5\n2.0;1.25\n2.0;1.0\n3.0;0.75\n1.0;1.0\n")
    (folder / "ref2.txt").write_text("\n".join(f"{d};{models[i]}.0" for i, d in enumerate((1, 2, 2, 3, 1))))
    for name, encoding in (("task.txt", "utf-16"), ("ref1.txt", "utf-8-sig")):
        (folder / name).write_text((folder / name).read_text(), encoding)
    score_job("task.txt", "table.csv", "--reference", "ref1.txt", "--reference", "ref2.txt", "--output", "out")
    said = capsys.readouterr().out
    assert "5 tracks, of which 1 were left out, and guessed" in said
    first, second = ((folder / "out" / name).read_text().splitlines() for name in ("task1.txt", "task2.txt"))
    assert [line.split(";")[0] for line in first] == ["1", "2", "2", "3", "1"]
    assert first[0] == "1;0.5000"
    guess = float(first[2].split(";")[1])
    assert 0.8 < guess < 1.2
    assert second[2] == "2;0.2000;0.2000;0.2000;0.2000;0.2000"
    assert [float(value) for value in second[1].split(";")[1:]] == pytest.approx(
        found.loc[1, list(ANDI_MODELS)], abs=1e-4
    )
    rows = [line.split()[-3:] for line in said.splitlines() if line.strip().startswith(("mean", "F1"))]
    assert rows[:3] == [["1", "2", "0.2500"], ["2", "2", f"{(0.25 + abs(guess - 1)) / 2:.4f}"], ["3", "1", "0.0000"]]
    assert rows[3:] == [["1", "2", "1.0000"], ["2", "2", "0.5000"], ["3", "1", "1.0000"]]


@pytest.mark.parametrize(("value", "measure"), [("1.0", "mean absolute error"), ("1", "F1"), ("3.0", "F1")])
def test_a_reference_of_whole_numbers_has_models_unless_they_are_written_as_exponents(tmp_path, value, measure):
    (tmp_path / "ref.txt").write_text(f"1;{value}\n1;{value}\n")
    predicted = pd.DataFrame({"dimensions": [1, 1], "exponent": [1.0, 1.5], **dict.fromkeys(ANDI_MODELS, 0.2)})
    assert challenge_files.score(predicted, tmp_path / "ref.txt")["measure"][0].startswith(measure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt", "table.csv"], "none.txt cannot be read"),
        (["table.csv", "table.csv"], "table.csv is not a challenge file"),
        (["short.txt", "table.csv"], "the table is not that of short.txt, which has 2 lines"),
        (["task.txt", "none.csv"], "none.csv cannot be read"),
        (
            ["task.txt", "other.csv"],
            "the table has no column dimensions, points, unread, exponent, attm, ctrw, fbm, lw, sbm; expected",
        ),
        (["task.txt", "table.csv", "--reference", "short.txt"], "short.txt is not a reference for these 5 tracks"),
        (["task.txt", "table.csv", "--reference", "table.csv"], "table.csv is not a reference for these 5 tracks"),
    ],
)
def test_files_of_no_challenge_are_told(folder, arguments, message):
    challenge_task(folder)
    (folder / "short.txt").write_text("1;0.5;1\n2;1;2\n")
    (folder / "other.csv").write_text("track,frame,x\n1,2,3\n")
    with pytest.raises(InputError, match=message):
        score_job(*arguments)
    assert not (folder / "submission").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": 21}, "track 0 has 20 points in 1-D there, 21 in 1-D in the table; give the table of this file"),
        ({"dimensions": 2}, "track 0 has 20 points in 1-D there, 20 in 2-D in the table"),
        ({"points": 19, "unread": 1}, None),
        ({"dimensions": 1}, None),
    ],
)
def test_the_table_of_another_task_with_as_many_tracks_is_refused(folder, change, message):
    found = challenge_task(folder).assign(**change)
    if message is None:
        assert challenge_files.predictions(folder / "task.txt", found)["left_out"].sum() == 1
        return
    with pytest.raises(InputError, match=message):
        challenge_files.predictions(folder / "task.txt", found)
