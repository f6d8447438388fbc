import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.errors import InputError
from raypipe.studies.andi import diffusion
from raypipe.studies.gray_scott import tables

CATALOG = Path(__file__).parent.parent / "data_catalog"
FIRST_SEEDS = {"train": 1501, "val": 751, "test": 2251, "train2": 3291, "val2": 1646}


@pytest.mark.parametrize(
    ("split", "count"), [("train", 750), ("val", 750), ("test", 750), ("train2", 1645), ("val2", 1645)]
)
def test_full_sets_have_their_sizes_and_seeds(split, count):
    simulations = tables.pattern_simulations(split)
    assert len(simulations) == count
    np.testing.assert_array_equal(simulations.seed, np.arange(FIRST_SEEDS[split], FIRST_SEEDS[split] + count))


@pytest.mark.parametrize("split", tables.PATTERN_TABLES)
def test_sets_follow_the_table_in_file_order(split):
    with (CATALOG / "gray_scott/classes.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["table"] == tables.PATTERN_TABLES[split]]
    expected = [(row["class"], float(row["k"]), float(row["f"])) for row in rows for _ in range(int(row["count"]))]
    simulations, classes = tables.pattern_simulations(split), tables.pattern_classes(split)
    found = zip((classes[label] for label in simulations.label), simulations.k, simulations.f, strict=True)
    assert list(found) == expected


def test_class_order():
    assert tables.PATTERN_CLASSES == (
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
        "iota", "kappa", "lambda", "mu", "nu", "l", "h",
    )  # fmt: skip
    assert tables.PATTERN_CLASSES_SECOND[13] == "pi"
    assert [name for name in tables.PATTERN_CLASSES_SECOND if name != "pi"] == list(tables.PATTERN_CLASSES)
    assert diffusion.ANDI_MODELS == ("attm", "ctrw", "fbm", "lw", "sbm")


@given(split=st.sampled_from(sorted(tables.PATTERN_TABLES)), per_class=st.integers(1, 50))
def test_a_subset_is_balanced_and_keeps_the_seeds_of_the_full_set(split, per_class):
    full, part = tables.pattern_simulations(split), tables.pattern_simulations(split, per_class)
    assert np.bincount(part.label).tolist() == [per_class] * len(tables.pattern_classes(split))
    index = part.seed - full.seed[0]
    assert (np.diff(index) > 0).all()
    for column in ("k", "f", "seed", "label"):
        np.testing.assert_array_equal(getattr(part, column), getattr(full, column)[index])


def test_a_subset_spreads_over_the_points_of_a_class():
    part = tables.pattern_simulations("test", 3)
    alpha = part[part.label == 0]
    assert len(set(zip(alpha.k, alpha.f, strict=True))) == 3


def brute_force_scan():
    """Yield the points and seeds of the scan one by one from the table."""
    with (CATALOG / "gray_scott/scan.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    blocks = {}
    for row in rows:
        for i in range(int(row["k_count"])):
            for j in range(int(row["f_count"])):
                point = (float(row["k_first"]) + i * 0.000625, float(row["f_first"]) + j * 0.00125)
                blocks.setdefault(int(row["block"]) - 1, []).append(point)
    for block, points in blocks.items():
        for i, (k, f) in enumerate(points):
            yield k, f, i + block * len(points) + 1


def test_scan_agrees_with_brute_force():
    scan = tables.scan_simulations()
    k, f, seed = (np.array(column) for column in zip(*brute_force_scan(), strict=True))
    assert len(scan) == 5481
    np.testing.assert_allclose(scan.k, k, atol=1e-12)
    np.testing.assert_allclose(scan.f, f, atol=1e-12)
    np.testing.assert_array_equal(scan.seed, seed)
    assert len(set(zip(scan.k.tolist(), scan.f.tolist(), strict=True))) == 5369


def test_scan_is_an_image_of_87_by_95():
    k, f = tables.scan_axes()
    assert (len(k), len(f)) == (87, 95)
    np.testing.assert_allclose(np.diff(k), 0.000625)
    np.testing.assert_allclose(np.diff(f), 0.00125)
    assert (k[0], k[-1], f[0], f[-1]) == (0.02375, 0.0775, 0.0015, 0.119)


@given(every=st.integers(1, 5481))
def test_every_nth_point_of_the_scan(every):
    full, part = tables.scan_simulations(), tables.scan_simulations(every)
    assert len(part) == -(-5481 // every)
    np.testing.assert_array_equal(part.seed, full.seed[np.arange(len(part)) * every])


def test_frame_times_serve_both_samples():
    assert tuple(range(11400, 15001, 400)) == tables.FRAME_TIMES_3D
    assert set(tables.FRAME_TIMES_2D) | set(tables.FRAME_TIMES_3D) == set(tables.PATTERN_FRAME_TIMES)
    assert list(tables.PATTERN_FRAME_TIMES) == sorted(tables.PATTERN_FRAME_TIMES)


@given(split=st.sampled_from(("train", "val")), fifth=st.integers(1, 20_000))
def test_trajectories_are_balanced(split, fifth):
    planned = diffusion.trajectories(split, 5 * fifth)
    assert np.bincount(planned.label).tolist() == [fifth] * 5


@given(count=st.integers(1, 10_000))
def test_the_challenge_gives_labels_itself(count):
    assert all(diffusion.trajectories(split, count).label is None for split in diffusion.CHALLENGE_SPLITS)


@given(count=st.integers(1, 2_000))
def test_seeds_of_trajectories_never_meet(count):
    seeds = [diffusion.trajectories(split, 5 * count).seed for split in diffusion.TRAJECTORY_SPLITS]
    assert len(np.unique(np.concatenate(seeds))) == 5 * count * len(seeds)


def test_seeds_never_meet_in_the_largest_splits():
    first = np.array([diffusion.trajectories(split, 5).seed[0] for split in diffusion.TRAJECTORY_SPLITS])
    assert np.diff(first).min() >= diffusion.MOST_TRAJECTORIES
    assert first.max() + diffusion.MOST_TRAJECTORIES <= 2**32
    with pytest.raises(InputError, match="expected from 1 to 536870912"):
        diffusion.trajectories("test", diffusion.MOST_TRAJECTORIES + 1)


@pytest.mark.parametrize(
    ("model", "first", "last", "count"),
    [("attm", 0.05, 1, 20), ("ctrw", 0.05, 1, 20), ("fbm", 0.05, 1.95, 39), ("lw", 1.05, 2, 20), ("sbm", 0.05, 2, 40)],
)
def test_exponents(model, first, last, count):
    exponents = diffusion.andi_exponents(diffusion.ANDI_MODELS.index(model))
    assert (exponents[0], exponents[-1], len(exponents)) == (first, last, count)
    np.testing.assert_allclose(np.diff(exponents), 0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tables.pattern_simulations("tran"), "unknown split 'tran'"),
        (lambda: tables.pattern_simulations("train", 51), "from 1 to 50"),
        (lambda: tables.pattern_simulations("train", 0), "from 1 to 50"),
        (lambda: tables.scan_simulations(0), "from 1 to 5481"),
        (lambda: tables.scan_simulations(5482), "from 1 to 5481"),
        (lambda: diffusion.trajectories("train", 7), "take 5"),
        (lambda: diffusion.trajectories("train", 0), "from 1 to"),
        (lambda: diffusion.trajectories("train2", 5), "unknown split"),
    ],
)
def test_bad_input_says_what_is_possible(call, said):
    with pytest.raises(InputError, match=said):
        call()
