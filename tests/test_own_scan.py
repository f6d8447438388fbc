"""Custom scans: notation of values; planning, simulation, classification and figures; and invalid input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import random_network
from without_ray import fill_here, job

from raypipe import catalog, store
from raypipe.errors import InputError
from raypipe.networks import classify
from raypipe.plan import axis
from raypipe.repair import plan_of
from raypipe.report.pictures import drawn
from raypipe.run import fill
from raypipe.studies.gray_scott import STUDY, integrator, own_scan, pictures, starts
from raypipe.study import architecture

SHORT = {"frame_times": [10, 20], "size": 64}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.05", [0.05]),
        (0.05, [0.05]),
        ([0.1, 0.3], [0.1, 0.3]),
        ("0.03,0.01", [0.03, 0.01]),
        ("0.03:0.033:0.001", [0.03, 0.031, 0.032, 0.033]),
        ("0:1:5p", [0, 0.25, 0.5, 0.75, 1]),
        ("-1:1:1", [-1, 0, 1]),
    ],
)
def test_values_of_an_axis(text, expected):
    found = axis("k", text)
    assert found.dtype == "float64"
    assert found.tolist() == expected


@given(first=st.integers(-500, 500), step=st.integers(1, 50), steps=st.integers(1, 400))
def test_a_range_has_both_ends_and_equal_steps(first, step, steps):
    last = first + step * steps
    by_step = axis("f", f"{first / 1000}:{last / 1000}:{step / 1000}")
    by_points = axis("f", f"{first / 1000}:{last / 1000}:{steps + 1}p")
    assert by_step.tolist() == by_points.tolist() == [(first + step * i) / 1000 for i in range(steps + 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.06:0.05:0.001", "k is '0.06:0.05:0.001', from 0.06 to 0.05; expected the smaller number first"),
        ("0.05:0.05:0.001", "from 0.05 to 0.05; expected the smaller"),
        ("0.05:0.06:0.003", "steps of 0.003 from 0.05 do not end at 0.06; the nearest is 0.059"),
        ("0.05:0.06:-0.001", "expected a step above 0 that fits into the range"),
        ("0.05:0.06:1", "expected a step above 0 that fits into the range"),
        ("0.05:0.06:0", "expected a step above 0 that fits into the range"),
        ("0.05:0.06:1p", "expected two points or more, such as 0.03:0.05:21p"),
        ("0.05:0.06:xp", "expected two points or more"),
        ("0.05:0.06", "expected a number, a list such as 0.03,0.04, or a range"),
        ("0.05:x:0.1", "expected a number, a list"),
        ("0.03,,0.04", "expected a number, a list"),
        ("", "expected a number, a list"),
        ([], "expected finite numbers"),
        ("nan", "expected finite numbers"),
        ("0:inf:3p", "expected the smaller number first"),
        ("0.03,0.03", "with repeated values; expected each once"),
        ("0:1:1e-9", "which is 1000000001 points; expected at most 1000000"),
        ({"k": 1}, "expected a number, a list"),
        ("0,06", "k is '0,06'; write decimals with a point, such as 0.06"),
    ],
)
def test_values_that_are_none(text, message):
    with pytest.raises(InputError, match=message):
        axis("k", text)


def test_a_window_has_every_combination_once_for_each_seed():
    plan = STUDY.plan("scan-zoom", {"k": "0.05:0.06:0.005", "f": "0.02,0.03", "seeds": 2})
    columns = {name: np.asarray(one.values) for name, one in plan.coordinates.items()}
    assert (plan.name, plan.samples, plan.columns) == ("gray_scott/scan-zoom", 12, ("k", "f", "seed"))
    assert columns["k"].tolist() == [0.05, 0.05, 0.055, 0.055, 0.06, 0.06] * 2
    assert columns["f"].tolist() == [0.02, 0.03] * 6
    assert columns["seed"].tolist() == list(range(1, 13))
    assert columns["label"].tolist() == [-1] * 12
    assert plan.parameters["k"] == "0.05:0.06:0.005"
    assert plan.attributes["command"] == (
        "raypipe generate --study gray_scott --split scan-zoom --set k=0.05:0.06:0.005 --set f=0.02,0.03 --set seeds=2"
    )


def test_more_seeds_keep_the_points_that_there_are():
    few, many = (own_scan.scan(k="0.05:0.06:3p", f=0.03, seeds=seeds) for seeds in (1, 3))
    for name in few.columns:
        first = np.asarray(many.coordinates[name].values)[: few.samples]
        np.testing.assert_array_equal(first, few.coordinates[name].values)


def test_the_studys_scan_is_as_it_was():
    plan = STUDY.plan("scan")
    assert plan.parameters == {
        "every": 1,
        "dtype": "float64",
        "diffusion_u": 0.2,
        "diffusion_v": 0.1,
        "size": 128,
        "time_step": 0.25,
        "frame_times": [14940, 14970, 15000],
    }
    assert plan.samples == 5481


def test_diffusion_can_be_an_axis_and_every_simulation_is_its_own():
    of = {"k": 0.06, "f": 0.03, "diffusion_u": "0.15:0.2:2p", "diffusion_v": "0.08,0.1", "time_step": 0.5, **SHORT}
    plan = STUDY.plan("scan-spread", of)
    fill_here(plan)
    made = catalog.open("gray_scott/scan-spread")
    assert made.u.shape == (4, 64, 64, 2)
    for one in (made.isel(sample=number) for number in range(4)):
        rates = {name: float(one[name]) for name in ("f", "k", "diffusion_u", "diffusion_v")}
        again = integrator.simulate(int(one["seed"]), **rates, time_step=0.5, frame_times=[10, 20], size=64)
        np.testing.assert_array_equal(one.u.values, again)
    assert plan.parameters["diffusion_u"] == "0.15:0.2:2p"


def test_one_value_of_a_coefficient_is_a_setting():
    plan = own_scan.scan(k=0.06, f="0.03,0.04", diffusion_u=0.16)
    assert plan.columns == ("k", "f", "seed")
    assert plan.parameters["diffusion_u"] == 0.16


def test_a_shard_of_large_fields_has_fewer():
    assert [own_scan.scan(k=0.06, f=0.03, size=size).shard_samples for size in (64, 128, 512, 1024)] == [100, 25, 1, 1]


@pytest.mark.parametrize(("f", "k"), [(0.03, 0.05), (0.06, 0.0609), (0.02, 0.06)])
def test_the_blue_state_is_one(f, k):
    u, v = starts.blue_state(f, k)
    assert u * v**2 == pytest.approx(f * (1 - u)) or 4 * (f + k) ** 2 > f
    assert (f + k) * v == pytest.approx(f * (1 - u))
    assert 0 < u <= 0.5


def test_starts():
    study = starts.state("study", 7, 64, 0.03, 0.05)
    np.testing.assert_array_equal(study, integrator.initial_state(7, 64))
    inverse_u, inverse_v = starts.state("inverse", 7, 64, 0.03, 0.05)
    outside = study[0] == 1
    assert np.allclose([inverse_u[outside], inverse_v[outside]], np.array([starts.blue_state(0.03, 0.05)]).T)
    assert inverse_u.max() > 0.9
    assert inverse_v.min() < 0.01
    for name in ("noise", "pearson"):
        u, v = starts.state(name, 7, 64, 0.03, 0.05)
        assert 0.45 < u.min() < u.max() <= 1, name
        assert 0 <= v.min() < v.max() < 0.26, name
        np.testing.assert_array_equal(u, starts.state(name, 7, 64, 0.1, 0.1)[0])
        assert not np.array_equal(u, starts.state(name, 8, 64, 0.03, 0.05)[0])


def test_a_start_from_a_file(tmp_path):
    u, v = starts.state("noise", 3, 64, 0.03, 0.05)
    np.savez(tmp_path / "start.npz", u=u, v=v)
    np.save(tmp_path / "start.npy", np.stack([u, v]))
    of = {"k": "0.05", "f": "0.03", "size": 64, "frame_times": "0,10"}
    first, second = (
        own_scan.plan("own", {**of, "start": str(tmp_path / name)}, at_most=9) for name in ("start.npz", "start.npy")
    )
    assert first.parameters == second.parameters
    fill_here(first)
    np.testing.assert_array_equal(catalog.open("gray_scott/scan-own").u[0, ..., 0], u)
    assert store.list_names() == ["gray_scott/scan-own"]
    with pytest.raises(InputError, match=r"the start has 64 × 64 cells, the simulation 128 × 128; give it --size 64"):
        starts.state(first.parameters["start"], 1, 128, 0.03, 0.05)


def test_a_start_from_a_file_has_its_size(tmp_path):
    np.save(tmp_path / "start.npy", np.ones((2, 96, 96)))
    of = {"k": "0.05", "f": "0.03", "start": str(tmp_path / "start.npy")}
    plan = own_scan.plan("own", of, at_most=9)
    assert plan.parameters["size"] == 96
    assert plan.variables["u"].shape == (1, 96, 96, 3)
    with pytest.raises(InputError, match=r"the start has 96 × 96 cells, the simulation 128 × 128; give it --size 96"):
        own_scan.plan("own", {**of, "size": 128}, at_most=9)
    np.save(tmp_path / "start.npy", np.ones((2, 8, 8)))
    with pytest.raises(InputError, match="size is 8; expected 64 to 1024"):
        own_scan.plan("own", of, at_most=9)


def test_rates_may_be_arrays():
    k, f = np.linspace(0.05, 0.06, 3), np.array([0.03, 0.04])
    plan = STUDY.plan("scan-zoom", {"k": k, "f": f})
    assert plan.parameters == STUDY.plan("scan-zoom", {"k": k.tolist(), "f": f.tolist()}).parameters
    assert plan.samples == own_scan.scan(k=k, f=f).samples == 6


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 64, 32)), r"numbers of shape \(2, 64, 32\); expected finite u and v on a square grid"),
        (np.full((2, 64, 64), np.nan), "expected finite u and v"),
        (np.array(["text"]), "cannot read .*could not convert"),
    ],
)
def test_a_file_that_is_no_start(tmp_path, array, message):
    np.save(tmp_path / "start.npy", array)
    with pytest.raises(InputError, match=message):
        starts.keep(tmp_path / "start.npy")
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        starts.keep(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ({"k": 0.05}, "your own scan by k, with every = 1; expected both k and f, and every = 1"),
        ({"size": 256}, "your own scan by size"),
        ({"k": 0.05, "f": 0.03, "every": 2}, "your own scan by k, f, with every = 2"),
        ({"k": "-0.01", "f": 0.03}, "kill rate k is -0.01; expected a finite number of at least 0"),
        ({"k": 0.05, "f": 0.03, "size": 63}, "size is 63; expected 64 to 1024 grid points along a side"),
        ({"k": 0.05, "f": 0.03, "size": "large"}, "size is 'large'; expected 64 to 1024"),
        ({"k": 0.05, "f": 0.03, "seeds": 0}, "seeds is 0; expected 1 to"),
        ({"k": 0.05, "f": 0.03, "time_step": 4.0}, "time step is 4.0; expected no more than the diffusion limit"),
        ({"k": 0.05, "f": 0.03, "diffusion_u": "0.2:3:2p"}, "no more than the diffusion limit"),
        ({"k": 0.05, "f": 0.03, "frame_times": "20,10"}, "frame time 10 follows a later"),
        ({"k": 0.05, "f": 0.03, "start": "odd"}, "unknown start 'odd'; choose one of study, inverse, noise, pearson"),
        ({"k": "0:0.1:10001p", "f": "0:0.1:10001p"}, "100020001 simulations .10001 values of k × 10001 values of f"),
    ],
)
def test_scans_that_are_refused(of, message):
    with pytest.raises(InputError, match=message):
        own_scan.scan(**of)


@pytest.mark.parametrize(
    ("name", "own", "message"),
    [
        (None, {"k": "0.05", "f": "0.03"}, "k, f without a name for your own scan; give it one: --name zoom"),
        ("a/b", {"k": "0.05", "f": "0.03"}, "'scan-a/b' cannot name a split; expected letters"),
        ("zoom", {"k": None}, "the scan zoom has only a name; expected at least --k and --f"),
        (
            "zoom",
            {"k": "0:0.1:11p", "f": "0:0.1:11p"},
            "zoom has 121 simulations; if that is intended, add --at-most 121",
        ),
    ],
)
def test_a_scan_by_flags_that_is_refused(name, own, message):
    with pytest.raises(InputError, match=message):
        own_scan.plan(name, own, at_most=100)


def test_splits_of_ones_own():
    assert [STUDY.declared(name) for name in ("scan", "scan-zoom", "train-a-b", "train2-x", "scan-", "zoom")] == [
        "scan", "scan", "train", "train2", None, None
    ]  # fmt: skip
    assert STUDY.check("val-mine", labelled=True) == "val-mine"
    with pytest.raises(InputError, match="unknown training split 'scan-zoom'; choose one of train, val"):
        STUDY.check("scan-zoom", "training split", labelled=True)


def test_a_window_is_classified_drawn_and_repaired(monkeypatch):
    """At these points the state soon becomes uniform, so the simulations are fast."""
    monkeypatch.setattr(fill, "fill", fill_here)
    monkeypatch.setattr(classify, "fill", fill_here)
    random_network(architecture("pattern-2d"))
    of = {"k": "0.03:0.05:3p", "f": "0.09,0.1"}
    fill_here(own_scan.plan("zoom", of, at_most=100))
    job("classify_scan")(network="pattern-2d", split="scan-zoom")
    found = catalog.open("predictions/pattern-2d/scan-zoom")
    plane = pictures.phase_lattice(found)
    assert (plane.axes, plane.x.tolist(), plane.y.tolist()) == (("k", "f"), [0.03, 0.04, 0.05], [0.09, 0.1])
    assert sorted(plane.samples.ravel().tolist()) == list(range(6))
    assert [one.name for one in drawn(STUDY, {})][:2] == [
        "phase-diagram-pattern-2d-on-scan-zoom",
        "confidence-pattern-2d-on-scan-zoom",
    ]
    again = plan_of("gray_scott/scan-zoom")
    assert again.parameters == own_scan.plan("zoom", of, at_most=100).parameters
    fill_here(again)
