"""Temporary folders that are removed in any case: if not by who made them, who may be killed, then by the next."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OWNER = ".owner"
"""File that is locked as long as who made the folder lives: the system takes the lock from the dead."""


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder in the system's temporary one for as long as the context; those left by killed processes are removed."""
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
            if (Path(made) / _OWNER).exists():  # else another has locked it before this, and removed it
                yield Path(made)
                return
