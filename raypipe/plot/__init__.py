"""Pictures: functions from arrays and data sets to matplotlib figures that need no window."""

from raypipe.plot.networks import confusion_matrix, training_history
from raypipe.plot.patterns import MONTAGE_COLUMNS, montage, montage_rows, pattern_gallery
from raypipe.plot.phase import OUTSIDE, phase_diagram, phase_grid
from raypipe.plot.preview import can_show, film, show
from raypipe.plot.trajectories import MARKED_STEPS, relevance

__all__ = [
    "MARKED_STEPS",
    "MONTAGE_COLUMNS",
    "OUTSIDE",
    "can_show",
    "confusion_matrix",
    "film",
    "montage",
    "montage_rows",
    "pattern_gallery",
    "phase_diagram",
    "phase_grid",
    "relevance",
    "show",
    "training_history",
]
