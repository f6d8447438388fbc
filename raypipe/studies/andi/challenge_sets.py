"""Test sets composed like those of the AnDi challenge: tracks of 10 to 999 points in one to three dimensions.

Their composition follows from the organisers' tables of predictions. For the task of the model, all models are equally
frequent, and the exponents of each are uniform over those that it may have. For the task of the exponent, exponents are
uniform, and the model is uniform among those that may have the exponent. Lengths are uniform. The package andi-datasets
makes the tracks.
"""

from functools import partial

import numpy as np

from raypipe.errors import InputError
from raypipe.store import Coordinate, Plan, label_attributes
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.trajectory_sets import variables_of

TASKS = ("model", "exponent")

COUNTS = {1: 10_000, 2: 5_000, 3: 3_333}
"""Number of tracks, by number of dimensions, as in the challenge."""

LENGTHS = (10, 999)
"""Smallest and largest number of points."""

WALK = 1000
"""Number of points of the walks, which are scaled and then cut."""

_FIRST_SEED = 5 * 2**29
"""Between the seeds of test and of train-challenge in `diffusion.trajectories`; those of test end before it."""

_MOST = 2**24
"""Maximum number of tracks of a test set; each set has this many seeds of its own."""

_SHARD = 250


def plan(task: str, dimensions: int, trajectories: int | None = None) -> Plan:
    """Plan of a test set; `trajectories` is their number, by default as in COUNTS.

    Raises:
        InputError: if the number is not positive, or too large.
    """
    count = COUNTS[dimensions] if trajectories is None else trajectories
    if not 1 <= count <= _MOST:
        raise InputError(f"{count} trajectories; expected from 1 to {_MOST}")
    place = 4 * TASKS.index(task) + dimensions
    random = np.random.default_rng(place)
    label = random.choice(len(outcomes.SHARE), count, p=share(task))
    length = random.integers(LENGTHS[0], LENGTHS[1] + 1, count)
    shape = (LENGTHS[1],) if dimensions == 1 else (LENGTHS[1], dimensions)
    shard = min(_SHARD, count)
    variables = variables_of(count, shard, shape, whole=False)
    exponent = variables.pop("exponent")
    return Plan(
        name=f"andi/challenge-{task}-{dimensions}d",
        samples=count,
        shard_samples=shard,
        variables=variables,
        coordinates={
            "seed": Coordinate(
                ("sample",),
                _FIRST_SEED + place * _MOST + np.arange(count),
                {"long_name": "seed of the generator"},
            ),
            "label": Coordinate(("sample",), outcomes.MODEL[label], label_attributes(diffusion.ANDI_MODELS)),
            "exponent": Coordinate(("sample",), outcomes.EXPONENT[label], exponent.attributes),
            "length": Coordinate(("sample",), length, {"long_name": "positions of the trajectory"}),
        },
        parameters={"trajectories": count, "task": task, "dimensions": dimensions, "walk": WALK},
        compute="raypipe.studies.andi.trajectories:tracks",
        columns=("seed", "label", "exponent", "length"),
        environment="andi",
    )


def share(task: str) -> np.ndarray:
    """Share of each of `outcomes.CLASSES` in the test sets of a task."""
    if task == "model":
        return outcomes.SHARE
    level = np.rint(outcomes.EXPONENT / outcomes.STEP).astype("int64")
    allowed = np.bincount(level)
    return 1 / (len(outcomes.LEVELS) * allowed[level])


PLANS = {f"challenge-{task}-{dimensions}d": partial(plan, task, dimensions) for task in TASKS for dimensions in COUNTS}
"""Functions that plan the test sets, by split."""
