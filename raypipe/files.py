"""Files that are written completely or not at all, and temporary folders that are always removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from raypipe.errors import InputError

_OWNER = ".owner"
"""File that is locked while the folder's process is alive; the system releases the lock when the process dies."""


def write(file: Path, writing: Callable[[Path], object]) -> None:
    """Write a file that a user asked for; if this is interrupted, whatever the file was before stays.

    Args:
        file: the file; a link is followed, and a file that may not be written is not replaced.
        writing: function that writes to a path, which is beside the file and has the same ending.

    Raises:
        InputError: if the file cannot be written.
    """
    target = file.resolve()
    partial = target.with_name(f".partial-{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.open("r+b").close()
        writing(partial)
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror or error}; choose another --output") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that exists within the context; also removes folders left by killed processes."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError), (left / _OWNER).open("r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    while True:
        with (
            tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as made,
            (Path(made) / _OWNER).open("w") as owner,
        ):
            fcntl.flock(owner, fcntl.LOCK_EX)
            if (Path(made) / _OWNER).exists():  # else another process locked and removed it first
                yield Path(made)
                return
