"""Refine a scan of parameter space adaptively: simulate and classify only where it matters, in several rounds.

    python jobs/refine_scan.py --network pattern-2d-second --budget 0.25
    python jobs/refine_scan.py --study my_study.py --network small --finer 4 --budget 1

The job starts with every Nth point of the scan (--coarse) and continues where classes meet or the network is uncertain.
The scan itself does not need to be made first. If run again, the job continues where it stopped, also with a larger
budget.
"""

from typing import Annotated

import typer

from raypipe import store
from raypipe.command import Settings, Workers, listed, run, values
from raypipe.networks import artifact
from raypipe.refine.agreement import agreement
from raypipe.refine.rounds import Refinement, refine


def main(
    network: Annotated[str, typer.Option(help="Trained network.")] = "pattern-2d-second",
    split: Annotated[str, typer.Option(help="Scan of the network's study.")] = "scan",
    budget: Annotated[float, typer.Option(help="Number of simulations, as a share of the scan's points.")] = 0.25,
    coarse: Annotated[int, typer.Option(help="Begin with every Nth point along each axis.")] = 8,
    finer: Annotated[int, typer.Option(help="Divide each step of the scan into this many.")] = 1,
    axes: Annotated[str | None, typer.Option(help="Two parameters, such as A,B.  [default: those that vary]")] = None,
    at: Annotated[list[str] | None, typer.Option(help="name=value of a further parameter; may be repeated.")] = None,
    settings: Settings = None,
    against: Annotated[
        str | None, typer.Option(help="Classified scan to compare with, such as gray_scott/scan.  [default: none]")
    ] = None,
    workers: Workers = None,
) -> None:
    """Refine a scan with a trained network until a budget of simulations is spent."""
    refinement = Refinement(
        artifact.at_hand(network),
        split,
        coarse,
        finer,
        tuple(listed(axes)),
        values(at, "--at"),
        values(settings),
    )
    made = refine(refinement, budget=budget, workers=workers)
    count, points = refinement.allowed(budget), int(refinement.plane.of_scan.sum())
    print(f"{count} simulations, {count / points:.1%} of the {points} points of {refinement.scan.name}")
    if against:
        print(f"round  simulations  same as {against}  as many at random")
        for one in agreement(refinement, against, count):
            print(
                f"{one.round:>5}  {one.simulations:>11}  {one.agreement:>{len(against) + 8}.4f}  "
                f"{one.random:.4f} ± {one.spread:.4f}"
            )
    print(store.location(made))


if __name__ == "__main__":
    run(main)
