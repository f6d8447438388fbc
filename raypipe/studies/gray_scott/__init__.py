"""Patterns of the Gray-Scott system: simulations, a scan of parameter space, and networks that classify the patterns.

Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306; Pearson, Science 261 (1993).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from raypipe import catalog
from raypipe.networks.architecture import Architecture
from raypipe.studies.gray_scott import networks, own_scan, pattern_sets, tables
from raypipe.studies.gray_scott.colours import CLASS_COLOURS
from raypipe.study import DataSet, Picture, Sample, Study

_CLASSIFIED_SCAN = (
    "raypipe generate_scan",
    "raypipe train_network --network pattern-2d-second",
    "raypipe classify_scan --network pattern-2d-second",
)

_NOVEL = (
    "raypipe generate_scan",
    "raypipe train_network --network pattern-2d",
    "raypipe find_novel --network pattern-2d",
)


def _training(architecture: Architecture) -> dict[str, Any]:
    """Training settings that take less than two hours on one core and, as the recipe `study`, the study's own.

    The second pass has twice as many patterns, so it gets half the epochs.
    """
    return {
        "loss": "sparse_categorical_crossentropy",
        "rate": 0.001,
        "batch": 16,
        "epochs": 100 if architecture.name == "pattern-2d-second" else 200,
        "augmented": "free",
        "decay": "cosine",
        "warmup": 0.05,
        "recipes": {"study": {"batch": 128, "epochs": 600, "decay": "none", "warmup": None}},
    }


def _augmentation(name: str) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def augmented(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
        from raypipe.studies.gray_scott import augment  # imported here because numba compiles it

        return getattr(augment, name)(u, random)

    return augmented


STUDY = Study(
    name="gray_scott",
    kind="patterns",
    axes=("k", "f", "diffusion_u", "diffusion_v"),
    class_colours=CLASS_COLOURS,
    data_sets={
        **{
            split: DataSet(partial(pattern_sets.patterns, split), card=catalog.card(f"gray_scott/{split}"))
            for split in tables.PATTERN_TABLES
        },
        "scan": DataSet(own_scan.scan, labelled=False, card=catalog.card("gray_scott/scan")),
    },
    sample=Sample(
        "u", ("sample", "y", "x", "frame"), per_shard=128, draw="raypipe.studies.gray_scott.pictures:draw_pattern"
    ),
    networks=networks.NETWORKS,
    training=_training,
    augmentations={name: _augmentation(name) for name in ("free", "symmetric", "symmetric_or_free")},
    pictures=(
        Picture(
            "train*",
            "raypipe.studies.gray_scott.pictures:class_gallery",
            "Final patterns of each class, from as many different (k, f) as there are.",
            section="Patterns",
        ),
        Picture(
            "saliency/*/*",
            "raypipe.studies.gray_scott.pictures:pattern_gallery",
            "One pattern per class: the field u at the end, and below it the saliency over the pattern, blurred by a "
            "Gaussian of σ = 2 grid spacings.",
            section="Saliency",
            commands=("raypipe explain --network pattern-2d",),
        ),
        Picture(
            "predictions/*/scan",
            "raypipe.studies.gray_scott.pictures.parts:phase_diagram",
            section="Phase diagram",
            commands=_CLASSIFIED_SCAN,
        ),
        Picture(
            "predictions/*/scan",
            "raypipe.studies.gray_scott.pictures.parts:confidence",
            section="Confidence",
            commands=_CLASSIFIED_SCAN,
        ),
        Picture(
            "predictions/*/scan",
            "raypipe.studies.gray_scott.pictures.parts:disagreement",
            section="Disagreement",
            commands=_CLASSIFIED_SCAN,
        ),
        Picture(
            "refined/*/first-*",
            "raypipe.studies.gray_scott.pictures.parts:refined",
            section="Refined phase diagram",
            commands=("raypipe refine_scan --network pattern-2d-second",),
        ),
        Picture(
            "predictions/*/scan",
            "raypipe.studies.gray_scott.pictures.parts:montage",
            section="Montage",
            commands=_CLASSIFIED_SCAN,
        ),
        *(
            Picture(f"novelty/*/{of}", f"raypipe.plot:{draw}", caption, section="Novelty", commands=_NOVEL)
            for of, draw, caption in (
                (
                    "scan",
                    "novelty_map",
                    "Left: how far patterns are from those that the network was trained on, as a multiple of the "
                    "distance at which they are flagged. Right: the groups of flagged ones.",
                ),
                (
                    "*",
                    "most_novel",
                    "The patterns farthest from those of the training, with their distance and the class "
                    "nearest to them.",
                ),
                ("*", "novel_groups", "Groups of flagged patterns, each from the farthest to the nearest."),
            )
        ),
    ),
)
