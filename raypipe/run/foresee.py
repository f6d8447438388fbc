"""What a plan would make and take, before it does: the flag --dry-run. Nothing is written."""

import json
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from raypipe import store
from raypipe.errors import Foreseen, InputError
from raypipe.modules import DRY_RUN_VARIABLE
from raypipe.run.work import Work, computing, join, room, row_of, rows_of, runtime_env, work_of
from raypipe.store import Plan

_SECONDS = 20.0
"""How long each worker computes shards, to its last one's end, after a first by which it warms up."""

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Asked:
    """What a dry run is to tell beside: the time on so many `cores`, and the cost at a `price` per core hour."""

    cores: int | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        if self.cores is not None and self.cores < 1:
            raise InputError(f"{self.cores} cores; expected 1 or more")
        if self.price is not None and not 0 <= self.price < float("inf"):
            raise InputError(f"price is {self.price}; expected 0 or more per core hour")


def asked() -> Asked | None:
    """What is asked, None if there is to be a run.

    Raises:
        InputError: if cores or price are not possible.
    """
    return Asked(*json.loads(os.environ[DRY_RUN_VARIABLE])) if os.environ.get(DRY_RUN_VARIABLE) else None


class Probe:
    """Computes shards as a worker does, and writes none.

    Args:
        work: what computes them, as `work_of` gives it.
        compressions: of the variables, by name.
    """

    def __init__(self, work: Work, compressions: dict[str, str]) -> None:
        self._work = work
        self._compressions = compressions

    def warm_up(self, shard: dict[str, Any]) -> None:
        """Load what computes, and compute a first shard."""
        self._compute = computing(*self._work)
        self._compute(rows_of(shard))

    def time(self, shards: list[dict[str, Any]]) -> tuple[float, int, int, int]:
        """Compute those of some shards that time allows.

        Returns:
            Of these seconds, samples, bytes, and bytes when stored.
        """
        seconds, samples, raw, stored = 0.0, 0, 0, 0
        for shard in shards:
            began = time.perf_counter()
            arrays = self._compute(rows_of(shard))
            stored += sum(
                _compressed(np.asarray(values), self._compressions.get(name, "zstd")) for name, values in arrays.items()
            )
            seconds += time.perf_counter() - began
            samples += shard["stop"] - shard["start"]
            raw += sum(np.asarray(values).nbytes for values in arrays.values())
            if seconds > _SECONDS:
                break
        return seconds, samples, raw, stored


def _compressed(values: np.ndarray, by: str) -> int:
    """Bytes of values as a store's chunks have them."""
    import numcodecs

    blosc = numcodecs.Blosc(by, clevel=store.COMPRESSIONS[by], shuffle=numcodecs.Blosc.SHUFFLE)
    return len(blosc.encode(np.ascontiguousarray(values)))


def foresee(plan: Plan, workers: int | None, how: Asked) -> Foreseen:
    """What making or completing a store takes, by shards of it that are computed and thrown away.

    Args:
        plan: of the store.
        workers: at most so many worker processes.
        how: what is asked.

    Returns:
        The text, as what ends a job.
    """
    import ray

    missing = store.missing(plan.name) if store.begun(plan) else list(range(plan.shards))
    lines = [_what(plan, missing)]
    if missing:
        join(plan)
        cores = min(room(), workers or room(), len(missing))
        # Places that fill the range evenly, however many of them come to be used.
        places = [missing[int(i * _GOLDEN % 1 * len(missing))] for i in range(1, 8 * cores + 1)]
        probe: Any = ray.remote(Probe).options(num_cpus=1, runtime_env=runtime_env(plan))
        compressions = {name: variable.compression for name, variable in plan.variables.items()}
        arguments = work_of(plan), compressions
        probes = [probe.remote(*arguments) for _ in range(cores)]
        own = [[row_of(plan, shard) for shard in places[i::cores]] for i in range(cores)]
        began = time.monotonic()
        ray.get([one.warm_up.remote(rows[0]) for one, rows in zip(probes, own, strict=True)])
        start = time.monotonic() - began
        found = ray.get([one.time.remote(rows) for one, rows in zip(probes, own, strict=True)])
        lines += _takes(plan, missing, cores, how, start, *(sum(values) for values in zip(*found, strict=True)))
    return Foreseen("\n".join(lines))


def _samples(plan: Plan, shards: list[int]) -> int:
    return sum(bounds.stop - bounds.start for bounds in map(plan.bounds, shards))


def _what(plan: Plan, missing: list[int]) -> str:
    there, to_make = plan.shards - len(missing), _samples(plan, missing)
    return (
        f"{plan.name}: {plan.samples} samples in {plan.shards} shards, in {store.location(plan.name)}; "
        f"{there} shards are there, {to_make} samples in {len(missing)} shards are to be made"
    )


def _takes(
    plan: Plan,
    missing: list[int],
    cores: int,
    how: Asked,
    start: float,
    seconds: float,
    samples: int,
    raw: int,
    stored: int,
) -> list[str]:
    to_make = _samples(plan, missing)
    whole = seconds / samples * to_make
    return [
        f"bytes: {_bytes(raw / samples * to_make)}, about {_bytes(stored / samples * to_make)} when stored",
        *times(whole, start, cores, len(missing), how, f"{samples} samples"),
    ]


def times(whole: float, start: float, cores: int, most: int, how: Asked, by: str) -> list[str]:
    """Lines that tell time and cost.

    Args:
        whole: seconds of one core.
        start: seconds until it begins.
        cores: at hand, that can be used.
        most: cores that could be used if they were at hand.
        how: what is asked.
        by: what was timed.
    """
    lines = [
        f"time: {whole / 3600:.3g} core hours, by {by} that were timed; "
        f"{_duration(start + whole / cores)} on the {cores} cores at hand, of which {_duration(start)} to start",
    ]
    if how.cores is not None:
        lines.append(f"on {how.cores} cores: {_duration(start + whole / min(how.cores, most))}")
    if how.price is not None:
        lines.append(f"cost: {whole / 3600 * how.price:.3g} at {how.price:g} per core hour")
    return lines


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
