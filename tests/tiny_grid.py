"""Networks of the grid as if trained, with artificial accuracies."""

import pandas as pd
from tiny_networks import blank_weights

from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.networks import GRID
from raypipe.study import architecture


def save(name, accuracy, *, series="", seed=1, epochs=8, samples=20000):
    """Save a trained network with placeholder weights; return its name."""
    metrics = {"val_accuracy": accuracy, **{f"val_recall/{model}": accuracy for model in diffusion.ANDI_MODELS}}
    data = {"train": {"name": "andi/train", "samples": samples}, "validation": {"name": "andi/val", "samples": 1000}}
    provenance = {"made_from": {"training": {"seed": seed}, "data": data}, "seconds": 12.5}
    history = {"loss": [0.1] * epochs}
    network = Artifact(architecture(name), blank_weights(architecture(name), 7), history, metrics, provenance, series)
    artifact.save(network)
    return network.name


def table(*, order=0.0, depth=0.0, kernel=0.0, noise=0.0, seeds=(1,), random=None):
    """Return the table of the grid; accuracy increases per block 132, per block and per kernel size, plus noise."""
    rows = []
    for network in GRID.networks:
        member = GRID.members[network.name]
        word, size, blocks = member.word, member.kernel_size, member.blocks
        mean = 0.4 + order * blocks.count("132") + depth * len(blocks) + kernel * GRID.kernel_sizes.index(size)
        rows += [
            {
                "name": f"seed-{seed}/{network.name}",
                "word": word,
                "depth": len(blocks),
                "kernel_size": size,
                "parameters": 1000 * len(blocks) + size,
                "epochs": 8,
                "samples": 20000,
                "seconds": 10.0 * len(blocks) + size,
                "val_accuracy": mean + (random.normal(0, noise) if noise else 0),
                "seed": seed,
            }
            for seed in seeds
        ]
    return pd.DataFrame(rows)
