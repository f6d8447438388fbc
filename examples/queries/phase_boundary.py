"""Find where two classes meet in a classified scan: points of one class that have a neighbour of the other.

python examples/queries/phase_boundary.py predictions/shipped/pattern-2d-second/scan theta kappa
"""

import sys

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from raypipe import catalog

source, first, second = sys.argv[1:]
one, other = (
    catalog.search("predictions", classes=[name], data_sets=[source])[["k", "f"]].drop_duplicates().to_numpy()
    for name in (first, second)
)
scan = catalog.open(source)
spacing = np.array([np.diff(np.unique(scan[name].values.round(9))).min() for name in ("k", "f")])
pairs = KDTree(one / spacing).query_ball_tree(KDTree(other / spacing), r=1.01)
met = [(*one[i], *other[j]) for i, close in enumerate(pairs) for j in close]
boundary = pd.DataFrame(met, columns=[f"k_{first}", f"f_{first}", f"k_{second}", f"f_{second}"])
print(f"{len(boundary)} pairs of neighbours, one {first}, one {second}")
boundary.to_csv("phase_boundary.csv", index=False)
