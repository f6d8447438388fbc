"""Progress of long tasks: a bar in a terminal, plain lines in a log file."""

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

_LEAST_SECONDS, _MOST_SECONDS = 5.0, 60.0
"""The remaining time is shown once results have arrived for half as long as the first one took, within these limits."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar that estimates the remaining time from the first result on, once there is enough to go by.

    The time before the first result is not typical: workers start, code is compiled, and all workers compute their
    first results at the same time.
    """

    _first: tuple[float, float] | None = None

    def update(self, n: float | None = 1) -> bool | None:
        """Count what is done."""
        if n and self._first is None:
            self._first = time.monotonic(), self.n + n
        return super().update(n)

    @property
    def format_dict(self) -> Any:
        """Values to display; without rate and remaining time until these are meaningful."""
        shown = super().format_dict
        if self._first is None:
            return {**shown, "rate": 0}
        if shown["total"] is not None and shown["n"] >= shown["total"]:
            return {**shown, "rate": None}
        then, done = self._first
        since, waited = time.monotonic() - then, shown["elapsed"]
        enough = since >= min(max(_LEAST_SECONDS, (waited - since) / 2), _MOST_SECONDS)
        return {**shown, "rate": (shown["n"] - done) / since if enough else 0}


class _Lines:
    """A stream that turns tqdm's updates of one line into separate lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def write(self, text: str) -> int:
        line = text.replace("\r", "").strip()
        if not line or line == self._last:
            return 0
        self._last = line
        return self._stream.write(f"{line}\n")

    def flush(self) -> None:
        self._stream.flush()


def progress(total: int, description: str, *, done: int = 0, unit: str = "shard") -> "tqdm[Any]":
    """A tqdm bar on standard error that starts at `done` of `total`; use it as a context manager.

    If standard error is not a terminal, it prints a line at most every ten seconds and one at the end. It can be
    updated by fractions of a unit.
    """
    if sys.stderr.isatty():
        return _Bar(
            total=total,
            desc=description,
            initial=done,
            unit=unit,
            dynamic_ncols=True,
            bar_format="{l_bar}{bar}| {n:.10g}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
        )
    return _Bar(
        total=total,
        desc=description,
        initial=done,
        unit=unit,
        file=_Lines(sys.stderr),
        position=0,  # also for a second bar at the same time: separate lines do not overwrite each other
        mininterval=10,
        bar_format="{desc}: {n:.10g} of {total_fmt} {unit}s ({percentage:.0f} %), {elapsed} elapsed, {remaining} left"
        "{postfix}",
    )
