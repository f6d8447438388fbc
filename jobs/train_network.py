"""Train one network; run again, it continues where it was.

    python jobs/train_network.py --network andi-study
    python jobs/train_network.py --network pattern-2d --cpus 2

Needs the data sets for training and validation of its study: andi/train and andi/val, gray_scott/train and
gray_scott/val. Unless told otherwise, andi-residual learns from andi/train-challenge and val-challenge,
pattern-2d-second from gray_scott/train2 and val2.
"""

from typing import Annotated

import typer

from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks.architecture import FRESH
from raypipe.networks.train import Settings, summary, train
from raypipe.study import architecture


def main(
    network: Annotated[str, typer.Option(help="andi-study, andi-residual, pattern-2d, pattern-3d, … or as 123-2.")],
    train_split: Annotated[
        str | None,
        typer.Option(help="Train on this data set of the study, on the classes of the network.  [default: its own]"),
    ] = None,
    validation_split: Annotated[str | None, typer.Option(help="Validate on this one.  [default: its own]")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train on new samples each epoch, made meanwhile.")] = False,
    samples: Annotated[
        int | None, typer.Option(help="Train on so many, as many of each class.  [default: the whole data set]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the samples.  [default: 30 for trajectories, 200 for patterns]")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Samples per step.  [default: 64 for trajectories, 16 for patterns]")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="For patterns: study, 600 epochs at a constant rate.  [default: a rate that falls]"),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(help="One of the study's, such as free or symmetric, or none.  [default: that of the recipe]"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="bfloat16 is faster where the processor has instructions for it.  [default: float32]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of first weights, order of samples, dropout and augmentation.")] = 1,
    series: Annotated[str, typer.Option(help="Keep this network apart, under this name.")] = "",
    cpus: Annotated[int, typer.Option(help="Cores; with more than one the last digits may vary.")] = 1,
    gpus: Annotated[float, typer.Option(help="Graphics processors, maybe a fraction.")] = 0,
    tensorboard: Annotated[str | None, typer.Option(help="Folder for logs of TensorBoard.  [default: none]")] = None,
) -> None:
    """Train one network and say how good it is on the validation samples."""
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
