"""Small documents under the common root of all stores, a folder or an object store; writes are atomic.

The root is set by RAYPIPE_STORE: a path (default ./store) or a URL such as s3://bucket/prefix. If an object store
cannot be reached, requests are retried for RAYPIPE_STORE_WAIT seconds.
"""

import contextlib
import logging
import math
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
import obstore.exceptions

from raypipe.errors import InputError

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, RetryConfig

ROOT_VARIABLE = "RAYPIPE_STORE"
DEFAULT_ROOT = "store"

WAIT_VARIABLE = "RAYPIPE_STORE_WAIT"
DEFAULT_WAIT = 240
LONGEST_WAIT = 840
"""Maximum waiting time for an object store, in seconds: S3 rejects requests signed more than 15 minutes ago."""

_SILENT = 5.0
"""Seconds of waiting before a message is logged; it is repeated at most once a minute."""

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl", "azure")
"""Schemes of URLs of object stores under which stores can be kept; `file:///…` is a path."""


def root() -> str:
    """Root of all stores: an absolute path, or a URL such as s3://bucket/prefix.

    Raises:
        InputError: if it is not a valid URL for stores, is in the home of an unknown user, or is a relative path in a
            submitted job, whose working directory is a temporary copy.
    """
    given = _as_path(os.environ.get(ROOT_VARIABLE, "") or DEFAULT_ROOT)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", given):
        return _checked_url(given)
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{ROOT_VARIABLE} is {given!r}: {str(error).rstrip('.')}; expected a user who has one, or a path without ~"
        ) from error
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not path.is_absolute():
        raise InputError(
            f"{ROOT_VARIABLE} is {given!r} in a submitted job, whose working directory is a temporary copy; name the "
            f'store that all nodes share: --runtime-env-json \'{{"env_vars": {{"{ROOT_VARIABLE}": "/shared/store"}}}}\''
        )
    return str(path.absolute())


def _as_path(place: str) -> str:
    """The path that a URL such as file:///data/store means; any other place unchanged."""
    return unquote(place.removeprefix("file://")) if place.startswith("file:///") else place


def _checked_url(given: str) -> str:
    """Check a URL and strip slashes from its end.

    Raises:
        InputError: if it is not the URL of a bucket ("s3://" alone would be a folder named "s3:"), or contains
            credentials.
    """
    check_secrets(given)
    parts = urlsplit(given)
    known = parts.scheme in SCHEMES and given.startswith(f"{parts.scheme}://")
    if not known or not parts.netloc or "?" in given or "#" in given:
        raise InputError(
            f"{ROOT_VARIABLE} is {given!r}, which is not a place for stores; expected a URL such as s3://bucket/prefix "
            f"(or {', '.join(f'{scheme}://' for scheme in SCHEMES[1:])}, file:///), or a folder: ./{given} if it is one"
        )
    return given.rstrip("/")


