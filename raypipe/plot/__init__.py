"""Pictures shared by all studies: functions from arrays and data sets to matplotlib figures that need no window."""

from raypipe.plot.confidence import recalls, reliability
from raypipe.plot.confused import confused_samples
from raypipe.plot.grid import accuracy_against_cost, effects_plot, grid_heat_map
from raypipe.plot.networks import confusion_matrix, training_history
from raypipe.plot.novelty import most_novel, novel_groups, novelty_map
from raypipe.plot.plane import class_plane, differing_planes, entropy_plane, refined_planes, refined_scan
from raypipe.plot.relevance_checks import conservation, mean_relevance, perturbation_curve, rank_correlations
from raypipe.plot.strata import accuracy_by_stratum

__all__ = [
    "accuracy_against_cost",
    "accuracy_by_stratum",
    "class_plane",
    "confused_samples",
    "confusion_matrix",
    "conservation",
    "differing_planes",
    "effects_plot",
    "entropy_plane",
    "grid_heat_map",
    "mean_relevance",
    "most_novel",
    "novel_groups",
    "novelty_map",
    "perturbation_curve",
    "rank_correlations",
    "recalls",
    "refined_planes",
    "refined_scan",
    "reliability",
    "training_history",
]
