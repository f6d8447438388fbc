"""Evaluate a trained network: tables of metrics and calibration, and pictures of what it recognises and confuses.

Splits that have not been classified yet are classified first. If the validation split is among those evaluated, the
temperature that calibrates the network's probabilities is fitted on it and stored with the network:

    python jobs/evaluate.py --network andi-study
    python jobs/evaluate.py --network pattern-2d --split train,val,test --output figures
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import catalog, plot, study
from raypipe.command import Workers, listed, run
from raypipe.errors import make_folder
from raypipe.files import write
from raypipe.networks import artifact, calibration
from raypipe.networks.classify import classify_each
from raypipe.networks.evaluate import confused, evaluate, table
from raypipe.networks.inputs import by_label
from raypipe.plot.style import raster


def main(
    network: Annotated[str, typer.Option(help="Trained network: andi-study, pattern-2d, a network of the grid, …")],
    split: Annotated[
        str, typer.Option(help="Labelled data sets of the network's study, with its classes only: train,val,test.")
    ] = "test",
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    workers: Workers = None,
) -> None:
    """Evaluate a trained network on one or several splits."""
    network = artifact.at_hand(network)
    make_folder(output)
    of = study.find(artifact.load(network).architecture.study)
    splits = list(dict.fromkeys(listed(split))) or [split]
    for one in splits:
        of.check(one, "labelled split", labelled=True)
    classified = classify_each([(network, one) for one in splits], workers=workers)
    said = {one: catalog.open(classified[network, one]).load() for one in splits}
    evaluations = {one: evaluate(predictions, of.strata) for one, predictions in said.items()}
    found = calibration.settled(network, said)
    shown, reliability = {}, {}
    for one, predictions in said.items():
        said_of = predictions["probability"]
        calibrated = calibration.calibrated(said_of.values, found.temperature) if found else said_of.values
        scaled = predictions.assign(probability=said_of.copy(data=calibrated))
        raw, shown[one] = (by_label(each)["probability"].values for each in (predictions, scaled))
        label = predictions["label"].values
        kinds = {"as it is": raw} | ({f"with T = {found.temperature:.2f}": shown[one]} if found else {})
        reliability[one] = {kind: calibration.reliability(values, label) for kind, values in kinds.items()}
    trained = artifact.load(network)  # an imported network has no history
    pictures = {"training": plot.training_history(trained.history)} if trained.epochs else {}
    for one, evaluation in evaluations.items():
        print(f"{network} on {one}\n{table(evaluation)}\n")
        names = [str(name) for name in evaluation["label"].values]
        pictures[f"{one}_confusion"] = plot.confusion_matrix(evaluation["confusion"].values, names)
        if pairs := confused(evaluation):
            print("\n".join(f"{pair}" for pair in pairs) + "\n")
            pictures[f"{one}_confused"] = plot.confused_samples(
                catalog.open(f"{of.name}/{one}"), by_label(said[one]), shown[one], pairs, of.seen
            )
        print(f"{calibration.table(reliability[one])}\n")
    pictures[f"{'-'.join(splits)}_recall"] = plot.recalls(evaluations)
    pictures[f"{'-'.join(splits)}_reliability"] = plot.reliability(reliability)
    for name, picture in pictures.items():
        path = output / f"{network}_{name}.png".replace("/", "_")
        write(path, raster(picture).save)
        print(path)


if __name__ == "__main__":
    run(main)