def check_secrets(url: str) -> None:
    """Raise InputError, without the secrets, if a URL contains a user and password, which would appear in logs."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.partition("/")[0].rpartition("@")
    # abfss://container@account contains no user.
    if at and (":" in user or scheme not in ("abfs", "abfss")):
        raise InputError(
            f"there are credentials in the URL {scheme}://…@{place}…, which would end up in logs and stores; set them "
            "as environment variables, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )


def place() -> dict[str, str]:
    """Environment variables that give a worker the same root and waiting time as this process."""
    return {ROOT_VARIABLE: root(), WAIT_VARIABLE: str(wait())}


def wait() -> float:
    """Seconds to keep trying to reach an object store.

    Raises:
        InputError: if the setting is not a number in the allowed range.
    """
    given = os.environ.get(WAIT_VARIABLE, "") or str(DEFAULT_WAIT)
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise InputError(f"{WAIT_VARIABLE} is {given!r}; expected seconds from 0 to {LONGEST_WAIT}")
    return seconds


_told = -math.inf


def _tell() -> None:
    """Log that an object store does not answer, once for all requests that wait."""
    global _told
    if time.monotonic() - _told > 60:
        _told = time.monotonic()
        logging.getLogger(__name__).warning(
            "%s does not answer; waiting for it, at most %g s (%s)", root(), wait(), WAIT_VARIABLE
        )


@contextmanager
def _told_if_long() -> Iterator[None]:
    """Log a message if the requests within the context take long."""
    timer = threading.Timer(_SILENT, _tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def watched() -> Iterator[None]:
    """Watch the object store while others write into it, and log a message if it cannot be reached."""
    if "://" not in root():
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SILENT):
            with contextlib.suppress(InputError):
                exists(".watched")

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn errors of the operating system or the object store into a one-line InputError."""
    try:
        with _told_if_long() if "://" in root() else contextlib.nullcontext():
            yield
    except obstore.exceptions.AlreadyExistsError as error:
        raise FileExistsError(str(error)) from error
    except (OSError, obstore.exceptions.BaseError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        cause = " ".join(str(error).split("Debug source:")[0].split()) or type(error).__name__
        raise InputError(
            f"cannot {what} under {root()}: {cause}; fix that, or set {ROOT_VARIABLE} to another"
        ) from error


@cache
def object_store(location: str) -> obstore.store.ObjectStore:
    """The object store at a path or URL; a folder on disk is created if needed."""
    if "://" in location:
        check_secrets(location)
        seconds = timedelta(seconds=wait())
        # Enough retries that the time limit applies; short delays, so that a run resumes within seconds.
        backoff: BackoffConfig = {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=5),
            "base": 2,
        }
        retry: RetryConfig = {"max_retries": 10**6 if seconds else 0, "retry_timeout": seconds, "backoff": backoff}
        return obstore.store.from_url(location, retry_config=retry)
    return obstore.store.LocalStore(location, mkdir=True)


def _objects(*, make: bool = False) -> obstore.store.ObjectStore:
    """The object store at the root; without `make`, raises FileNotFoundError if its folder does not exist."""
    if not make and "://" not in root() and not Path(root()).is_dir():
        raise FileNotFoundError(root())
    with reaching("use the store"):
        return object_store(root())


def is_name(path: str) -> bool:
    """Whether a path consists of valid names, see `checked`."""
    return all(re.fullmatch(r"(?!\.+$)[\w.-]+", part) for part in path.split("/"))


def checked(path: str) -> str:
    """Return a path or name if it is valid, so that it cannot lead out of the root.

    Raises:
        InputError: if a part of it is empty or only dots, or contains characters other than letters, digits, . _ and -.
    """
    if not is_name(path):
        raise InputError(
            f"{path!r} is not a valid name; expected letters, digits, '.', '_' and '-', in parts separated by '/'"
        )
    return path


def _object(path: str, *, make: bool = False) -> tuple[obstore.store.ObjectStore, str]:
    name = checked(path)
    return _objects(make=make), name


def put(path: str, data: bytes) -> None:
    """Write a small document under the root, atomically."""
    with reaching(f"write {path}"):
        obstore.put(*_object(path, make=True), data)


def create(path: str, data: bytes) -> bool:
    """Write a small document under the root unless it exists; returns whether this call created it."""
    try:
        with reaching(f"write {path}"):
            obstore.put(*_object(path, make=True), data, mode="create")
    except FileExistsError:
        return False
    return True


def age(path: str) -> float | None:
    """Seconds since a document was written, measured against a document written now, as host clocks may differ.

    None if the document does not exist.
    """
    probe = f".now-{uuid.uuid4()}"
    put(probe, b"")
    try:
        with reaching(f"look for {path}"):
            written, now = (obstore.head(*_object(one))["last_modified"] for one in (path, probe))
    except FileNotFoundError:
        return None
    finally:
        delete(probe)
    return (now - written).total_seconds()


def find(path: str, most: float = math.inf) -> bytes | None:
    """Read a small document under the root, or None if it does not exist.

    Raises:
        OverflowError: if it has more than `most` bytes; it is then not read.
    """
    try:
        with reaching(f"read {path}"):
            found = obstore.get(*_object(path))
            if found.meta["size"] > most:
                raise OverflowError(f"it has {found.meta['size']} bytes; at most {most} are allowed")
            return bytes(found.bytes())
    except FileNotFoundError:
        return None


