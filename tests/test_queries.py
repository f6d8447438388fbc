"""The scripts of examples/queries, run like a user on small data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tiny_results import scan_predictions, write
from without_ray import fill_here

from raypipe import catalog, store
from raypipe.studies import andi

QUERIES = Path(__file__).parent.parent / "examples" / "queries"
NETWORKS = ("shipped/pattern-2d", "shipped/pattern-2d-second")
SCANS = [f"predictions/{name}/scan-zoom" for name in NETWORKS]
THINNED = "predictions/pattern-2d-second/scan"


def query(data, folder, name, *arguments, code=0):
    command = [sys.executable, str(QUERIES / f"{name}.py"), *arguments]
    environment = {"RAYPIPE_STORE": str(data), "MPLBACKEND": "agg", "HOME": str(folder)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == code, run.stderr
    return run.stdout or run.stderr


def test_each_query_is_short_and_tested():
    for file in QUERIES.glob("*.py"):
        assert len(file.read_text().splitlines()) <= 30
        assert f'"{file.stem}"' in Path(__file__).read_text()


def test_a_class_in_a_window(data, tmp_path):
    said = query(data, tmp_path, "class_in_window", "mu", "0.05", "0.07", "0.02", "0.07")
    expected = catalog.search("patterns", classes=["mu"], k=(0.05, 0.07), f=(0.02, 0.07))
    assert len(said.splitlines()) == 2 + len(expected) > 2
    assert (tmp_path / "class_in_window.png").stat().st_size > 10_000


def test_where_two_classes_meet(data, tmp_path):
    scan = catalog.open(SCANS[1])
    names = scan["class"].values[scan["predicted"].values]
    at = {(k, f): name for k, f, name in zip(scan.k.values.round(4), scan.f.values.round(4), names, strict=True)}
    k, f = (np.unique([point[axis] for point in at]) for axis in (0, 1))
    neighbours = [((k[i], f[j]), (k[i + 1], f[j])) for i in range(3) for j in range(4)]
    neighbours += [((k[i], f[j]), (k[i], f[j + 1])) for i in range(4) for j in range(3)]
    met = [(at[a], at[b]) for a, b in neighbours if at[a] != at[b]]
    first, second = met[0]
    said = query(data, tmp_path, "phase_boundary", SCANS[1], first, second)
    count = sum({a, b} == {first, second} for a, b in met)
    assert said.startswith(f"{count} pairs of neighbours")
    assert len(pd.read_csv(tmp_path / "phase_boundary.csv")) == count


def test_where_two_classes_meet_in_a_thinned_scan(store_root, tmp_path):
    write(THINNED, scan_predictions(every=30))
    store.mark(THINNED)
    said = query(store_root, tmp_path, "phase_boundary", THINNED, "beta", "kappa")
    assert int(said.split()[0]) == len(pd.read_csv(tmp_path / "phase_boundary.csv")) > 1


def test_displacements_follow_theory(data, tmp_path):
    said = query(data, tmp_path, "displacement", "andi/train-own")
    slopes = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert slopes.pop("written:") == ["displacement.png"]
    assert list(slopes) == ["fbm", "sbm"]
    for model in ("fbm", "sbm"):
        alpha, slope = np.array([float(one.strip(":")) for one in slopes[model]]).reshape(-1, 2).T
        assert alpha.tolist() == [0.4, 0.8, 1.2, 1.6]
        np.testing.assert_allclose(slope, alpha, atol=0.35)
    assert (tmp_path / "displacement.png").stat().st_size > 10_000


def test_what_a_network_gets_wrong(data, tmp_path):
    name = "predictions/shipped/andi-study/train-own"
    query(data, tmp_path, "wrong", name)
    opened = catalog.open(name)
    wrong = pd.read_csv(tmp_path / "wrong.csv")
    assert sorted(wrong["sample"]) == np.flatnonzero(opened.predicted != opened.label).tolist()
    assert wrong["probability"].is_monotonic_decreasing
    named = opened["class"].values[opened["predicted"].values[wrong["sample"]]]
    assert wrong["class"].tolist() == named.tolist()


def test_mistakes_are_one_line(data, tmp_path):
    said = query(data, tmp_path, "wrong", SCANS[0], code=2)
    assert said.startswith(f"error: no sample of {SCANS[0]} has a label;")
    assert len(query(data, tmp_path, "compare", SCANS[0], code=2).splitlines()) == 1


def test_two_classifications_of_a_scan(data, tmp_path):
    said = query(data, tmp_path, "compare", *SCANS)
    one, other = (catalog.open(name) for name in SCANS)
    different = one["class"].values[one.predicted.values] != other["class"].values[other.predicted.values]
    assert said.startswith(f"the same class for {16 - different.sum()} of 16 samples")
    assert len(pd.read_csv(tmp_path / "differences.csv")) == different.sum()


def test_a_class_in_other_formats(data, tmp_path):
    query(data, tmp_path, "export", "gray_scott/train", "mu")
    expected = catalog.search(classes=["mu"], data_sets=["gray_scott/train"])["sample"].values
    source = catalog.open("gray_scott/train").isel(sample=expected)
    with xr.open_dataset(tmp_path / "mu.nc", engine="scipy") as found:
        np.testing.assert_array_equal(found.u, source.u)
    np.testing.assert_array_equal(np.load(tmp_path / "mu.npz")["u"], source.u)


def test_seeds_of_more_than_32_bits_in_other_formats(store_root, tmp_path):
    fill_here(andi.STUDY.plan("test-own", {"trajectories": 10, "positions": 20, "models": ["fbm", "sbm"]}))
    query(store_root, tmp_path, "export", "andi/test-own", "fbm")
    seed = np.load(tmp_path / "fbm.npz")["seed"]
    assert seed.min() >= 2**31
    with xr.open_dataset(tmp_path / "fbm.nc", engine="scipy") as found:
        np.testing.assert_array_equal(found.seed, seed)
