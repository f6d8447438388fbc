"""Refinement of scans: the lattice, choice of points, resuming of rounds, and agreement with full scans."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import parabola
import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import random_network
from without_ray import fill_here, job, worker_of

from raypipe import catalog, repair, store, study
from raypipe.errors import InputError
from raypipe.networks import classify
from raypipe.plan import Output, product, simulations
from raypipe.refine import plane, rounds
from raypipe.refine.rounds import Refinement, refine
from raypipe.run import fill
from raypipe.store import creation
from raypipe.studies.gray_scott import STUDY, tables
from raypipe.study import architecture

ROOT = Path(__file__).parent.parent


@pytest.fixture
def own(monkeypatch):
    """Set up the study of tests/parabola.py and its network; stores are filled in this process."""
    monkeypatch.setenv("RAYPIPE_STUDY", parabola.__file__)
    monkeypatch.setattr(rounds, "fill", fill_here)
    monkeypatch.setattr(classify, "fill", fill_here)
    monkeypatch.setattr(classify, "classifier", parabola.classifier)  # avoids the startup time of TensorFlow
    parabola.save_network()


def test_a_scan_of_larger_fields_can_be_refined():
    random_network(architecture("pattern-2d"))
    window = {"k": "0.05:0.06:0.001", "f": "0.02:0.04:0.002"}
    Refinement("pattern-2d", split="scan-large", settings={"size": 256, **window}).check()


def scan_of(**axes):
    points = product(**axes)
    return replace(_plan(points), name="tests/scan")


def _plan(points):
    count = len(next(iter(points.values())))
    return simulations(
        scripted.summed, {**points, "seed": 7 * np.arange(count) + 3}, {"x": Output()}, coordinates={"t": ("n", [1])}
    )


def test_the_plane_of_a_scan_in_pieces():
    scan, full = STUDY.plan("scan"), tables.scan_simulations()
    found = plane.plane_of(scan)
    assert found.axes == ("k", "f")
    assert len(found.cells) == len(np.unique(np.stack([full.k, full.f]), axis=1).T) == 5369
    every = np.arange(len(found.cells))
    made = plane.points(scan, found, every)
    of = {(k, f): seed for k, f, seed in reversed(list(zip(full.k, full.f, full.seed, strict=True)))}
    assert [of[key] for key in zip(made["k"].values, made["f"].values, strict=True)] == made["seed"].values.tolist()
    assert set(made["label"].values) == {-1}
    np.testing.assert_array_equal(found.find(made["k"].values, made["f"].values), every)


def test_a_finer_plane_stays_within_the_scan_and_keeps_its_values_and_seeds():
    scan = STUDY.plan("scan")
    usual, fine = plane.plane_of(scan), plane.plane_of(scan, finer=4)
    assert fine.of_scan.sum() == len(usual.cells)
    np.testing.assert_array_equal(fine.cells[fine.of_scan], 4 * usual.cells)
    made = plane.points(scan, fine, np.arange(len(fine.cells)))
    same = plane.points(scan, usual, np.arange(len(usual.cells)))
    for name in ("k", "f", "seed"):
        np.testing.assert_array_equal(made[name].values[fine.of_scan], same[name].values)
    seeds = made["seed"].values[~fine.of_scan]
    assert len(np.unique(seeds)) == len(seeds)
    assert seeds.min() > same["seed"].values.max()
    # Between two or four points of the scan; k = 0.0375, f < 0.004 is a corner of the scan.
    known = {tuple(cell) for cell in usual.cells.tolist()}
    for cell in fine.cells[:: len(fine.cells) // 300]:
        low, high = cell // 4, -(-cell // 4)
        assert {(low[0], low[1]), (low[0], high[1]), (high[0], low[1]), (high[0], high[1])} <= known
    backwards = plane.points(scan, fine, np.arange(len(fine.cells))[::-1])
    np.testing.assert_array_equal(backwards["seed"].values[::-1], made["seed"].values, "whatever the order")


def scan_with_seeds(*first, dtype):
    points = product(a=np.arange(3.0), b=np.arange(3.0))
    seeds = [*first, *range(9 - len(first))]
    planned = simulations(scripted.summed, {**points, "seed": np.array(seeds, dtype)}, {"x": Output()})
    return replace(planned, name="tests/scan")


@pytest.mark.parametrize(
    ("first", "dtype"), [((2**63 + 1, 2**53 + 1), "uint64"), ((2**62 + 1,), "int64"), ((2**30,), "int32")]
)
def test_seeds_of_any_size_are_kept_and_those_between_are_above_them(first, dtype):
    scan = scan_with_seeds(*first, dtype=dtype)
    fine = plane.plane_of(scan, finer=4)
    made = plane.points(scan, fine, np.arange(len(fine.cells)))["seed"].values
    assert made.dtype == dtype
    np.testing.assert_array_equal(made[fine.of_scan], scan.coordinates["seed"].values)
    between = [int(one) for one in made[~fine.of_scan]]
    places = (fine.cells[~fine.of_scan] @ [9, 1]).tolist()
    assert between == [first[0] + 1 + place for place in places]


@pytest.mark.parametrize(("first", "dtype"), [(2**64 - 1, "uint64"), (2**63 - 9, "int64"), (2**31 - 1, "int32")])
def test_seeds_that_leave_none_for_points_between_are_told(first, dtype):
    scan = scan_with_seeds(first, dtype=dtype)
    fine = plane.plane_of(scan, finer=4)
    with pytest.raises(InputError, match=rf"seed of tests/scan is up to {first}, and .* up to {first + 81}; expected"):
        plane.points(scan, fine, np.arange(len(fine.cells)))
    usual = plane.plane_of(scan)
    made = plane.points(scan, usual, np.arange(9))["seed"].values
    np.testing.assert_array_equal(made, scan.coordinates["seed"].values)


def test_a_plane_at_one_value_of_a_third_parameter():
    scan = scan_of(a=np.linspace(0, 1, 5), b=np.linspace(0, 2, 4), c=[0.5, 0.1 + 0.2])
    found = plane.plane_of(scan, at={"c": 0.3}, finer=2)
    made = plane.points(scan, found, np.arange(len(found.cells)))
    assert len(found.cells) == 9 * 7
    assert set(made["c"].values) == {0.1 + 0.2}
    assert plane.plane_of(scan, axes=("b", "a"), at={"c": 0.5}).axes == ("b", "a")


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        ({"a": [0.0, 1], "b": [0.0, 1], "c": [0.0, 1]}, {}, r"tests/scan vary in a, b, c, .* none|axes are a, b, c"),
        ({"a": [0.0, 1], "b": [0.0, 1], "c": [0.0, 1]}, {"axes": ("a", "b")}, "values for the rest of c"),
        (
            {"a": [0.0, 1], "b": [0.0, 1]},
            {"axes": ("a", "z")},
            "z is not a parameter of tests/scan; choose two of a",
        ),
        ({"a": [0.0, 1], "b": [0.0, 1]}, {"at": {"z": 1}}, "z is not a parameter"),
        ({"a": [0.0, 1], "b": [0.0, 1], "c": [0.0, 1]}, {"at": {"c": 2}}, "no points at c = 2; it has c = 0, 1"),
        ({"a": [0.0, 1, 2], "b": [1.0]}, {}, "vary in a, and the axes are a; expected two"),
        ({"a": [0, 1], "b": [0.0, 1]}, {"finer": 2}, "a has values of the type int64"),
        ({"a": [0.0, 1], "b": [0.0, 1]}, {"finer": 0}, "0 times finer; expected 1 or more"),
    ],
)
def test_planes_that_there_are_not(points, options, message):
    with pytest.raises(InputError, match=message):
        plane.plane_of(scan_of(**points), **options)


def test_points_at_random_are_on_no_lattice():
    random = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"the 50 points of tests/scan fill 2.0% of a lattice of 50 × 50"):
        plane.plane_of(replace(_plan({"a": random.random(50), "b": random.random(50)}), name="tests/scan"))


LATTICE = plane.plane_of(scan_of(a=np.arange(12.0), b=np.arange(9.0)))


@settings(max_examples=25)
@given(st.data())
def test_what_is_chosen_first_does_not_depend_on_how_many(data):
    known = np.array(sorted(data.draw(st.sets(st.integers(0, len(LATTICE.cells) - 1), min_size=3, max_size=60))))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    probability = random.dirichlet(np.full(3, 0.3), len(known))
    many = plane.choose(LATTICE, known, probability, 40)
    few = plane.choose(LATTICE, known, probability, 7)
    np.testing.assert_array_equal(many[:7], few)
    assert len({*many, *known}) == len(many) + len(known)
    found, simulated = plane.interpolated(LATTICE.cells, LATTICE.cells[known], probability)
    np.testing.assert_allclose(found[known], probability)
    np.testing.assert_array_equal(np.flatnonzero(simulated), known)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_what_is_chosen_is_what_all_cells_looked_at_each_time_would_give(seed):
    random = np.random.default_rng(seed)
    cells = LATTICE.cells[np.sort(random.permutation(len(LATTICE.cells))[: random.integers(9, len(LATTICE.cells) + 1)])]
    part = replace(LATTICE, cells=cells, samples=np.arange(len(cells)))
    known = np.sort(random.permutation(len(cells))[: random.integers(3, 9)])
    probability = random.dirichlet(np.full(3, 0.3), len(known))
    squares, near, speaks = plane._neighbours(cells, cells[known])
    predicted, unsure = probability.argmax(axis=1)[near], (probability.max(axis=1) < plane.UNSURE)[near]
    open_question = (speaks & ((predicted != predicted[:, :1]) | unsure)).any(axis=1)
    nearest, beyond, expected = squares[:, 0], squares[:, 0].max() + 1, []
    for _ in range(len(cells) - len(known)):
        expected.append(int(np.argmax(np.where(nearest == 0, -1, nearest + beyond * open_question))))
        nearest = np.minimum(nearest, ((cells - cells[expected[-1]]) ** 2).sum(axis=1))
    assert plane.choose(part, known, probability, len(cells)).tolist() == expected


def test_disagreement_and_doubt_come_before_distance():
    known = np.flatnonzero((LATTICE.cells % 4 == 0).all(axis=1))
    sure = np.tile([0.9, 0.1], (len(known), 1))
    a = LATTICE.cells[known, 0]
    for left, right in (([0.9, 0.1], [0.1, 0.9]), ([0.55, 0.45], [0.9, 0.1])):
        probability = np.where(a[:, None] == 0, left, right)
        chosen = LATTICE.cells[plane.choose(LATTICE, known, probability, 12)]
        assert (chosen[:, 0] <= 4).all(), "between the points that differ, or around those in doubt"
    chosen = LATTICE.cells[plane.choose(LATTICE, known, sure, 3)]
    assert chosen[0].tolist() == [11, 2], "nothing is open: the farthest"


def test_a_refinement_finds_the_curves_and_says_what_it_did_not_simulate(own):
    fill_here(study.chosen().plan("scan", {"points": 25}))
    classify.classify("sharp", "scan")
    job("refine_scan")(network="sharp", coarse=4, budget=0.35, settings=["points=25"], against="parabola/scan")
    whole = catalog.open("predictions/sharp/scan")
    found = catalog.open("refined/sharp/scan/first-000218")
    np.testing.assert_array_equal(whole.a, found.a)
    agree = whole.predicted.values == found.predicted.values
    assert agree.mean() > 0.98
    np.testing.assert_array_equal(whole.predicted, parabola.class_of(whole.a, whole.b))
    simulated = found.simulated.values == 1
    assert simulated.sum() == 218
    assert agree[simulated].all()
    np.testing.assert_array_equal(found["round"].values >= 0, simulated)
    assert np.bincount(found["round"].values[simulated]).tolist() == [49, *[19] * 8, 17]
    assert found.confidence.values[simulated].min() > 0.99
    assert "simulated" in found.attrs["comment"]
    scan = catalog.open("parabola/scan")
    for name in (one for one in store.list_names("refined/sharp/scan/simulated")):
        part = catalog.open(name)
        assert "command" not in part.attrs
        same = scan.isel(sample=part.seed.values - 1000)
        np.testing.assert_array_equal(part.u, same.u, "a point of the scan is the scan's, to the bit")


def test_the_job_prints_the_agreement_of_each_round(own, capsys):
    fill_here(study.chosen().plan("scan", {"points": 17}))
    classify.classify("sharp", "scan")
    job("refine_scan")(network="sharp", coarse=4, budget=0.2, settings=["points=17"], against="parabola/scan")
    first, _, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "57 simulations, 19.7% of the 289 points of parabola/scan"
    assert last.endswith("refined/sharp/scan/first-000057.zarr")
    numbers = [[float(one) for one in line.replace("±", "").split()] for line in lines]
    assert [row[:2] for row in numbers] == [[0, 25], [1, 41], [2, 57]]
    found = catalog.open("refined/sharp/scan/first-000057")
    expected = np.mean(found.predicted.values == catalog.open("predictions/sharp/scan").predicted.values)
    assert numbers[-1][2] == pytest.approx(expected, abs=1e-4)
    assert numbers[-1][2] > numbers[-1][3], "better than at random"


def calls(folder):
    return {path.name: len(path.read_text().split()) for path in folder.iterdir()}


def contents():
    """Return the values of all refined scans, without times, hosts and owners."""
    return {
        name: {key: value.values.tolist() for key, value in catalog.open(name).variables.items()}
        for name in store.list_names("refined")
    }


@pytest.fixture
def folder(tmp_path):
    """Create the folder in which simulations leave marks."""
    made = tmp_path / "calls"
    made.mkdir()
    return made


def test_a_killed_run_goes_on_and_simulates_nothing_twice(own, monkeypatch, tmp_path, folder):
    of = Refinement("sharp", coarse=4, settings={"points": 17, "calls": str(folder)})
    for end in (1, 24, 1, 9, 7, 1, 13):
        written = []

        def stop_after(plan, *, end=end, written=written, **_):
            store.create(plan, {})
            worker = worker_of(plan)
            for shard in store.missing(plan.name):
                if len(written) == end:
                    raise KeyboardInterrupt
                written.append((plan.name, shard))
                assert not worker(fill.row_of(plan, shard))["error"]
            store.mark(plan.name)

        monkeypatch.setattr(rounds, "fill", stop_after)
        with pytest.raises(KeyboardInterrupt):
            refine(of, budget=0.2)
    monkeypatch.setattr(rounds, "fill", fill_here)
    name = refine(of, budget=0.2)
    assert len(calls(folder)) == 57
    assert set(calls(folder).values()) == {1}
    interrupted = contents()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "another"))
    parabola.save_network()
    assert refine(of, budget=0.2) == name
    assert contents() == interrupted


def test_a_larger_budget_goes_on_and_ends_as_if_it_had_been_given_at_once(own, monkeypatch, tmp_path, folder):
    of = Refinement("sharp", coarse=4, settings={"points": 17, "calls": str(folder)})
    for budget in (0.1, 0.15, 0.25):
        name = refine(of, budget=budget)
    assert set(calls(folder).values()) == {1}
    assert len(calls(folder)) == 72
    small = refine(of, budget=0.1)
    assert (catalog.open(small).simulated.values == 1).sum() == 28
    step_by_step = catalog.open(name).load()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "another"))
    parabola.save_network()
    at_once = catalog.open(refine(of, budget=0.25)).load()
    assert step_by_step.equals(at_once)


@pytest.mark.slow
def test_on_a_cluster_a_job_that_is_killed_goes_on(head, store_root, folder):
    parabola.save_network()
    flags = [
        "--network",
        "sharp",
        "--coarse",
        "4",
        "--budget",
        "0.14",
        "--set",
        "points=17",
        "--set",
        f"calls={folder}",
    ]
    command = [sys.executable, ROOT / "jobs/refine_scan.py", "--study", parabola.__file__, *flags]
    started = {"env": {**head, "RAYPIPE_STORE": str(store_root)}, "stdout": subprocess.PIPE, "text": True}
    first = "refined/sharp/scan/simulated-000000-000025"
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, **started)
    deadline = time.monotonic() + 300
    while not store.finished(first):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    finished = [line.seeds[0] for line in store.ledger(first)]
    again = subprocess.run(command, stderr=subprocess.PIPE, timeout=600, check=False, **started)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0] == "40 simulations, 13.8% of the 289 points of parabola/scan"
    made = calls(folder)
    assert len(made) == 40
    assert {made[str(seed)] for seed in finished} == {1}, "what was finished is not simulated again"
    found = catalog.open("refined/sharp/scan/first-000040")
    agree = found.predicted.values == parabola.class_of(found.a.values, found.b.values)
    assert agree[found.simulated.values == 1].all()


def test_four_times_finer(own):
    name = refine(Refinement("sharp", coarse=2, finer=4, settings={"points": 9}), budget=2.5)
    found = catalog.open(name)
    assert name == "refined/sharp/scan-4x/first-000202"
    assert found.sizes["sample"] == 33**2
    agree = found.predicted.values == parabola.class_of(found.a.values, found.b.values)
    assert agree.mean() > 0.98
    assert agree[found.simulated.values == 1].all()


def test_other_ways_are_refused_and_what_is_damaged_is_made_again(own, monkeypatch, store_root):
    of = Refinement("sharp", coarse=4, settings={"points": 17})
    refine(of, budget=0.15)
    with pytest.raises(InputError, match=r"refined.coarse was 4, now 8"):
        refine(replace(of, coarse=8), budget=0.15)
    parabola.save_network(steepness=10.0)
    with pytest.raises(InputError, match=r"refined.network_sha256 was '.*', now"):
        refine(replace(of), budget=0.15)
    parabola.save_network()
    monkeypatch.setattr(repair, "fill", fill_here)
    before = contents()
    assert {name.rpartition("/")[2].split("-")[0] for name in before} == {"simulated", "classified", "first"}
    for name in before:
        for damaged in ("c/0", "c/0/0/0", "c/0/0"):
            for chunk in (store_root / f"{name}.zarr").glob(f"*/{damaged}"):
                chunk.write_bytes(b"damaged") if chunk.is_file() else None
        found = store.verify(name)
        assert not found.sound
        repair.repair(found)
    assert contents() == before


def test_predictions_left_by_another_refinement_are_not_read(own, monkeypatch, tmp_path):
    of, other = (Refinement("sharp", coarse=step, settings={"points": 17}) for step in (8, 4))
    refine(other, budget=0.1)
    store.remove("refined/sharp/scan/simulated-000000-000025")
    found = catalog.open(refine(of, budget=0.08)).load()
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "another"))
    parabola.save_network()
    assert found.equals(catalog.open(refine(of, budget=0.08)).load())


def test_what_is_older_than_its_parts_is_refused_until_it_is_removed(own, monkeypatch):
    times = (f"2026-01-01T00:00:{second:02}+00:00" for second in range(60))
    monkeypatch.setattr(creation, "now", lambda: next(times))
    of = Refinement("sharp", coarse=4, settings={"points": 17})
    name = refine(of, budget=0.1)
    samples, predictions = (f"refined/sharp/scan/{what}-000000-000025" for what in ("simulated", "classified"))
    store.remove(samples)
    with pytest.raises(InputError, match=rf"{predictions} is older than {samples}, .*raypipe remove {predictions}"):
        refine(of, budget=0.1)
    store.remove(predictions)
    with pytest.raises(InputError, match=rf"{name} is older than {predictions}, which has been made again since"):
        refine(of, budget=0.1)
    store.remove(name)
    assert refine(of, budget=0.1) == name


def test_every_store_is_looked_at_each_time(own, monkeypatch):
    """Filling a complete store writes nothing, but warns if the code that made it has changed."""
    of, filled = Refinement("sharp", coarse=4, settings={"points": 17}), []
    refine(of, budget=0.1)

    def told(plan, **options):
        filled.append(plan.name)
        fill_here(plan, **options)

    monkeypatch.setattr(rounds, "fill", told)
    refine(of, budget=0.1)
    assert sorted(filled) == store.list_names("refined")


def test_a_network_that_is_replaced_meanwhile_is_told(own):
    of = Refinement("sharp", coarse=4, settings={"points": 17})
    fill_here(of.simulated(0, 25))
    parabola.save_network(steepness=10.0)
    with pytest.raises(InputError, match=r"network sharp was replaced while refined/sharp/scan was being refined"):
        of.classified(0, 25)


@pytest.mark.parametrize(
    ("options", "budget", "message"),
    [
        ({}, 0.01, r"a budget of 0.01 is 10 of the 1089 points of parabola/scan; .* every 8-th .* takes 25"),
        ({}, np.nan, "a budget of nan; expected a share"),
        ({}, 3, "a budget of 3 is 3267 simulations, but there are only 1089 cells; expected at most 1, such as 0.25"),
        ({"coarse": 0}, 0.25, "every 0-th point at first"),
        ({"coarse": 40}, 0.25, "every 40-th point along each axis is 1 of 1089 in all"),
        ({"split": "train"}, 0.25, "unknown split 'train'"),
        ({"network": "blunt"}, 0.25, "there is no trained network 'blunt'"),
        ({"settings": {"size": 3}}, 0.25, "size is not a setting of parabola/scan"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(own, store_root, options, budget, message):
    with pytest.raises(InputError, match=message):
        refine(Refinement(**{"network": "sharp", **options}), budget=budget)
    assert not (store_root / "refined").exists()


def test_a_scan_that_the_network_cannot_see_is_not_simulated(own, monkeypatch, store_root):
    other = replace(parabola.SHARP, input_shape=(2, 3))
    loaded = rounds.artifact.load("sharp")
    monkeypatch.setattr(rounds.artifact, "load", lambda _: replace(loaded, architecture=other))
    with pytest.raises(InputError, match=r"parabola/scan has samples of 2 × 2 points, not 2 × 3"):
        refine(Refinement("sharp"))
    assert not (store_root / "refined").exists()


def test_what_cannot_be_compared(own):
    arguments = {"network": "sharp", "coarse": 4, "budget": 0.1}
    with pytest.raises(InputError, match=r"no data set 'predictions/sharp/scan'.*classify_scan --study .*parabola.py"):
        job("refine_scan")(**arguments, against="parabola/scan")
    with pytest.raises(InputError, match="gray_scott/scan is not a data set of the study parabola"):
        job("refine_scan")(**arguments, against="gray_scott/scan")
