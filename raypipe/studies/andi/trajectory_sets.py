"""Plans of the data sets of trajectories."""

from typing import Any

from raypipe.store import Coordinate, Plan, Variable, finite, label_attributes
from raypipe.studies.andi import diffusion

TRAJECTORIES_PER_SHARD = 1000

USUAL_COUNTS = {"train": 50_000, "train-challenge": 1_000_000}
"""How many trajectories a split has unless told otherwise; the others have 10 000."""


def trajectories(split: str, trajectories: int | None = None) -> Plan:
    """Plan of a trajectory data set, `andi/<split>`: positions as the generator made them.

    Args:
        split: train or val, which are balanced; test, train-challenge or val-challenge, which are what
            `challenge_theory_dataset` itself returns.
        trajectories: how many, a multiple of five where they are balanced; by default those of USUAL_COUNTS.

    Raises:
        InputError: if the split or the count is not possible.
    """
    count = USUAL_COUNTS.get(split, 10_000) if trajectories is None else trajectories
    planned = diffusion.trajectories(split, count)
    per_sample: dict[str, dict[str, Any]] = {
        "exponent": {"long_name": "anomalous exponent", "units": "1", "valid_range": [0.05, 2]},
        "noise": {
            "long_name": "standard deviation of the localisation noise",
            "units": "1",
            "valid_range": [min(diffusion.NOISE_LEVELS), max(diffusion.NOISE_LEVELS)],
        },
    }
    label = label_attributes(diffusion.ANDI_MODELS)
    shard = min(TRAJECTORIES_PER_SHARD, count)
    variables = {
        "position": Variable(
            ("sample", "time"), (count, diffusion.TRAJECTORY_LENGTH), "float64", (shard, diffusion.TRAJECTORY_LENGTH),
            {"long_name": "position", "units": "1", **finite("float64")},
        ),
        **{name: Variable(("sample",), (count,), "float64", (shard,), meaning) for name, meaning in per_sample.items()},
    }  # fmt: skip
    coordinates = {"seed": Coordinate(("sample",), planned.seed, {"long_name": "seed of the generator"})}
    if planned.label is None:
        variables["label"] = Variable(("sample",), (count,), "int64", (shard,), label)
    else:
        coordinates["label"] = Coordinate(("sample",), planned.label, label)
    return Plan(
        name=f"andi/{split}",
        samples=count,
        shard_samples=shard,
        variables=variables,
        coordinates=coordinates,
        parameters={"trajectories": count, "length": diffusion.TRAJECTORY_LENGTH, "per_call": shard},
        compute=f"raypipe.studies.andi.trajectories:{'challenge' if planned.label is None else 'recipe'}",
        columns=("seed",) if planned.label is None else ("seed", "label"),
        environment="andi",
        grows=("trajectories",),
    )