def get(path: str) -> bytes:
    """Read a small document under the root.

    Raises:
        InputError: if it does not exist.
    """
    if (data := find(path)) is None:
        raise InputError(f"there is no {path} under {root()}; make it first, or set {ROOT_VARIABLE}")
    return data


def read_from(place: str) -> bytes:
    """Read a file from anywhere: a path, or a URL such as s3://bucket/key or https://host/file.

    Raises:
        InputError: if it does not exist or cannot be read.
    """
    try:
        if "://" not in (path := _as_path(place)):
            return Path(path).read_bytes()
        check_secrets(place)
        folder, _, name = place.rpartition("/")
        return bytes(obstore.get(object_store(folder), name).bytes())
    except (OSError, obstore.exceptions.BaseError) as error:
        cause = " ".join(str(error).split("Debug source:")[0].split())
        found = "there is no such file" if isinstance(error, FileNotFoundError) else cause
        raise InputError(f"cannot read {place}: {found}; name a file or URL that can be read") from error


def delete(*paths: str) -> None:
    """Delete documents, if they exist."""
    _delete([checked(path) for path in paths])


def _delete(found: list[str]) -> None:
    if found:
        with contextlib.suppress(FileNotFoundError), reaching(f"delete {found[0]}"):
            obstore.delete(_objects(), found)


def delete_folder(prefix: str) -> None:
    """Delete a folder and everything in it, including partial writes, if it exists."""
    if "://" in root():
        _delete(paths(prefix))
        return
    with reaching(f"delete {prefix}"), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(Path(root()) / checked(prefix))


def everything(prefix: str) -> list[str]:
    """Paths of all files below a folder, sorted; on disk this includes partial writes, which `paths` does not list."""
    if "://" in root():
        return paths(prefix)
    top = Path(root())
    with reaching(f"list {prefix}"):
        below = (top / checked(prefix)).rglob("*")
        return sorted(one.relative_to(top).as_posix() for one in below if not one.is_dir())


def delete_files(found: Iterable[str]) -> None:
    """Delete files that `everything` has found."""
    if "://" in root():
        _delete(list(found))
        return
    for path in found:
        with reaching(f"delete {path}"):
            Path(root(), path).unlink(missing_ok=True)


def size(path: str) -> int:
    """Size of a document, or of everything below a folder, in bytes."""
    try:
        with reaching(f"list {path}"):
            found = obstore.list(_objects(), prefix=checked(path))
            below = sum(entry["size"] for batch in found for entry in batch)
            return below or obstore.head(*_object(path))["size"]
    except FileNotFoundError:
        return 0


def exists(path: str) -> bool:
    """Whether a document exists."""
    try:
        with reaching(f"look for {path}"):
            obstore.head(*_object(path))
    except FileNotFoundError:
        return False
    return True


def folders(prefix: str = "") -> list[str]:
    """Paths of the folders directly inside a folder, sorted.

    Raises:
        InputError: if the path leads out of the root.
    """
    return _listed(prefix, lambda below: obstore.list_with_delimiter(_objects(), prefix=below)["common_prefixes"])


def files(prefix: str = "") -> list[str]:
    """Paths of the documents directly inside a folder, sorted.

    Raises:
        InputError: if the path leads out of the root.
    """
    return _listed(
        prefix, lambda below: (one["path"] for one in obstore.list_with_delimiter(_objects(), prefix=below)["objects"])
    )


def paths(prefix: str = "") -> list[str]:
    """Paths of all documents below a folder, sorted.

    Raises:
        InputError: if the path leads out of the root.
    """
    return _listed(
        prefix, lambda below: (entry["path"] for batch in obstore.list(_objects(), prefix=below) for entry in batch)
    )


def _listed(prefix: str, found: Callable[[str | None], Iterable[str]]) -> list[str]:
    """The listing of a folder, sorted; empty if the folder does not exist."""
    try:
        with reaching(f"list {prefix}"):
            return sorted(found(checked(prefix) if prefix else None))
    except FileNotFoundError:
        return []
