"""Compare the time of an epoch of a pattern network in bfloat16 and in float32, on one core.

python benchmarks/precision.py
"""

import os
from typing import Annotated

os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="2")

import measure
import numpy as np
import typer

from raypipe.networks.fit import Fit
from raypipe.networks.inputs import Samples
from raypipe.networks.training import PRECISIONS, training
from raypipe.study import architecture


def main(
    network: Annotated[str, typer.Option(help="Of the Gray-Scott study.")] = "pattern-2d-second",
    patterns: Annotated[int, typer.Option()] = 160,
    repeat: Annotated[int, typer.Option()] = 7,
) -> None:
    """Print the median time of an epoch per pattern, with augmentation, in each precision, and the ratio."""
    of = architecture(network)
    random = np.random.default_rng(1)
    labels = random.integers(0, len(of.classes), patterns)
    train = Samples(random.random((patterns, *of.input_shape), np.float32), labels)
    few = Samples(train.inputs[:1], labels[:1])
    runs = {precision: (Fit(of, training(of, precision=precision)), train, few) for precision in PRECISIONS}
    medians = measure.epoch_seconds(runs, repeat)
    for precision, time_taken in medians.items():
        print(f"{precision:10} {1000 * time_taken / patterns:7.2f} ms per pattern")
    print(f"speedup={medians['float32'] / medians['bfloat16']:.2f}")


if __name__ == "__main__":
    typer.run(main)
