"""Compare the trained networks of the grid: do the order of layers, the depth and the kernel size matter?

    python jobs/compare_grid.py
    python jobs/compare_grid.py --series ,seed-2,seed-3 --output results
    python jobs/compare_grid.py --table results/andi_grid.csv --output redrawn

Writes the table andi_grid.csv and the pictures figures/andi_grid_*.png, and prints the effects as Markdown. Needs
networks of jobs/train_grid.py, all trained with as many epochs and trajectories, or a table written earlier; some of
the grid may be missing.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from raypipe import plot
from raypipe.command import run
from raypipe.errors import InputError
from raypipe.studies.andi.effects import (
    effects,
    grid_networks,
    grid_table,
    join_grid_tables,
    markdown,
    read_grid_table,
    seed_deviation,
    variance_shares,
)


def main(
    series: Annotated[
        str | None,
        typer.Option(help="Series of trained networks, separated by commas.  [default: the one without a name]"),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Networks of a table written earlier; those of --series, if given, join them.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the table, and for the pictures in its figures/.")] = Path(
        "results"
    ),
) -> None:
    """Tabulate, draw and compare the trained networks of the grid."""
    parts = [read_grid_table(table)] if table else []
    if series is not None or not table:
        parts.append(grid_table(grid_networks([one.strip() for one in (series or "").split(",")])))
    networks = join_grid_tables(parts)
    found = effects(networks)
    pictures = {
        "heat_map": plot.grid_heat_map(networks),
        "cost": plot.accuracy_against_cost(networks),
        "effects": plot.effects_plot(found),
    }
    print(markdown(found, variance_shares(networks)))
    if not math.isnan(deviation := seed_deviation(networks)):
        print(f"\nOne network with other seeds: standard deviation {100 * deviation:.2f} points of accuracy.")
    print()
    try:
        (output / "figures").mkdir(parents=True, exist_ok=True)
        networks.to_csv(output / "andi_grid.csv", index=False, float_format="%.6g")
        print(output / "andi_grid.csv")
        for name, picture in pictures.items():
            path = output / "figures" / f"andi_grid_{name}.png"
            picture.savefig(path)
            print(path)
    except OSError as error:
        raise InputError(f"cannot write into {output}: {error.strerror}; choose another --output") from error


if __name__ == "__main__":
    run(main)
