"""Train a grid of networks with Ray Tune, by default each on one core; if run again, continue where it stopped.

The 164 trajectory networks, some of them, or a grid of your own with all its learning rates and seeds:

    python jobs/train_grid.py
    python jobs/train_grid.py --networks 123-2,132-16 --samples 5000 --epochs 3
    python jobs/train_grid.py --grid my_grid.toml

Needs the study's data sets for training and validation, by default andi/train and andi/val. Saves each network as
`networks/<series>/<name>.safetensors` in the store.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from raypipe import study
from raypipe.command import listed, run
from raypipe.errors import InputError
from raypipe.networks import grid_file
from raypipe.networks.architecture import FRESH
from raypipe.networks.train import Settings, summary, train


def main(
    grid: Annotated[
        Path | None, typer.Option(help="File of your own grid.  [default: the grid of the study, by default andi]")
    ] = None,
    networks: Annotated[str, typer.Option(help="Names such as 123-2,132-16, or all.")] = "all",
    fresh: Annotated[bool, typer.Option("--fresh", help="Train on samples generated anew for each epoch.")] = False,
    samples: Annotated[
        int | None, typer.Option(help="Training samples, the same number per class.  [default: the whole data set]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Training epochs.  [default: that of the grid or its study]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.  [default: the grid's]")] = None,
    series: Annotated[str, typer.Option(help="Name of a series, to keep these networks apart.")] = "",
    scheduler: Annotated[
        str, typer.Option(help="fifo: train all to the last epoch; asha: stop some early, perhaps others if resumed.")
    ] = "fifo",
    workers: Annotated[int | None, typer.Option(help="Networks trained at once.  [default: as many as fit]")] = None,
    cpus_per_trial: Annotated[int, typer.Option(help="Cores for each network.")] = 1,
    gpus_per_trial: Annotated[float, typer.Option(help="GPUs for each network; may be a fraction.")] = 0,
    tensorboard: Annotated[str | None, typer.Option(help="Folder for TensorBoard logs.  [default: none]")] = None,
) -> None:
    """Train a grid of networks and list them, the best first."""
    usual = study.chosen() or study.find("andi")
    own = grid_file.read(grid, usual) if grid else None
    if own and (series or seed is not None):
        raise InputError("--seed and --series do not go with --grid; write seeds in the file, whose name is the series")
    names = listed(networks)
    named = own or (grid_file.of_study(usual, series, seed) if usual.grid or names == ["all"] else None)
    if named and names == ["all"]:
        chosen = named.grid.networks
        for name, reason in named.grid.unbuildable.items():
            print(f"{name} cannot be built: {reason}")
    else:
        chosen = tuple((own.grid.network if own else study.architecture)(name) for name in names)
    settings = Settings(
        epochs=own.epochs if own and epochs is None else epochs,
        batch=own.batch if own else None,
        train_split=FRESH if fresh else None,
        samples=samples,
        scheduler=scheduler,
        workers=workers,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        tensorboard=tensorboard,
    )
    trainings = named.trainings if named else {series: (None, 1 if seed is None else seed)}
    every = [replace(settings, series=name, rate=rate, seed=one) for name, (rate, one) in trainings.items()]
    print(summary(train(chosen, *every)))


if __name__ == "__main__":
    run(main)
