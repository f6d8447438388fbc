"""Groups of flagged samples that are alike."""

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

LEAST = 3
"""Minimum number of samples in a group."""

STRUCTURE = 0.25
"""Mean silhouette below which all samples are one group, as they show no structure (Kaufman and Rousseeuw 1990)."""

MOST_GROUPS = 15
"""Largest number of groups that is tried, starting from 2."""

MOST = 4000
"""Maximum number of samples that are clustered, evenly chosen; the others join the group of the nearest of them."""

_COMPONENTS = 10
"""Number of principal components used for clustering: in more dimensions, all samples are about equally far apart."""


def grouped(features: np.ndarray) -> np.ndarray:
    """Return the number of each sample's group (sample,), 0 for the largest group, -1 for none.

    Samples are merged step by step so that the variance within groups grows least (Ward 1963). The number of groups is
    the one with the largest mean silhouette (Rousseeuw 1987), or 1 if that is below `STRUCTURE`. Samples in groups of
    fewer than `LEAST` samples are in no group; with fewer than twice `LEAST` samples there are no groups at all.

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
