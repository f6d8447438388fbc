"""Pictures: functions from arrays and data sets to matplotlib figures that need no window."""

from raypipe.plot.grid import accuracy_against_cost, accuracy_by_stratum, effects_plot, grid_heat_map
from raypipe.plot.networks import confusion_matrix, training_history
from raypipe.plot.patterns import MONTAGE_COLUMNS, class_gallery, montage, montage_rows, pattern_gallery
from raypipe.plot.phase import OUTSIDE, phase_diagram, phase_grid
from raypipe.plot.preview import can_show, film, show
from raypipe.plot.relevance_checks import conservation, mean_relevance, perturbation_curve, rank_correlations
from raypipe.plot.trajectories import MARKED_STEPS, relevance

__all__ = [
    "MARKED_STEPS",
    "MONTAGE_COLUMNS",
    "OUTSIDE",
    "accuracy_against_cost",
    "accuracy_by_stratum",
    "can_show",
    "class_gallery",
    "confusion_matrix",
    "conservation",
    "effects_plot",
    "film",
    "grid_heat_map",
    "mean_relevance",
    "montage",
    "montage_rows",
    "pattern_gallery",
    "perturbation_curve",
    "phase_diagram",
    "phase_grid",
    "rank_correlations",
    "relevance",
    "show",
    "training_history",
]
