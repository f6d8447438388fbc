"""Train one network; if run again, continue where it stopped.

    python jobs/train_network.py --network andi-study
    python jobs/train_network.py --network pattern-2d --cpus 2

Needs its study's data sets for training and validation: andi/train and andi/val, or gray_scott/train and
gray_scott/val. By default, andi-residual uses andi/train-challenge and andi/val-challenge instead, and
pattern-2d-second uses gray_scott/train2 and gray_scott/val2. tracks-1d to tracks-3d and familiar-1d to familiar-3d
train on fresh samples, generated during training, and need no data set.
"""

from typing import Annotated

import typer

from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks.architecture import FRESH
from raypipe.networks.train import Settings, summary, train
from raypipe.study import architecture


def main(
    network: Annotated[str, typer.Option(help="andi-study, pattern-2d, tracks-2d, … or a network of the grid: 123-2.")],
    train_split: Annotated[
        str | None,
        typer.Option(help="Data set to train on; samples of other classes are left out.  [default: the network's own]"),
    ] = None,
    validation_split: Annotated[str | None, typer.Option(help="Data set to validate on.  [default: its own]")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train on samples generated anew for each epoch.")] = False,
    samples: Annotated[
        int | None, typer.Option(help="Training samples, the same number per class.  [default: the whole data set]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Training epochs.  [default: that of the network's study]")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples per step.  [default: that of the network's study]")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="For patterns: study, the original paper's 600 epochs at constant rate.  [default: a falling one]"
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(help="Augmentation of the study, such as free or symmetric, or none.  [default: the recipe's]"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32 or bfloat16, which is faster where the processor supports it.  [default: float32]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of first weights, sample order, dropout and augmentation.")] = 1,
    series: Annotated[str, typer.Option(help="Name of a series, to keep this network apart.")] = "",
    cpus: Annotated[int, typer.Option(help="Cores; with more than one the last digits may vary.")] = 1,
    gpus: Annotated[float, typer.Option(help="GPUs; may be a fraction.")] = 0,
    tensorboard: Annotated[str | None, typer.Option(help="Folder for TensorBoard logs.  [default: none]")] = None,
) -> None:
    """Train one network and report how well it classifies the validation samples."""
    if fresh and train_split:
        raise InputError(f"--fresh and --train-split {train_split}; choose one of them")
    settings = Settings(
        epochs=epochs,
        batch=batch,
        recipe=recipe,
        augmentation=augmentation,
        precision=precision,
        seed=seed,
        train_split=FRESH if fresh else train_split,
        validation_split=validation_split,
        samples=samples,
        series=series,
        cpus_per_trial=cpus,
        gpus_per_trial=gpus,
        tensorboard=tensorboard,
    )
    print(summary(train([architecture(network)], settings)))


if __name__ == "__main__":
    run(main)
