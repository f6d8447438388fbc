"""Estimate what a plan would produce and cost before it runs, for the flag --dry-run. Nothing is written."""

import functools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from raypipe import store
from raypipe.errors import DryRun, InputError, LostError, of_ray, of_texts
from raypipe.modules import DRY_RUN_VARIABLE
from raypipe.run import cluster
from raypipe.run.work import Work, computing, failure_of, join, row_of, rows_of, runtime_env, work_of
from raypipe.store import Plan

_SECONDS = 20.0
"""How long each worker computes shards, after one to warm up; a shard that it has begun is finished."""

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Asked:
    """What a dry run is to estimate in addition: the time on `cores` cores, and the cost at `price` per core hour."""

    cores: int | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        if self.cores is not None and self.cores < 1:
            raise InputError(f"{self.cores} cores; expected 1 or more")
        if self.price is not None and not 0 <= self.price < float("inf"):
            raise InputError(f"price is {self.price}; expected 0 or more per core hour")


def asked() -> Asked | None:
    """What a dry run is to estimate, or None if this is not a dry run.

    Raises:
        InputError: if the number of cores or the price is not possible.
    """
    return Asked(*json.loads(os.environ[DRY_RUN_VARIABLE])) if os.environ.get(DRY_RUN_VARIABLE) else None


@dataclass(frozen=True)
class Timed:
    """Cost of some shards: seconds, samples, bytes before and after compression; or the error of one of them."""

    seconds: float = 0.0
    samples: int = 0
    raw: int = 0
    stored: int = 0
    message: str = ""
    traceback: str = ""

    def __add__(self, other: "Timed") -> "Timed":
        wrong = self if self.message else other
        return Timed(
            self.seconds + other.seconds,
            self.samples + other.samples,
            self.raw + other.raw,
            self.stored + other.stored,
            wrong.message,
            wrong.traceback,
        )


class Probe:
    """Computes shards as a worker does, but writes nothing.

    Args:
        works: for each store by name, how its shards are computed, from `work_of`.
        compressions: for each store, the compression of its variables by name.
    """

    def __init__(self, works: dict[str, Work], compressions: dict[str, dict[str, str]]) -> None:
        self._works = works
        self._compressions = compressions
        self._computing = functools.cache(computing)

    def time(self, shards: list[dict[str, Any]], most: float) -> tuple[Any, ...]:
        """Compute shards until `most` seconds are exceeded, at least one; returns the values of a `Timed`.

        The time to load the function that computes them is not counted.
        """
        sum_ = Timed()
        for shard in shards:
            try:
                sum_ += self._timed(shard)
            except Exception as error:
                return astuple(sum_ + Timed(0, 0, 0, 0, *failure_of(shard, error)))
            if sum_.seconds > most:
                break
        return astuple(sum_)

    def _timed(self, shard: dict[str, Any]) -> Timed:
        name, rows = str(shard["store"]), rows_of(shard)
        compute = self._computing(*self._works[name])
        began = time.perf_counter()
        arrays = {key: np.asarray(values) for key, values in compute(rows).items()}
        stored = sum(_compressed(values, self._compressions[name].get(key, "zstd")) for key, values in arrays.items())
        seconds, raw = time.perf_counter() - began, sum(values.nbytes for values in arrays.values())
        return Timed(seconds, int(shard["stop"]) - int(shard["start"]), raw, stored)


def _compressed(values: np.ndarray, by: str) -> int:
    """Size of values in bytes, compressed as in a store's chunks."""
    import numcodecs

    blosc = numcodecs.Blosc(by, clevel=store.COMPRESSIONS[by], shuffle=numcodecs.Blosc.SHUFFLE)
    return len(blosc.encode(np.ascontiguousarray(values)))


