"""Temporary folders that are always removed: by their process or, if that was killed, by the next one."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OWNER = ".owner"
"""File that is locked while the folder's process is alive; the system releases the lock when the process dies."""


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
