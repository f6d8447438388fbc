"""Effects of order, depth and kernel size: known effects are found, and the intervals cover them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import tiny_grid

from raypipe import plot
from raypipe.errors import InputError
from raypipe.networks.effects import effects, markdown, seed_deviation, variance_shares
from raypipe.networks.grid import Grid
from raypipe.networks.grid_table import grid_networks, grid_table
from raypipe.networks.ranking import mean_with_interval
from raypipe.studies.andi.networks import GRID

exact = pytest.mark.filterwarnings("ignore:Precision loss")
"""Without noise all units agree up to rounding errors, about which SciPy warns."""

TRUE = {"order": 0.02, "depth": 0.05, "kernel": 0.01}


def expected(comparison):
    """Return the expected result of a comparison for TRUE; on average half of the added blocks are 132."""
    added_block = TRUE["depth"] + TRUE["order"] / 2
    if comparison == "all blocks 132 instead of 123":
        return TRUE["order"] * (6 * (1 + 2 + 3) + 5 * 4) / 23  # mean number of blocks over the cells
    if comparison.startswith("one block 132"):
        return TRUE["order"]
    if comparison.startswith("depth"):
        return 3 * added_block if comparison == "depth 4 instead of 1" else added_block
    return 5 * TRUE["kernel"] if comparison == "kernel size 32 instead of 2" else TRUE["kernel"]


@exact
def test_known_effects_are_found():
    found = effects(tiny_grid.table(**TRUE), GRID)

    assert found.groupby("factor", sort=False)["comparison"].count().to_dict() == {
        "order": 6,
        "depth": 4,
        "kernel size": 6,
    }
    np.testing.assert_allclose(found["difference"], [expected(one) for one in found["comparison"]])
    counted = found.set_index("comparison")[["units", "pairs"]]
    # Per kernel size, 1, 4, 12 and 32 pairs of words differ in one block; depth 4 has no networks of kernel size 32.
    assert counted.loc["one block 132 instead of 123"].tolist() == [23, 6 * (1 + 4 + 12) + 5 * 32]
    assert counted.loc["one block 132 instead of 123, depth 4"].tolist() == [5, 5 * 32]
    assert counted.loc["depth 4 instead of 3"].tolist() == [5, 5 * 16]
    assert counted.loc["kernel size 16 instead of 10"].tolist() == [30, 30]
    assert counted.loc["kernel size 32 instead of 16"].tolist() == [14, 14]


def test_intervals_cover_the_truth_and_tell_effects_from_chance():
    random = np.random.default_rng(1)
    covered = []
    for _ in range(40):
        found = effects(tiny_grid.table(**TRUE, noise=0.01, random=random), GRID)
        truth = np.array([expected(one) for one in found["comparison"]])
        covered.append((found["low"] < truth) & (truth < found["high"]))
        assert found["low"][0] > 0, "order has an effect here"
    assert 0.92 < np.mean(covered) < 0.98
    assert np.min(np.mean(covered, axis=0)) > 0.85, "every single comparison"


def test_a_second_seed_is_another_unit_and_narrows_the_interval():
    random = np.random.default_rng(2)
    one = effects(tiny_grid.table(noise=0.01, random=random), GRID)
    four = effects(tiny_grid.table(noise=0.01, random=random, seeds=(1, 2, 3, 4)), GRID)

    assert four["units"].tolist() == (4 * one["units"]).tolist()
    narrower = (four["high"] - four["low"])[0] / (one["high"] - one["low"])[0]
    assert narrower == pytest.approx(0.5, abs=0.15)


def test_single_seeds_are_told():
    table = tiny_grid.table(seeds=(1, 2, 3))
    for seed, order in ((1, 0.01), (2, 0.05), (3, 0.03)):
        table.loc[table["word"].eq("132") & table["seed"].eq(seed), "val_accuracy"] += order
    found = effects(table, GRID).set_index("comparison").loc["one block 132 instead of 123, depth 1"]
    assert found[["seed_low", "difference", "seed_high"]].tolist() == pytest.approx([0.01, 0.03, 0.05])


@exact
def test_of_an_incomplete_grid_the_pairs_that_exist_count():
    whole = tiny_grid.table(**TRUE, seeds=(1, 2))
    found = effects(whole.sample(frac=0.3, random_state=3), GRID)

    same = found[~found["factor"].eq("depth") & ~found["comparison"].str.startswith("all")]
    np.testing.assert_allclose(same["difference"], [expected(one) for one in same["comparison"]])

    few = effects(whole[whole["word"].isin(["123", "132"]) & whole["kernel_size"].eq(2) & whole["seed"].eq(1)], GRID)
    assert few["comparison"].tolist() == [
        "one block 132 instead of 123",
        "one block 132 instead of 123, depth 1",
        "all blocks 132 instead of 123",
    ]
    assert few["units"].tolist() == [1, 1, 1]
    assert few[["low", "high"]].isna().all(axis=None), "nothing to tell chance by"


def test_what_cannot_be_compared_is_refused():
    whole = tiny_grid.table()
    with pytest.raises(InputError, match="no two of these 2 networks differ only in"):
        effects(whole[whole["name"].isin(["seed-1/123-2", "seed-1/132132-32"])], GRID)
    with pytest.raises(InputError, match=r"seed-1/123-2 and seed-1/123-2 are the same network with the same seed"):
        effects(whole.iloc[[0, 6, 0]], GRID)
    with pytest.raises(InputError, match="trained with 8 and 30 epochs"):
        effects(whole.assign(epochs=[30, *[8] * 163]), GRID)


def test_an_interval_counted_by_hand():
    # Standard error 1/√3, Student's t for 2 degrees of freedom 4.3027.
    assert mean_with_interval([1, 2, 3]) == pytest.approx((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert mean_with_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("factor", "only"), [("depth", {"depth": 0.1}), ("kernel size", {"kernel": 0.1})])
def test_one_factor_has_all_of_the_variance(factor, only):
    table = tiny_grid.table(**only)
    shares = variance_shares(table[~(table["depth"].eq(4) | table["kernel_size"].eq(32))], GRID).set_index("factor")
    assert shares.loc[factor, "share"] == pytest.approx(1)
    assert shares["share"].sum() == pytest.approx(1)


def test_order_that_does_nothing_has_a_share_by_chance_only():
    random = np.random.default_rng(4)
    table = tiny_grid.table(noise=0.01, random=random)
    shares = variance_shares(table, GRID).set_index("factor")
    assert shares["degrees"].tolist() == [3, 5, 14, 26, 164 - 49]
    assert shares.loc["order", "share"] > 0.1
    corrected = [
        variance_shares(tiny_grid.table(noise=0.01, random=random), GRID).set_index("factor").loc["order", "corrected"]
        for _ in range(12)
    ]
    assert np.mean(corrected) == pytest.approx(0, abs=0.04)


def test_equal_networks_have_no_variance_to_share():
    assert variance_shares(tiny_grid.table()[:2].assign(val_accuracy=0.2), GRID)["share"].isna().all()


def test_the_deviation_over_seeds_is_that_of_chance():
    random = np.random.default_rng(5)
    assert seed_deviation(tiny_grid.table(**TRUE, noise=0.01, random=random, seeds=(1, 2, 3)), GRID) == pytest.approx(
        0.01, rel=0.1
    )
    assert np.isnan(seed_deviation(tiny_grid.table(**TRUE), GRID))


def test_the_table_has_what_is_known_of_each_network():
    names = [
        tiny_grid.save("123-2", 0.5),
        tiny_grid.save("132123-16", 0.7, series="seed-2", seed=2, epochs=3, samples=500),
    ]
    table = grid_table(GRID, names)

    assert table["name"].tolist() == ["seed-2/132123-16", "123-2"], "the best first"
    best = table.iloc[0]
    assert (best.word, best.depth, best.kernel_size, best.parameters) == ("132123", 2, 16, 7)
    assert (best.epochs, best.samples, best.seconds, best.seed, best.series) == (3, 500, 12.5, 2, "seed-2")
    assert best.val_accuracy == best.recall_attm == best.recall_sbm == 0.7


def test_only_networks_of_the_grid_are_tabulated():
    with pytest.raises(InputError, match="no network to compare"):
        grid_table(GRID, [])
    with pytest.raises(InputError, match="there is no trained network '123-2'"):
        grid_table(GRID, ["123-2"])
    with pytest.raises(InputError, match="network andi-study is not in the grid"):
        grid_table(GRID, [tiny_grid.save("andi-study", 0.7)])


def test_networks_are_found_by_their_series():
    tiny_grid.save("andi-study", 0.7)
    tiny_grid.save("132-2", 0.7)
    tiny_grid.save("123-2", 0.7, series="seed-2", seed=2)

    assert grid_networks(GRID) == ["132-2"]
    assert grid_networks(GRID, ["seed-2", ""]) == ["seed-2/123-2", "132-2"]
    with pytest.raises(InputError, match="no network of the grid is trained in the series 'seed-3'"):
        grid_networks(GRID, ["", "seed-3"])


@exact
def test_markdown_counts_in_percentage_points():
    table = tiny_grid.table(order=-0.02, depth=0.05, seeds=(1, 2))
    lines = markdown(effects(table, GRID), variance_shares(table, GRID)).splitlines()
    assert lines[2] == "| order | one block 132 instead of 123 | -2.00 | -2.00 to -2.00 | -2.00 to -2.00 | 46 | 524 |"
    assert lines[-1].startswith("| rest | ")
    one = table[table["word"].isin(["123", "132"]) & table["kernel_size"].eq(2) & table["seed"].eq(1)]
    assert "| one unit | -2.00 to -2.00 | 1 | 1 |" in markdown(effects(one, GRID), variance_shares(one, GRID))


OWN = Grid(
    "andi",
    (320, 1),
    ("a", "b"),
    ("123", "132", "213"),
    (1, 3),
    kernel_sizes=(16, 4),
    filters=(8, 32, 16),
    learning_rates=(0.01, 0.001),
    seeds=(1, 2),
)


def own_table(grid, noise=0.0):
    """Return a table of all trainings of a grid: accuracy is the sum of the effects of all factors and noise."""
    random = np.random.default_rng(6)
    effect = {"132": 0.01, "213": -0.02, 8: 0, 16: 0.03, 32: 0.04, 4: 0, 0.001: 0, 0.01: -0.05}
    rows = []
    for (name, one), rate, seed in product(grid.members.items(), grid.learning_rates, grid.seeds):
        mean = 0.5 + 0.02 * len(one.blocks) + sum(effect.get(block, 0) for block in one.blocks)
        mean += effect[one.filters] + effect[rate] + (0.06 if one.kernel_size == 16 else 0)
        row = {"name": name, "word": one.word, "depth": len(one.blocks), "kernel_size": one.kernel_size, "seed": seed}
        row |= {"filters": one.filters, "learning_rate": rate, "epochs": 1, "samples": 10}
        rows.append({**row, "val_accuracy": mean + random.normal(0, noise)})
    return pd.DataFrame(rows)


@exact
def test_known_effects_of_a_grid_of_the_users_own_are_found():
    found = effects(own_table(OWN), OWN).set_index("comparison")
    assert found["factor"].unique().tolist() == ["order", "depth", "kernel size", "filters", "learning rate"]
    expected = {
        "one block 132 instead of 123": 0.01,
        "one block 132 instead of 123, depth 3": 0.01,
        "one block 213 instead of 123": -0.02,
        "all blocks 213 instead of 123": -0.02 * (1 + 3) / 2,
        "depth 3 instead of 1": 2 * 0.02 + 2 * (0.01 - 0.02) / 3,
        "kernel size 16 instead of 4": 0.06,
        "filters 16 instead of 8": 0.03,
        "filters 32 instead of 16": 0.01,
        "filters 32 instead of 8": 0.04,
        "learning rate 0.01 instead of 0.001": -0.05,
    }
    for comparison, difference in expected.items():
        assert found.loc[comparison, "difference"] == pytest.approx(difference), comparison
    counted = found[["units", "pairs"]]
    # Seeds × kernel sizes × filters × rates: 24 cells per depth; 3 words of depth 1 and 27 of depth 3.
    assert counted.loc["one block 132 instead of 123"].tolist() == [48, 24 * (1 + 27)]
    assert counted.loc["depth 3 instead of 1"].tolist() == [24, 24 * 27]
    assert counted.loc["filters 32 instead of 8"].tolist() == [2 * 2 * 2 * 30] * 2
    assert counted.loc["learning rate 0.01 instead of 0.001"].tolist() == [2 * 2 * 3 * 30] * 2


def test_chance_is_told_from_the_effects_of_any_factor():
    found = effects(own_table(OWN, noise=0.02), OWN).set_index("comparison")
    for comparison, truth in {"filters 16 instead of 8": 0.03, "learning rate 0.01 instead of 0.001": -0.05}.items():
        low, high = found.loc[comparison, ["low", "high"]]
        assert low < truth < high
        assert low * high > 0
    assert seed_deviation(own_table(OWN, noise=0.02), OWN) == pytest.approx(0.02, rel=0.1)


def test_what_does_not_vary_is_left_out():
    shares = variance_shares(own_table(OWN), OWN).set_index("factor")
    names = ["depth", "kernel size", "filters", "learning rate", "depth with kernel size", "order", "rest"]
    assert shares.index.tolist() == names
    assert shares.loc["rest", "share"] == pytest.approx(0), "all effects are additive"
    assert (shares["share"].drop(["rest", "depth with kernel size"]) > 0.01).all()

    few = replace(OWN, blocks=("123", "13"), depths=(2,), kernel_sizes=(4,), learning_rates=(0.01,))
    table = own_table(few, noise=0.01)
    assert effects(table, few)["comparison"].tolist() == [
        "one block 13 instead of 123",
        "all blocks 13 instead of 123",
        "filters 16 instead of 8",
        "filters 32 instead of 16",
        "filters 32 instead of 8",
    ]
    assert variance_shares(table, few)["factor"].tolist() == ["filters", "blocks", "rest"]


def test_pictures_of_a_grid_of_the_users_own():
    table = own_table(OWN).assign(parameters=100, seconds=2.0)
    heat_map = plot.grid_heat_map(table, OWN)
    assert heat_map.axes[0].images[0].get_array().shape == (30, 2)
    assert heat_map.axes[1].get_ylabel() == "validation accuracy,\nmean over filters and learning rates"
    assert [tick.get_text() for tick in heat_map.axes[0].get_xticklabels()] == ["4", "16"]
    assert len(plot.accuracy_against_cost(table, OWN).axes[0].lines) == 30 * 2 * 3 * 2
    assert len(plot.effects_plot(effects(own_table(OWN, 0.01), OWN)).axes[0].get_yticklabels()) == 14
