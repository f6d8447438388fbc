"""How fast is raypipe's generator of trajectories? Compare it with the package andi-datasets, in one process each.

    python benchmarks/generator.py [--trajectories 20000] [--repeat 3]

Both generate trajectories of 320 positions in one dimension by the challenge's recipe. The package runs in its isolated
environment and generates a twentieth of them, as it takes so much longer. They alternate; the figures are medians. The
mixture is the package's own `challenge_theory_dataset`; single models are its `create_dataset` with the challenge's
scaling and noise, as in trajectories.py.
"""

import time
from statistics import median
from typing import Annotated

import numpy as np
import typer
from trajectories import plain_package, time_plain

from raypipe.studies.andi import diffusion, own_trajectories


def main(
    trajectories: Annotated[int, typer.Option(help="Of each kind; the package makes a twentieth.")] = 20_000,
    repeat: Annotated[int, typer.Option(help="Rounds, after one to warm up.")] = 3,
) -> None:
    """Print microseconds per trajectory and the ratio, for each model and for the mixture."""
    print(f"{'µs per trajectory':<20}{'andi-datasets':>15}{'raypipe':>10}{'ratio':>8}")
    with plain_package(1) as package:
        for name in (*diffusion.ANDI_MODELS, "challenge"):
            of = own_trajectories.kinds(None if name == "challenge" else name)
            compute = own_trajectories.compute({"kinds": of.document()})
            labels = np.array([diffusion.ANDI_MODELS.index(model) for model in of.models])
            rows = {"seed": np.arange(trajectories), "label": np.resize(labels, trajectories)}
            theirs, ours = [], []
            for turn in range(repeat + 1):
                seconds, _ = time_plain(package, name, [(turn, trajectories // 20)])
                theirs.append(seconds / (trajectories // 20) * 1e6)
                began = time.perf_counter()
                compute(rows)
                ours.append((time.perf_counter() - began) / trajectories * 1e6)
            package_time, own_time = median(theirs[1:]), median(ours[1:])
            ratio = package_time / own_time
            print(f"{name:<20}{package_time:>15.0f}{own_time:>10.1f}{ratio:>8.0f}", flush=True)
    print(f"ratio={ratio:.0f}")


if __name__ == "__main__":
    typer.run(main)
