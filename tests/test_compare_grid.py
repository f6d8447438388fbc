"""Tables and pictures of the grid, the ranking of networks, and the two jobs that write them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_data
import tiny_grid
import tiny_results
import xarray as xr
from matplotlib.patches import Rectangle
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import command, plot
from raypipe.errors import InputError
from raypipe.networks import artifact, classify
from raypipe.networks.effects import effects
from raypipe.networks.evaluate import evaluate
from raypipe.networks.ranking import ranking, strata
from raypipe.store import objects
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.networks import GRID
from raypipe.study import architecture


def predictions(right, exponent=None):
    """Return predictions for cyclic labels: correct where `right` is 1, otherwise the next class."""
    label = np.arange(len(right)) % 5
    predicted = np.where(right, label, (label + 1) % 5)
    coordinates = {
        "label": ("sample", label),
        "class": ("class", list(diffusion.ANDI_MODELS)),
        "exponent": ("sample", np.resize([0.5, 1.0], len(right)) if exponent is None else exponent),
        "noise": ("sample", np.resize([0.1, 0.5, 1.0], len(right))),
    }
    return xr.Dataset({"predicted": ("sample", predicted)}, coordinates)


def test_the_heat_map_shows_each_network_where_it_belongs():
    table = tiny_grid.table(order=0.02, depth=0.05, kernel=0.01, seeds=(1, 2))
    table.loc[table["name"].eq("seed-2/132-4"), "val_accuracy"] += 0.1
    table = table[~table["name"].str.endswith("/123132-10")]
    axes = plot.grid_heat_map(table, GRID).axes[0]

    image = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert image.shape == (30, 6)
    assert image[1, 1] == pytest.approx(0.4 + 0.02 + 0.05 + 0.01 + 0.1 / 2), "mean over seeds"
    assert np.isnan(image[list(GRID.words).index("123132"), GRID.kernel_sizes.index(10)]), "not trained"
    assert np.isnan(image).sum() == 1 + 16
    assert ("0.530", (1, 1)) in {(text.get_text(), text.get_position()) for text in axes.texts}
    hatched = {(patch.get_x() + 0.5, patch.get_y() + 0.5) for patch in axes.patches if isinstance(patch, Rectangle)}
    assert hatched == {(5, row) for row in range(14, 30)}
    assert [label.get_text() for label in axes.get_yticklabels()] == list(GRID.words)


def test_cost_has_a_point_per_network_in_both_panels():
    table = tiny_grid.table(depth=0.05, kernel=0.01, seeds=(1, 2))
    table.loc[table["seed"].eq(2), ["seconds", "val_accuracy"]] += [4, 0.2]
    figure = plot.accuracy_against_cost(table, GRID)
    table = table.groupby(["word", "kernel_size"])[["parameters", "seconds", "val_accuracy"]].mean()
    for axes, cost in zip(figure.axes, ("parameters", "seconds"), strict=True):
        assert axes.get_xscale() == "log"
        drawn = sorted(point for line in axes.lines for point in line.get_xydata().tolist())
        assert drawn == [pytest.approx(one) for one in sorted(table[[cost, "val_accuracy"]].to_numpy().tolist())]
    deep, shallow = ({line.get_color() for line in figure.axes[0].lines if _depth(line) == depth} for depth in (4, 1))
    assert len(deep) == len(shallow) == 1
    assert deep != shallow
    assert [[text.get_text() for text in legend.get_texts()] for legend in figure.legends] == [
        ["1", "2", "3", "4"],
        [str(size) for size in GRID.kernel_sizes],
    ]


def _depth(line):
    return line.get_xdata()[0] // 1000


def test_effects_are_drawn_with_their_intervals_and_names():
    found = effects(tiny_grid.table(order=0.02, noise=0.01, random=np.random.default_rng(0)), GRID)
    axes = plot.effects_plot(found).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == found["comparison"].tolist()
    (bars,) = axes.containers
    np.testing.assert_allclose(bars[0].get_xdata(), 100 * found["difference"])
    ends = np.array([segment[:, 0] for segment in bars[2][0].get_segments()])
    np.testing.assert_allclose(ends, 100 * found[["low", "high"]].to_numpy())


def test_strata_are_drawn_by_class_where_it_occurs():
    exponent = np.where(np.arange(60) % 5 == 3, 1.5, np.resize([0.5, 1.0], 60))
    evaluations = {
        "best": evaluate(predictions(np.arange(60) % 2, exponent), ("exponent", "noise")),
        "study": evaluate(predictions(np.ones(60), exponent), ("exponent", "noise")),
    }
    figure = plot.accuracy_by_stratum(evaluations)
    assert [axes.get_title("left") for axes in figure.axes] == ["best", "", "study", ""]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["lw"].get_xdata().tolist() == [1.5], "Lévy walks have no exponent below 1"
    np.testing.assert_allclose(lines["all (accuracy)"].get_ydata(), evaluations["best"].accuracy_by_exponent)
    by_noise = evaluations["best"].confusion_by_noise.sel(label="fbm")
    drawn = next(line for line in figure.axes[1].lines if line.get_label() == "fbm")
    np.testing.assert_allclose(drawn.get_ydata(), by_noise.sel(predicted="fbm") / by_noise.sum("predicted"))


def test_the_ranking_of_a_case_counted_by_hand():
    for name, accuracy in {"123-2": 0.8, "andi-study": 0.7}.items():
        tiny_grid.save(name, accuracy)
    right = {"andi-study": np.tile([1, 1, 0, 0, 0], 20), "123-2": np.tile([1, 1, 1, 1, 0], 20)}
    table = ranking({name: predictions(one) for name, one in right.items()}, "andi-study")

    assert table["name"].tolist() == ["123-2", "andi-study"], "the best first"
    best, study = table.iloc[0], table.iloc[1]
    assert (best.parameters, best.epochs, best.samples, best.seconds, best.val_accuracy) == (
        7,
        8,
        20000,
        12.5,
        0.8,
    )
    assert best.accuracy == best.micro_f1 == 0.8
    # Wilson interval for 80 of 100.
    assert (best.accuracy_low, best.accuracy_high) == pytest.approx((0.71117, 0.86663), abs=1e-5)
    assert (best.recall_fbm, best.recall_sbm, study.recall_fbm) == (1, 0, 0)
    # 40 of 100 pairs differ, all in one direction: standard deviation √(0.4 · 0.6 · 100 / 99), Student's t 1.98422.
    half = 1.98422 * (0.24 / 99) ** 0.5
    assert (best.difference, best.difference_low, best.difference_high) == pytest.approx((0.4, 0.4 - half, 0.4 + half))
    assert (study.difference, study.difference_low, study.difference_high) == (0, 0, 0)


def test_networks_are_ranked_on_the_same_samples_only():
    with pytest.raises(InputError, match="'andi-study' is not among the networks 123-2"):
        ranking({"123-2": predictions(np.ones(10))}, "andi-study")
    tiny_grid.save("andi-study", 0.7)
    with pytest.raises(InputError, match="of 123-2 and andi-study are of different samples"):
        ranking({"andi-study": predictions(np.ones(10)), "123-2": predictions(np.ones(15))}, "andi-study")


def test_networks_that_number_the_classes_otherwise_are_ranked():
    for name, accuracy in {"123-2": 0.8, "andi-study": 0.7}.items():
        tiny_grid.save(name, accuracy)
    classes, label = ["attm", "ctrw", "fbm", "lw", "sbm"], np.arange(20) % 5
    here = xr.Dataset(
        {"predicted": ("sample", label)},
        {"label": ("sample", label, {"flag_meanings": " ".join(classes)}), "class": classes},
    )
    other = xr.Dataset(
        {"predicted": ("sample", np.where(label == 0, 3, 5 - label))},
        {
            "label": ("sample", 5 - label, {"flag_meanings": " ".join(["more", *classes[::-1]])}),
            "class": ["more", *classes[::-1]],
        },
    )
    table = ranking({"andi-study": here, "123-2": other}, "andi-study").set_index("name")
    assert table.loc["andi-study", "accuracy"] == 1
    assert (table.loc["123-2", "accuracy"], table.loc["123-2", "recall_attm"]) == (0.8, 0)
    assert table.loc["123-2", "difference"] == pytest.approx(-0.2)
    moved = other.assign_coords(label=other["label"].copy(data=np.roll(other["label"], 1)))
    with pytest.raises(InputError, match="of 123-2 and andi-study are of different samples"):
        ranking({"andi-study": here, "123-2": moved}, "andi-study")


def test_strata_in_long_form():
    exponent = np.where(np.arange(60) % 5 == 3, 1.5, 0.5)
    evaluation = evaluate(predictions(np.arange(60) % 2, exponent), ("exponent", "noise"))
    found = strata({"123-2": evaluation})

    assert found[["stratum", "value", "samples"]].to_numpy().tolist() == [
        ["exponent", 0.5, 48],
        ["exponent", 1.5, 12],
        *(["noise", noise, 20] for noise in (0.1, 0.5, 1.0)),
    ]
    assert found["accuracy"].tolist() == pytest.approx(
        [*evaluation.accuracy_by_exponent.values, *evaluation.accuracy_by_noise.values]
    )
    assert found["recall_lw"].isna().tolist() == [True, False, False, False, False]
    assert found["recall_lw"][1] == 0.5


def test_the_job_compares_the_grid(tmp_path, capsys):
    for series, seed in (("", 1), ("seed-2", 2)):
        for name, accuracy in {"123-2": 0.5, "132-2": 0.51, "123123-2": 0.6, "123-4": 0.4}.items():
            tiny_grid.save(name, accuracy + 0.002 * seed, series=series, seed=seed)
    tiny_grid.save("andi-study", 0.7)
    with pytest.raises(SystemExit, match="0"):
        command.run(job("compare_grid"), ["--series", ",seed-2", "--output", str(tmp_path / "results")])

    said = capsys.readouterr().out
    assert "| order | one block 132 instead of 123 | +1.00 |" in said
    assert "| depth | depth 2 instead of 1 | +10.00 |" in said
    assert "| kernel size | kernel size 4 instead of 2 | -10.00 |" in said
    assert "standard deviation 0.14 points" in said
    table = pd.read_csv(tmp_path / "results" / "andi_grid.csv", dtype={"word": str}, keep_default_na=False)
    assert table.columns.tolist() == [
        *("name", "word", "depth", "kernel_size", "parameters", "epochs", "samples", "seconds", "val_accuracy"),
        *(f"recall_{name}" for name in diffusion.ANDI_MODELS),
        *("seed", "series"),
    ]
    assert table["name"].tolist()[:2] == ["seed-2/123123-2", "123123-2"]
    assert sorted(path.name for path in (tmp_path / "results" / "figures").iterdir()) == [
        "andi_grid_cost.png",
        "andi_grid_effects.png",
        "andi_grid_heat_map.png",
    ]


def test_the_job_takes_up_a_table_written_earlier(tmp_path, capsys):
    """One seed comes from the table (its networks are deleted), another from the store; the result is the same."""
    networks = {"123-2": 0.5, "132-2": 0.51, "123123-2": 0.6}
    for series, seed in (("", 1), ("seed-2", 2)):
        for name, accuracy in networks.items():
            tiny_grid.save(name, accuracy + 0.002 * seed, series=series, seed=seed)

    def compare(flags):
        with pytest.raises(SystemExit, match="0"):
            command.run(job("compare_grid"), [*flags.split(), "--output", str(tmp_path)])
        return capsys.readouterr().out, (tmp_path / "andi_grid.csv").read_bytes()

    together = compare("--series ,seed-2")
    compare("")
    (tmp_path / "andi_grid.csv").rename(tmp_path / "earlier.csv")
    for name in networks:
        objects.delete(artifact.path(name))
    earlier = tmp_path / "earlier.csv"
    assert compare(f"--table {earlier} --series seed-2") == together
    alone, written = compare(f"--table {earlier}")
    assert written == earlier.read_bytes()
    assert "standard deviation" not in alone


def trained_network(name, accuracy):
    """Save a network with usable weights and the record of a training."""
    weights = random_network(architecture(name)).weights
    tiny_grid.save(name, accuracy)
    artifact.save(replace(artifact.load(name), weights=weights))


def test_the_job_ranks_networks(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classify, "fill", fill_here)
    for name in ("123-32", "132-32"):
        trained_network(name, 0.5)
    tiny_results.write("andi/test", tiny_results.trajectories(20)[["position"]])
    output = tmp_path / "results" / "finalists.csv"
    with pytest.raises(SystemExit, match="0"):
        command.run(
            job("rank_networks"), ["--networks", "132-32,123-32", "--reference", "123-32", "--output", str(output)]
        )

    assert capsys.readouterr().out.startswith("2 networks on test, 20 trajectories\n")
    table = pd.read_csv(output).set_index("name")
    assert set(table.index) == {"123-32", "132-32"}
    difference = table.loc["132-32", "accuracy"] - table.loc["123-32", "accuracy"]
    assert table["difference"].to_dict() == pytest.approx({"132-32": difference, "123-32": 0})
    by_stratum = pd.read_csv(output.with_name("finalists_strata.csv"))
    assert by_stratum.groupby(["network", "stratum"])["samples"].sum().tolist() == [20] * 4
    assert output.with_name("finalists_strata.png").exists()


def test_a_ranking_of_pattern_networks_is_on_patterns(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classify, "fill", fill_here)
    tiny_data.write_patterns("test", 4)
    trained_network("pattern-2d", 0.5)
    job("rank_networks")("pattern-2d", reference="pattern-2d", output=tmp_path / "ranking.csv")
    assert capsys.readouterr().out.startswith("1 networks on test, 4 patterns\n")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("compare_grid", "", "no network of the grid is trained without a series; run raypipe train_grid"),
        ("compare_grid", "--series seed-2", "trained in the series 'seed-2'"),
        ("compare_grid", "--table {folder}/none.csv", "none.csv as a table"),
        ("compare_grid", "--table {folder}/other.csv", "has no column word, depth, kernel_size"),
        ("rank_networks", "--networks ,", "no network to rank"),
        ("rank_networks", "--networks 123-2", "there is no trained network 'andi-study'"),
        ("rank_networks", "--networks 123-2 --reference pattern-2d", "of different studies"),
        ("rank_networks", "--networks 123-2 --reference 123-2 --output {folder}", "is a folder; name the file"),
        (
            "rank_networks",
            "--networks 123-2 --reference 123-2 --split scan",
            "network 123-2 has no split 'scan'",
        ),
    ],
)
def test_a_mistake_is_one_line_and_code_2(name, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("name,parameters\n123-2,7\n")
    if name == "rank_networks":
        tiny_grid.save("123-2", 0.5)
        tiny_grid.save("pattern-2d", 0.5)
    with pytest.raises(SystemExit, match="2"):
        command.run(job(name), arguments.format(folder=tmp_path).split())
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert message in said[0]
