"""What a grid of networks answers: do the order of layers, the depth, the kernel size and other factors matter?

Networks are compared in pairs that differ in one thing only. Two pairs may share a network, so pairs are not
independent; they are averaged within units that share none, and the confidence interval is taken over the units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from raypipe.errors import InputError
from raypipe.networks.grid import Grid
from raypipe.networks.ranking import mean_with_interval

_PERCENT = 100

_Level = TypeVar("_Level", bound=float)
_Network = tuple[Any, ...]
_Unit = tuple[Any, ...]


@dataclass(frozen=True)
class _Comparison:
    """Pairs of networks (word, other factors) that differ in one thing, each with its unit but for the seed."""

    factor: str
    name: str
    pairs: tuple[tuple[_Network, _Network, _Unit], ...]


def effects(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """How much validation accuracy changes with each factor of which the grid has several values, all else being equal.

    A pair is of one seed always, and of

    - order: two words of which one has a block such as 132 where the other has the grid's first, such as 123 (or it for
      all its blocks and the first for all), everything else the same. Neighbouring pairs share a word: the unit is the
      cell of one depth, kernel size (and number of filters and learning rate, here and below) and seed. It is called
      blocks where they differ in more than the order of their layers.
    - depth: a word and its first blocks, same kernel size. Several words begin with the same blocks: the unit is the
      kernel size and seed.
    - kernel size, filters, learning rate: two of them, everything else the same. A network is in one pair of each
      comparison only: the pair is the unit.

    A seed counts as a unit of its own, so an interval says how well the mean over this grid is known, not what
    kernel sizes or words beyond it would give. Each interval covers with 95 % by itself, not all at once. All networks
    of a seed see the samples in one order, so what chance does to them is not all their own: where single seeds
    differ by far more than the interval, it is too narrow.

    Args:
        table: as `grid_table` gives it, of one number of epochs and samples; networks may be missing.
        grid: of which the networks are.

    Returns:
        One row per comparison of which there is a pair: `factor`, `comparison`, `difference` (mean over units), `low`
        and `high` (95 % confidence interval by Student's t over units; NaN if there is one), `seed_low` and
        `seed_high` (least and greatest mean of a single seed's units), `units`, `pairs`.

    Raises:
        InputError: if a network is there twice with one seed, networks differ in epochs or samples, or there is
            no pair at all.
    """
    _check_comparable(table, grid)
    accuracy = table.set_index(["word", *grid.factors, "seed"])["val_accuracy"].to_dict()
    rows = []
    for comparison in _comparisons(grid):
        pairs = pd.DataFrame(
            [
                (seed, unit, accuracy[(*one, seed)] - accuracy[(*other, seed)])
                for one, other, unit in comparison.pairs
                for seed in table["seed"].unique()
                if (*one, seed) in accuracy and (*other, seed) in accuracy
            ],
            columns=["seed", "unit", "difference"],
        )
        if len(pairs):
            units = pairs.groupby(["seed", "unit"])["difference"].mean()
            mean, low, high = mean_with_interval(units.to_numpy())
            seeds = units.groupby("seed").mean()
            rows.append(
                {
                    "factor": comparison.factor,
                    "comparison": comparison.name,
                    "difference": mean,
                    "low": low,
                    "high": high,
                    "seed_low": seeds.min(),
                    "seed_high": seeds.max(),
                    "units": len(units),
                    "pairs": len(pairs),
                }
            )
    if not rows:
        raise InputError(
            f"no two of these {len(table)} networks differ only in one block, the depth or another factor; train more"
        )
    return pd.DataFrame(rows)


def _check_comparable(table: pd.DataFrame, grid: Grid) -> None:
    network = ["word", *grid.factors, "seed"]
    if (twice := table.duplicated(network, keep=False)).any():
        same = table[twice].sort_values(network)["name"].tolist()[:2]
        raise InputError(
            f"{' and '.join(same)} are the same network with the same seed; compare series with different seeds"
        )
    for budget in ("epochs", "samples"):
        if len(found := sorted(table[budget].unique())) > 1:
            raise InputError(
                f"the networks were trained with {' and '.join(map(str, found))} {budget}; compare series that were "
                "trained with the same"
            )


def _comparisons(grid: Grid) -> Iterable[_Comparison]:
    """Every pair that the full grid would have."""
    yield from _of_order(grid)
    yield from _of_depth(grid)
    for factor in grid.factors:
        yield from _of_number(grid, factor)


def _of_order(grid: Grid) -> Iterable[_Comparison]:
    usual, *others = grid.blocks
    depths = sorted(grid.depths)
    settings = list(product(*grid.factors.values()))
    factor = order_factor(grid)
    for other in others:
        name = f"one block {other} instead of {usual}"
        pairs = tuple(
            (
                (word, *setting),
                ("".join((*blocks[:place], usual, *blocks[place + 1 :])), *setting),
                (len(blocks), *setting),
            )
            for word, blocks in grid.words.items()
            for setting in settings
            for place, block in enumerate(blocks)
            if block == other
        )
        yield _Comparison(factor, name, pairs)
        if len(depths) > 1:
            for depth in depths:
                yield _Comparison(
                    factor, f"{name}, depth {depth}", tuple(pair for pair in pairs if pair[2][0] == depth)
                )
        if depths[-1] > 1:
            extremes = tuple(
                ((other * depth, *setting), (usual * depth, *setting), (depth, *setting))
                for depth in depths
                for setting in settings
            )
            yield _Comparison(factor, f"all blocks {other} instead of {usual}", extremes)


def _of_depth(grid: Grid) -> Iterable[_Comparison]:
    for less, more in _steps(sorted(grid.depths)):
        pairs = tuple(
            ((word, *setting), ("".join(blocks[:less]), *setting), setting)
            for word, blocks in grid.words.items()
            for setting in product(*grid.factors.values())
            if len(blocks) == more
        )
        yield _Comparison("depth", f"depth {more} instead of {less}", pairs)


def _of_number(grid: Grid, factor: str) -> Iterable[_Comparison]:
    for small, large in _steps(grid.factors[factor]):
        pairs = tuple(
            ((word, *one), (word, *other), (word, *rest))
            for word in grid.words
            for one, other, rest in _settings(grid, factor, large, small)
        )
        yield _Comparison(_spoken(factor), f"{_spoken(factor)} {large:g} instead of {small:g}", pairs)


def _settings(grid: Grid, factor: str, *levels: float) -> Iterable[tuple[tuple[float, ...], ...]]:
    """Everything but the word, with each of these levels of a factor; last the others' alone."""
    others = {name: values for name, values in grid.factors.items() if name != factor}
    for rest in product(*others.values()):
        known = dict(zip(others, rest, strict=True))
        yield *(tuple({**known, factor: level}[name] for name in grid.factors) for level in levels), rest


def _steps(levels: Sequence[_Level]) -> list[tuple[_Level, _Level]]:
    """Each level with the next; and the first with the last, if that is another pair."""
    return [*pairwise(levels), *([(levels[0], levels[-1])] if len(levels) > 2 else [])]


def _spoken(factor: str) -> str:
    return factor.replace("_", " ")


def order_factor(grid: Grid) -> str:
    """What blocks differ in: order, if each has the layers of the others."""
    return "order" if len({"".join(sorted(block)) for block in grid.blocks}) == 1 else "blocks"


def variance_shares(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """How much of the variance of validation accuracy between networks is due to each factor that varies over the grid.

    Additive models by least squares, each with one factor more than the one before: depth, kernel size, filters,
    learning rate, depth and kernel size together (an effect of kernel size that differs between depths), order (the
    word, within its depth). The rest is what factors do differently at different values of others, such as order at
    different kernel sizes, and chance: first weights and the order of samples.

    Returns:
        One row per factor: `factor`, `degrees` (of freedom), `share` (η², its sum of squares over the total; the
        shares add up to 1) and `corrected` (ω², less what as many meaningless degrees of freedom would explain by
        chance; about 0 for a factor without effect, NaN where nothing is left to judge chance by). All are NaN where
        all accuracies are equal.
    """
    accuracy = table["val_accuracy"].to_numpy(dtype=float)
    factors = _factors(table, grid)
    design, rank = np.ones((len(table), 1)), 1
    squares = [float(((accuracy - accuracy.mean()) ** 2).sum())]
    degrees = []
    for levels in factors.values():
        design = np.hstack([design, pd.get_dummies(levels).to_numpy(dtype=float)])
        coefficients, _, new_rank, _ = np.linalg.lstsq(design, accuracy, rcond=None)
        squares.append(float(((accuracy - design @ coefficients) ** 2).sum()))
        degrees.append(int(new_rank) - rank)
        rank = int(new_rank)
    total, rest, left = squares[0] or np.nan, squares[-1], len(table) - rank
    chance = rest / left if left else np.nan
    rows = [
        (factor, freedom, (before - after) / total, (before - after - freedom * chance) / (total + chance))
        for factor, freedom, (before, after) in zip(factors, degrees, pairwise(squares), strict=True)
    ]
    corrected = 1 - sum(row[-1] for row in rows)
    return pd.DataFrame(
        [*rows, ("rest", left, rest / total, corrected)], columns=["factor", "degrees", "share", "corrected"]
    )


def _factors(table: pd.DataFrame, grid: Grid) -> dict[str, "pd.Series[Any]"]:
    """The level of each network, by what is told of the factor."""
    numbers = [name for name, levels in grid.factors.items() if len(levels) > 1]
    found = {"depth": table["depth"]} if len(grid.depths) > 1 else {}
    found |= {_spoken(name): table[name] for name in numbers}
    if len(grid.depths) > 1 and "kernel_size" in numbers:
        found["depth with kernel size"] = table["depth"].astype(str) + "-" + table["kernel_size"].astype(str)
    return found | ({order_factor(grid): table["word"]} if len(grid.blocks) > 1 else {})


def seed_deviation(table: pd.DataFrame, grid: Grid) -> float:
    """Standard deviation of the validation accuracy of one network over seeds, pooled; NaN without a second seed."""
    networks = table.groupby(["word", *grid.factors])["val_accuracy"]
    freedom = int((networks.count() - 1).sum())
    squares = float(((table["val_accuracy"] - networks.transform("mean")) ** 2).sum())
    return float(np.sqrt(squares / freedom)) if freedom else np.nan


def markdown(found: pd.DataFrame, shares: pd.DataFrame) -> str:
    """Effects, in percentage points of accuracy, and shares of the variance, as two tables in Markdown."""
    lines = [
        "| factor | comparison | difference (points) | 95 % confidence interval | single seeds | units | pairs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.to_dict("records"):
        difference, low, high, least, greatest = (
            f"{_PERCENT * row[name]:+z.2f}" for name in ("difference", "low", "high", "seed_low", "seed_high")
        )
        interval = f"{low} to {high}" if row["units"] > 1 else "one unit"
        seeds = f"{least} to {greatest}"
        cells = (row["factor"], row["comparison"], difference, interval, seeds, row["units"], row["pairs"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| factor | degrees of freedom | share of variance | corrected for chance |", "|---|---|---|---|"]
    for row in shares.to_dict("records"):
        share, corrected = (
            "unknown" if np.isnan(row[name]) else f"{row[name]:z.1%}" for name in ("share", "corrected")
        )
        lines.append(f"| {row['factor']} | {row['degrees']} | {share} | {corrected} |")
    return "\n".join(lines)
