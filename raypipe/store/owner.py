"""One job at a time makes a store, or trains a network: it says so beside it, and a second one stops.

A job's mark is `<name>.owner-<number>.json`, its number one more than those of jobs that are gone. It is made by a
write that one process alone succeeds with, and counts if no other's mark has come meanwhile: of two that have both
written one the later to look sees both. Whoever was taken for dead, and was not, finds a higher number than its own.
"""

import contextlib
import logging
import os
import platform
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from raypipe.errors import InputError
from raypipe.store import objects

RENEWED = 60.0
"""Seconds after which an owner writes its mark again."""

STALE = 300.0
"""Seconds since a mark was written after which its owner is gone, where its process cannot be looked for."""

_REQUESTS = 16
"""Marks that are written at once."""

_held: set[str] = set()
"""Tokens of what this process owns, or is about to: a mark that it could not remove is none of a job that lives."""


class Owner(BaseModel):
    """What a mark says: which process of which machine it is, and since when.

    A process is told from a later one of the same number by the tick since boot at which it was `started`; a `machine`
    from others that are called like it by the identifiers of its last boot and of the namespace of its processes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    host: str
    pid: int
    started: NonNegativeInt | None
    machine: str
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


_UNREADABLE = Owner(host="an unknown host", pid=0, started=None, machine="", since="an unknown time", token="")


class Ownership:
    """A name that this process owns, and keeps saying so."""

    def __init__(self, name: str, number: int, owner: Owner) -> None:
        self._name, self._number, self._owner = name, number, owner
        self._lost = self._ended = False
        self._writing = threading.Lock()

    @property
    def folder(self) -> str:
        """Where the mark is."""
        return self._name.rpartition("/")[0]

    def check(self) -> None:
        """Raise InputError if another job has taken this one for dead, as it may after an outage."""
        if self._lost:
            raise InputError(
                f"{self._name} is no longer this job's: another job took this one for dead, or its mark was removed; "
                "what is finished is kept: wait until the other has ended, then run the same command again"
            )

    def renew(self, files: Sequence[str]) -> None:
        """Write the mark again, unless the job has ended or the mark counts no more; `files` are all of the folder."""
        with contextlib.suppress(InputError), self._writing:  # said by whoever writes the data
            if not (self._ended or self._lost):
                self._renew(files)

    def end(self) -> None:
        """Remove the mark."""
        with self._writing:
            self._ended = True
            if not self._lost:
                objects.delete(_path(self._name, self._number))

    def _renew(self, files: Sequence[str]) -> None:
        marks = _marks(self._name, files)
        own = marks.get(self._number) in (self._owner, _UNREADABLE)
        self._lost = not own or max(marks) > self._number
        if not self._lost:
            objects.put(_path(self._name, self._number), _document(self._owner))
        elif own:
            objects.delete(_path(self._name, self._number))


class _Keeper:
    """Writes all marks of this process again and again, in one thread."""

    def __init__(self) -> None:
        self._kept: list[Ownership] = []
        self._changing, self._none = threading.Lock(), threading.Event()

    def add(self, own: Ownership) -> None:
        """From now on."""
        with self._changing:
            self._kept.append(own)
            if len(self._kept) == 1:
                self._none = threading.Event()
                threading.Thread(target=self._keep, args=(self._none,), daemon=True).start()

    def remove(self, own: Ownership) -> None:
        """No more."""
        with self._changing:
            self._kept.remove(own)
            if not self._kept:
                self._none.set()

    def _keep(self, none: threading.Event) -> None:
        while not none.wait(RENEWED):
            folders: dict[str, list[Ownership]] = {}
            with self._changing:
                for own in self._kept:
                    folders.setdefault(own.folder, []).append(own)
            for folder, owned in folders.items():
                with contextlib.suppress(InputError), ThreadPoolExecutor(_REQUESTS) as pool:
                    files = objects.files(folder)
                    list(pool.map(lambda own, files=files: own.renew(files), owned))


_keeper = _Keeper()


@contextmanager
def held(name: str) -> Iterator[Ownership]:
    """Own the name of a store, or of a network, for as long as the context.

    Raises:
        InputError: if another job owns it; if the mark cannot be written.
    """
    pid, token = os.getpid(), str(uuid.uuid4())
    owner = Owner(
        host=platform.node(), pid=pid, started=_started(pid), machine=_machine(), since=_now(), token=token
    )  # fmt: skip
    _held.add(token)
    try:
        own = Ownership(name, _take(name, owner), owner)
        _keeper.add(own)
        try:
            yield own
        finally:
            _keeper.remove(own)
            try:
                own.end()
            except InputError as error:  # no reason to lose sight of what ended the job
                logging.getLogger(__name__).warning("%s", error)
    finally:
        _held.discard(token)


def alive(name: str) -> Owner | None:
    """Who owns a name now; None if nobody does."""
    return next((one for number, one in _marks(name).items() if _lives(one, _path(name, number))), None)


def is_own(one: Owner) -> bool:
    """Whether a mark is this process's."""
    return one.token in _held


