"""Explain what a trained network decides by: relevance of the steps of trajectories, saliency of patterns.

The samples of the split are classified first, if they are not yet. Then correctly classified ones are explained:

    python jobs/explain.py --network andi-study --per-class 500
    python jobs/explain.py --network andi-study --method integrated-gradients
    python jobs/explain.py --network andi-study --control shuffled-weights
    python jobs/explain.py --network pattern-2d

The result is the data set relevance/<network>/<split>, for patterns saliency/<network>/<split>.
"""

from typing import Annotated

import typer

from raypipe import store
from raypipe.command import run
from raypipe.networks import artifact, explain, relevance
from raypipe.networks.classify import classify


def main(
    network: Annotated[str, typer.Option(help="Trained network: andi-study, pattern-2d, a name of the grid, …")],
    split: Annotated[str, typer.Option(help="Data set of the network's study whose samples are explained.")] = "test",
    method: Annotated[
        str | None,
        typer.Option(
            help=f"For trajectories {', '.join(relevance.METHODS)} [default: lrp-epsilon, with epsilon = 1]; "
            f"for patterns {explain.SALIENCY}."
        ),
    ] = None,
    per_class: Annotated[int, typer.Option(help="At most so many samples of each class.")] = 1,
    control: Annotated[
        str | None,
        typer.Option(
            help=f"For trajectories, to check the maps: explain a changed network, {' or '.join(relevance.CONTROLS)}. "
            "[default: the network as it is]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="At most so many worker processes, one core each. [default: all cores]")
    ] = None,
) -> None:
    """Explain what a trained network decides by."""
    network = artifact.at_hand(network)
    explain.check(network, method, per_class, control)
    classify(network, split, workers=workers)
    name = explain.explain(network, split, method=method, per_class=per_class, control=control, workers=workers)
    print(store.location(name))


if __name__ == "__main__":
    run(main)
