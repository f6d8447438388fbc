"""Plans of scans: the study's fine scan, or your own over a chosen window or in chosen parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.errors import InputError
from raypipe.plan import axis, product
from raypipe.store import Plan
from raypipe.studies.gray_scott import integrator, pattern_sets, starts, tables
from raypipe.study import find

Axis = str | float | Sequence[float]
"""Values of a parameter, see `raypipe.plan.axis`."""

SIZES = (64, 1024)
"""Smallest and largest number of grid points along a side."""

MOST_SIMULATIONS = 10**7
"""Larger scans are refused before their points fill the memory."""


def plan(name: str | None, own: Mapping[str, Any], *, at_most: int, **usual: Any) -> Plan:
    """Plan of gray_scott/scan, or of your own gray_scott/scan-<name> with the arguments `own`.

    Args:
        name: of your own scan, or None for the study's.
        own: arguments of `scan` for your own scan; those that are None have their usual values. `start` may also be the
            path of a file.
        at_most: largest number of simulations.
        usual: further arguments of `scan`, which apply to both.

    Raises:
        InputError: see `scan`; also if there are more simulations than `at_most`, or a name without arguments in `own`,
            or arguments without a name.
    """
    given = {key: value for key, value in own.items() if value is not None}
    if isinstance(given.get("start"), str) and given["start"] not in starts.NAMED:
        given["start"] = starts.keep(Path(given["start"]))
    if given and name is None:
        raise InputError(f"{', '.join(given)} without a name for your own scan; give it one: --name zoom")
    if name is not None and not given:
        raise InputError(f"the scan {name} has only a name; expected at least --k and --f")
    planned = find("gray_scott").plan("scan" if name is None else f"scan-{name}", {**usual, **given})
    if planned.samples > at_most:
        raise InputError(
            f"{planned.name} has {planned.samples} simulations; if that is intended, add --at-most {planned.samples}"
        )
    return planned


def scan(
    every: int = 1,
    dtype: str = "float64",
    k: Axis | None = None,
    f: Axis | None = None,
    diffusion_u: Axis | None = None,
    diffusion_v: Axis | None = None,
    seeds: int | None = None,
    size: int | None = None,
    time_step: float | None = None,
    frame_times: Axis | None = None,
    start: str | None = None,
) -> Plan:
    """Plan of a scan of parameter space: the study's (`pattern_sets.scan`), or your own.

    It is your own if `k`, `f` or `seeds` is given, or another argument after `dtype` with an unusual value. It then has
    a simulation for each combination of its parameters; the feed rate varies fastest, then the kill rate. Point i of n
    has the seeds i + 1, i + n + 1, …; all points come with their first seed before any comes with its second.

    Args:
        every: use only every n-th simulation; for the study's scan.
        dtype: data type for integration and storage, float64 or float32.
        k: kill rates.
        f: feed rates.
        diffusion_u: diffusion coefficients of u, usually 0.2.
        diffusion_v: diffusion coefficients of v, usually 0.1.
        seeds: simulations at each point, which differ in their random initial state; usually 1.
        size: grid points along each side, 64 to 1024; usually 128, or the size of an initial state from `starts.keep`.
        time_step: usually 0.25.
        frame_times: times at which u is stored, usually 14940, 14970, 15000.
        start: initial state: study, inverse, noise, pearson, or a name returned by `starts.keep`; usually study.

    Raises:
        InputError: if an argument is invalid, k or f is missing, or there are more than ten million simulations.
    """
    own = {"diffusion_v": diffusion_v, "diffusion_u": diffusion_u, "k": k, "f": f}
    others = {"seeds": seeds, "size": size, "time_step": time_step, "frame_times": frame_times, "start": start}
    usual: dict[str, Any] = {**pattern_sets.USUAL, "frame_times": list(tables.FRAME_TIMES_2D), "start": "study"}
    given = [
        name
        for name, value in {**own, **others}.items()
        if value is not None and not (name in usual and np.array_equal(value, usual[name]))
    ]
    if not given:
        return pattern_sets.scan(every, dtype)
    if k is None or f is None or every != 1:
        raise InputError(
            f"your own scan by {', '.join(given)}, with every = {every}; expected both k and f, and every = 1"
        )
    sides = {name: axis(name, value) for name, value in own.items() if value is not None}
    settings = _settings(size, time_step, frame_times, start) | {"dtype": dtype}
    _check(sides, settings)
    points = _points(sides, 1 if seeds is None else seeds)
    fixed = {name: float(values[0]) for name, values in sides.items() if len(values) == 1 and name not in ("k", "f")}
    points = {name: values for name, values in points.items() if name not in fixed}
    return replace(pattern_sets.planned("gray_scott/scan", points, settings | fixed), grows=("seeds",))


def _settings(size: int | None, time_step: float | None, frame_times: Axis | None, start: str | None) -> dict[str, Any]:
    usual = pattern_sets.USUAL
    times = tables.FRAME_TIMES_2D if frame_times is None else axis("frame_times", frame_times).tolist()
    start = "study" if start is None else str(start)
    starts.check(start)
    cells = starts.size_of(start)
    size = (cells or int(usual["size"])) if size is None else size
    size = _whole("size", size, *SIZES, "grid points along a side")
    if cells is not None:
        starts.check_size(cells, size)
    if time_step is None:
        time_step = usual["time_step"]
    elif len(steps := axis("time_step", time_step)) == 1:
        time_step = float(steps[0])
    else:
        raise InputError(f"time_step has {len(steps)} values; expected one, the same for all simulations")
    frames = [int(time) if time == int(time) else time for time in times]
    return {"size": size, "time_step": time_step, "frame_times": frames, "start": start}


def _whole(name: str, found: Any, least: int, most: int, what: str) -> int:
    if not isinstance(found, int) or not least <= found <= most:
        raise InputError(f"{name} is {found!r}; expected {least} to {most} {what}")
    return found


def _check(sides: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
    """Refuse settings that `integrate` refuses, which depends only on the extremes of each parameter."""
    usual = {name: np.array([pattern_sets.USUAL[name]]) for name in ("diffusion_u", "diffusion_v")}
    for extreme in (np.min, np.max):
        point = {name: float(extreme(values)) for name, values in {**usual, **sides}.items()}
        integrator.checked_steps(**point, time_step=settings["time_step"], frame_times=settings["frame_times"])


def _points(sides: dict[str, np.ndarray], seeds: int) -> dict[str, np.ndarray]:
    _whole("seeds", seeds, 1, MOST_SIMULATIONS, "simulations at each point")
    count = seeds * int(np.prod([len(values) for values in sides.values()], dtype=object))
    if count > MOST_SIMULATIONS:
        each = " × ".join(f"{len(values)} values of {name}" for name, values in sides.items())
        raise InputError(
            f"{count} simulations ({each}, {seeds} seeds of each); expected at most {MOST_SIMULATIONS}: make the steps "
            "wider, or several scans"
        )
    points = {name: np.tile(values, seeds) for name, values in product(**sides).items()}
    return {**points, "seed": np.arange(count) + 1, "label": np.full(count, -1)}