def _take(name: str, owner: Owner) -> int:
    """The number with which this process has come to own a name."""
    while True:
        before = _marks(name)
        for number, other in before.items():
            if _lives(other, path := _path(name, number)):
                _refuse(name, other, path)
        number = max(before, default=0) + 1
        if not objects.create(_path(name, number), _document(owner)):
            continue
        if all(before.get(one, owner) == other for one, other in _marks(name).items()):
            for one in before:
                objects.delete(_path(name, one))
            return number
        objects.delete(_path(name, number))


def _refuse(name: str, other: Owner, path: str) -> NoReturn:
    what = "wait until it has ended, or stop it"
    if other.machine != _machine():
        what += (
            f"; if it is known to be dead, run the same command {STALE:g} s after its death, or delete "
            f"{objects.root()}/{path}"
        )
    raise InputError(f"{name} is being made by {other}; {what}")


def _lives(owner: Owner, path: str) -> bool:
    """Whether the owner that wrote a mark is still there."""
    if owner.machine == _machine() and (started := _started(owner.pid)) is not None:
        return started == owner.started and (owner.pid != os.getpid() or owner.token in _held)
    age = objects.age(path)
    return age is not None and age < STALE


def _marks(name: str, files: Sequence[str] | None = None) -> dict[int, Owner]:
    """The marks beside a store, by number; `files` are those of its folder, where they are known."""
    found = ((number, objects.find(_path(name, number))) for number in _numbers(name, files))
    return {number: _parsed(data) for number, data in found if data is not None}


def _parsed(data: bytes) -> Owner:
    try:
        return Owner.model_validate_json(data)
    except ValidationError:  # whoever is alive writes it anew
        return _UNREADABLE


def _numbers(name: str, files: Sequence[str] | None) -> list[int]:
    folder, _, own = objects.checked(name).rpartition("/")
    mark = re.compile(rf"{re.escape(own)}\.owner-([1-9][0-9]*)\.json")
    found = (mark.fullmatch(path.rpartition("/")[2]) for path in (objects.files(folder) if files is None else files))
    return sorted(int(one[1]) for one in found if one)


def _path(name: str, number: int) -> str:
    return f"{name}.owner-{number}.json"


def _document(owner: Owner) -> bytes:
    return owner.model_dump_json(indent=1).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except FileNotFoundError:  # a system without /proc, such as macOS
        return f"{platform.node()} {uuid.getnode()}"


def _started(pid: int) -> int | None:
    """Tick since boot at which a process of this machine was started, -1 if it is dead; None if it is hidden."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return -1
        except PermissionError:  # of another user, whose processes the system may hide
            pass
        return None
    return -1 if state in b"ZX" else int(fields[18])
