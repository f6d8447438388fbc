import signal
import subprocess
import sys
import time

import pytest

from raypipe.command import call, run, values
from raypipe.errors import InputError


def interrupted() -> None:
    raise KeyboardInterrupt


def mistaken() -> None:
    raise InputError("two lines\nmade one")


def fine(number: int = 1) -> None:
    print(number)


@pytest.mark.parametrize(
    ("main", "code", "said"),
    [
        (interrupted, 130, "interrupted; run the same command again to continue\n"),
        (mistaken, 2, "error: two lines made one\n"),
        (fine, 0, ""),
    ],
)
def test_how_a_job_ends(main, code, said, capfd):
    with pytest.raises(SystemExit) as ended:
        run(main, [])
    assert ended.value.code == code
    assert capfd.readouterr().err == said


def test_jobs_in_a_row_stop_at_an_interruption():
    with pytest.raises(KeyboardInterrupt):
        call(interrupted, [])


@pytest.mark.parametrize("arguments", [["--number", "x"], ["--nmber", "1"], ["spare"]])
def test_flags_that_are_wrong(arguments):
    with pytest.raises(InputError):
        call(fine, arguments)


def test_what_is_set():
    given = {"a": "20:50:10", "b": "2024-01-01", "c": "true", "d": "1.5", "e": '"12"', "f": "[1, 2]", "g": "0.1:0.2:3p"}
    assert values([f"{name}={text}" for name, text in given.items()]) == {
        "a": "20:50:10", "b": "2024-01-01", "c": True, "d": 1.5, "e": "12", "f": [1, 2], "g": "0.1:0.2:3p",
    }  # fmt: skip
    with pytest.raises(InputError, match="--set a; expected name=value"):
        values(["a"])


WAITING = """
import sys, time
from raypipe.command import run
def main() -> None:
    try:
        print("begun", flush=True)
        for _ in range(600):
            time.sleep(0.1)  # a signal just before a long one would not cut it short
    finally:
        {farewell}
run(main, [])
"""


def ended(farewell, *numbers):
    """Return exit code and standard error of a job that receives signals, half a second apart."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING.format(farewell=farewell)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.5)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize(
    ("farewell", "numbers", "code"),
    [
        ("pass", [signal.SIGINT], 130),
        ("pass", [signal.SIGTERM], 143),
        ("time.sleep(60)", [signal.SIGINT, signal.SIGINT], 130),
        ("time.sleep(60)", [signal.SIGTERM, signal.SIGINT], 143),
    ],
)
def test_signals_end_a_job_in_one_line(farewell, numbers, code):
    assert ended(farewell, *numbers) == (code, "interrupted; run the same command again to continue\n")
