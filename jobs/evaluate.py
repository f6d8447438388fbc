"""Evaluate a trained network: metrics as a table, confusion matrix and training history as pictures.

The samples of the split are classified first, if they are not yet:

    python jobs/evaluate.py --network andi-study
    python jobs/evaluate.py --network pattern-2d-second --split val2 --output figures
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import catalog, plot, study
from raypipe.command import make_folder, run
from raypipe.networks import artifact
from raypipe.networks.classify import classify
from raypipe.networks.evaluate import evaluate, table


def main(
    network: Annotated[str, typer.Option(help="Trained network: andi-study, pattern-2d, a name of the grid, …")],
    split: Annotated[
        str, typer.Option(help="Labelled data set of the network's study, without other classes.")
    ] = "test",
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    workers: Annotated[
        int | None, typer.Option(help="At most so many worker processes, one core each. [default: all cores]")
    ] = None,
) -> None:
    """Evaluate a trained network on a split."""
    network = artifact.at_hand(network)
    make_folder(output)
    strata = study.find(artifact.load(network).architecture.study).strata
    evaluation = evaluate(catalog.open(classify(network, split, workers=workers)), strata)
    print(f"{network} on {split}\n{table(evaluation)}")
    pictures = {
        f"{network}_training": plot.training_history(artifact.load(network).history),
        f"{network}_{split}_confusion": plot.confusion_matrix(
            evaluation["confusion"].values, [str(name) for name in evaluation["label"].values]
        ),
    }
    for name, picture in pictures.items():
        path = output / f"{name.replace('/', '_')}.png"
        picture.savefig(path)
        print(path)


if __name__ == "__main__":
    run(main)
