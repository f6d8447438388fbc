"""How fast is raypipe's generator of trajectories? Beside the package andi-datasets, one core each.

    python benchmarks/generator.py [--trajectories 20000] [--repeat 5]

Both make trajectories of 320 positions in one dimension by the challenge's recipe, the package in its isolated
environment; they take turns, and the figures are medians of seconds of processor. The mixture is the package's own
`challenge_theory_dataset`; of each model alone it is `create_dataset` with the exponents that the model may have, then
the package's scaling, and noise and factor as in its challenge.
"""

import json
import subprocess
import time
from statistics import median
from typing import Annotated

import numpy as np
import typer

from raypipe.run import environments
from raypipe.studies.andi import diffusion, own_trajectories

PACKAGE = """
import contextlib, io, json, sys, time, warnings
import numpy as np
with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from andi_datasets.datasets_challenge import challenge_theory_dataset
    from andi_datasets.datasets_theory import datasets_theory
    from andi_datasets.utils_trajectories import normalize

def mixture(count):
    challenge_theory_dataset(count, tasks=2, dimensions=1, min_T=320, max_T=321)

def alone(model, exponents, count):
    each = -(-count // len(exponents))
    made = datasets_theory().create_dataset(T=320, N_models=each, exponents=exponents, models=[model])
    noisy = normalize(made[:, 2:]) + np.random.randn(len(made), 320)
    np.cumsum(np.diff(noisy) * np.random.randn(len(made), 1), axis=1)

for line in sys.stdin:
    model, exponents, count = json.loads(line)
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        mixture(count) if model is None else alone(model, np.array(exponents), count)
    print((time.process_time() - began) / count, flush=True)
"""


def main(
    trajectories: Annotated[
        int, typer.Option(help="Of each kind that raypipe makes; the package makes a twentieth.")
    ] = 5000,
    repeat: Annotated[int, typer.Option(help="Rounds.")] = 5,
) -> None:
    """Print microseconds per trajectory and the ratio, for each model and for the mixture."""
    environments.warm("andi")
    command = [*environments.command(environments.lock("andi"), *environments.QUIET), "python", "-c", PACKAGE]
    package = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert package.stdin
    assert package.stdout
    print(f"{'µs per trajectory':<20}{'andi-datasets':>15}{'raypipe':>10}{'ratio':>8}")
    for name in (*diffusion.ANDI_MODELS, None):
        of = own_trajectories.kinds(name)
        compute = own_trajectories.compute({"kinds": of.document()})
        labels = [diffusion.ANDI_MODELS.index(model) for model in of.models]
        rows = {"seed": np.arange(trajectories), "label": np.resize(labels, trajectories)}
        asked = None if name is None else labels[0], of.exponents[name] if name else None, trajectories // 20
        theirs, ours = [], []
        for turn in range(repeat + 1):
            package.stdin.write(json.dumps(asked) + "\n")
            package.stdin.flush()
            theirs.append(float(package.stdout.readline()))
            began = time.process_time()
            compute(rows)
            ours.append((time.process_time() - began) / trajectories)
            if not turn:  # compilation, tables, caches
                theirs, ours = [], []
        ratio = median(theirs) / median(ours)
        print(
            f"{name or 'mixture':<20}{median(theirs) * 1e6:>15.0f}{median(ours) * 1e6:>10.1f}{ratio:>8.0f}", flush=True
        )
    print(f"ratio={ratio:.0f}")


if __name__ == "__main__":
    typer.run(main)
