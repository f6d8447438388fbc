"""Initial state and integrator against plain NumPy, against symmetries of the equations, and against bad input."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_gray_scott import initial_state as reference_state
from reference_gray_scott import integrate as reference_integrate

from raypipe.errors import InputError
from raypipe.studies.gray_scott import kernel, tables
from raypipe.studies.gray_scott.integrator import Frame, initial_state, integrate, simulate

MU = {"f": 0.05, "k": 0.065}
UNIFORM = {"f": 0.01, "k": 0.07}
ALTERNATING = {"f": 0.02025, "k": 0.040625}  # uniform state that alternates between two values due to rounding
STATIONARY = {"f": 0.03275, "k": 0.06875}


def last(u, v, *, steps, time_step=0.25, **settings) -> Frame:
    *_, frame = integrate(u, v, time_step=time_step, frame_times=[steps * time_step], **settings)
    return frame


@pytest.fixture(scope="module")
def start() -> tuple[np.ndarray, np.ndarray]:
    return initial_state(7)


@pytest.mark.parametrize("size", [128, 96, 21, 50])
def test_initial_state_is_the_published_one(size):
    for seed in [0, 1, 2, 750, 1501, 5481, 2**32 - 1]:
        np.testing.assert_array_equal(initial_state(seed, size), reference_state(seed, size))


def first_4000_steps_agree(seed, f, k):
    frame = last(*initial_state(seed), steps=4000, f=f, k=k)
    u, v = reference_integrate(*reference_state(seed), f, k, 4000)
    assert abs(frame.u - u).max() < 1e-10
    assert abs(frame.v - v).max() < 1e-10


@pytest.mark.parametrize(("seed", "f", "k"), [(1, 0.015, 0.05), (1501, 0.05, 0.065)])
def test_first_4000_steps_agree_with_the_reference(seed, f, k):
    first_4000_steps_agree(seed, f, k)


@pytest.mark.slow
def test_first_4000_steps_agree_with_the_reference_in_every_class():
    for seed, (_, k, f, _) in enumerate(tables.pattern_points("train")):
        first_4000_steps_agree(seed, f, k)


@pytest.mark.slow
def test_stationary_pattern_at_the_end_agrees_with_the_reference():
    frames = simulate(5, size=64, **STATIONARY)
    assert np.ptp(frames[..., -1]) > 0.1
    assert np.ptp(frames, axis=-1).max() < 1e-4
    u, _ = reference_integrate(*reference_state(5, 64), steps=60_000, **STATIONARY)
    assert abs(frames[..., -1] - u).max() < 1e-10


@pytest.mark.parametrize("size", [2, 3, 5, 8, 16, 24, 33])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_size_and_setting_agrees_with_the_reference(size, dtype):
    u, v = np.random.default_rng(size).uniform(0.2, 0.6, (2, size, size))
    chosen = {"diffusion_u": 0.31, "diffusion_v": 0.07, "time_step": 0.3, **MU}
    frame = last(u, v, steps=301, dtype=dtype, **chosen)
    expected_u, expected_v = reference_integrate(u, v, steps=301, **chosen)
    assert frame.u.dtype == frame.v.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(frame.u, expected_u, rtol=0, atol=tolerance)
    np.testing.assert_allclose(frame.v, expected_v, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("size", "depth"),
    [(size, 2) for size in (*range(2, 13), 16, 48, 128)]
    + [(size, depth) for depth in (4, 6, 8) for size in (70, 72, 96)],
)
def test_several_steps_per_pass_change_no_bit(size, depth, monkeypatch):
    monkeypatch.setattr(kernel, "DEEP_SIZE", size if depth > 2 else 10**6)
    monkeypatch.setattr(kernel, "DEPTH", depth)
    u, v = np.random.default_rng(size).random((2, size, size))
    together, one_by_one = (kernel.Stepper(u, v, 0.03, 0.06, 0.2, 0.1, 0.25) for _ in range(2))
    together.advance(2 * depth + 3 + depth // 4)
    for _ in range(2 * depth + 3 + depth // 4):
        one_by_one.advance(1)
    np.testing.assert_array_equal(together.u, one_by_one.u)
    np.testing.assert_array_equal(together.v, one_by_one.v)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bands_change_no_bit(start, monkeypatch, dtype):
    banded = last(*start, steps=2001, dtype=dtype, **MU)
    monkeypatch.setattr(kernel, "VECTOR_BYTES", np.dtype(dtype).itemsize)
    single = last(*start, steps=2001, dtype=dtype, **MU)
    np.testing.assert_array_equal(banded.u, single.u)
    np.testing.assert_array_equal(banded.v, single.v)


@given(size=st.integers(2, 70), dtype=st.sampled_from(["float64", "float32"]))
@settings(max_examples=30, deadline=None)
def test_bands_hold_every_cell(size, dtype):
    field = np.arange(size * size, dtype=dtype).reshape(size, size)
    bands = kernel._to_bands(field)
    assert bands.ctypes.data % kernel.ALIGNMENT == 0
    np.testing.assert_array_equal(kernel._from_bands(bands), field)


@pytest.mark.parametrize(
    "transform",
    [lambda x: np.roll(x, (37, -5), axis=(0, 1)), np.flipud, np.fliplr],
    ids=["translation", "reflection of rows", "reflection of columns"],
)
def test_symmetries_hold_to_the_bit(start, transform):
    u, v = start
    plain = last(u, v, steps=3000, **MU)
    transformed = last(transform(u), transform(v), steps=3000, **MU)
    np.testing.assert_array_equal(transformed.u, transform(plain.u))
    np.testing.assert_array_equal(transformed.v, transform(plain.v))


def test_transposition_is_a_symmetry(start):
    u, v = start
    np.testing.assert_allclose(last(u.T, v.T, steps=2000, **MU).u, last(u, v, steps=2000, **MU).u.T, atol=1e-12)


def test_mass_is_conserved_without_feed_and_reaction(start):
    u, v = start
    frame = last(u, np.zeros_like(v), steps=20_000, f=0, k=0.06)
    assert frame.u.sum() == pytest.approx(u.sum(), rel=1e-12)
    assert np.ptp(frame.u) < np.ptp(u) / 2
    assert abs(frame.v).max() < 1e-25


def test_mass_of_both_fields_is_conserved_without_feed_and_kill(start):
    frame = last(*start, steps=4000, f=0, k=0)
    assert (frame.u + frame.v).sum() == pytest.approx(np.sum(start), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_uniform_states_are_fixed_points(dtype):
    tolerance = 1e-12 if dtype == "float64" else 1e-3
    trivial = last(np.ones((64, 64)), np.zeros((64, 64)), steps=60_000, dtype=dtype, **UNIFORM)
    assert abs(trivial.u - 1).max() < tolerance
    f, k = 0.03, 0.04
    u = (1 - np.sqrt(1 - 4 * (f + k) ** 2 / f)) / 2
    v = (f + k) / u
    low = last(np.full((64, 64), u), np.full((64, 64), v), steps=1000, f=f, k=k, dtype=dtype)
    assert abs(low.u - u).max() < tolerance
    assert abs(low.v - v).max() < tolerance


@pytest.mark.parametrize(
    ("rates", "dtype"), [(UNIFORM, "float64"), (UNIFORM, "float32"), (ALTERNATING, "float64")], ids=str
)
def test_early_end_changes_no_bit_and_saves_steps(start, rates, dtype):
    times = [0, 7000, 7000.25, 12345.75, 12346.5, 14940, 14970, 15000]
    early = list(integrate(*start, frame_times=times, dtype=dtype, **rates))
    full = list(integrate(*start, frame_times=times, dtype=dtype, early_end=False, **rates))
    for a, b in zip(early, full, strict=True):
        assert a.u.tobytes() == b.u.tobytes()
        assert a.v.tobytes() == b.v.tobytes()
    assert full[-1].steps == 60_000
    assert early[-1].steps < 40_000


def test_frames_do_not_depend_on_each_other(start):
    times = [0, 0.25, 100, 250, 250.25, 500]
    together = list(integrate(*start, frame_times=times, **MU))
    assert [frame.time for frame in together] == times
    assert [frame.steps for frame in together] == [4 * time for time in times]
    np.testing.assert_array_equal(together[0].u, start[0])
    for frame in together:
        np.testing.assert_array_equal(frame.u, last(*start, steps=frame.steps, **MU).u)


def test_simulate_is_integrate_from_the_initial_state():
    frames = simulate(3, **MU, size=40, frame_times=[10, 20], diffusion_u=0.16, diffusion_v=0.08, dtype="float32")
    expected = integrate(
        *initial_state(3, 40), **MU, frame_times=[10, 20], diffusion_u=0.16, diffusion_v=0.08, dtype="float32"
    )
    assert frames.shape == (40, 40, 2)
    np.testing.assert_array_equal(frames, np.stack([frame.u for frame in expected], axis=-1))


def test_single_precision_makes_the_same_stationary_pattern():
    double = simulate(5, **STATIONARY, frame_times=[15_000])
    single = simulate(5, **STATIONARY, frame_times=[15_000], dtype="float32")
    assert np.linalg.norm(single - double) < 1e-3 * np.linalg.norm(double)
    assert abs(single - double).max() < 1e-2


def test_extinct_fields_stay_normal_numbers(start):
    for dtype in ("float64", "float32"):
        v = last(*start, steps=60_000, dtype=dtype, early_end=False, **UNIFORM).v
        assert np.finfo(dtype).tiny < v.min()
        assert v.max() < 1e-25


def test_every_point_of_the_tables_and_the_scan_is_accepted():
    u, v = np.ones((16, 16)), np.zeros((16, 16))
    points = {(f, k) for table in ("train", "test", "train2") for _, k, f, _ in tables.pattern_points(table)}
    scan = tables.scan_simulations()
    points |= set(zip(scan.f, scan.k, strict=True))
    assert len(points) > 5369
    for f, k in points:
        integrate(u, v, f, k)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f": float("nan")}, "feed rate f is nan"),
        ({"f": -0.01}, "feed rate f is -0.01"),
        ({"k": -1e-9}, "kill rate k is -1e-09"),
        ({"k": float("inf")}, "kill rate k is inf"),
        ({"diffusion_u": -0.1}, "diffusion of u is -0.1"),
        ({"diffusion_v": float("nan")}, "diffusion of v is nan"),
        ({"time_step": 2.5}, r"time step is 2.5; .* diffusion limit .* 2 / \(4 D_u \+ f\) = 2.35294"),
        ({"diffusion_v": 3}, r"diffusion limit .* 2 / \(4 D_v \+ f \+ k\) = 0.165"),
        ({"time_step": 0}, "time step is 0"),
        ({"time_step": float("nan")}, "time step is nan"),
        ({"frame_times": [10.1]}, "frame time is 10.1; expected a multiple of the time step 0.25"),
        ({"frame_times": [1e-9]}, "expected a multiple"),
        ({"frame_times": [-30]}, "frame time is -30"),
        ({"frame_times": [float("inf")]}, "frame time is inf"),
        ({"frame_times": [30, 20]}, "frame time 20 follows a later or equal one"),
        ({"frame_times": [30, 30]}, "frame time 30 follows a later or equal one"),
        ({"frame_times": []}, "there are no frame times"),
        ({"dtype": "float16"}, "dtype is 'float16'; expected one of float64, float32"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"size": 20}, "grid size is 20; expected at least 21"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        simulate(**{"seed": 1, "frame_times": [0.25], **MU, **changes})


def test_bad_fields_are_refused():
    square = np.ones((8, 8))
    for u, v in [(square, np.ones((8, 9))), (np.ones((8, 9)),) * 2, (np.ones(8),) * 2, (np.ones((1, 1)),) * 2]:
        with pytest.raises(InputError, match="the fields have shapes"):
            integrate(u, v, **MU)
    with pytest.raises(InputError, match="diverged before t = 100"):
        list(integrate(square, -1e3 * square, **MU, frame_times=[100]))


def test_stripes_decay_just_below_the_diffusion_limit():
    limit = 2 / (4 * 0.2 + 0.05)
    stripes = 0.1 * (-1.0) ** np.indices((32, 32))[1]
    u, v = np.ones((32, 32)) + stripes, np.zeros((32, 32))
    frame = last(u, v, steps=1000, time_step=0.995 * limit, **MU)
    np.testing.assert_allclose(frame.u - 1, 0.99**1000 * stripes, rtol=1e-6)
    with pytest.raises(InputError, match="diffusion limit"):
        integrate(u, v, time_step=1.001 * limit, **MU)


def run_python(code: str, path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path), "HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_works_where_nothing_can_be_kept_on_disk(tmp_path):
    package = Path(kernel.__file__).parents[2]
    shutil.copytree(package, tmp_path / "raypipe", ignore=shutil.ignore_patterns("__pycache__", "envs"))
    (tmp_path / "raypipe/studies/gray_scott/__pycache__").touch()
    code = """
import sys, raypipe.studies.gray_scott.integrator as integrator
assert not {"numba", "scipy"} & set(sys.modules)
print(integrator.simulate(1, 0.05, 0.065, frame_times=[1], size=24).sum())
"""
    assert float(run_python(code, tmp_path)) == simulate(1, 0.05, 0.065, frame_times=[1], size=24).sum()
