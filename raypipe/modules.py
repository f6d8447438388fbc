"""A user's own module, from the file that it is in; and functions by name, which is how they reach workers."""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from raypipe.errors import InputError

FAIL_FAST_VARIABLE = "RAYPIPE_FAIL_FAST"
"""Whether a job stops at the first shard that fails; any text but none says so."""

DRY_RUN_VARIABLE = "RAYPIPE_DRY_RUN"
"""Set if a job is only to tell what it would make: number of cores and price to tell of too, as a JSON list."""

STUDY_VARIABLE = "RAYPIPE_STUDY"
"""Environment variable that names a study or its file, as the flag --study does; it is set for workers too."""

ENTRY_POINTS = "raypipe.studies"
"""Group of the entry points by which installed packages offer studies; their names are those of the studies."""


def study_file() -> Path | None:
    """The file that STUDY_VARIABLE names, relative to the working directory, or None if it names no file."""
    name = os.environ.get(STUDY_VARIABLE, "")
    return Path(name) if name.endswith(".py") else None


def load(file: Path) -> ModuleType:
    """The module in a file, which may import others that lie beside it.

    A link stands for the file that it leads to, beside which are those that it imports.

    Raises:
        InputError: if there is no such file, or another module is called as it would be.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}; expected a Python file that defines STUDY")
    file = file.resolve() if file.is_symlink() else file
    if not file.stem.isidentifier():
        raise InputError(f"{file} cannot be imported: {file.stem} is not a valid module name; rename the file")
    _make_importable(file)
    module = importlib.import_module(file.stem)
    if not module.__file__ or not Path(module.__file__).samefile(file):
        raise InputError(f"{file} is hidden by another module {file.stem}, {module.__file__}; rename the file")
    return module


def function(reference: str) -> Callable[..., Any]:
    """What a plan names as "module:function", imported where and when it is used."""
    if file := study_file():
        _make_importable(file)
    module, _, name = reference.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def reference(of: Callable[..., Any]) -> str:
    """The name, "module:function", by which workers find a function.

    Raises:
        InputError: if they cannot, because it is not one of a module's own functions.
    """
    module, name = getattr(of, "__module__", ""), getattr(of, "__qualname__", "")
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not of:
        raise InputError(
            f"workers cannot import {name or repr(of)} from {module}; define it with `def` at the top level of a file, "
            "and give that file with --study"
        )
    return f"{module}:{name}"


def source(reference: str) -> Path | None:
    """The file of the module in which a function is that a plan names; None if there is none."""
    if file := study_file():
        _make_importable(file)
    found = importlib.util.find_spec(reference.partition(":")[0])
    return Path(found.origin) if found and found.origin else None


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _make_importable(file: Path) -> None:
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
