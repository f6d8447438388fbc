"""Explain the decisions of a trained network: relevance of the steps of trajectories, saliency of patterns.

The split is classified first if necessary. By default, samples that are classified correctly are explained; those
chosen with --samples are explained in any case:

    python jobs/explain.py --network andi-study --per-class 500 --method integrated-gradients
    python jobs/explain.py --network pattern-2d --method lrp
    python jobs/explain.py --network pattern-2d --samples 3,17
    python jobs/explain.py --network pattern-2d-second --split scan --where k=0.06 --where f=0.035

The result is the data set `relevance/<network>/<split>`, for patterns `saliency/<network>/<split>`. Options that differ
from the defaults are added to its name, as in `relevance/andi-study/test-integrated-gradients-500-per-class`.
"""

from typing import Annotated

import typer

from raypipe import store
from raypipe.command import Workers, listed, run, values
from raypipe.errors import InputError
from raypipe.networks import artifact, explain, relevance
from raypipe.networks.classify import classify


def main(
    network: Annotated[str, typer.Option(help="Trained network: andi-study, pattern-2d, a network of the grid, …")],
    split: Annotated[str, typer.Option(help="Data set of the network's study whose samples are explained.")] = "test",
    method: Annotated[
        str | None,
        typer.Option(
            help=f"For trajectories {', '.join(relevance.METHODS)} [default: lrp-epsilon, with epsilon = 1; "
            "only integrated-gradients for networks that innvestigate cannot propagate through]; "
            f"for patterns {', '.join(explain.FIELD_METHODS)} [default: gradient]."
        ),
    ] = None,
    per_class: Annotated[int, typer.Option(help="Maximum number of samples per class.")] = 1,
    samples: Annotated[str | None, typer.Option(help="Samples to explain, by number in the split: 3,17")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Choose among samples with this coordinate: label=epsilon or k=0.06; may be repeated."),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help=f"To check the maps: explain a changed network, {' or '.join(relevance.CONTROLS)}. "
            "[default: the network as it is]"
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Explain the decisions of a trained network."""
    network = artifact.at_hand(network)
    explain.check(network, method, per_class, control)
    if samples and where:
        raise InputError("--samples and --where; expected one of them")
    try:
        numbers = [int(number) for number in listed(samples)] if samples else None
    except ValueError as error:
        raise InputError(f"--samples {samples}; expected whole numbers, such as 3,17") from error
    classify(network, split, workers=workers, last=False)
    name = explain.explain(
        network,
        split,
        method=method,
        per_class=per_class,
        control=control,
        samples=numbers,
        where=values(where, "--where"),
        workers=workers,
    )
    print(store.location(name))


if __name__ == "__main__":
    run(main)
