"""Compare the trained networks of the grid: do the order of layers, the depth and the kernel size matter?

    python jobs/compare_grid.py
    python jobs/compare_grid.py --series ,seed-2,seed-3 --output results

Writes the table andi_grid.csv and the pictures figures/andi_grid_*.png, and prints the effects as Markdown. Needs
networks of jobs/train_grid.py, all trained with as many epochs and trajectories; some of the grid may be missing.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from raypipe import plot
from raypipe.command import run
from raypipe.effects import effects, grid_networks, grid_table, markdown, seed_deviation, variance_shares
from raypipe.errors import InputError


def main(
    series: Annotated[
        str, typer.Option(help="Series of trained networks, separated by commas.  [default: the one without a name]")
    ] = "",
    output: Annotated[Path, typer.Option(help="Folder for the table, and for the pictures in its figures/.")] = Path(
        "results"
    ),
) -> None:
    """Tabulate, draw and compare the trained networks of the grid."""
    table = grid_table(grid_networks([one.strip() for one in series.split(",")]))
    found = effects(table)
    pictures = {
        "heat_map": plot.grid_heat_map(table),
        "cost": plot.accuracy_against_cost(table),
        "effects": plot.effects_plot(found),
    }
    print(markdown(found, variance_shares(table)))
    if not math.isnan(deviation := seed_deviation(table)):
        print(f"\nOne network with other seeds: standard deviation {100 * deviation:.2f} points of accuracy.")
    print()
    try:
        (output / "figures").mkdir(parents=True, exist_ok=True)
        table.to_csv(output / "andi_grid.csv", index=False, float_format="%.6g")
        print(output / "andi_grid.csv")
        for name, picture in pictures.items():
            path = output / "figures" / f"andi_grid_{name}.png"
            picture.savefig(path)
            print(path)
    except OSError as error:
        raise InputError(f"cannot write into {output}: {error.strerror}; choose another --output") from error


if __name__ == "__main__":
    run(main)
