"""Run jobs: turn flags into one call, and a user's mistake into a one-line message and exit code 2."""

import contextlib
import functools
import importlib
import inspect
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from raypipe import study
from raypipe.errors import DryRun, InputError, LostError, WorkError
from raypipe.modules import DRY_RUN_VARIABLE, FAIL_FAST_VARIABLE, STUDY_VARIABLE

JOBS = Path(__file__).parent / "jobs"
"""Folder of the jobs, one file each."""

_INTERRUPTED = 130

_ENDING = (signal.SIGINT, signal.SIGTERM)

_CONTINUES = b"interrupted; run the same command again to continue\n"

_PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}

_HELP = "Simulate, train, classify and explain on Ray; `raypipe <job> --help` lists the flags of a job."

_STUDY = Annotated[
    str | None,
    typer.Option(
        "--study", help="Your own study: the file that defines it, or the name of an installed one.  [default: none]"
    ),
]

_FAIL_FAST = Annotated[
    bool, typer.Option("--fail-fast", help="Stop at the first shard that fails, instead of at the end.")
]

_DRY_RUN = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only estimate the output and the time that it takes, by timing a part of the work."
    ),
]

_CORES = Annotated[
    int | None, typer.Option("--cores", help="With --dry-run: also estimate the time on this many cores.")
]

_PRICE = Annotated[
    float | None, typer.Option("--price", help="With --dry-run: price per core hour, to estimate the cost.")
]


Settings = Annotated[
    list[str] | None, typer.Option("--set", help="name=value; may be repeated. Numbers, texts, true or false.")
]
"""A job's flag --set; parsed by `values`."""

Workers = Annotated[
    int | None, typer.Option(help="Maximum number of workers, one core each.  [default: all cores of the cluster]")
]
"""The flag --workers of a job that computes shards."""


def listed(text: str | None) -> list[str]:
    """Return the entries of a list separated by commas, without those that are empty; none if there is no list."""
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def chosen_study() -> study.Study:
    """Return the study that --study names.

    Raises:
        InputError: if there is none.
    """
    if (chosen := study.chosen()) is None:
        raise InputError(f"no study; name one with --study: {', '.join(study.built_in())}, or your own file")
    return chosen


def values(settings: list[str] | None, flag: str = "--set") -> dict[str, Any]:
    """Parse flags such as --set into a dict; a value that is not TOML, or is a TOML date or time, stays a text.

    Raises:
        InputError: if one is not of the form name=value.
    """
    return dict(_setting(one, flag) for one in settings or [])


def _setting(given: str, flag: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals:
        raise InputError(f"{flag} {given}; expected name=value")
    return name.strip(), study.setting(value)


def call(main: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Call a job's `main` with flags, by default those of the command line.

    Every job gets the additional flag `--study`, which selects a study for the whole run. Jobs that compute shards
    (those with `workers`) also get `--fail-fast` and `--dry-run`, jobs that train (those with `cpus`) only `--dry-run`.
    `--cores` and `--price` go with `--dry-run`.

    Raises:
        InputError: for a user's mistake, in the flags or found by the job.
    """
    _invoke(_command(main), arguments)


def _command(main: Callable[..., Any]) -> Any:
    application = typer.Typer(**_PLAIN)
    application.command()(_with_study(main))
    return typer.main.get_command(application)


def _invoke(command: Any, arguments: list[str] | None) -> None:
    try:
        # Typer turns an interruption into a return value.
        if command.main(args=arguments, standalone_mode=False) == _INTERRUPTED:
            raise KeyboardInterrupt
    except typer.Abort:  # at a prompt
        raise KeyboardInterrupt from None
    except typer.BadParameter as error:
        raise InputError(error.format_message()) from error
    except typer.TyperException as error:
        raise InputError(str(error)) from error


@contextlib.contextmanager
def _environment_put_back() -> Iterator[None]:
    """Restore the environment variables that a job's flags set for the job and its workers."""
    before = {name: os.environ.get(name) for name in (STUDY_VARIABLE, FAIL_FAST_VARIABLE, DRY_RUN_VARIABLE)}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _with_study(main: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(main)
    def called(
        *,
        study_of_flag: str | None,
        fail_fast_flag: bool = False,
        dry_run_flag: bool = False,
        cores_flag: int | None = None,
        price_flag: float | None = None,
        **flags: Any,
    ) -> Any:
        with _environment_put_back():
            if study_of_flag is not None:
                study.choose(study_of_flag)
            if fail_fast_flag:
                os.environ[FAIL_FAST_VARIABLE] = "1"
            if dry_run_flag:
                os.environ[DRY_RUN_VARIABLE] = json.dumps([cores_flag, price_flag])
            elif cores_flag is not None or price_flag is not None:
                raise InputError("--cores and --price need --dry-run; add it")
            return main(**flags)

    signature = inspect.signature(main)
    own: dict[str, tuple[Any, Any]] = {"study_of_flag": (None, _STUDY)}
    if "workers" in signature.parameters:  # the job computes shards
        own["fail_fast_flag"] = (False, _FAIL_FAST)
    if {"workers", "cpus"} & set(signature.parameters):  # or the job trains
        own |= {"dry_run_flag": (False, _DRY_RUN), "cores_flag": (None, _CORES), "price_flag": (None, _PRICE)}
    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (default, annotation) in own.items()
    ]
    called.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *further])  # type: ignore[attr-defined]
    called.__annotations__ = {**main.__annotations__, **{name: annotation for name, (_, annotation) in own.items()}}
    return called


