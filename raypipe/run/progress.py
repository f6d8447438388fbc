"""Progress of long work: a bar on a terminal, plain lines in a log file."""

import sys
from typing import Any, TextIO

from tqdm import tqdm


class _Lines:
    """A stream that turns tqdm's redrawing of one line into lines of their own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        line = text.replace("\r", "").strip()
        return self._stream.write(f"{line}\n") if line else 0

    def flush(self) -> None:
        self._stream.flush()


def progress(total: int, description: str, *, done: int = 0, unit: str = "shard") -> "tqdm[Any]":
    """A tqdm bar on standard error that starts at `done` of `total`; use it as a context manager.

    Where standard error is no terminal, a line at most every ten seconds and one at the end. It may be updated by
    fractions of a unit.
    """
    if sys.stderr.isatty():
        return tqdm(
            total=total,
            desc=description,
            initial=done,
            unit=unit,
            dynamic_ncols=True,
            bar_format="{l_bar}{bar}| {n:.10g}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
        )
    return tqdm(
        total=total,
        desc=description,
        initial=done,
        unit=unit,
        file=_Lines(sys.stderr),
        mininterval=10,
        bar_format="{desc}: {n:.10g} of {total_fmt} {unit}s ({percentage:.0f} %), {elapsed} elapsed, {remaining} left"
        "{postfix}",
    )
