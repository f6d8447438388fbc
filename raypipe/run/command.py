"""How a job runs: flags to one call, a user's mistake to one line and exit code 2."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from raypipe.errors import InputError

_INTERRUPTED = 130


def call(main: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Call a job's `main` with flags, by default those of the command line.

    Raises:
        InputError: for a user's mistake, in the flags or found by the job.
    """
    application = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    application.command()(main)
    try:
        # Typer turns an interruption into a return value.
        if typer.main.get_command(application).main(args=arguments, standalone_mode=False) == _INTERRUPTED:
            raise KeyboardInterrupt
    except typer.BadParameter as error:
        raise InputError(error.format_message()) from error
    except typer.TyperException as error:
        raise InputError(str(error)) from error


def make_folder(output: Path) -> None:
    """Make the folder that a job's `--output` names, before the work begins.

    Raises:
        InputError: if it cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write into {output}: {error.strerror}; choose another --output") from error


def run(main: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Call a job's `main` with flags, by default those of the command line, and exit.

    Exit code 0 when done, 2 for a user's mistake, 130 when interrupted; any other error keeps its traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        call(main, arguments)
    except InputError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    sys.exit(0)
