"""Anomalous diffusion: trajectories of the AnDi challenge, and networks that distinguish five models.

Muñoz-Gil et al., Nat. Commun. 12, 6253 (2021).
"""

from functools import partial
from typing import Any

import numpy as np

from raypipe import catalog
from raypipe.networks.architecture import Architecture
from raypipe.studies.andi import challenge_sets, diffusion, fresh, networks, trajectory_sets
from raypipe.studies.andi.tracks import networks as of_tracks
from raypipe.studies.andi.tracks import outcomes, seen
from raypipe.study import AnyLength, DataSet, Measures, Picture, Sample, Study


def standardised(positions: np.ndarray) -> np.ndarray:
    """Scale each trajectory (sample, time) to mean 0 and standard deviation 1; a trajectory at rest becomes zeros."""
    deviations = positions - positions.mean(axis=1, keepdims=True, dtype="float64")
    scale = deviations.std(axis=1, keepdims=True)
    return np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)


def _training(architecture: Architecture) -> dict[str, Any]:
    """The training settings of the study, and those of the networks beyond it.

    The study does not report its batch size. With 64, an epoch of the small networks of the grid takes half as long as
    with Keras's default of 32, and has twice as many steps as with 128.
    """
    if architecture.name == "andi-residual":
        return {"loss": "sparse_categorical_crossentropy", "rate": 0.002, "batch": 128, "epochs": 5, "decay": "cosine"}
    if architecture in of_tracks.NETWORKS + of_tracks.FAMILIAR:
        return {
            "loss": "sparse_categorical_crossentropy",
            "rate": 0.001,
            "batch": 128,
            "epochs": 60 if architecture in of_tracks.NETWORKS else 12,
            "decay": "cosine",
            "warmup": 0.03,
            "clip": 1.0,
        }
    return {"loss": "mean_squared_error", "rate": 0.001, "batch": 64, "epochs": 30}


def _measures(architecture: Architecture) -> Measures | None:
    if architecture in of_tracks.FAMILIAR:
        return outcomes.familiar_measures
    return outcomes.measures if architecture in of_tracks.NETWORKS else None


STUDY = Study(
    name="andi",
    data_sets={
        split: DataSet(partial(trajectory_sets.trajectories, split), card=catalog.card(f"andi/{split}"))
        for split in diffusion.TRAJECTORY_SPLITS
    }
    | {split: DataSet(planned, labelled=False) for split, planned in challenge_sets.PLANS.items()},
    sample=Sample(
        "position",
        ("sample", "time"),
        per_shard=2000,
        prepare=standardised,
        any_length=AnyLength(seen.size, seen.seen, seen.misfit, seen.at_rest, before=1),
    ),
    networks=networks.NETWORKS + of_tracks.NETWORKS + of_tracks.FAMILIAR,
    grid=networks.GRID,
    training=_training,
    fresh=fresh.fresh,
    measures=_measures,
    strata=("exponent", "noise"),
    kind="trajectories",
    takes_files="classify_tracks",
    # At α = 1, no network can tell fbm and sbm apart: both are ordinary Brownian motion.
    notes={"exponent": {1: "α = 1: fbm and sbm are one process"}},
    pictures=(
        Picture(
            "relevance/*/*",
            "raypipe.studies.andi.pictures:relevance",
            "One trajectory per class. In one dimension, the 25 steps that speak most for the predicted class are red; "
            "in more, each step has the colour of its relevance. The localisation noise σ of simulated trajectories is "
            "in units of the displacements' standard deviation.",
            section="Relevance",
            commands=("raypipe explain --network andi-study",),
        ),
    ),
)
