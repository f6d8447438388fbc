"""What the grid of trajectory networks answers: do the order of layers, the depth and the kernel size matter?

Networks are compared in pairs that differ in one thing only. Two pairs may share a network, so pairs are not
independent; they are averaged within units that share none, and the confidence interval is taken over the units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raypipe.errors import InputError
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.networks.ranking import mean_with_interval, training_facts
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.networks import KERNEL_SIZES, WORDS, andi_grid

_BLOCK = 3
"""Layers of a block, digits of a word."""

_PERCENT = 100

GRID_COLUMNS = (
    "name", "word", "depth", "kernel_size", "parameters", "epochs", "trajectories", "seconds", "val_accuracy",
    *(f"recall_{name}" for name in diffusion.ANDI_MODELS), "seed", "series",
)  # fmt: skip
"""Columns of a table of the grid, see `grid_table`."""


def grid_networks(series: Sequence[str] = ("",)) -> list[str]:
    """Names of the trained networks of the grid in these series; the empty one is that without a name.

    Raises:
        InputError: if there is none in one of them.
    """
    trained = set(artifact.names())
    chosen = []
    for one in series:
        found = [name for network in andi_grid() if (name := artifact.artifact_name(network, one)) in trained]
        if not found:
            which = f"in the series {one!r}" if one else "without a series"
            raise InputError(f"no network of the grid is trained {which}; run jobs/train_grid.py, or name another")
        chosen += found
    return chosen


def grid_table(names: Sequence[str]) -> pd.DataFrame:
    """One row per trained network of the grid, the best first.

    Args:
        names: such as "123-2" or "seed-2/123-2".

    Returns:
        Columns `name`, `word`, `depth` (blocks), `kernel_size` (time steps), `parameters`, `epochs`, `trajectories`
        (trained on), `seconds` (of training), `val_accuracy` and `recall_<class>` (validation samples, from 0 to 1;
        NaN where not recorded), `seed` and `series`.

    Raises:
        InputError: if there is no name, or one is not trained or not of the grid.
    """
    if not names:
        raise InputError("no network to compare; name at least one that is trained")
    return _best_first(pd.DataFrame([_grid_row(artifact.load(name)) for name in names]))


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["val_accuracy", "name"], ascending=[False, True], ignore_index=True)


def read_grid_table(file: Path) -> pd.DataFrame:
    """A table that `grid_table` gave and that was written as CSV.

    Raises:
        InputError: if there is no such file, or it has other columns.
    """
    try:
        table = pd.read_csv(file, dtype={"word": str, "series": str})
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file} as a table: {error}; name one that jobs/compare_grid.py wrote") from error
    if absent := [name for name in GRID_COLUMNS if name not in table]:
        raise InputError(
            f"{file} has no column {', '.join(absent)}; name a table that jobs/compare_grid.py wrote, such as "
            "results/andi_grid.csv"
        )
    return table[list(GRID_COLUMNS)].fillna({"series": ""})


def join_grid_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all tables as one, the best first."""
    return _best_first(pd.concat(tables, ignore_index=True))


def _grid_row(trained: Artifact) -> dict[str, Any]:
    word, _, kernel = trained.architecture.name.partition("-")
    if word not in WORDS:
        raise InputError(f"network {trained.name} is not of the grid; expected names such as 123132-16: leave it out")
    facts = training_facts(trained)
    return {
        "name": facts.pop("name"),
        "word": word,
        "depth": len(word) // _BLOCK,
        "kernel_size": int(kernel),
        **facts,
        **{f"recall_{name}": trained.metrics.get(f"val_recall/{name}", np.nan) for name in diffusion.ANDI_MODELS},
        "seed": trained.provenance["made_from"]["training"]["seed"],
        "series": trained.series,
    }


_Network = tuple[str, int]
_Unit = tuple[str | int, ...]


