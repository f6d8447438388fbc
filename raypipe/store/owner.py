"""Ensure that only one job at a time makes a store or trains a network; a second job stops.

A job owns a name through its mark, a document `<name>.owner-<number>.json`. The number is one higher than those of jobs
that are gone. The mark is created with a conditional write, which succeeds for only one process, and it counts if no
other mark has appeared in the meantime: if two processes have both written one, the later to check sees both. A job
that was wrongly taken for dead finds a mark with a higher number than its own.
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
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from raypipe.errors import InputError
from raypipe.store import objects
from raypipe.store.documents import now

RENEWED = 60.0
"""Interval in seconds at which an owner writes its mark again."""

STALE = 300.0
"""Age of a mark in seconds after which its owner counts as dead, if its process cannot be checked."""

_REQUESTS = 16
"""Number of marks that are written in parallel."""

_held: set[str] = set()
"""Tokens of the names that this process owns or is taking; its marks with other tokens are leftovers."""


class Owner(BaseModel):
    """Content of a mark: the owning process, its machine, and since when it owns the name.

    `started`, the clock tick since boot at which the process started, distinguishes it from a later process with the
    same number. `machine`, the identifiers of the last boot and of the process namespace, distinguishes machines with
    the same host name.
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
    """A name that this process owns, with its mark."""

    def __init__(self, name: str, number: int, owner: Owner) -> None:
        self.name, self._number, self._owner = name, number, owner
        self._lost = self._ended = False
        self._writing = threading.Lock()

    @property
    def folder(self) -> str:
        """Folder of the mark."""
        return self.name.rpartition("/")[0]

    def check(self) -> None:
        """Raise InputError if another job has taken this one for dead, as can happen after an outage."""
        if self._lost:
            raise InputError(
                f"{self.name} is no longer this job's: another job took this one for dead, or its mark was removed; "
                "what is finished is kept: wait until the other has ended, then run the same command again"
            )

    def renew(self, files: Sequence[str]) -> None:
        """Write the mark again, unless the job has ended or lost the name; `files` lists the folder of the mark."""
        with contextlib.suppress(InputError), self._writing:  # reported when data are written
            if not (self._ended or self._lost):
                self._renew(files)

    def end(self) -> None:
        """Remove the mark."""
        with self._writing:
            self._ended = True
            if not self._lost:
                objects.delete(_path(self.name, self._number))

    def _renew(self, files: Sequence[str]) -> None:
        marks = _marks(self.name, files)
        own = marks.get(self._number) in (self._owner, _UNREADABLE)
        self._lost = not own or max(marks) > self._number
        if not self._lost:
            objects.put(_path(self.name, self._number), _document(self._owner))
        elif own:
            objects.delete(_path(self.name, self._number))


class _Keeper:
    """Renews all marks of this process regularly, in one thread."""

    def __init__(self) -> None:
        self._kept: list[Ownership] = []
        self._changing, self._none = threading.Lock(), threading.Event()

    def add(self, own: Ownership) -> None:
        """Start to renew a mark."""
        with self._changing:
            self._kept.append(own)
            if len(self._kept) == 1:
                self._none = threading.Event()
                threading.Thread(target=self._keep, args=(self._none,), daemon=True).start()

    def remove(self, own: Ownership) -> None:
        """Stop renewing a mark."""
        with self._changing:
            self._kept.remove(own)
            if not self._kept:
                self._none.set()

    def check(self, name: str) -> None:
        """Raise InputError if another job has taken over the name."""
        with self._changing:
            for own in self._kept:
                if own.name == name:
                    own.check()

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


def check(name: str) -> None:
    """Raise InputError if another job has taken over a name that this process owns, see `Ownership.check`."""
    _keeper.check(name)


@contextmanager
def held(name: str) -> Iterator[Ownership]:
    """Own the name of a store or network within the context.

    Raises:
        InputError: if another job owns it, or the mark cannot be written.
    """
    pid, token = os.getpid(), str(uuid.uuid4())
    owner = Owner(
        host=platform.node(), pid=pid, started=_started(pid), machine=_machine(), since=now(), token=token
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
            except InputError as error:  # must not hide the error that ended the job
                logging.getLogger(__name__).warning("%s", error)
    finally:
        _held.discard(token)


def alive(name: str) -> Owner | None:
    """The current owner of a name, or None."""
    return next((one for number, one in _marks(name).items() if _lives(one, _path(name, number))), None)


def is_own(one: Owner) -> bool:
    """Whether a mark belongs to this process."""
    return one.token in _held


def _take(name: str, owner: Owner) -> int:
    """Take ownership of a name, and return the number of the mark."""
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
    """Whether the owner that wrote a mark is still alive."""
    if owner.machine == _machine() and (started := _started(owner.pid)) is not None:
        return started == owner.started and (owner.pid != os.getpid() or owner.token in _held)
    age = objects.age(path)
    return age is not None and age < STALE


def _marks(name: str, files: Sequence[str] | None = None) -> dict[int, Owner]:
    """The marks of a name, by number; `files` is the listing of its folder, if known."""
    found = ((number, objects.find(_path(name, number))) for number in _numbers(name, files))
    return {number: _parsed(data) for number, data in found if data is not None}


def _parsed(data: bytes) -> Owner:
    try:
        return Owner.model_validate_json(data)
    except ValidationError:  # an owner that is alive will write it again
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


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except FileNotFoundError:  # a system without /proc, such as macOS
        return f"{platform.node()} {uuid.getnode()}"


def _started(pid: int) -> int | None:
    """Clock tick since boot at which a local process started; -1 if it is dead, None if it cannot be seen."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return -1
        except PermissionError:  # a process of another user, which the system may hide
            pass
        return None
    return -1 if state in b"ZX" else int(fields[18])
