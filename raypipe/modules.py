"""Import a user's module from its file, and find functions by name, which is how workers get them."""

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
"""If set to any non-empty text, a job stops at the first shard that fails."""

DRY_RUN_VARIABLE = "RAYPIPE_DRY_RUN"
"""If set, a job only estimates its output and time; its value is a JSON list of the number of cores and the price."""

STUDY_VARIABLE = "RAYPIPE_STUDY"
"""Environment variable that names a study or its file, like the flag --study; it is also set for workers."""

ENTRY_POINTS = "raypipe.studies"
"""Entry point group in which installed packages offer studies; an entry point is named like its study."""


def study_file() -> Path | None:
    """The file that STUDY_VARIABLE names, relative to the working directory, or None if it does not name a file."""
    name = os.environ.get(STUDY_VARIABLE, "")
    return Path(name) if name.endswith(".py") else None


def load(file: Path) -> ModuleType:
    """Import the module in a file; it may import other modules from the same folder.

    A symbolic link stands for its target, so modules are imported from the target's folder.

    Raises:
        InputError: if there is no such file, its name is not a module name, or another module of that name hides it.
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
    """Import the function that a plan names as "module:function"."""
    if file := study_file():
        _make_importable(file)
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def reference(of: Callable[..., Any]) -> str:
    """The name, "module:function", by which workers find a function.

    Raises:
        InputError: if workers cannot import it, because it is not defined at the top level of a module.
    """
    module, name = getattr(of, "__module__", ""), getattr(of, "__qualname__", "")
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not of:
        raise InputError(
            f"workers cannot import {name or repr(of)} from {module}; define it with `def` at the top level of a file, "
            "and give that file with --study"
        )
    return f"{module}:{name}"


def source(reference: str) -> Path | None:
    """The file of the module that contains a function named by a plan, or None if there is none."""
    if file := study_file():
        _make_importable(file)
    found = importlib.util.find_spec(reference.partition(":")[0])
    return Path(found.origin) if found and found.origin else None


def digest(file: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _make_importable(file: Path) -> None:
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
