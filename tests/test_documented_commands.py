"""Commands shown in the documentation and in job docstrings are calls of existing jobs with existing flags."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from raypipe.command import command_of_job

ROOT = Path(__file__).parent.parent
JOBS = sorted(file.stem for file in (ROOT / "jobs").glob("*.py"))

_COMMAND = re.compile(
    r"(?:^\s*|(?:;|&&|--|do)\s+)(?:raypipe |python jobs/)([a-z_]+)(?:\.py)?((?=\s|$).*?)(?=\s*(?:&&|;)|$)"
)


def code_of(file: Path) -> Iterator[str]:
    """Yield lines of code: from a document's code blocks and inline code, or from a job's docstring."""
    text = re.sub(r"\\\n\s*", " ", file.read_text())
    if file.suffix == ".py":
        yield from re.findall(r"^    ((?:raypipe|python) .*)$", text.split('"""')[1], re.MULTILINE)
        return
    blocks = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for block in blocks.findall(text):
        yield from block.splitlines()
    for span in re.findall(r"`([^`]+)`", blocks.sub("", text)):
        yield " ".join(span.split())


def jobs_in(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each job that a shell line runs, with its arguments."""
    for job, rest in _COMMAND.findall(line):
        words = shlex.shlex(rest.replace("$split", "test"), posix=True, punctuation_chars=True)
        words.whitespace_split = True
        arguments = list(words)
        ends = [place for place, word in enumerate(arguments) if set(word) <= set(";&|<>()")]
        yield job, arguments[: ends[0] if ends else None]


def shown() -> list[tuple[str, str, list[str]]]:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *(ROOT / f"jobs/{job}.py" for job in JOBS)]
    return [(file.name, job, words) for file in files for line in code_of(file) for job, words in jobs_in(line)]


SHOWN = shown()


def test_they_are_found():
    assert ("README.md", "generate_scan", []) in SHOWN
    assert ("patterns.md", "explain", ["--network", "pattern-2d", "--samples", "3,17"]) in SHOWN
    assert len(SHOWN) > 150


@pytest.mark.parametrize("file", sorted({file for file, *_ in SHOWN}))
def test_each_has_the_flags_of_its_job(file):
    for _, job, words in (one for one in SHOWN if one[0] == file):
        assert job in JOBS, f"{file}: raypipe {job}"
        if words and not words[0].startswith("…"):
            command_of_job(job)[0].make_context(job, list(words))
