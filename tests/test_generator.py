"""raypipe's own generator of trajectories: its walks agree with theory, and each depends only on its seed."""

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from raypipe import catalog
from raypipe.errors import InputError
from raypipe.run import environments
from raypipe.run.fill import fill
from raypipe.studies.andi import STUDY, diffusion, draws, generator, walks
from raypipe.studies.andi.generator import generate, uniforms

ANDI = dict(zip(diffusion.ANDI_MODELS, range(5), strict=True))


def displacements(model, exponent, count, dimensions=1, positions=200, as_package=False):
    """Return the displacements of walks before scaling and noise."""
    states = np.empty((count, 4), "uint64")
    generator._begin(states, np.arange(count, dtype="uint64") * 977)
    of_each = np.full(count, ANDI[model]), np.full(count, float(exponent))
    return generator._displacements(states, *of_each, (dimensions, positions - 1), as_package)


def test_normal_numbers_are_normal():
    state = np.empty(4, "uint64")
    draws.begin(state, 1)
    found = np.empty(400_000)
    walks.spectrum(state, np.ones(200_000), pairs := np.empty(200_000, "complex128"))
    found = np.concatenate([pairs.real[1:-1], pairs.imag[1:-1]])
    assert stats.kstest(found, "norm").pvalue > 1e-4
    # A different method samples the tail beyond the lowest layer.
    far = np.abs(found) > 3.2
    assert stats.binomtest(int(far.sum()), len(found), 2 * stats.norm.sf(3.2)).pvalue > 1e-4
    assert np.abs(found).max() > 4


def test_uniform_numbers_are_uniform():
    found = uniforms(np.arange(20_000), 3)
    assert stats.kstest(found.ravel(), "uniform").pvalue > 1e-4
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.05


def test_the_stream_is_that_of_xoshiro256():
    """The first outputs from the state 1, 2, 3, 4, compared with those of the authors' code."""
    state = np.array([1, 2, 3, 4], "uint64")
    expected = [41943041, 58720359, 3588806011781223, 3591011842654386]
    words = [int(draws.uniform(state) * 2**53) for _ in expected]
    assert words == [word >> 11 for word in expected]


@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.7])
def test_fractional_noise_has_the_covariance_of_theory(exponent):
    steps = displacements("fbm", exponent, 20_000, positions=65)[:, 0]
    lag = np.arange(64)
    theory = ((lag + 1) ** exponent + np.abs(lag - 1.0) ** exponent) / 2 - lag**exponent
    assert steps.T @ steps / len(steps) == pytest.approx(theory[np.abs(lag[:, None] - lag)], abs=0.05)


@pytest.mark.parametrize("exponent", [0.4, 1.0, 1.6])
def test_scaled_brownian_motion_spreads_as_a_power_of_time(exponent):
    steps = displacements("sbm", exponent, 20_000, positions=101)[:, 0]
    spread = (steps.cumsum(axis=1) ** 2).mean(axis=0)
    time = np.arange(2.0, 102)
    assert spread == pytest.approx(time**exponent - 1, rel=0.06)


@pytest.mark.parametrize(("model", "exponent"), [("ctrw", 0.5), ("ctrw", 0.8), ("lw", 1.3), ("lw", 1.6)])
def test_waits_and_flights_have_tails_of_the_right_power(model, exponent):
    # In two dimensions no two flights have the same direction.
    steps = displacements(model, exponent, 3000, dimensions=2, positions=2000)[:, 0]
    if model == "ctrw":
        lengths = np.concatenate([np.diff(np.flatnonzero(walk)) for walk in steps])
        power = exponent
    else:
        turns = [np.flatnonzero(np.diff(walk)) for walk in steps]
        lengths = np.concatenate([np.diff(turn) for turn in turns if len(turn)])
        power = 3 - exponent
    shares = [(lengths >= length).mean() for length in (8, 64)]
    assert np.log(shares[0] / shares[1]) / np.log(8) == pytest.approx(power, abs=0.15)


def test_attm_keeps_a_diffusivity_the_longer_the_lower_it_is():
    steps = displacements("attm", 0.5, 2000, positions=500)[:, 0]
    early, late = (steps[:, :10] ** 2).mean(), (steps[:, -100:] ** 2).mean()
    assert late < 0.8 * early, "it ages"


def of_seeds(seeds, dimensions=1, longest=None, lengths=40):
    n = len(seeds)
    model = np.asarray(seeds) % 5
    exponent = np.array([diffusion.andi_exponents(kind)[0] for kind in model])
    return generate(
        np.asarray(seeds), model, exponent, np.full((n, dimensions), 0.5), np.broadcast_to(lengths, n), longest=longest
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=12, unique=True),
    st.integers(1, 3),
    st.sampled_from([None, 70]),
)
def test_a_trajectory_depends_on_nothing_that_is_not_its_own(seeds, dimensions, longest):
    together = of_seeds(seeds, dimensions, longest)
    alone = [of_seeds([seed], dimensions, longest)[0] for seed in seeds]
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal(together[::-1], of_seeds(seeds[::-1], dimensions, longest))
    assert len({made.tobytes() for made in alone}) == len(seeds)


