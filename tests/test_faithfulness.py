"""Checks of relevance maps, tested with predictors whose decisive inputs are known."""

import matplotlib
import numpy as np
import pytest
import tiny_results
import xarray as xr

from raypipe import plot
from raypipe.errors import InputError
from raypipe.networks import faithfulness

DECIDING = np.arange(40, 50)
"""Time steps on which the artificial network bases its decision."""


def judged_by_few_steps(positions: np.ndarray) -> np.ndarray:
    """Return probabilities of classes 0 and 1: class 1 if the deciding steps zigzag, which interpolation removes."""
    zigzag = np.abs(np.diff(positions[:, DECIDING], n=2, axis=1)).mean(axis=1)
    probability = 1 / (1 + np.exp(8 * (0.5 - zigzag)))
    return np.stack([1 - probability, probability], axis=1)


def zigzags(samples: int = 200, steps: int = 100, *, honest: bool = True) -> xr.Dataset:
    """Return zigzags on random slopes; honest maps are high at the deciding steps, others at the last steps."""
    random = np.random.default_rng(0)
    time = np.arange(steps)
    position = random.normal(size=(samples, 1)) * time + (-1.0) ** time
    relevance = random.uniform(0, 0.1, (samples, steps)).astype("float32")
    relevance[:, DECIDING if honest else time[-len(DECIDING) :]] += 1
    dims = ("sample", "time")
    return xr.Dataset(
        {"position": (dims, position), "relevance": (dims, relevance)}, {"predicted": ("sample", np.ones(samples, int))}
    )


def test_removing_what_decides_hurts_more_than_removing_anything_else():
    curve = faithfulness.perturbation_curve(zigzags(), judged_by_few_steps, removed=(0, 10, 50))
    accuracy = curve["accuracy"]
    assert (accuracy.sel(removed=0) == 1).all()
    assert accuracy.sel(order="relevant", removed=10) == 0
    assert accuracy.sel(order="relevant", removed=50) == 0
    assert accuracy.sel(order="irrelevant", removed=50) == 1
    assert accuracy.sel(order="random", removed=10) > 0.95
    assert 0.6 < accuracy.sel(order="shifted", removed=10) < 1, "some are shifted by less than their width"
    assert curve["probability"].sel(order="relevant", removed=10) < 0.05
    assert curve["probability"].dims == ("order", "removed")
    assert curve.attrs == {"samples": 200, "seed": 0}


def test_maps_that_point_elsewhere_show_no_effect():
    curve = faithfulness.perturbation_curve(zigzags(honest=False), judged_by_few_steps, removed=(10,))
    assert curve["accuracy"].sel(order="relevant", removed=10) == 1


def test_standard_errors_are_those_of_means():
    def share(positions):
        right = np.arange(len(positions)) % 4 == 0
        return np.stack([~right * 0.8, right * 0.6 + 0.1], axis=1)

    curve = faithfulness.perturbation_curve(zigzags(40), share, removed=(0,)).sel(order="random", removed=0)
    assert curve["accuracy"] == 0.25
    assert curve["accuracy_error"].item() == pytest.approx(np.sqrt(0.25 * 0.75 / 39))
    assert curve["probability"].item() == pytest.approx(0.25)
    assert curve["probability_error"].item() == pytest.approx(0.6 * np.sqrt(0.25 * 0.75 / 39))


def test_a_curve_is_reproducible_and_does_not_change_its_data():
    trajectories = zigzags(20)
    before = trajectories.copy(deep=True)
    one, same, other = (
        faithfulness.perturbation_curve(trajectories, judged_by_few_steps, removed=(30,), seed=seed)
        for seed in (1, 1, 2)
    )
    xr.testing.assert_identical(one, same)
    xr.testing.assert_identical(trajectories, before)
    assert (one["probability"] != other["probability"]).sel(order="random").all()
    assert (one["probability"] == other["probability"]).sel(order="relevant").all()


