"""Compare the trained networks of a grid: do the order of layers, the depth, the kernel size and other factors matter?

    python jobs/compare_grid.py
    python jobs/compare_grid.py --series ,seed-2,seed-3 --output results
    python jobs/compare_grid.py --table results/andi_grid.csv --output redrawn
    python jobs/compare_grid.py --grid my_grid.toml

Writes the table andi_grid.csv and the pictures figures/andi_grid_*.png into the output folder and prints the effects as
Markdown; with --grid, the file names begin with the name of the grid's file. Needs networks trained with
jobs/train_grid.py, all on the same number of samples and for the same number of epochs, or a table written by an
earlier run. The grid may be incomplete.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from raypipe import plot, study
from raypipe.command import run
from raypipe.errors import make_folder
from raypipe.files import write
from raypipe.networks import grid_file
from raypipe.networks.effects import effects, markdown, seed_deviation, variance_shares
from raypipe.networks.grid_table import grid_networks, grid_table, join_grid_tables, read_grid_table
from raypipe.plot.style import raster


def main(
    grid: Annotated[
        Path | None, typer.Option(help="File of your own grid.  [default: the grid of the study, by default andi]")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            help="Series of trained networks, separated by commas.  [default: those of --grid, or that without a name]"
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table written earlier; networks of --series, if given, are added to it.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the table, and for the pictures in its figures/.")] = Path(
        "compared"
    ),
) -> None:
    """Tabulate, draw and compare the trained networks of a grid."""
    usual = study.chosen() or study.find("andi")
    named = grid_file.read(grid, usual) if grid else grid_file.of_study(usual)
    parts = [read_grid_table(named.grid, table)] if table else []
    if series is not None or not table:
        chosen = list(named.trainings) if series is None else [one.strip() for one in series.split(",")]
        parts.append(grid_table(named.grid, grid_networks(named.grid, chosen)))
    networks = join_grid_tables(parts)
    make_folder(output / "figures")
    found = effects(networks, named.grid)
    pictures = {
        "heat_map": plot.grid_heat_map(networks, named.grid),
        "cost": plot.accuracy_against_cost(networks, named.grid),
        "effects": plot.effects_plot(found),
    }
    print(markdown(found, variance_shares(networks, named.grid)))
    if not math.isnan(deviation := seed_deviation(networks, named.grid)):
        print(f"\nThe same network with other seeds: standard deviation {100 * deviation:.2f} points of accuracy.")
    print()
    write(output / f"{named.name}.csv", lambda path: networks.to_csv(path, index=False, float_format="%.6g"))
    print(output / f"{named.name}.csv")
    for name, picture in pictures.items():
        path = output / "figures" / f"{named.name}_{name}.png"
        write(path, raster(picture).save)
        print(path)


if __name__ == "__main__":
    run(main)
