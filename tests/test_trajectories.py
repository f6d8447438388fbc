"""Trajectories are generated in the environment `andi`; these tests check them as read from the store."""

import hashlib

import numpy as np
import pytest
from challenge_reference import challenge_digests
from walk_cases import differing_walks

from raypipe import catalog
from raypipe.run import environments
from raypipe.run.fill import fill
from raypipe.studies.andi import diffusion, trajectory_sets

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def datasets(ray_cluster, tmp_path_factory):
    """Generate `train` with one and with two workers, and `test`."""
    made = {}
    train, test = trajectory_sets.trajectories("train", 3000), trajectory_sets.trajectories("test", 1500)
    with pytest.MonkeyPatch.context() as patch:
        for root, plans, workers in (("one", (train, test), 1), ("two", (train,), 2)):
            folder = tmp_path_factory.getbasetemp() / f"trajectories-{root}"
            patch.setenv("RAYPIPE_STORE", str(folder))
            fill(*plans, workers=workers)
            made |= {(root, plan.name.partition("/")[2]): (folder, catalog.open(plan.name).load()) for plan in plans}
    return made


def test_classes_are_exactly_balanced(datasets):
    _, train = datasets["one", "train"]
    assert np.bincount(train.label).tolist() == [600] * 5
    assert train.label.attrs["flag_meanings"] == "attm ctrw fbm lw sbm"
    assert train.sizes == {"sample": 3000, "time": 320}


def test_exponents_and_noise_are_those_of_the_challenge(datasets):
    _, train = datasets["one", "train"]
    for model in range(5):
        of_model = train.exponent.values[train.label.values == model]
        assert np.isin(of_model, diffusion.andi_exponents(model)).all()
        # 600 draws of at most 40 values: the probability that any value is missing is below 40 exp(-15).
        assert set(of_model) == set(diffusion.andi_exponents(model))
    noise, counts = np.unique(train.noise, return_counts=True)
    assert noise.tolist() == [0.1, 0.5, 1.0]
    assert (abs(counts - 1000) < 130).all()  # five standard deviations


def test_trajectories_start_at_zero_and_none_overflows(datasets):
    _, train = datasets["one", "train"]
    assert np.isfinite(train.position).all()
    assert (train.position[:, 0] == 0).all()
    assert np.abs(train.position[:, :10]).max() <= 1000
    assert len(np.unique(train.position[:, 1])) == 3000


def test_displacements_have_the_scale_of_the_recipe(datasets):
    """Up to their common random factor, displacements have variance 1 + 2 σ²: one from the walk, 2 σ² from noise."""
    _, train = datasets["one", "train"]
    diffusive = train.isel(sample=np.isin(train.label, [2, 4]) & (np.abs(train.exponent - 1) < 0.3))
    spread = np.diff(diffusive.position, axis=1).std(axis=1)
    for noise in diffusion.NOISE_LEVELS:
        # The factor is a standard normal number, with mean square one.
        square = (spread[diffusive.noise.values == noise] ** 2).mean()
        assert square == pytest.approx(1 + 2 * noise**2, rel=0.6)


def test_any_number_of_workers_makes_the_same_bits(datasets):
    def digests(folder):
        files = sorted((folder / "andi/train.zarr").rglob("c/**/*"))
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if file.is_file()
        }

    one, two = (digests(datasets[root, "train"][0]) for root in ("one", "two"))
    assert one == two
    assert len(one) > 9


def test_test_split_is_what_the_challenge_returns(datasets):
    """Bit for bit, shard by shard."""
    import ray

    _, test = datasets["one", "test"]
    remote = ray.remote(challenge_digests).options(runtime_env=environments.runtime_env("andi"))
    for shard in (slice(0, 1000), slice(1000, 1500)):
        part = test.isel(sample=shard)
        found = (
            hashlib.sha256(part.position.values.astype("<f8").tobytes()).hexdigest(),
            hashlib.sha256(part.label.values.astype("<i8").tobytes()).hexdigest(),
            part.sizes["sample"],
        )
        assert found == tuple(ray.get(remote.remote(int(part.seed[0]), part.sizes["sample"])))


@pytest.mark.parametrize("model", ["attm", "lw"])
def test_faster_walks_are_those_of_the_package(model, ray_cluster):
    """Bit for bit, and with equally many random numbers; a short walk may end within its first segment."""
    import ray

    remote = ray.remote(differing_walks).options(runtime_env=environments.runtime_env("andi"))
    exponents = diffusion.andi_exponents(diffusion.ANDI_MODELS.index(model)).tolist()
    differing, cases = ray.get(remote.remote(model, exponents, [3, 320, 321], 20))
    assert cases == 1200
    assert differing == []


def test_exponents_of_the_test_split_are_those_of_the_package(datasets):
    """They show the package's bias: it sorts the trajectories of a class by exponent before it truncates the class."""
    _, test = datasets["one", "test"]
    assert test.sizes == {"sample": 1500, "time": 320}
    counts = np.bincount(test.label, minlength=5)
    assert counts.sum() == 1500
    assert len(set(counts.tolist())) > 1
    assert test.exponent.values[test.label == 1].max() == 0.7
    assert test.exponent.values[test.label == 2].max() < 1.5
    for model in range(5):
        assert np.isin(test.exponent.values[test.label == model], diffusion.andi_exponents(model)).all()


def test_noise_of_the_test_split_belongs_to_its_trajectory(datasets):
    """While a CTRW waits, its displacements are noise alone, with variance 2 σ² c², where c is its scaling factor.

    Steps of the walk are larger, so the ratio of the median to the maximum distinguishes the noise levels.
    """
    _, test = datasets["one", "test"]
    still = test.isel(sample=(test.label == 1) & (test.exponent < 0.3))
    displacements = np.abs(np.diff(still.position, axis=1))
    # A single step of such a walk is of order √320 c, because the walk is scaled to unit variance.
    ratio = np.median(displacements, axis=1) / displacements.max(axis=1)
    by_noise = [np.median(ratio[still.noise.values == noise]) for noise in diffusion.NOISE_LEVELS]
    assert by_noise[0] < by_noise[1] / 2 < by_noise[2] / 2
