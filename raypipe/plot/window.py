"""Check whether a window can be opened."""

import matplotlib
from matplotlib.backends.registry import BackendFilter, backend_registry


def can_show() -> bool:
    """Return whether matplotlib can open a window here: there is a display and a toolkit to draw on it."""
    interactive = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    return matplotlib.get_backend().lower() in interactive
