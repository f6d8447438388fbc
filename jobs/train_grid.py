"""Train the grid of trajectory networks with Ray Tune, each on one core; run again, it continues.

All 164 networks that can be built, or some of them, on all trajectories or on fewer for fewer epochs:

    python jobs/train_grid.py
    python jobs/train_grid.py --networks 123-2,132-16 --trajectories 5000 --epochs 3
    python jobs/train_grid.py --seed 2 --series seed-2

Needs the data sets andi/train and andi/val. A trained network is networks/<series>/<name>.safetensors in the store.
"""

from typing import Annotated

import typer

from raypipe import study
from raypipe.command import run
from raypipe.networks.train import Settings, summary, train
from raypipe.studies.andi.networks import andi_grid, unbuildable


def main(
    networks: Annotated[
        str, typer.Option(help="Names such as 123-2,132-16: blocks of layers and a kernel size; or all.")
    ] = "all",
    trajectories: Annotated[
        int | None, typer.Option(help="Train on so many, as many of each class.  [default: the whole data set]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the trajectories.  [default: 30]")] = None,
    seed: Annotated[int, typer.Option(help="Of first weights, order of trajectories and dropout.")] = 1,
    series: Annotated[str, typer.Option(help="Keep these networks apart, under this name.")] = "",
    scheduler: Annotated[
        str, typer.Option(help="fifo: all to the last epoch; asha: end early those that fall behind.")
    ] = "fifo",
    workers: Annotated[int | None, typer.Option(help="Networks trained at once.  [default: as many as fit]")] = None,
    cpus_per_trial: Annotated[int, typer.Option(help="Cores for each network.")] = 1,
    gpus_per_trial: Annotated[float, typer.Option(help="Graphics processors for each network, maybe a fraction.")] = 0,
    tensorboard: Annotated[
        str | None, typer.Option(help="Folder for logs that TensorBoard shows.  [default: none]")
    ] = None,
) -> None:
    """Train the grid of trajectory networks and list them, the best first."""
    if networks == "all":
        chosen = andi_grid()
        for name, reason in unbuildable().items():
            print(f"{name} cannot be built: {reason}")
    else:
        chosen = tuple(study.architecture(name.strip()) for name in networks.split(",") if name.strip())
    settings = Settings(
        epochs=epochs,
        seed=seed,
        samples=trajectories,
        series=series,
        scheduler=scheduler,
        workers=workers,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        tensorboard=tensorboard,
    )
    print(summary(train(chosen, settings)))


if __name__ == "__main__":
    run(main)
