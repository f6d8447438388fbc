"""Check relevance maps: are they conserved, do they depend on the weights, do their steps matter?

    python jobs/check_relevance.py --network andi-study
    python jobs/check_relevance.py --network andi-study --per-class 100 --output figures

The network is explained by layer-wise relevance propagation for trajectories that it classifies correctly, and so are,
for the same trajectories and classes, the network with shuffled weights and the one without biases.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import catalog, plot, study
from raypipe.command import make_folder, run
from raypipe.networks import artifact, explain, faithfulness, inputs, relevance
from raypipe.networks.classify import classifier, classify


def main(
    network: Annotated[str, typer.Option(help="Trained network of trajectories: andi-study, a name of the grid, …")],
    split: Annotated[str, typer.Option(help="Data set of trajectories.")] = "test",
    per_class: Annotated[int, typer.Option(help="At most so many trajectories of each class.")] = 500,
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    workers: Annotated[
        int | None, typer.Option(help="At most so many worker processes, one core each. [default: all cores]")
    ] = None,
) -> None:
    """Check relevance maps of a trained network."""
    network = artifact.at_hand(network)
    explain.check(network, explain.LRP, per_class, "zero-biases")
    make_folder(output)
    classify(network, split, workers=workers)
    maps = {}
    for control in (None, *relevance.CONTROLS):
        made = explain.explain(network, split, per_class=per_class, control=control, workers=workers)
        found = catalog.open(made).load()
        # Of a class that the network never gets right a wrong one is explained.
        maps[control] = found.isel(sample=found["predicted"].values == found["label"].values)
    trained = artifact.load(network)
    probability = classifier(trained)
    curve = faithfulness.perturbation_curve(
        maps[None],
        lambda values: probability(inputs.network_input(trained.architecture, values)),
        variable=study.find(trained.architecture.study).seen.variable,
    )
    ratios = {}
    for control, name in ((None, "network as it is"), ("zero-biases", "without biases")):
        epsilon = relevance.settings_of(explain.LRP, control)["epsilon"]
        ratios[f"{name} (ε = {epsilon:g})"] = faithfulness.conservation(maps[control])
    likeness = faithfulness.similarity(maps[None], maps["shuffled-weights"])
    print(f"{network} on {split}: {curve.samples} trajectories that are classified correctly\n")
    for name, values in ratios.items():
        print(f"sum of relevance / score, {name}: {faithfulness.spread(values)}")
    for kind in ("signed", "absolute"):
        print(f"rank correlation after shuffling, {kind}: {faithfulness.spread(likeness[kind].values)}")
    print(f"\nshare still classified so after the removal of steps\n{faithfulness.table(curve)}\n")
    pictures = {
        "mean_relevance": plot.mean_relevance(maps[None]),
        "perturbation": plot.perturbation_curve(curve),
        "conservation": plot.conservation(ratios),
        "shuffled_weights": plot.rank_correlations(likeness),
    }
    for name, picture in pictures.items():
        path = output / f"{network}_{split}_{name}.png".replace("/", "_")
        picture.savefig(path)
        print(path)


if __name__ == "__main__":
    run(main)
