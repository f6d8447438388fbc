"""Check relevance maps: is relevance conserved, do maps depend on the weights, do they mark what the network relies on?

    python jobs/check_relevance.py --network andi-study
    python jobs/check_relevance.py --network andi-study --per-class 100 --output figures
    python jobs/check_relevance.py --network pattern-2d --method lrp --per-class 10

The job explains samples that the network classifies correctly. For comparison, it explains the same samples and classes
with shuffled weights and, if the method distributes the score over the input, with biases set to zero.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import plot
from raypipe.command import Workers, run
from raypipe.errors import make_folder
from raypipe.files import write
from raypipe.networks import artifact, checks, explain, faithfulness
from raypipe.plot.style import raster


def main(
    network: Annotated[str, typer.Option(help="Trained network: andi-study, pattern-2d, a network of the grid, …")],
    split: Annotated[str, typer.Option(help="Labelled data set of the network's study.")] = "test",
    method: Annotated[
        str | None,
        typer.Option(
            help=f"For patterns {', '.join(explain.FIELD_METHODS)}; trajectory networks always use the default "
            "method of explain.  [default: that of explain]"
        ),
    ] = None,
    per_class: Annotated[int, typer.Option(help="Maximum number of samples per class.")] = 500,
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    workers: Workers = None,
) -> None:
    """Check relevance maps of a trained network."""
    network = artifact.at_hand(network)
    checks.allowed(network, method, per_class)
    make_folder(output)
    found = checks.check(network, split, method=method, per_class=per_class, workers=workers)
    print(f"{network} on {split}: {found.curve.samples} {found.samples} that are classified correctly\n")
    for name, values in found.ratios.items():
        print(f"sum of relevance / score, {name}: {faithfulness.spread(values)}")
    for kind in ("signed", "absolute") if found.ratios else ("absolute",):  # saliency has no sign
        print(f"rank correlation after shuffling, {kind}: {faithfulness.spread(found.likeness[kind].values)}")
    print(f"\nshare with the same class after removing {found.of}\n{faithfulness.table(found.curve)}\n")
    pictures = {
        **({"mean_relevance": plot.mean_relevance(found.maps)} if found.of == "steps" else {}),
        "perturbation": plot.perturbation_curve(found.curve, found.of),
        **({"conservation": plot.conservation(found.ratios, found.samples)} if found.ratios else {}),
        "shuffled_weights": plot.rank_correlations(found.likeness, found.samples, signed=bool(found.ratios)),
    }
    for name, picture in pictures.items():
        path = output / f"{network}_{split}_{'' if found.of == 'steps' else f'{found.method}_'}{name}.png".replace(
            "/", "_"
        )
        write(path, raster(picture).save)
        print(path)


if __name__ == "__main__":
    run(main)
