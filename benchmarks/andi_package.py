"""The part of trajectories.py that runs in the environment `andi`: the plain package, and what the job's workers load.

As a program it runs the plain package in one process. It prints "ready" when the package is imported; then it reads one
request per line from standard input, [way, [[seed, number of trajectories], …]] in JSON, makes these calls one after
another, and answers with the seconds that they took and a checksum of each result.
"""

import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from measure import leave_mark

from raypipe import store
from raypipe.studies.andi.diffusion import ANDI_MODELS, NOISE_LEVELS, TRAJECTORY_LENGTH, andi_exponents

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about deeptrack, which trajectories do not need
    import stochastic.random
    from andi_datasets.datasets_challenge import challenge_theory_dataset
    from andi_datasets.datasets_theory import datasets_theory
    from andi_datasets.utils_trajectories import normalize

Compute = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def recipe(parameters: dict[str, Any]) -> Compute:
    """Return what computes the shards of train and val, in a worker that signals when it is ready."""
    from raypipe.studies.andi import trajectories

    leave_mark(parameters["marks"])
    return trajectories.recipe(parameters)


def challenge(parameters: dict[str, Any]) -> Compute:
    """Return what computes the shards of test, in a worker that signals when it is ready."""
    from raypipe.studies.andi import trajectories

    leave_mark(parameters["marks"])
    return trajectories.challenge(parameters)


def plain_challenge(count: int) -> tuple[Any, Any]:
    """Return positions and labels from the package's own function, called as in its documentation."""
    _, _, positions, labels, _, _ = challenge_theory_dataset(
        count, tasks=2, dimensions=1, min_T=TRAJECTORY_LENGTH, max_T=TRAJECTORY_LENGTH + 1
    )
    return positions[0], labels[0]


def plain_balanced(count: int, models: Sequence[int] = range(len(ANDI_MODELS))) -> tuple[Any, Any]:
    """Return positions and labels of the same number of trajectories of each model, with equally frequent exponents.

    It takes the steps of `challenge_theory_dataset` with the package's functions, for all trajectories at once, but
    without selecting a part of them.
    """
    exponents = np.arange(1, 41) / 20
    numbers = np.zeros((len(ANDI_MODELS), len(exponents)))
    for model in models:
        possible = np.flatnonzero(np.isin(exponents, andi_exponents(model)))
        share = np.linspace(0, count // len(models), len(possible) + 1).astype(int)
        numbers[model, possible] = np.diff(share)
    dataset = datasets_theory().create_dataset(TRAJECTORY_LENGTH, numbers, exponents, list(range(len(ANDI_MODELS))))
    dataset[:, 2:] = normalize(dataset[:, 2:])
    noise = np.random.choice(NOISE_LEVELS, len(dataset))[:, None] * np.random.randn(len(dataset), TRAJECTORY_LENGTH)  # noqa: NPY002
    dataset = datasets_theory().create_noisy_localization_dataset(dataset, T=TRAJECTORY_LENGTH, noise_func=noise)
    displacements = np.diff(dataset[:, 2:]) * np.random.randn(len(dataset), 1)  # noqa: NPY002
    dataset[:, 2] = 0
    dataset[:, 3:] = np.cumsum(displacements, axis=1)
    return dataset[:, 2:], dataset[:, 0]


PLAIN = {"challenge": plain_challenge, "recipe": plain_balanced} | {
    name: partial(plain_balanced, models=[model]) for model, name in enumerate(ANDI_MODELS)
}


def answer(way: str, calls: list[tuple[int, int]]) -> tuple[float, list[str]]:
    """Return the seconds that the calls took, and a checksum of each result; checksums are not included in the time."""
    seconds, checksums = 0.0, []
    for seed, count in calls:
        began = time.perf_counter()
        np.random.seed(seed)  # noqa: NPY002
        stochastic.random.seed(seed)
        with contextlib.redirect_stdout(io.StringIO()):
            positions, labels = PLAIN[way](count)
        seconds += time.perf_counter() - began
        made = {"position": np.array(positions), "label": np.array(labels).astype("int64")}
        checksums.append(store.checksum(made))
    return seconds, checksums


def main() -> None:
    """Serve requests until standard input ends."""
    print("ready", flush=True)
    for request in sys.stdin:
        print(json.dumps(answer(*json.loads(request))), flush=True)


if __name__ == "__main__":
    main()
