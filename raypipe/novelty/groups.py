"""Groups of flagged samples that are alike."""

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

LEAST = 3
"""Samples of a group at least."""

STRUCTURE = 0.25
"""Mean silhouette below which all samples are one group: nothing divides them (Kaufman and Rousseeuw 1990)."""

MOST_GROUPS = 15
"""So many numbers of groups, from 2, are tried."""

MOST = 4000
"""So many samples make the groups, evenly chosen; others join the group of the nearest."""

_COMPONENTS = 10
"""Principal components that groups are looked for in: in more dimensions all samples are equally far."""


def grouped(features: np.ndarray) -> np.ndarray:
    """Number of the group (sample,) of each sample, 0 for the largest group, -1 for none.

    Samples are merged step by step so that the variance within the groups grows least (Ward 1963); they are as many as
    make the mean silhouette largest (Rousseeuw 1987), each with `LEAST` samples or more, and one if nothing divides
    them.

    Args:
        features: (sample, feature), see `features.extractor`.
    """
    count = len(features)
    if count < 2 * LEAST:
        return np.full(count, -1)
    values = PCA(min(_COMPONENTS, *features.shape), random_state=0).fit_transform(features.astype("float64"))
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int))
    silhouette, best = max(
        ((silhouette_score(values[chosen], one), one) for one in _divisions(values[chosen])), key=lambda pair: pair[0]
    )
    if silhouette < STRUCTURE:
        return np.zeros(count, int)
    _, nearest = NearestNeighbors(n_neighbors=1).fit(values[chosen]).kneighbors(values)
    found = best[nearest[:, 0]]
    counts = np.bincount(found)
    rank = np.empty(len(counts), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(counts[found] >= LEAST, rank[found], -1)


def _divisions(values: np.ndarray) -> list[np.ndarray]:
    numbers = range(2, min(MOST_GROUPS, len(values) - 1) + 1)
    return [AgglomerativeClustering(number, linkage="ward").fit_predict(values) for number in numbers]
