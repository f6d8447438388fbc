"""Effects of the factors of a grid of networks on accuracy: order of layers, depth, kernel size and others.

Networks are compared in pairs that differ in one factor only. Two pairs may share a network, so pairs are not
independent. Differences are therefore averaged within units that share no network, and the confidence interval is
computed over the units.
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
    """Pairs of networks (word, other factors) that differ in one factor, each with its unit (without the seed)."""

    factor: str
    name: str
    pairs: tuple[tuple[_Network, _Network, _Unit], ...]


def effects(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Change of validation accuracy with each factor that has several values in the grid, all else being equal.

    Both networks of a pair have the same seed. By factor, the pairs are

    - order: two words, one of which has a block such as 132 in place of the grid's first block, such as 123 (in one
      position, or in all positions), everything else being the same. Neighbouring pairs share a word: the unit is the
      cell of one depth, kernel size (and number of filters and learning rate, here and below) and seed. The factor is
      called blocks if the blocks differ in more than the order of their layers.
    - depth: a word and the word of its first blocks, with the same kernel size. Several words begin with the same
      blocks: the unit is the kernel size and seed.
    - kernel size, filters, learning rate: two values, everything else being the same. A network is in only one pair of
      each comparison: the pair is the unit.

    Each seed counts as a separate unit, so an interval describes how well the mean over this grid is known; it does not
    generalise to other kernel sizes or words. Each interval has a coverage of 95 % on its own, not jointly.
    All networks of a seed see the samples in the same order, so their random deviations are not independent: if the
    means of single seeds differ by far more than the interval, the interval is too narrow.

    Args:
        table: as returned by `grid_table`, with one number of epochs and samples; networks may be missing.
        grid: the grid of the networks.

    Returns:
        One row per comparison that has a pair: `factor`, `comparison`, `difference` (mean over units), `low` and `high`
        (95 % confidence interval over units, by Student's t; NaN for a single unit), `seed_low` and `seed_high`
        (smallest and largest mean over the units of a single seed), `units`, `pairs`.

    Raises:
        InputError: if a network occurs twice with the same seed, networks differ in epochs or samples, or there is no
            pair.
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
    """All comparisons, each with every pair of the full grid."""
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
    """Values of all factors except the word: one tuple for each level of `factor`, then the other factors alone."""
    others = {name: values for name, values in grid.factors.items() if name != factor}
    for rest in product(*others.values()):
        known = dict(zip(others, rest, strict=True))
        yield *(tuple({**known, factor: level}[name] for name in grid.factors) for level in levels), rest


def _steps(levels: Sequence[_Level]) -> list[tuple[_Level, _Level]]:
    """Pairs of neighbouring levels, and of the first and the last level if that is another pair."""
    return [*pairwise(levels), *([(levels[0], levels[-1])] if len(levels) > 2 else [])]


def _spoken(factor: str) -> str:
    return factor.replace("_", " ")


def order_factor(grid: Grid) -> str:
    """Name of the factor in which blocks differ: order, if all blocks have the same layers, otherwise blocks."""
    return "order" if len({"".join(sorted(block)) for block in grid.blocks}) == 1 else "blocks"


def variance_shares(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Share of the variance of validation accuracy between networks that each varied factor of the grid explains.

    Additive models are fitted by least squares, each with one factor more than the previous one: depth, kernel size,
    filters, learning rate, depth and kernel size together (an effect of kernel size that differs between depths), order
    (the word, within its depth). The rest contains other interactions, such as order with kernel size, and chance:
    initial weights and the order of samples.

    Returns:
        One row per factor, and one for the rest: `factor`, `degrees` (of freedom), `share` (η², its sum of squares
        divided by the total; the shares add up to 1) and `corrected` (ω², reduced by what as many degrees of freedom
        without effect would explain by chance; about 0 for a factor without effect, NaN if no degrees of freedom are
        left to estimate chance). Both shares are NaN if all accuracies are equal.
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
    """Level of each network, by the displayed name of the factor."""
    numbers = [name for name, levels in grid.factors.items() if len(levels) > 1]
    found = {"depth": table["depth"]} if len(grid.depths) > 1 else {}
    found |= {_spoken(name): table[name] for name in numbers}
    if len(grid.depths) > 1 and "kernel_size" in numbers:
        found["depth with kernel size"] = table["depth"].astype(str) + "-" + table["kernel_size"].astype(str)
    return found | ({order_factor(grid): table["word"]} if len(grid.blocks) > 1 else {})


def seed_deviation(table: pd.DataFrame, grid: Grid) -> float:
    """Standard deviation of a network's validation accuracy over seeds, pooled over networks; NaN with one seed."""
    networks = table.groupby(["word", *grid.factors])["val_accuracy"]
    freedom = int((networks.count() - 1).sum())
    squares = float(((table["val_accuracy"] - networks.transform("mean")) ** 2).sum())
    return float(np.sqrt(squares / freedom)) if freedom else np.nan


def markdown(found: pd.DataFrame, shares: pd.DataFrame) -> str:
    """Effects, in percentage points of accuracy, and shares of the variance, as two Markdown tables."""
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
