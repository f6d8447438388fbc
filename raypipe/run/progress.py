"""Progress of long work: a bar on a terminal, plain lines in a log file."""

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

_LEAST_SECONDS, _MOST_SECONDS = 5.0, 60.0
"""How long results have to come in, half as long as the first took, until the time that is left is told."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar whose estimate begins with the first result, and is told when it rests on enough.

    Before the first result there are starts of workers, compilation and the longest wait: all of them at once.
    """

    _first: tuple[float, float] | None = None

    def update(self, n: float | None = 1) -> bool | None:
        """Count what is done."""
        if n and self._first is None:
            self._first = time.monotonic(), self.n + n
        return super().update(n)

    @property
    def format_dict(self) -> Any:
        """What is shown; no rate, and no time that is left, before they mean something."""
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
    """A stream that turns tqdm's redrawing of one line into lines of their own."""

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

    Where standard error is no terminal, a line at most every ten seconds and one at the end. It may be updated by
    fractions of a unit.
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
        position=0,  # also of a second one at the same time: lines do not stand in each other's way
        mininterval=10,
        bar_format="{desc}: {n:.10g} of {total_fmt} {unit}s ({percentage:.0f} %), {elapsed} elapsed, {remaining} left"
        "{postfix}",
    )
