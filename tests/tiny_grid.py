"""Networks of the grid as if they had been trained, with made-up accuracies."""

import pandas as pd
from tiny_networks import blank_weights

from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.networks import KERNEL_SIZES, andi_grid
from raypipe.study import architecture


def save(name, accuracy, *, series="", seed=1, epochs=8, trajectories=20000):
    """A trained network without weights to speak of."""
    metrics = {"val_accuracy": accuracy, **{f"val_recall/{model}": accuracy for model in diffusion.ANDI_MODELS}}
    provenance = {
        "made_from": {"training": {"seed": seed}, "data": {"train": {"samples": trajectories}}},
        "seconds": 12.5,
    }
    history = {"loss": [0.1] * epochs}
    network = Artifact(architecture(name), blank_weights(architecture(name), 7), history, metrics, provenance, series)
    artifact.save(network)
    return network.name


def table(*, order=0.0, depth=0.0, kernel=0.0, noise=0.0, seeds=(1,), random=None):
    """The whole grid: so much accuracy for each block 132, each block, each next kernel size, and by chance."""
    rows = []
    for network in andi_grid():
        word, size = network.name.split("-")
        blocks = [word[i : i + 3] for i in range(0, len(word), 3)]
        mean = 0.4 + order * blocks.count("132") + depth * len(blocks) + kernel * KERNEL_SIZES.index(int(size))
        rows += [
            {
                "name": f"seed-{seed}/{network.name}",
                "word": word,
                "depth": len(blocks),
                "kernel_size": int(size),
                "parameters": 1000 * len(blocks) + int(size),
                "epochs": 8,
                "trajectories": 20000,
                "seconds": 10.0 * len(blocks) + int(size),
                "val_accuracy": mean + (random.normal(0, noise) if noise else 0),
                "seed": seed,
            }
            for seed in seeds
        ]
    return pd.DataFrame(rows)
