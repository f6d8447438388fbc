"""Plans of the data sets of trajectories."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from raypipe.errors import InputError, choice
from raypipe.store import Coordinate, Plan, Variable, finite, label_attributes
from raypipe.studies.andi import diffusion, own_trajectories

TRAJECTORIES_PER_SHARD = 1000

USUAL_COUNTS = {"train": 50_000, "train-challenge": 1_000_000}
"""Default numbers of trajectories of splits; the other splits have 10 000."""

GENERATORS = ("andi-datasets", "raypipe")
"""What makes trajectories: the package, or raypipe's own generator, far faster and with the same distributions."""


def trajectories(
    split: str,
    trajectories: int | None = None,
    generator: str | None = None,
    models: str | Sequence[str] | None = None,
    exponents: own_trajectories.Values | None = None,
    noise: own_trajectories.Values | None = None,
    positions: str | int | None = None,
    dimensions: int | None = None,
) -> Plan:
    """Plan of a trajectory data set, `andi/<split>`: positions as the generator made them.

    Args:
        split: train or val, which are balanced; test, train-challenge or val-challenge, which the package's
            `challenge_theory_dataset` returns. raypipe's generator balances all of them.
        trajectories: their number, a multiple of the number of models if they are balanced; by default as in
            USUAL_COUNTS.
        generator: one of GENERATORS; by default the package, or raypipe's generator if any of the following is given.
        models: of your own trajectories; for this and the following, see `own_trajectories.kinds`.
        exponents: α.
        noise: standard deviations of the localisation noise.
        positions: number of positions of a trajectory, or the smallest and the largest number.
        dimensions: 1 to 3.

    Raises:
        InputError: if an argument is invalid.
    """
    own = {"models": models, "exponents": exponents, "noise": noise, "positions": positions, "dimensions": dimensions}
    given = [name for name, value in own.items() if value is not None]
    if choice("generator", generator or GENERATORS[bool(given)], GENERATORS) == "raypipe":
        return _own(split, trajectories, own_trajectories.kinds(**own))  # type: ignore[arg-type]
    if given:
        raise InputError(f"{', '.join(given)} with andi-datasets, which only makes the challenge's; use raypipe's")
    count = USUAL_COUNTS.get(split, 10_000) if trajectories is None else trajectories
    planned = diffusion.trajectories(split, count)
    shard = min(TRAJECTORIES_PER_SHARD, count)
    variables = variables_of(count, shard, (diffusion.TRAJECTORY_LENGTH,))
    coordinates = {"seed": Coordinate(("sample",), planned.seed, {"long_name": "seed of the generator"})}
    label = label_attributes(diffusion.ANDI_MODELS)
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


def variables_of(
    count: int,
    shard: int,
    shape: tuple[int, ...],
    noise: Sequence[float] = diffusion.NOISE_LEVELS,
    exponents: Sequence[float] = (0.05, 2),
    whole: bool = True,
) -> dict[str, Variable]:
    """The stored variables of `count` trajectories of this shape; `whole` if all have the same length."""
    noise_range: dict[str, Any] = {
        "long_name": "standard deviation of the localisation noise",
        "units": "1",
        "valid_range": [min(noise), max(noise)],
    }
    exponent = {"long_name": "anomalous exponent", "units": "1", "valid_range": [min(exponents), max(exponents)]}
    position = {"long_name": "position", "units": "1", **(finite("float64") if whole else {})}
    axes = ("axis",) * (len(shape) - 1)
    return {
        "position": Variable(("sample", "time", *axes), (count, *shape), "float64", (shard, *shape), position, "lz4"),
        "exponent": Variable(("sample",), (count,), "float64", (shard,), exponent),
        "noise": Variable(("sample", *axes), (count, *shape[1:]), "float64", (shard, *shape[1:]), noise_range),
    }


def _own(split: str, trajectories: int | None, kinds: own_trajectories.Kinds) -> Plan:
    """Plan of trajectories by raypipe's generator; classes alternate in every split."""
    count = USUAL_COUNTS.get(split, 10_000) if trajectories is None else trajectories
    least, most = kinds.lengths
    planned = diffusion.trajectories(split, count, kinds.models)
    shape = (most,) if kinds.dimensions == 1 else (most, kinds.dimensions)
    shard = max(1, TRAJECTORIES_PER_SHARD * diffusion.TRAJECTORY_LENGTH * 8 // (most * kinds.dimensions))
    lengths = {"long_name": "positions of the trajectory", "valid_range": [least, most]}
    exponents = list(chain(*kinds.exponents.values()))
    variables = variables_of(count, shard, shape, kinds.noise, exponents, whole=least == most)
    if least < most:
        variables["length"] = Variable(("sample",), (count,), "int64", (shard,), lengths)
    return Plan(
        name=f"andi/{split}",
        samples=count,
        shard_samples=shard,
        variables=variables,
        coordinates={
            "seed": Coordinate(("sample",), planned.seed, {"long_name": "seed of the generator"}),
            "label": Coordinate(("sample",), planned.label, label_attributes(diffusion.ANDI_MODELS)),
        },
        parameters={"trajectories": count, "generator": "raypipe", "kinds": kinds.document()},
        compute="raypipe.studies.andi.own_trajectories:compute",
        columns=("seed", "label"),
        grows=("trajectories",),
    )