@dataclass(frozen=True)
class _Comparison:
    """Pairs of networks (word, kernel size) that differ in one thing, each with its unit but for the seed."""

    factor: str
    name: str
    pairs: tuple[tuple[_Network, _Network, _Unit], ...]


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """How much validation accuracy changes with order, depth and kernel size, everything else being equal.

    A pair is of one seed always, and of

    - order: two words of which one has a block 132 where the other has 123 (or 132 for all its blocks and 123 for
      all), same kernel size. Neighbouring pairs share a word: the unit is the cell of one depth, kernel size and seed.
    - depth: a word and its first blocks, same kernel size. Several words begin with the same blocks: the unit is the
      kernel size and seed.
    - kernel size: two kernel sizes, same word. A network is in one pair of each comparison only: the pair is the unit.

    A seed counts as a unit of its own, so an interval says how well the mean over this grid is known, not what
    kernel sizes or words beyond it would give. Each interval covers with 95 % by itself, not all at once. All networks
    of a seed see the trajectories in one order, so what chance does to them is not all their own: where single seeds
    differ by far more than the interval, it is too narrow.

    Args:
        table: as `grid_table` gives it, of one number of epochs and trajectories; networks may be missing.

    Returns:
        One row per comparison of which there is a pair: `factor`, `comparison`, `difference` (mean over units), `low`
        and `high` (95 % confidence interval by Student's t over units; NaN if there is one), `seed_low` and
        `seed_high` (least and greatest mean of a single seed's units), `units`, `pairs`.

    Raises:
        InputError: if a network is there twice with one seed, networks differ in epochs or trajectories, or there is
            no pair at all.
    """
    _check_comparable(table)
    accuracy = table.set_index(["word", "kernel_size", "seed"])["val_accuracy"].to_dict()
    rows = []
    for comparison in _comparisons():
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
            f"no two of these {len(table)} networks differ in one block, the depth or the kernel size only; train more"
        )
    return pd.DataFrame(rows)


def _check_comparable(table: pd.DataFrame) -> None:
    network = ["word", "kernel_size", "seed"]
    if (twice := table.duplicated(network, keep=False)).any():
        same = table[twice].sort_values(network)["name"].tolist()[:2]
        raise InputError(
            f"{' and '.join(same)} are one network with one seed; compare series that were trained with different seeds"
        )
    for budget in ("epochs", "trajectories"):
        if len(found := sorted(table[budget].unique())) > 1:
            raise InputError(
                f"the networks were trained with {' and '.join(map(str, found))} {budget}; compare series that were "
                "trained with the same"
            )


def _comparisons() -> Iterable[_Comparison]:
    """Every pair that the full grid would have."""
    grid = [(word, kernel) for word in WORDS for kernel in KERNEL_SIZES]
    order = tuple(
        ((word, kernel), (word[:start] + "123" + word[start + _BLOCK :], kernel), (_depth(word), kernel))
        for word, kernel in grid
        for start in range(0, len(word), _BLOCK)
        if word[start : start + _BLOCK] == "132"
    )
    depths = sorted({_depth(word) for word in WORDS})
    yield _Comparison("order", "one block 132 instead of 123", order)
    for depth in depths:
        pairs = tuple(pair for pair in order if pair[2][0] == depth)
        yield _Comparison("order", f"one block 132 instead of 123, depth {depth}", pairs)
    extremes = tuple(
        (("132" * depth, kernel), ("123" * depth, kernel), (depth, kernel))
        for depth in depths
        for kernel in KERNEL_SIZES
    )
    yield _Comparison("order", "all blocks 132 instead of 123", extremes)
    for less, more in (*pairwise(depths), (depths[0], depths[-1])):
        deeper = tuple(
            ((word, kernel), (word[: _BLOCK * less], kernel), (kernel,))
            for word, kernel in grid
            if _depth(word) == more
        )
        yield _Comparison("depth", f"depth {more} instead of {less}", deeper)
    for small, large in (*pairwise(KERNEL_SIZES), (KERNEL_SIZES[0], KERNEL_SIZES[-1])):
        wider = tuple(((word, large), (word, small), (word,)) for word in WORDS)
        yield _Comparison("kernel size", f"kernel size {large} instead of {small}", wider)


def _depth(word: str) -> int:
    return len(word) // _BLOCK


def variance_shares(table: pd.DataFrame) -> pd.DataFrame:
    """How much of the variance of validation accuracy between networks is due to each factor.

    Additive models by least squares, each with one factor more than the one before: depth, kernel size, both together
    (an effect of kernel size that differs between depths), order (the word, within its depth). The rest is what
    order does differently at different kernel sizes, and chance: first weights and the order of trajectories.

    Returns:
        One row per factor: `factor`, `degrees` (of freedom), `share` (η², its sum of squares over the total; the
        shares add up to 1) and `corrected` (ω², less what as many meaningless degrees of freedom would explain by
        chance; about 0 for a factor without effect, NaN where nothing is left to judge chance by). All are NaN where
        all accuracies are equal.
    """
    accuracy = table["val_accuracy"].to_numpy(dtype=float)
    cell = table["depth"].astype(str) + "-" + table["kernel_size"].astype(str)
    factors = {
        "depth": table["depth"],
        "kernel size": table["kernel_size"],
        "depth with kernel size": cell,
        "order": table["word"],
    }
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


def seed_deviation(table: pd.DataFrame) -> float:
    """Standard deviation of the validation accuracy of one network over seeds, pooled; NaN without a second seed."""
    networks = table.groupby(["word", "kernel_size"])["val_accuracy"]
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