def test_normal_numbers_are_the_same_one_by_one_and_at_once():
    state, other = np.array([[1, 2, 3, 4]] * 2, "uint64")
    draws.normals(state, together := np.empty(10_000))
    assert [draws.normal(other) for _ in range(10_000)] == together.tolist()
    assert state.tolist() == other.tolist()


@pytest.mark.parametrize("what", ["_AT_ONCE", "_TRANSFORMED_AT_ONCE"])
def test_blocks_of_any_size_give_the_same(monkeypatch, what):
    whole = of_seeds(range(50), 2)
    monkeypatch.setattr(generator, what, 1)
    assert np.array_equal(whole, of_seeds(range(50), 2))


def test_short_trajectories_are_the_beginnings_of_long_ones():
    long, short = of_seeds(range(10), longest=60, lengths=60), of_seeds(range(10), longest=60, lengths=20)
    np.testing.assert_array_equal(short, long[:, :20])


def test_lengths_differ_and_zeros_follow():
    lengths = np.array([2, 5, 40])
    made = of_seeds([2, 3, 4], lengths=lengths)
    for one, length in zip(made, lengths, strict=True):
        assert not one[0].any()
        assert one[1:length].all()
        assert not one[length:].any()


def test_displacements_are_scaled_and_noise_is_added():
    n = 4000
    for noise in (0.0, 0.5):
        made = generate(
            np.arange(n), np.full(n, 2), np.full(n, 0.8), np.full((n, 2), noise), np.full(n, 100), longest=100
        )
        spread = np.diff(made, axis=1).std(axis=1)
        # Both axes share one normal factor; per axis, a displacement has variance one of the walk and two noise terms.
        assert spread[:, 0] / spread[:, 1] == pytest.approx(1, abs=1e-9 if noise == 0 else 0.5)
        assert (spread**2).mean() == pytest.approx(1 + 2 * noise**2, rel=0.1)


def test_a_walk_that_does_not_turn_is_a_straight_line_without_noise():
    n = 300
    made = generate(np.arange(n), np.full(n, 3), np.full(n, 2.0), np.full((n, 2), 1.0), np.full(n, 100))[..., 0]
    steps = np.diff(made, axis=1)
    straight = np.ptp(steps, axis=1) < 1e-9 * np.abs(steps[:, 0])
    # The probability that the first flight exceeds 100 steps is the mean of 100^(-σ), σ uniform from 0 to 1.
    assert stats.binomtest(int(straight.sum()), n, 0.21).pvalue > 1e-3
    assert np.isfinite(made).all()


@pytest.mark.parametrize("length", [2, 100_000])
def test_the_shortest_and_the_longest(length):
    made = of_seeds(range(5), 3, lengths=length)
    assert made.shape == (5, length, 3)
    assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("model", "exponent", "length", "message"),
    [
        (0, 1.05, 50, "exponent 1.05 of attm; expected a number from 0.03 to 1"),
        (2, 2.0, 50, "exponent 2 of fbm; expected a number above 0 and below 2"),
        (3, 0.95, 50, "exponent 0.95 of lw; expected a number from 1 to 2"),
        (4, 0.0, 50, "exponent 0 of sbm"),
        (4, np.nan, 50, "exponent nan of sbm"),
        (4, 1.0, 1, "of 1 to 1 positions; expected from 2 to 100000"),
        (4, 1.0, 100_001, "of 100001 to 100001 positions"),
        (4, 1.0, 61, "from walks of 60; use longer walks"),
    ],
)
def test_what_cannot_be_made_is_refused(model, exponent, length, message):
    with pytest.raises(InputError, match=message):
        generate(
            np.array([1]), np.array([model]), np.array([exponent]), np.ones((1, 1)), np.array([length]), longest=60
        )


def test_sets_of_ones_own(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path))
    asked = {
        "trajectories": 600,
        "models": "ctrw,fbm",
        "exponents": "0.3:0.9:0.2",
        "positions": "10:50",
        "dimensions": 2,
    }
    fill(STUDY.plan("train-mine", asked))
    data = catalog.open("andi/train-mine").load()
    assert data.sizes == {"sample": 600, "time": 50, "axis": 2}
    assert np.unique(data["label"], return_counts=True)[1].tolist() == [300, 300]
    assert set(data["exponent"].values.round(9)) == {0.3, 0.5, 0.7, 0.9}
    assert set(data["noise"].values.ravel()) == set(diffusion.NOISE_LEVELS)
    assert (data["length"].min(), data["length"].max()) == (10, 50)
    there = np.arange(50) < data["length"].values[:, None]
    assert np.array_equal(np.isfinite(data["position"].values), np.broadcast_to(there[..., None], (600, 50, 2)))

    usual = {"trajectories": 600, "generator": "raypipe"}
    fill(STUDY.plan("train", usual))
    data = catalog.open("andi/train")
    assert data["position"].shape == (600, diffusion.TRAJECTORY_LENGTH)
    assert np.bincount(data["label"]).tolist() == [120] * 5


