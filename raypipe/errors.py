"""Errors that a user can fix, and errors raised by a user's own code."""

import re
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

Choice = TypeVar("Choice")


class InputError(ValueError):
    """A user's mistake: the message is one line and says what was found, what was expected and what to do.

    Jobs print the message without a traceback and exit with code 2. Finished shards are kept.
    """


class ValuesError(InputError):
    """The computed values of some samples cannot be stored; other samples may be fine."""


class WorkError(RuntimeError):
    """An exception in a user's code, in a worker or in a study file; the message is one line that says where.

    `details` is the traceback, from the function that raypipe called down to the exception.
    """

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.details.strip()}"

    def __reduce__(self) -> tuple[type["WorkError"], tuple[str, str]]:
        return WorkError, (self.args[0], self.details)


class DryRun(Exception):
    """The answer to --dry-run: what a job would do. Nothing has been done."""


class LostError(RuntimeError):
    """Workers were lost repeatedly, killed by the code in them or by the system; the message is one line.

    Finished shards are kept, and running the same job again continues it.
    """


@contextmanager
def exits_told() -> Iterator[None]:
    """Turn sys.exit in a user's code into an ordinary error, except for the exit with which Ray ends a worker."""
    try:
        yield
    except SystemExit as error:
        if hasattr(error, "ray_terminate_msg"):
            raise
        told = RuntimeError(f"expected an exception instead of sys.exit({error.code!r})")
        raise told.with_traceback(error.__traceback__) from None


def own_traceback(error: Exception) -> str:
    """The traceback of an error below raypipe's own frames; the whole traceback if nothing is below them."""
    frames, frame = [], error.__traceback__
    while frame:
        frames.append(frame)
        frame = frame.tb_next
    here = Path(__file__).parent
    files = [one.tb_frame.f_code.co_filename for one in frames]
    ours = [number for number, file in enumerate(files) if Path(file).is_relative_to(here)]
    own = [number for number, file in enumerate(files) if number > max(ours, default=-1) and "importlib" not in file]
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error))
    lines = traceback.format_exception(type(error), error, frames[own[0]] if own else error.__traceback__)
    return plain("".join(lines))


def in_texts(error: Exception) -> tuple[str, str]:
    """Message and traceback of an error, for processes that lack its class; a user's mistake has no traceback."""
    if isinstance(error, InputError):
        return str(error), ""
    return f"{type(error).__name__}: {error}", own_traceback(error)


def of_texts(message: str, details: str) -> WorkError | InputError:
    """Rebuild an error from the message and traceback that `in_texts` returned."""
    return WorkError(message, details) if details else InputError(message)


def plain(text: str) -> str:
    """Remove terminal colour codes from a text."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def of_ray(error: Exception) -> str:
    """The end of a message: what an error of Ray's says, in one line."""
    return f"Ray says: {' '.join(plain(str(error)).split())[:500]}"


class DamageError(InputError):
    """Stored data differ from what was written; the message ends with the command that repairs it.

    `found` is the message without that command.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")
        self.found = found

    def with_remedy(self, remedy: str) -> "DamageError":
        """The same damage with another way to repair it."""
        return DamageError(self.found, remedy)

    def __reduce__(self) -> tuple[type["DamageError"], tuple[str, str]]:
        return DamageError, (self.found, str(self).removeprefix(f"{self.found}; "))


def one_line(error: Exception, whole: str = "") -> str:
    """The message of an error in one line; for a validation error, its first invalid field and the problem.

    `whole` is used instead of the field if the whole document is invalid.
    """
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or whole
    return f"{place}: {first['msg']}" if place else first["msg"]


def choice(what: str, found: Choice, allowed: tuple[Choice, ...] | list[Choice]) -> Choice:
    """Return `found` if it is one of `allowed`.

    Raises:
        InputError: if it is not; the message lists the allowed values.
    """
    if found not in allowed:
        raise InputError(f"unknown {what} {found!r}; choose one of {', '.join(str(one) for one in allowed)}")
    return found


def check_name(what: str, name: str) -> str:
    """Return a name that a user chose, if it can be one part of the name of a data set or network.

    Raises:
        InputError: if it does not begin with a letter, digit or '_', or has others than these, '.' and '-'.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{name!r} cannot name {what}; expected letters, digits, '.', '_' and '-' only")
    return name


def make_folder(folder: Path, flag: str = "--output") -> None:
    """Make the folder that a job's flag names, and check that it is writable before the work begins.

    Raises:
        InputError: if it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}; choose another {flag}") from error


def make_folder_of(file: Path) -> None:
    """Make the folder of the file that a job's `--output` names, and check that it is writable.

    Raises:
        InputError: if it cannot be made or written to, or if `file` is itself a folder.
    """
    if file.is_dir():
        raise InputError(f"{file} is a folder; name the file to write, such as {file / 'table.csv'}")
    make_folder(file.parent)
