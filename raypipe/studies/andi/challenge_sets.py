"""Test sets composed as those of the AnDi challenge were: tracks of 10 to 999 points in one to three dimensions.

How they were composed follows from the organisers' tables of predictions: for the task of the model, models alike and
exponents uniform over what each may have; for the task of the exponent, exponents uniform, and then a model uniform
among those that may have it. Lengths are uniform. What makes them is the package andi-datasets.
"""

from functools import partial

import numpy as np

from raypipe.store import Coordinate, Plan, label_attributes
from raypipe.studies.andi import diffusion
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.trajectory_sets import variables_of

TASKS = ("model", "exponent")

COUNTS = {1: 10_000, 2: 5_000, 3: 3_333}
"""Tracks by the number of dimensions, as many as the challenge had."""

LENGTHS = (10, 999)
"""The fewest and the most points."""

WALK = 1000
"""Points of the walks that are scaled, and then cut."""

_FIRST_SEED = 5 * 2**29
"""Between those of `diffusion.trajectories` for test and for train-challenge: test sets end before it."""

_SHARD = 250


def plan(task: str, dimensions: int, trajectories: int | None = None) -> Plan:
    """Plan of a test set; `trajectories` is how many, by default those of COUNTS."""
    count = COUNTS[dimensions] if trajectories is None else trajectories
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
                _FIRST_SEED + place * 2**24 + np.arange(count),
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
    """Of each of `outcomes.CLASSES` the share that it has in the test sets of a task."""
    if task == "model":
        return outcomes.SHARE
    level = np.rint(outcomes.EXPONENT / outcomes.STEP).astype("int64")
    allowed = np.bincount(level)
    found: np.ndarray = 1 / (len(outcomes.LEVELS) * allowed[level])
    return found


PLANS = {f"challenge-{task}-{dimensions}d": partial(plan, task, dimensions) for task in TASKS for dimensions in COUNTS}
"""By split."""
