"""Compare the time of an epoch on fresh samples with that on the same number of samples in memory.

python benchmarks/fresh.py                                       # andi-study on one core python benchmarks/fresh.py
--network tracks-2d --cores 2 --samples 3000 --precision bfloat16
"""

import os
from typing import Annotated

import measure
import numpy as np
import typer

from raypipe.networks.fit import Fit
from raypipe.networks.inputs import Fresh, Samples
from raypipe.networks.training import training
from raypipe.study import architecture


class Stored:
    """Parts of samples that were made before, of the same sizes as fresh ones."""

    def __init__(self, parts: list[Samples]) -> None:
        """Take parts as they are."""
        self._parts = parts
        self.count = sum(part.count for part in parts)

    def parts(self, *_: object) -> "list[Samples]":
        """Return all parts."""
        return iter(self._parts)  # type: ignore[return-value]


def main(
    network: Annotated[str, typer.Option(help="Of the study of trajectories.")] = "andi-study",
    samples: Annotated[int, typer.Option(help="In an epoch.")] = 52_000,
    cores: Annotated[int, typer.Option(help="For TensorFlow.")] = 1,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    repeat: Annotated[int, typer.Option()] = 7,
) -> None:
    """Print the median time of an epoch per sample, for both, and the ratio."""
    os.environ.update(TF_NUM_INTRAOP_THREADS=str(cores), TF_NUM_INTEROP_THREADS=str(cores), TF_CPP_MIN_LOG_LEVEL="2")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    of = architecture(network)
    how = training(of, precision=precision)
    fresh = Fresh(of, samples)
    stored = Stored(list(fresh.parts(np.random.default_rng(1), how.batch, 2**25)))
    runs = {name: (Fit(of, how), data, fresh.few(1)) for name, data in (("stored", stored), ("fresh", fresh))}
    medians = measure.epoch_seconds(runs, repeat)
    for name, taken in medians.items():
        print(f"{name:6} {1e6 * taken / samples:8.1f} µs per sample")
    print(f"fresh_over_stored={medians['fresh'] / medians['stored']:.3f}")


if __name__ == "__main__":
    typer.run(main)
