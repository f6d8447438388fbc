"""Compile functions with numba."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """Decorator: compile a function at its first call, without the GIL, and cache the machine code on disk.

    If no directory for the cache can be written, as in a read-only container, each process compiles it anew. `options`
    are those of `numba.njit`.
    """

    def decorate(function: F) -> F:
        try:
            made: F = numba.njit(function, nogil=True, cache=True, **options)
        except RuntimeError:  # there is no place for a cache
            made = numba.njit(function, nogil=True, **options)
        return made

    return decorate
