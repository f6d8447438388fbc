import io
import os
import pty
import sys
import termios
from contextlib import suppress

import pytest

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


def test_no_time_is_told_before_results_have_come_in_for_a_while(monkeypatch):
    """The first result comes after 100 s, mostly startup of workers; then one comes per second."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress(200, "andi/val", unit="sample") as bar:
        bar._time, bar.start_t, bar.last_print_t, bar.mininterval = lambda: now[0], 1000.0, 1000.0, 0
        assert bar.format_dict["rate"] == 0
        now[0] += 99
        for done in range(1, 201):
            now[0] += 1
            bar.update(1)
            if done <= 50:
                assert bar.format_dict["rate"] == 0
            elif done < 200:
                assert bar.format_dict["rate"] == pytest.approx(1)
    lines = log.getvalue().splitlines()
    assert "1 of 200 samples (0 %), 01:40 elapsed, ? left" in lines[1]
    assert any("100 of 200 samples (50 %), 03:19 elapsed, 01:40 left" in line for line in lines)
    assert lines[-1] == "andi/val: 200 of 200 samples (100 %), 04:59 elapsed, 00:00 left"
    assert len(set(lines)) == len(lines)


def all_that_was_written(reader: int) -> str:
    """Read a pseudo-terminal until its other end is closed: a single read returns only what has arrived so far."""
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