def test_exponents_below_the_challenges_can_be_stored():
    planned = STUDY.plan("train-slow", {"trajectories": 4, "models": "ctrw", "exponents": "0.01,0.02"})
    assert planned.variables["exponent"].attributes["valid_range"] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"models": "fbm,bm"}, "unknown model 'bm'"),
        ({"models": ["fbm", "bm"]}, "unknown model 'bm'"),
        ({"models": 3}, "unknown model 3"),
        ({"models": "fbm,fbm"}, "each once"),
        ({"models": "lw", "exponents": "0.5"}, "exponent 0.5 of lw"),
        ({"models": "attm", "exponents": "0.02"}, r"exponent 0.02 of attm; expected a number from 0.03 to 1"),
        ({"noise": "-1"}, "expected standard deviations from 0 to 100"),
        ({"positions": "long"}, "expected a number such as 320, or a range"),
        ({"positions": "50:10"}, "from 2 to 100000 positions"),
        ({"dimensions": 4}, "expected 1, 2 or 3"),
        ({"generator": "andi-datasets", "positions": "100"}, "positions with andi-datasets"),
        ({"generator": "other"}, "unknown generator"),
        ({"models": "fbm,ctrw", "trajectories": 3}, "cannot be balanced over 2 classes"),
    ],
)
def test_sets_that_cannot_be_made_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        STUDY.plan("train-mine", asked)


@pytest.mark.slow
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("model", diffusion.ANDI_MODELS)
def test_walks_are_distributed_as_the_packages(model, dimensions, tmp_path):
    """Two-sample Kolmogorov-Smirnov tests of physical observables."""
    exponents = {"attm": (0.3, 0.7, 1.0), "ctrw": (0.3, 0.7, 1.0), "fbm": (0.3, 1.0, 1.6), "lw": (1.05, 1.5, 1.9, 2.0)}
    least = {}
    for exponent in exponents.get(model, (0.3, 1.0, 1.7)):
        package = packages_walks(tmp_path, model, exponent, dimensions)
        own = displacements(model, exponent, 4000, dimensions, as_package=True)
        for name, values in observables(own).items():
            least[exponent, name] = stats.ks_2samp(observables(package)[name], values).pvalue
    assert min(least.values()) > 0.001 / len(least), min(least, key=least.get)


def packages_walks(folder, model, exponent, dimensions, count=1500, positions=200):
    """Return the displacements of the package's walks, simulated in its environment."""
    file = folder / f"{exponent}.npy"
    code = f"""
import numpy as np, stochastic.random, warnings
warnings.simplefilter("ignore")
from andi_datasets.models_theory import models_theory
np.random.seed(7); stochastic.random.seed(7)
make = models_theory().{model}
walks = [np.reshape(make({positions}, {exponent}, {dimensions}), ({dimensions}, {positions})) for _ in range({count})]
np.save({str(file)!r}, np.diff(walks))
"""
    environments.warm("andi")
    subprocess.run([*environments.command(environments.lock("andi")), "python", "-c", code], check=True)
    made = np.load(file)
    # The package's fractional Brownian motion has a total duration of one.
    return made * (positions - 1) ** (exponent / 2) if model == "fbm" else made


def observables(steps):
    """Return observables of displacements (n, dimensions, steps), rounded: straight walks differ by rounding errors."""
    position = np.concatenate([np.zeros((*steps.shape[:2], 1)), steps.cumsum(axis=-1)], axis=-1)
    square, last = (steps**2).sum(axis=1), steps.shape[-1]
    total = square.sum(axis=-1) + 1e-30
    found = {f"displacement at {at}": steps[:, 0, at] for at in (0, last // 2, last - 1)}
    found |= {f"squared distance at {at}": (position[..., at] ** 2).sum(axis=1) for at in (last // 10, last)}
    found |= {
        f"time-averaged squared displacement at lag {lag}": ((position[..., lag:] - position[..., :-lag]) ** 2)
        .sum(axis=1)
        .mean(axis=-1)
        for lag in (1, 10, 50)
    }
    found |= {
        f"autocorrelation of velocity at lag {lag}": (steps[..., lag:] * steps[..., :-lag]).sum(axis=(1, 2)) / total
        for lag in (1, 10)
    }
    found["share of steps at rest"] = (square == 0).mean(axis=-1)
    turns = np.abs(np.diff(steps)).max(axis=1) > 1e-6 * np.abs(steps).max(axis=(1, 2))[:, None]
    found["turns"] = turns.mean(axis=-1)
    found["ageing"] = square[:, : last // 4].sum(axis=-1) / total
    found["kurtosis"] = (square**2).mean(axis=-1) / (total / last) ** 2
    return {name: values.round(6) for name, values in found.items()}