def test_steps_are_removed_in_the_order_of_their_relevance():
    relevance = np.array([[0.5, -2.0, 3.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
    orders = faithfulness.removal_orders(relevance, seed=0)
    assert tuple(orders) == faithfulness.ORDERS
    assert orders["relevant"].tolist() == [[2, 0, 3, 1], [3, 2, 1, 0]]
    assert orders["irrelevant"].tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]
    for order in orders.values():
        assert np.sort(order, axis=1).tolist() == [[0, 1, 2, 3]] * 2
    shift = (orders["shifted"] - orders["relevant"]) % 4
    assert (shift == shift[:, :1]).all()
    assert (shift != 0).all()


def test_removed_steps_lie_between_their_kept_neighbours_and_ends_stay_level():
    position = np.array([[5.0, 1, 9, 9, 7, 2], [0.0, 1, 4, 9, 16, 25]])
    removed = np.array([[2, 0, 3], [5, 4, 2]])
    assert faithfulness.interpolated(position, removed).tolist() == [[1, 1, 3, 5, 7, 2], [0, 1, 5, 9, 9, 9]]
    assert faithfulness.interpolated(position, removed[:, :0]).tolist() == position.tolist()
    assert position[0, 0] == 5, "the trajectories themselves are left as they were"


def test_conservation_is_the_sum_of_relevance_over_the_score():
    maps = xr.Dataset(
        {
            "relevance": (("sample", "time"), np.array([[1, 2, -0.5], [1, 1, 1], [1, 0, 0]], "float32")),
            "score": ("sample", np.array([2.5, -6, 0], "float32")),
        }
    )
    np.testing.assert_allclose(faithfulness.conservation(maps), [1, -0.5, np.nan])
    assert faithfulness.spread(faithfulness.conservation(maps)) == "median 0.250, nine of ten from -0.425 to 0.925"


def maps(relevance, origin=(3, 5, 8)):
    variables = {"relevance": (("sample", "time"), np.array(relevance, float))}
    return xr.Dataset(variables, {"origin": ("sample", [*origin])})


def test_similarity_is_the_rank_correlation_of_each_trajectory():
    real = maps([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    found = faithfulness.similarity(real, maps([[1, 10, 11, 99], [-1, -2, -3, -40], [7, 7, 7, 7]]))
    np.testing.assert_allclose(found["signed"], [1, -1, np.nan])
    np.testing.assert_allclose(found["absolute"], [1, 1, np.nan])


def test_mistakes_are_told():
    real = maps([[1, 2], [1, 2], [1, 2]])
    with pytest.raises(InputError, match="3 and 3 samples are not of the same samples"):
        faithfulness.similarity(real, maps(real["relevance"], origin=(3, 5, 9)))
    with pytest.raises(InputError, match="3 and 2 samples are not of the same samples"):
        faithfulness.similarity(real, real.isel(sample=[0, 1]))
    with pytest.raises(InputError, match=r"the data set has no score; .* make them with raypipe explain"):
        faithfulness.conservation(real)
    with pytest.raises(InputError, match="has no position, predicted;"):
        faithfulness.perturbation_curve(real, judged_by_few_steps)
    with pytest.raises(InputError, match="1 trajectories for a perturbation curve; expected 2 or more"):
        faithfulness.perturbation_curve(zigzags(1), judged_by_few_steps)
    for number in (100, -1):
        with pytest.raises(InputError, match=f"{number} steps to remove from .* of 100; expected from 0 to 99"):
            faithfulness.perturbation_curve(zigzags(2), judged_by_few_steps, removed=(0, number))
    broken = zigzags(2)
    broken["relevance"][1, 3] = np.nan
    with pytest.raises(InputError, match="relevance that is not finite"):
        faithfulness.perturbation_curve(broken, judged_by_few_steps, removed=(5,))


# Patches of fields


def spots(samples=60, *, honest=True):
    """Return fields with a bright patch of 4 x 4 points that determines the class; only honest maps highlight it."""
    random = np.random.default_rng(0)
    fields = random.uniform(0, 0.1, (samples, 32, 32, 2))
    maps = random.uniform(0, 0.1, (samples, 32, 32)).astype("float32")
    for one, (y, x) in enumerate(random.integers(0, 8, (samples, 2)) * 4):
        fields[one, y : y + 4, x : x + 4, 1] += 1
        away = 0 if honest else 16
        maps[one, (y + away) % 32 : (y + away) % 32 + 4, x : x + 4] += 1
    data = xr.Dataset({"saliency": (("sample", "y", "x"), maps)}, {"predicted": ("sample", np.ones(samples, int))})
    return data, fields


def has_a_spot(fields):
    bright = (fields[..., 1].max(axis=(1, 2)) > 0.5) * 0.8 + 0.1
    return np.stack([1 - bright, bright], axis=1)


def test_removing_the_patch_that_decides_hurts_more_than_removing_others():
    data, fields = spots()
    curve = faithfulness.patch_curve(data, fields, has_a_spot, patches=8, removed=(0, 1, 32, 64))
    accuracy = curve["accuracy"]
    assert (accuracy.sel(removed=0) == 1).all()
    assert accuracy.sel(order="relevant", removed=1) == 0
    assert accuracy.sel(order="irrelevant", removed=32) == 1
    assert accuracy.sel(order="shifted", removed=1) == 1
    assert 0.25 < accuracy.sel(order="random", removed=32) < 0.75
    assert (accuracy.sel(removed=64) == 0).all(), "without all patches there is no spot"
    assert curve["probability"].sel(order="relevant", removed=1).item() == pytest.approx(0.1)
    assert curve.attrs == {"samples": 60, "seed": 0, "patches": 64}
    other, _ = spots(honest=False)
    assert faithfulness.patch_curve(other, fields, has_a_spot, patches=8, removed=(1,))["accuracy"][0, 0] == 1


def test_relevance_with_a_sign_goes_before_saliency():
    data, fields = spots(10)
    data["relevance"] = -data["saliency"]
    curve = faithfulness.patch_curve(data, fields, has_a_spot, patches=8, removed=(1,))
    assert curve["accuracy"].sel(order="irrelevant", removed=1) == 0
    assert curve["accuracy"].sel(order="relevant", removed=1) == 1


def test_removed_patches_become_the_mean_of_each_frame():
    fields = np.arange(32.0).reshape(1, 4, 4, 2)
    found = faithfulness.flattened(fields, np.array([[1]]), 2)
    assert found[0, :2, 2:].tolist() == [[[15, 16]] * 2] * 2
    kept = np.ones((4, 4), bool)
    kept[:2, 2:] = False
    np.testing.assert_array_equal(found[0][kept], fields[0][kept])
    np.testing.assert_array_equal(faithfulness.flattened(fields[..., None], np.array([[1]]), 2)[..., 0], found)


def test_patches_are_removed_in_the_order_of_their_sums_and_shifted_over_the_borders():
    maps = np.zeros((1, 4, 6))
    maps[0, 2:, 4:], maps[0, :2, :2] = 2, 1
    assert faithfulness.patch_sums(maps, 2).tolist() == [[[4, 0], [0, 8]]]
    orders = faithfulness.patch_orders(np.array([[[1.0, 2, 3], [4, 6, 5]]]).repeat(50, axis=0), seed=0)
    assert orders["relevant"][0].tolist() == [4, 5, 3, 2, 1, 0]
    row, column = divmod(orders["shifted"], 3)
    moved = ((row - orders["relevant"] // 3) % 2) * 3 + (column - orders["relevant"] % 3) % 3
    assert (moved == moved[:, :1]).all()
    assert set(moved[:, 0].tolist()) == {1, 2, 3, 4, 5}, "each way but none at all"
    assert (np.sort(orders["shifted"], axis=1) == np.arange(6)).all()


def test_patches_that_do_not_divide_a_field_cover_it_once():
    maps = np.random.default_rng(0).random((2, 5, 7)).astype("float32")
    edges = [0, 2, 4, 5], [0, 3, 5, 7]
    sums = faithfulness.patch_sums(maps, 3)
    removed = np.array([[4], [8]])
    gone = faithfulness.flattened(maps, removed, 3) != maps
    for one, (row, column) in enumerate(((1, 1), (2, 2))):
        y, x = (slice(*of[at : at + 2]) for of, at in zip(edges, (row, column), strict=True))
        assert sums[one, row, column] == pytest.approx(maps[one, y, x].sum())
        expected = np.zeros((5, 7), bool)
        expected[y, x] = True
        np.testing.assert_array_equal(gone[one], expected)
    np.testing.assert_allclose(sums.sum(axis=(1, 2)), maps.sum(axis=(1, 2)), rtol=1e-5)
    even = np.random.default_rng(0).random((3, 128, 128)).astype("float32")
    blocks = even.reshape(3, 16, 8, 16, 8).sum(axis=(2, 4), dtype="float64")
    np.testing.assert_array_equal(faithfulness.patch_sums(even, 16), blocks)


def test_mistakes_with_patches_are_told():
    data, fields = spots(4)
    for patches in (1, 33):
        with pytest.raises(
            InputError, match=f"{patches} patches along sides of 32 and 32 points; expected from 2 to 32"
        ):
            faithfulness.patch_curve(data, fields, has_a_spot, patches=patches)
    with pytest.raises(InputError, match="65 patches to remove of 64; expected from 0 to 64"):
        faithfulness.patch_curve(data, fields, has_a_spot, patches=8, removed=(65,))
    with pytest.raises(InputError, match="1 samples for a perturbation curve"):
        faithfulness.patch_curve(data.isel(sample=[0]), fields[:1], has_a_spot, patches=8)
    data["saliency"][0, 0, 0] = np.nan
    with pytest.raises(InputError, match="maps that are not finite"):
        faithfulness.patch_curve(data, fields, has_a_spot, patches=8, removed=(1,))


def test_maps_without_a_sign_are_compared_once():
    random = np.random.default_rng(0)
    first, second = (
        xr.Dataset({"saliency": (("sample", "y", "x"), random.random((5, 4, 4)))}, {"origin": ("sample", np.arange(5))})
        for _ in range(2)
    )
    found = faithfulness.similarity(first, first)
    np.testing.assert_allclose(found["signed"], 1)
    figure = plot.rank_correlations(faithfulness.similarity(first, second), "fields", signed=False)
    assert figure.axes[0].get_ylabel() == "fields"
    (text,) = figure.legends[0].get_texts()
    assert text.get_text().startswith("saliency, median")


# Pictures


def test_mean_relevance_is_that_of_correctly_classified_trajectories():
    trajectories = tiny_results.trajectories(20)
    figure = plot.mean_relevance(trajectories)
    assert len(figure.axes) == 10
    title = figure.axes[0].get_title("left")
    assert title == "attm: mean relevance of 3 trajectories (units of the score)", (
        "the first one is taken for another class"
    )
    right = trajectories["relevance"].values[[5, 10, 15]]
    signed, share = (axes.lines[0].get_ydata() for axes in figure.axes[:2])
    np.testing.assert_allclose(signed, right.mean(axis=0))
    size = np.abs(right)
    np.testing.assert_allclose(share, (100 * size / size.sum(axis=1, keepdims=True)).mean(axis=0))
    with pytest.raises(InputError, match="fewer than two trajectories of every class"):
        plot.mean_relevance(tiny_results.trajectories(6).isel(sample=[0, 1]))


def test_a_perturbation_curve_has_a_line_for_each_order():
    curve = faithfulness.perturbation_curve(zigzags(50), judged_by_few_steps, removed=(0, 5, 10))
    figure = plot.perturbation_curve(curve)
    for axes, quantity in zip(figure.axes, ("accuracy", "probability"), strict=True):
        assert len(axes.containers) == len(faithfulness.ORDERS)
        for container, order in zip(axes.containers, faithfulness.ORDERS, strict=True):
            np.testing.assert_array_equal(container.lines[0].get_ydata(), curve[quantity].sel(order=order))
    assert len(figure.legends[0].get_texts()) == len(faithfulness.ORDERS)


def test_histograms_have_every_trajectory_and_leave_no_settings():
    before = dict(matplotlib.rcParams)
    random = np.random.default_rng(0)
    ratios = {"as it is": np.append(random.normal(0.5, 1, 99), 1e6), "conserved": np.append(np.ones(99), np.nan)}
    for axes in plot.conservation(ratios).axes:
        heights = [patch.get_xy() for patch in axes.patches]
        assert len(heights) == 2
        assert axes.get_ylabel() == "trajectories"
        counts = [np.sum(xy[1 : 2 * 60 + 1 : 2, 1]) for xy in heights]
        assert counts == [100, 99], "outliers are in the outermost bins, what is undefined in none"
    similarity = xr.Dataset({key: ("sample", [0.1, np.nan, 0.5, 0.2]) for key in ("signed", "absolute")})
    legend = plot.rank_correlations(similarity).legends[0].get_texts()
    assert [text.get_text() for text in legend] == ["relevance, median 0.20", "absolute relevance, median 0.20"]
    assert dict(matplotlib.rcParams) == before