def run(main: Callable[..., Any], arguments: list[str] | None = None) -> NoReturn:
    """Call a job's `main` with flags, by default those of the command line, and exit.

    The exit code is 0 on success; 1 if a user's code raises an exception, whose traceback is shown, or if workers are
    lost repeatedly; 2 for a user's mistake; 130 when interrupted; 143 when terminated. Any other error keeps its
    traceback.
    """
    _end(lambda: call(main, arguments))


def command_of_job(name: str) -> tuple[Any, str]:
    """The click command of a job, and the docstring of its file."""
    job = importlib.import_module(f"raypipe.jobs.{name}")
    command = _command(job.main)
    command.name = name
    return command, inspect.getdoc(job) or ""


class _Jobs(typer.core.TyperGroup):
    """A command group with every job as a command, imported only when it is called or listed in the help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Names of the jobs."""
        return sorted(file.stem for file in JOBS.glob("*.py"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The job with that name, written with underscores or hyphens, or None."""
        name = cmd_name.replace("-", "_")
        if name not in self.list_commands(ctx):
            return None
        return command_of_job(name)[0]


def raypipe() -> NoReturn:
    """The command `raypipe <job> …`, equivalent to `python jobs/<job>.py …`; it exits as `run` does."""
    application = typer.Typer(cls=_Jobs, no_args_is_help=True, help=_HELP, **_PLAIN)
    application.callback()(lambda: None)
    _end(lambda: _invoke(typer.main.get_command(application), None))


def _end(work: Callable[[], None]) -> NoReturn:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what its C++ part says is not for users; its errors are raised
    received: list[int] = []

    def interrupt(number: int, frame: Any) -> NoReturn:  # noqa: ARG001
        received.append(number)
        if len(received) > 1:  # at a second signal, do not wait for Ray to shut down
            os._exit(128 + received[0])
        os.write(2, _CONTINUES)
        raise KeyboardInterrupt

    for number in _ENDING:
        signal.signal(number, interrupt)
    try:
        code = _code(work)
    except KeyboardInterrupt:
        if not received:
            os.write(2, _CONTINUES)
        code = 128 + (received or [signal.SIGINT])[0]
    for number in _ENDING:  # Ray shuts down next, when the interpreter exits
        signal.signal(number, lambda *_: os._exit(code))
    sys.exit(code)


def _code(work: Callable[[], None]) -> int:
    """Exit code of a piece of work; errors that a user can fix are printed without a traceback."""
    try:
        work()
    except DryRun as answer:
        print(answer)
    except InputError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except (WorkError, LostError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
