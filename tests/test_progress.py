import io
import os
import pty
import sys
import termios
from contextlib import suppress

from raypipe.run.progress import progress


def test_a_log_file_gets_whole_lines(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress(40, "gray_scott/val", done=10, unit="sample") as bar:
        for _ in range(3):
            bar.update(10)
    lines = log.getvalue().splitlines()
    assert lines[-1].startswith("gray_scott/val: 40 of 40 samples (100 %)")
    assert "\r" not in log.getvalue()
    assert len(lines) <= 4


def all_that_was_written(reader: int) -> str:
    """A read of a pseudo-terminal returns what has come through so far: read on until its other end is gone."""
    parts = []
    with suppress(OSError), os.fdopen(reader, "rb", buffering=0) as stream:
        while part := stream.read(1000):
            parts.append(part)
    return b"".join(parts).decode()


def test_a_terminal_gets_a_bar(monkeypatch):
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 80))
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress(4, "andi/val", unit="sample") as bar:
            bar.update(4)
    shown = all_that_was_written(reader)
    assert "andi/val: 100%" in shown
    assert "\r" in shown
