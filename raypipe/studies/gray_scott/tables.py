"""The patterns of the study as plain values: classes, tables of (k, f) points, the fine scan, and their seeds.

The tables are those of Scholz and Scholz, Am. J. Phys. (2022), arXiv:2110.07306, with the pattern classes of Pearson,
Science 261 (1993).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from raypipe.catalog import DATA_CATALOG
from raypipe.errors import InputError, choice

PATTERN_CLASSES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
    "iota", "kappa", "lambda", "mu", "nu", "l", "h",
)  # fmt: skip
"""Pearson's pattern classes; l and h are the homogeneous states of low and high u."""

PATTERN_CLASSES_SECOND = (*PATTERN_CLASSES[:13], "pi", "l", "h")
"""The classes of the second pass, which adds pi."""

PATTERN_TABLES = {"train": "train", "val": "train", "test": "test", "train2": "train2", "val2": "train2"}
"""Table of (k, f) points from which each split is drawn."""

_SEED_OFFSETS = {"train": 2, "val": 1, "test": 3, "train2": 2, "val2": 1}

PATTERN_FRAME_TIMES = (11400, 11800, 12200, 12600, 13000, 13400, 13800, 14200, 14600, 14940, 14970, 15000)
"""Times at which each pattern is recorded: those of the 2-D and the 3-D sample, from one integration."""

FRAME_TIMES_2D = (14940, 14970, 15000)
"""The three frames that are the channels of a 2-D sample."""

FRAME_TIMES_3D = (*PATTERN_FRAME_TIMES[:9], 15000)
"""The ten frames, 400 apart, of a 3-D sample."""


@dataclass(frozen=True)
class Simulations:
    """Gray-Scott simulations to run, one per entry of the arrays, which have equal lengths.

    `k` kill rate and `f` feed rate (1/time, float64), `seed` of the initial state (int64), `label` index of the
    pattern class (int64; -1 if unknown, as in the scan).
    """

    k: np.ndarray
    f: np.ndarray
    seed: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.seed)

    def __getitem__(self, index: slice | np.ndarray) -> "Simulations":
        return Simulations(self.k[index], self.f[index], self.seed[index], self.label[index])


def pattern_classes(split: str) -> tuple[str, ...]:
    """Class names of a split, in the order of its labels."""
    table = PATTERN_TABLES[choice("split", split, tuple(PATTERN_TABLES))]
    return PATTERN_CLASSES_SECOND if table == "train2" else PATTERN_CLASSES


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    with DATA_CATALOG.joinpath("gray_scott", name).open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


def pattern_points(table: str) -> Iterator[tuple[str, float, float, int]]:
    """Yield (class, k, f, count) for each point of table `train`, `test` or `train2`."""
    for row in _rows("classes.csv"):
        if row["table"] == table:
            yield row["class"], float(row["k"]), float(row["f"]), int(row["count"])


def pattern_simulations(split: str, per_class: int | None = None) -> Simulations:
    """Simulations of a data set: 750 for train, val and test, 1645 for train2 and val2.

    Simulation i of the N of a full set has the seed i + m·N + 1 with m = 2 (train, train2), 1 (val, val2) or
    3 (test). With `per_class`, only that many of each class are kept, spread evenly over its points, with the seeds
    that they have in the full set.

    Raises:
        InputError: if the split is unknown, or `per_class` is not from 1 to the size of the smallest class.
    """
    classes = pattern_classes(split)
    points = list(pattern_points(PATTERN_TABLES[split]))
    counts = [count for *_, count in points]
    labels = np.repeat([classes.index(name) for name, *_ in points], counts)
    full = Simulations(
        k=np.repeat([k for _, k, _, _ in points], counts),
        f=np.repeat([f for _, _, f, _ in points], counts),
        seed=np.arange(len(labels)) + _SEED_OFFSETS[split] * len(labels) + 1,
        label=labels,
    )
    if per_class is None:
        return full
    largest = int(np.bincount(labels).min())
    if not 1 <= per_class <= largest:
        raise InputError(f"{per_class} patterns per class; split {split} has from 1 to {largest} of each class")
    members = (np.flatnonzero(labels == label) for label in range(len(classes)))
    return full[np.sort(np.concatenate([one[np.arange(per_class) * len(one) // per_class] for one in members]))]


def scan_simulations(every: int = 1) -> Simulations:
    """Simulations of the fine scan of parameter space, in order: all 5481, or every `every`-th one.

    Three blocks of rectangles; within a rectangle k is the outer loop. Simulation i of block b (from 0), which has
    N_b simulations, has the seed i + b·N_b + 1. 112 points belong to two rectangles and are simulated twice, with
    different seeds.

    Raises:
        InputError: if `every` is not from 1 to the number of simulations.
    """
    blocks: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for row in _rows("scan.csv"):
        k, f = (
            np.linspace(float(row[f"{rate}_first"]), float(row[f"{rate}_last"]), int(row[f"{rate}_count"]))
            for rate in "kf"
        )
        blocks.setdefault(row["block"], []).append((np.repeat(k, len(f)), np.tile(f, len(k))))
    parts = []
    for number, rectangles in enumerate(blocks.values()):
        # Rounded so that a point shared by two rectangles has the same value in both.
        k, f = (np.round(np.concatenate(rates), 9) for rates in zip(*rectangles, strict=True))
        parts.append((k, f, np.arange(len(k)) + number * len(k) + 1))
    k, f, seed = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not 1 <= every <= len(k):
        raise InputError(f"every {every}-th point of the scan; expected from 1 to {len(k)}, its number of points")
    return Simulations(k, f, seed, np.full(len(k), -1))[::every]


def scan_axes() -> tuple[np.ndarray, np.ndarray]:
    """The scan as an image: 87 values of k (columns) and 95 of f (rows), ascending, float64."""
    full = scan_simulations()
    return np.unique(full.k), np.unique(full.f)
