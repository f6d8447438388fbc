import pytest

from raypipe.command import call, run
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
def test_how_a_job_ends(main, code, said, capsys):
    with pytest.raises(SystemExit) as ended:
        run(main, [])
    assert ended.value.code == code
    assert capsys.readouterr().err == said


def test_jobs_in_a_row_stop_at_an_interruption():
    with pytest.raises(KeyboardInterrupt):
        call(interrupted, [])


@pytest.mark.parametrize("arguments", [["--number", "x"], ["--nmber", "1"], ["spare"]])
def test_flags_that_are_wrong(arguments):
    with pytest.raises(InputError):
        call(fine, arguments)
