"""Patterns of the Gray-Scott system: simulations, a scan of parameter space, and networks that name the patterns.

Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306; Pearson, Science 261 (1993).
"""

from functools import partial
from typing import Any

import numpy as np

from raypipe import catalog
from raypipe.networks.architecture import Architecture
from raypipe.studies.gray_scott import networks, pattern_sets, tables
from raypipe.study import DataSet, Sample, Study


def _training(_: Architecture) -> dict[str, Any]:
    """The study's way."""
    return {
        "loss": "sparse_categorical_crossentropy",
        "rate": 0.001,
        "batch": 128,
        "epochs": 600,
        "augmented": True,
    }


def _augment(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
    from raypipe.studies.gray_scott.augment import augment  # SciPy's filters take a while to import

    return augment(u, random)


STUDY = Study(
    name="gray_scott",
    data_sets={
        **{
            split: DataSet(partial(pattern_sets.patterns, split), card=catalog.card(f"gray_scott/{split}"))
            for split in tables.PATTERN_TABLES
        },
        "scan": DataSet(pattern_sets.scan, labelled=False, card=catalog.card("gray_scott/scan")),
    },
    sample=Sample("u", ("sample", "y", "x", "frame"), per_shard=128),
    networks=networks.NETWORKS,
    training=_training,
    augment=_augment,
)
