"""Table of the trained networks of a grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raypipe.errors import InputError
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.networks.grid import Grid

_TEXT = ("name", "word", "series")


def columns(grid: Grid) -> list[str]:
    """Columns of a table of the grid, see `grid_table`."""
    return [
        *("name", "word", "depth", *grid.factors, "parameters", "epochs", "samples", "seconds", "val_accuracy"),
        *(f"recall_{name}" for name in grid.classes),
        *("seed", "series"),
    ]


def grid_networks(grid: Grid, series: Sequence[str] = ("",)) -> list[str]:
    """Names of the trained networks of the grid in these series; "" stands for networks without a series.

    Raises:
        InputError: if there are none in one of the series.
    """
    trained = set(artifact.names())
    chosen = []
    for one in series:
        found = [name for network in grid.networks if (name := artifact.artifact_name(network, one)) in trained]
        if not found:
            which = f"in the series {one!r}" if one else "without a series"
            raise InputError(f"no network of the grid is trained {which}; run raypipe train_grid, or name another")
        chosen += found
    return chosen


def grid_table(grid: Grid, names: Sequence[str]) -> pd.DataFrame:
    """One row per trained network of the grid, the best first.

    Args:
        grid: the networks.
        names: such as "123-2" or "seed-2/123-2".

    Returns:
        Columns `name`, `word`, `depth` (blocks), `kernel_size` (time steps or points), `filters` and `learning_rate` if
        they vary over the grid, `parameters`, `epochs`, `samples` (trained on), `seconds` (of training), `val_accuracy`
        and `recall_<class>` (on validation samples, from 0 to 1; NaN if not recorded), `seed` and `series`.

    Raises:
        InputError: if `names` is empty, or a network is not trained or not in the grid.
    """
    if not names:
        raise InputError("no network to compare; name at least one that is trained")
    return _best_first(pd.DataFrame([_row(grid, artifact.load(name)) for name in names]))


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["val_accuracy", "name"], ascending=[False, True], ignore_index=True)


def read_grid_table(grid: Grid, file: Path) -> pd.DataFrame:
    """Read a table that was made by `grid_table` and written as CSV.

    Raises:
        InputError: if there is no such file, it lacks a column, or has a network that is not in the grid.
    """
    try:
        table = pd.read_csv(file, dtype=dict.fromkeys(_TEXT, str))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file} as a table: {error}; name one that raypipe compare_grid wrote") from error
    if absent := [name for name in columns(grid) if name not in table]:
        raise InputError(
            f"{file} has no column {', '.join(absent)}; name a table that raypipe compare_grid wrote of this grid"
        )
    for factor, known in {"word": tuple(grid.words), **grid.factors}.items():
        if foreign := [one for one in table[factor].unique() if one not in known]:
            raise InputError(
                f"{file} has {factor} {foreign[0]}, which is not in the grid; expected {', '.join(map(str, known))}"
            )
    return table[columns(grid)].fillna({"series": ""})


def join_grid_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All tables concatenated, the best network first."""
    return _best_first(pd.concat(tables, ignore_index=True))


def _row(grid: Grid, trained: Artifact) -> dict[str, Any]:
    own = trained.architecture
    if own.name not in grid.members:
        raise InputError(f"network {trained.name} is not in the grid; expected {grid.description}: leave it out")
    if own != grid.network(own.name):
        raise InputError(
            f"network {trained.name} has other layers, input or data sets than the grid's; train the grid under "
            "another name, or leave it out"
        )
    training = trained.made_from.get("training", {})
    rate = training.get("rate")
    if grid.learning_rates and rate not in grid.learning_rates:
        rates = ", ".join(map(str, grid.learning_rates))
        raise InputError(
            f"network {trained.name} was trained with the learning rate {rate}; expected one of the grid's, {rates}"
        )
    member = grid.members[own.name]
    varied = {"kernel_size": member.kernel_size, "filters": member.filters, "learning_rate": rate}
    facts = {
        "word": member.word,
        "depth": len(member.blocks),
        **{name: varied[name] for name in grid.factors},
        **trained.facts,
        **{f"recall_{name}": trained.metrics.get(f"val_recall/{name}", np.nan) for name in grid.classes},
        "seed": training.get("seed"),
        "series": trained.series,
    }
    return {name: facts[name] for name in columns(grid)}
