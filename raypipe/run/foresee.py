"""What a plan would make and take, before it does: the flag --dry-run. Nothing is written."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from raypipe import store
from raypipe.errors import Foreseen, InputError, LostError, of_texts, plain
from raypipe.modules import DRY_RUN_VARIABLE
from raypipe.run import cluster
from raypipe.run.work import Compute, Work, computing, failure_of, join, row_of, rows_of, runtime_env, work_of
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


@dataclass(frozen=True)
class Timed:
    """What some shards took: seconds, samples, bytes, and bytes when stored; or what was wrong with one."""

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
    """Computes shards as a worker does, and writes none.

    Args:
        works: what computes the shards of each store, by its name, as `work_of` gives it.
        compressions: of the variables of each store, by name.
    """

    def __init__(self, works: dict[str, Work], compressions: dict[str, dict[str, str]]) -> None:
        self._works = works
        self._compressions = compressions
        self._computes: dict[str, Compute] = {}

    def time(self, shards: list[dict[str, Any]], most: float) -> tuple[Any, ...]:
        """Compute those of some shards that time allows, the first whatever it takes; values of a `Timed`.

        What it takes to load what computes them is not counted.
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
        if name not in self._computes:
            self._computes[name] = computing(*self._works[name])
        began = time.perf_counter()
        arrays = {key: np.asarray(values) for key, values in self._computes[name](rows).items()}
        stored = sum(_compressed(values, self._compressions[name].get(key, "zstd")) for key, values in arrays.items())
        seconds, raw = time.perf_counter() - began, sum(values.nbytes for values in arrays.values())
        return Timed(seconds, int(shard["stop"]) - int(shard["start"]), raw, stored)


def _compressed(values: np.ndarray, by: str) -> int:
    """Bytes of values as a store's chunks have them."""
    import numcodecs

    blosc = numcodecs.Blosc(by, clevel=store.COMPRESSIONS[by], shuffle=numcodecs.Blosc.SHUFFLE)
    return len(blosc.encode(np.ascontiguousarray(values)))


def foresee(plans: Sequence[Plan], workers: int | None, how: Asked, *, last: bool) -> None:
    """Tell what making or completing stores takes, by shards of them that are computed and thrown away.

    Args:
        plans: of the stores.
        workers: at most so many worker processes.
        how: what is asked.
        last: whether nothing else is made from them.

    Raises:
        Foreseen: the text, as what ends a job; not if all is there, and something else is made from it.
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
    raise Foreseen("\n".join(lines))


def _timed(shards: Sequence[tuple[Plan, int]], workers: int | None, how: Asked) -> list[str]:
    """What some of these shards took, and all of them will."""
    import ray
    import ray.exceptions

    first = shards[0][0]
    join(first)
    cores = min(cluster.room(), workers or cluster.room(), len(shards))
    # Places that fill the range evenly, however many of them come to be used.
    places = [shards[int(i * _GOLDEN % 1 * len(shards))] for i in range(1, 8 * cores + 1)]
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
                f"--workers. Ray says: {' '.join(plain(str(error)).split())[:500]}"
            ) from error
        whole = sum((Timed(*one) for one in found), Timed())
        if whole.message:
            raise of_texts(whole.message, whole.traceback)
        return whole

    began = time.monotonic()
    timed(0.0)  # by the first of each what computes is loaded and warm
    start = time.monotonic() - began
    return _takes(
        sum(_samples(plan, [shard]) for plan, shard in shards), len(shards), cores, how, start, timed(_SECONDS)
    )


def _samples(plan: Plan, shards: list[int]) -> int:
    return sum(bounds.stop - bounds.start for bounds in map(plan.bounds, shards))


def _what(plan: Plan, missing: list[int]) -> str:
    there, to_make = plan.shards - len(missing), _samples(plan, missing)
    return (
        f"{plan.name}: {plan.samples} samples in {plan.shards} shards, in {store.location(plan.name)}; "
        f"{there} shards are finished, {to_make} samples in {len(missing)} shards are missing"
    )


def _takes(to_make: int, shards: int, cores: int, how: Asked, start: float, timed: Timed) -> list[str]:
    """Lines of so many samples in so many shards, by some that were timed."""
    share = to_make / timed.samples
    return [
        f"bytes: {_bytes(timed.raw * share)}, about {_bytes(timed.stored * share)} when stored",
        *times(timed.seconds * share, start, cores, shards, how, f"{timed.samples} samples"),
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