def dry_run(plans: Sequence[Plan], workers: int | None, how: Asked, *, last: bool) -> None:
    """Estimate what making or completing stores takes, from some shards that are computed and discarded.

    Args:
        plans: plans of the stores.
        workers: maximum number of worker processes.
        how: what to estimate in addition.
        last: whether nothing else is made from these stores.

    Raises:
        DryRun: with the estimate, which ends the job; not if the stores are complete and something else is made from
            them.
        WorkError: if a shard raises an exception.
        LostError: if a worker is lost.
    """
    missing = {plan.name: store.missing(plan.name) if store.begun(plan) else list(range(plan.shards)) for plan in plans}
    shards = [(plan, shard) for plan in plans for shard in missing[plan.name]]
    if not shards and not last:
        return
    lines = [_what(plan, missing[plan.name]) for plan in plans]
    if shards:
        lines += _timed(shards, workers, how)
    if not last:
        lines.append("later steps that use this are not counted; run the command again once it exists")
    raise DryRun("\n".join(lines))


def _timed(shards: Sequence[tuple[Plan, int]], workers: int | None, how: Asked) -> list[str]:
    """Time some of the shards, and report the estimate for all of them."""
    import ray
    import ray.exceptions

    first = shards[0][0]
    join(first)
    cores = min(cluster.room(), workers or cluster.room(), len(shards))
    # Positions that cover the range evenly, however many of them are used.
    numbers = dict.fromkeys(int(i * _GOLDEN % 1 * len(shards)) for i in range(1, 8 * cores + 1))
    places = [shards[number] for number in numbers]
    plans = {plan.name: plan for plan, _ in places}
    compressions = {
        name: {key: variable.compression for key, variable in plan.variables.items()} for name, plan in plans.items()
    }
    probe: Any = ray.remote(Probe).options(num_cpus=1, runtime_env=runtime_env(first))
    probes = [probe.remote({name: work_of(plan) for name, plan in plans.items()}, compressions) for _ in range(cores)]
    own = [[row_of(*one) for one in places[i::cores]] for i in range(cores)]

    def timed(most: float) -> Timed:
        try:
            found = ray.get([one.time.remote(rows, most) for one, rows in zip(probes, own, strict=True)])
        except ray.exceptions.RayError as error:
            raise LostError(
                f"{', '.join(plans)}: a worker that timed shards was lost, perhaps for lack of memory; try fewer with "
                f"--workers. {of_ray(error)}"
            ) from error
        whole = sum((Timed(*one) for one in found), Timed())
        if whole.message:
            raise of_texts(whole.message, whole.traceback)
        return whole

    began = time.monotonic()
    timed(0.0)  # the first shard of each worker loads and warms up the function
    start = time.monotonic() - began
    to_make = sum(plan.samples_in([shard]) for plan, shard in shards)
    return _takes(to_make, len(shards), cores, how, start, timed(_SECONDS))


def _what(plan: Plan, missing: list[int]) -> str:
    there, to_make = plan.shards - len(missing), plan.samples_in(missing)
    return (
        f"{plan.name}: {plan.samples} samples in {plan.shards} shards, in {store.location(plan.name)}; "
        f"{there} shards are finished, {to_make} samples in {len(missing)} shards are missing"
    )


def _takes(to_make: int, shards: int, cores: int, how: Asked, start: float, timed: Timed) -> list[str]:
    """Lines with the estimate for `to_make` samples in `shards` shards, from some that were timed."""
    share = to_make / timed.samples
    return [
        f"bytes: {_bytes(timed.raw * share)}, about {_bytes(timed.stored * share)} when stored",
        *times(timed.seconds * share, start, cores, shards, how, f"{timed.samples} samples"),
    ]


def times(whole: float, start: float, cores: int, most: int, how: Asked, by: str) -> list[str]:
    """Lines with the estimated time and cost.

    Args:
        whole: total computing time in core seconds.
        start: seconds until computing begins.
        cores: number of available cores that can be used.
        most: number of cores that could be used if they were available.
        how: what to estimate in addition.
        by: what was timed.
    """
    lines = [
        f"time: {whole / 3600:.3g} core hours, estimated from {by}; "
        f"{_duration(start + whole / cores)} on the {cores} cores available, including {_duration(start)} to start",
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
