"""Compare networks of tracks with the best entries of the AnDi challenge, on test sets composed in the same way.

    python benchmarks/challenge.py                  # networks that come with raypipe
    python benchmarks/challenge.py --dimensions 2 --network longer/tracks-2d

Generates the test sets with andi-datasets if they do not exist. Each column (task, dimensions) of the challenge's table
has a margin, by which the network is better than the best entry over all lengths; the last line has the smallest one.
"""

from typing import Annotated

import scores
import typer

from raypipe import store
from raypipe.networks import artifact, classify
from raypipe.run.fill import fill
from raypipe.studies.andi import STUDY, challenge_sets


def main(
    dimensions: Annotated[list[int], typer.Option(help="1, 2 or 3; as often as needed.")] = [1, 2, 3],  # noqa: B006
    network: Annotated[str, typer.Option(help="{} is 1, 2 or 3.")] = "shipped/tracks-{}d",
) -> None:
    """Print a table for each task and number of dimensions."""
    margins = []
    for number in dimensions:
        trained = artifact.at_hand(network.format(number))
        for task in challenge_sets.TASKS:
            split = f"challenge-{task}-{number}d"
            fill(STUDY.plan(split))
            (said,) = classify.classify_unlabelled([trained], f"andi/{split}")
            own = scores.score(store.open(said), task)
            print(scores.beside(own, task, number, trained))
            print(
                own[["lengths", "tracks", "calibration_error", "covered"]].to_string(index=False, float_format="%.4f")
            )
            print(flush=True)
            figures = scores.entries(task, number)[own["lengths"][0]].dropna()
            best = figures.max() if task == "model" else figures.min()
            margins.append((own["figure"][0] - best) * (1 if task == "model" else -1))
    print(f"worst_margin={min(margins):.4f}")


if __name__ == "__main__":
    typer.run(main)
