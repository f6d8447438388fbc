"""Pictures of patterns: the phase diagram, all patterns of a class, examples of each class, and saliency."""

from raypipe.studies.gray_scott.pictures.patterns import (
    MONTAGE_COLUMNS,
    MONTAGE_MOST,
    class_gallery,
    draw_pattern,
    montage,
    montage_rows,
    pattern_gallery,
)
from raypipe.studies.gray_scott.pictures.phase import is_own, phase_lattice

__all__ = [
    "MONTAGE_COLUMNS",
    "MONTAGE_MOST",
    "class_gallery",
    "draw_pattern",
    "is_own",
    "montage",
    "montage_rows",
    "pattern_gallery",
    "phase_lattice",
]
