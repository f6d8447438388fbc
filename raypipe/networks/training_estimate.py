"""Estimate the duration of trainings by starting some of them, for the flag --dry-run. Nothing is written."""

import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import ray
import ray.exceptions

from raypipe.errors import LostError, of_ray, of_texts
from raypipe.networks.fit import Fit
from raypipe.networks.inputs import Fresh, Samples
from raypipe.networks.trial import Task, error_texts, start_tensorflow
from raypipe.store import objects

_SECONDS = 10.0
"""How long a training is timed, after its first part, in which TensorFlow warms up."""

_TIMED = 3
"""Number of trainings that each worker times, if there are enough."""

_FORWARD = 1 / 3
"""Time to validate a sample, relative to the time to train on it."""

Planned = tuple[Any, ...]
"""Arguments of `Task`."""


def spread(planned: Sequence[Planned], at_once: int) -> list[Planned]:
    """Select some of the trainings, evenly spaced from the first to the last."""
    number = min(len(planned), _TIMED * at_once)
    return [planned[(2 * i + 1) * len(planned) // (2 * number)] for i in range(number)]


def time_trainings(
    planned: Sequence[Planned],
    data: tuple[Samples | Fresh, Samples | Fresh],
    cores: int,
    gpus: float,
    at_once: int,
) -> tuple[float, float]:
    """Seconds until trainings start, and the mean of the seconds that a training then takes.

    Args:
        planned: trainings to time; for a training that was interrupted, only the remaining epochs count.
        data: samples to train and to validate on.
        cores: CPU cores for each training.
        gpus: GPUs for each training.
        at_once: number of trainings that run at the same time.

    Raises:
        InputError: if a training cannot start.
        WorkError: if a training raises an exception.
        LostError: if a worker is lost.
    """
    began = time.monotonic()
    shared = ray.put(data)
    worker: Any = ray.remote(_Probe).options(num_cpus=cores, num_gpus=gpus)
    probes = [worker.remote(objects.place(), cores) for _ in range(at_once)]
    try:
        ray.get([probe.ready.remote() for probe in probes])
        start = time.monotonic() - began
        found = ray.get([probes[i % at_once].time.remote(one, shared) for i, one in enumerate(planned)])
    except ray.exceptions.RayError as error:
        raise LostError(
            f"a worker that timed trainings was lost, perhaps for lack of memory. {of_ray(error)}"
        ) from error
    for _, message, details in found:
        if message:
            raise of_texts(message, details)
    return start, sum(seconds for seconds, _, _ in found) / len(found)


class _Probe:
    """Starts trainings as a trial does, and discards them."""

    def __init__(self, place: dict[str, str], cores: int) -> None:
        start_tensorflow(place, cores)

    def ready(self) -> None:
        """Return when TensorFlow has started."""

    def time(self, planned: Planned, data: tuple[Samples | Fresh, Samples | Fresh]) -> tuple[float, str, str]:
        """Seconds that a training takes, or its error message and traceback, as returned by `trial.error_texts`."""
        try:
            return self._time(Task(*planned), *data), "", ""
        except Exception as error:
            return 0.0, *error_texts(Task(*planned), error)

    def _time(self, task: Task, train: Samples | Fresh, validation: Samples | Fresh) -> float:
        fit = task.begin()
        left = task.training.epochs - fit.epoch
        epochs = _epochs(fit, train, validation.few(1))
        at = time.monotonic()
        first = next(epochs)
        began = time.monotonic()
        seen = first
        while seen == first or time.monotonic() - began < _SECONDS:
            seen = next(epochs)
        epoch = (time.monotonic() - began) / (seen - first)
        return began - at + epoch * left * (1 + _FORWARD * validation.count / train.count)


def _epochs(fit: Fit, train: Samples | Fresh, validation: Samples | Fresh) -> Iterator[float]:
    """Number of epochs (with fraction) that a training has seen, after each part, without end."""
    for epoch in count():
        for share in fit.epoch_in_parts(train, validation):
            yield epoch + share
