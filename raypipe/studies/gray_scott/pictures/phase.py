"""The scan as an image: which simulation represents each kill rate k and feed rate f."""

from dataclasses import replace

import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from raypipe.plot.plane import Lattice, lattice, shared
from raypipe.report.scan import parameters
from raypipe.studies.gray_scott import tables

LIMITS = (0.02, 0.08, 0.0, 0.12)
"""Axis limits of k and f in the study's phase diagrams."""

_LABELS = ("kill rate k (per unit of time)", "feed rate f (per unit of time)")


def is_own(predictions: xr.Dataset) -> bool:
    """Whether the predictions are for a user's own scan, not the study's."""
    return "k" in predictions.attrs.get("parameters", {}).get("source_parameters", {})


def phase_lattice(predictions: xr.Dataset, axes: str = "") -> Lattice:
    """The plane of the full scan, 87 values of k and 95 of f, with the samples of `predictions`, which has `k` and `f`.

    Every point of the full scan gets the nearest sample, with distances in steps of the scan, so that a thinned scan
    fills the plane too. A user's own scan has only its own points, in the plane of the parameters that it varies. With
    two `axes`, such as "k,f", a scan has only its own points in the plane of these.
    """
    if axes or is_own(predictions):
        plane = lattice(predictions, axes.split(",") if axes else parameters(predictions))
        return replace(plane, labels=_LABELS) if plane.axes == ("k", "f") else plane
    k, f = tables.scan_axes()
    steps = np.array([(k[-1] - k[0]) / (len(k) - 1), (f[-1] - f[0]) / (len(f) - 1)])
    scan = tables.scan_simulations()
    points = np.column_stack([predictions["k"].values, predictions["f"].values])
    _, nearest = KDTree(points / steps).query(np.column_stack([scan.k, scan.f]) / steps)
    samples = np.full((len(f), len(k)), -1)
    samples[np.searchsorted(f, scan.f), np.searchsorted(k, scan.k)] = nearest
    _, place = np.unique(points, axis=0, return_inverse=True)
    return Lattice(("k", "f"), k, f, samples, _LABELS, LIMITS, shared(predictions, place.ravel()))
