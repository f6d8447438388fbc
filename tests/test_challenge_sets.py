"""Test sets composed as the AnDi challenge's, made by its package."""

import numpy as np
import pytest
from tiny_networks import random_network

from raypipe import catalog, store
from raypipe.networks import classify
from raypipe.run.fill import fill
from raypipe.studies.andi import STUDY, challenge_sets
from raypipe.studies.andi.diffusion import ANDI_MODELS, NOISE_LEVELS, check_exponent
from raypipe.studies.andi.tracks import networks, outcomes, scores

CHALLENGE = {"attm": 1244, "ctrw": 1248, "fbm": 2826, "lw": 1759, "sbm": 2923}
"""Of the challenge's 10 000 tracks for the exponent in one dimension."""


def test_sets_are_composed_as_the_challenges():
    share = challenge_sets.share("exponent")
    of_model = np.bincount(outcomes.MODEL, share)
    for name, count in CHALLENGE.items():
        expected = 10_000 * of_model[ANDI_MODELS.index(name)]
        assert abs(count - expected) < 4 * np.sqrt(expected), name
    level = np.bincount(np.rint(outcomes.EXPONENT / outcomes.STEP).astype(int), share)[1:]
    np.testing.assert_allclose(level, 1 / 40)
    np.testing.assert_allclose(np.bincount(outcomes.MODEL, challenge_sets.share("model")), 0.2)


@pytest.mark.parametrize("split", challenge_sets.PLANS)
def test_what_is_planned(split):
    plan = STUDY.plan(split)
    dimensions = plan.parameters["dimensions"]
    assert plan.samples == challenge_sets.COUNTS[dimensions]
    lengths = plan.coordinates["length"].values
    assert (lengths.min(), lengths.max()) == challenge_sets.LENGTHS
    assert plan.variables["position"].shape == (plan.samples, 999, dimensions)[: 2 + (dimensions > 1)]
    for model, exponent in zip(plan.coordinates["label"].values, plan.coordinates["exponent"].values, strict=True):
        check_exponent(ANDI_MODELS[model], exponent)


def test_no_two_sets_share_a_seed():
    seeds = np.concatenate([plan().coordinates["seed"].values for plan in challenge_sets.PLANS.values()])
    assert len(np.unique(seeds)) == len(seeds)
    assert seeds.max() < 2**32


@pytest.mark.parametrize("dimensions", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_tracks_are_made_by_the_package_and_classified(ray_cluster, dimensions):
    split = f"challenge-model-{dimensions}d"
    fill(STUDY.plan(split, {"trajectories": 60}))
    data = catalog.open(f"andi/{split}")
    assert data.attrs["versions"]["andi-datasets"] == "2.1.13"
    position = data["position"].values.reshape(60, 999, dimensions)
    inside = np.arange(999) < data["length"].values[:, None]
    assert (np.isfinite(position) == inside[..., None]).all()
    assert not position[:, 0].any()
    assert set(np.unique(data["noise"])) <= set(NOISE_LEVELS)
    random_network(networks.NETWORKS[dimensions - 1])
    name = f"predictions/tracks-{dimensions}d/{split}"
    fill(classify.plan_of(f"tracks-{dimensions}d", f"andi/{split}", name))
    figures = scores.score(store.open(name), "model")
    assert figures["tracks"][0] == 60
    assert (store.open(name)["label"].values == data["label"].values).all()
