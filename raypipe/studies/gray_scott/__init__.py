"""Patterns of the Gray-Scott system: simulations, a scan of parameter space, and networks that name the patterns.

Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306; Pearson, Science 261 (1993).
"""

from typing import Any

from raypipe.networks.architecture import Architecture
from raypipe.studies.gray_scott import networks, pattern_sets, tables
from raypipe.study import DataSet, Sample, Study


def _training(architecture: Architecture) -> dict[str, Any]:
    """A way that takes less than two hours on one core, and the study's own.

    The second pass has twice the patterns, and half the epochs.
    """
    return {
        "loss": "sparse_categorical_crossentropy",
        "rate": 0.001,
        "batch": 16,
        "epochs": 100 if architecture.name == "pattern-2d-second" else 200,
        "augmented": "symmetric_or_free",
        "decay": "cosine",
        "warmup": 0.05,
        "recipes": {"study": {"batch": 128, "epochs": 600, "augmented": True, "decay": "none", "warmup": None}},
    }


def _data_set(split: str) -> DataSet:
    return DataSet(
        plan=lambda parameters: pattern_sets.patterns(split, parameters["per_class"], parameters["dtype"]),
        command=f"jobs/generate_patterns.py --split {split}",
    )


STUDY = Study(
    name="gray_scott",
    data_sets={
        **{split: _data_set(split) for split in tables.PATTERN_TABLES},
        "scan": DataSet(
            plan=lambda parameters: pattern_sets.scan(parameters["every"], parameters["dtype"]),
            command="jobs/generate_scan.py",
            labelled=False,
        ),
    },
    network=networks.network,
    network_names=networks.NAMES,
    sample=Sample("u", ("sample", "y", "x", "frame"), per_shard=128),
    training=_training,
    augment="raypipe.studies.gray_scott.augment:augment",
)
