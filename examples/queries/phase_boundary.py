"""Find where two classes meet in a classified scan: points of one class that have a neighbour of the other.

python examples/queries/phase_boundary.py predictions/shipped/pattern-2d-second/scan theta kappa
"""

import numpy as np
import pandas as pd
from scipy.spatial import Delaunay, KDTree

from raypipe import catalog
from raypipe.command import run


def main(source: str, first: str, second: str) -> None:
    one, other = (catalog.search("predictions", classes=[name], data_sets=[source]) for name in (first, second))
    scan = np.stack([catalog.open(source)[axis] for axis in ("k", "f")], axis=1)
    points, place = np.unique(scan, axis=0, return_inverse=True)
    plane = points / np.ptp(points, axis=0)
    start, near = Delaunay(plane).vertex_neighbor_vertices
    pairs = np.stack([np.repeat(np.arange(len(points)), np.diff(start)), near], axis=1)
    # Neighbours have no third point in the circle between them; those at the ends of a diagonal of a grid have.
    radius = np.hypot(*np.ptp(plane[pairs], axis=1).T) / 2
    pairs = pairs[KDTree(plane).query(plane[pairs].mean(axis=1), k=3)[0][:, 2] > 1.001 * radius]
    met = pairs[np.isin(pairs, place[one["sample"]])[:, 0] & np.isin(pairs, place[other["sample"]])[:, 1]]
    names = [f"{axis}_{name}" for name in (first, second) for axis in ("k", "f")]
    pd.DataFrame(points[met].reshape(-1, 4), columns=names).to_csv("phase_boundary.csv", index=False)
    print(f"{len(met)} pairs of neighbours, one {first}, one {second}; written: phase_boundary.csv")


run(main)
