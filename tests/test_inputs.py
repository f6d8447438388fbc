from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from tiny_data import write_patterns, write_trajectories

from raypipe import catalog, study
from raypipe.errors import InputError
from raypipe.networks import inputs
from raypipe.studies.gray_scott import tables
from raypipe.study import Sample, Study, architecture

ANDI = architecture("123-2")
PATTERN = architecture("pattern-2d")


def test_trajectories_are_standardised():
    position = np.random.default_rng(1).standard_normal((4, 320)).cumsum(axis=1) * 50 + 1e4
    found = inputs.network_input(ANDI, position)
    assert (found.shape, found.dtype) == ((4, 320, 1), np.float32)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=1), 1, rtol=1e-5)
    expected = (position - position.mean(axis=1, keepdims=True)) / position.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)


def test_a_trajectory_at_rest_becomes_zeros():
    assert not inputs.network_input(ANDI, np.full((1, 320), 7.0)).any()


def test_patterns_stay_as_they_are():
    u = np.random.default_rng(1).random((2, 128, 128, 10))
    found = inputs.network_input(architecture("pattern-3d"), u)
    assert (found.shape, found.dtype) == ((2, 128, 128, 10, 1), np.float32)
    np.testing.assert_array_equal(found[..., 0], u.astype("float32"))


@pytest.mark.parametrize(
    ("network", "values", "message"),
    [
        (ANDI, np.zeros((2, 321)), r"samples of shape \(321,\); network 123-2 takes \(320,\)"),
        (PATTERN, np.zeros((2, 128, 128, 10)), r"network pattern-2d takes \(128, 128, 3\)"),
        (ANDI, np.full((1, 320), np.nan), "not finite"),
    ],
)
def test_values_that_do_not_fit(network, values, message):
    with pytest.raises(InputError, match=message):
        inputs.network_input(network, values)


def test_read_takes_only_the_frames_of_the_network():
    write_patterns("train", 16)
    data = catalog.open("gray_scott/train")
    for name, times in (("pattern-2d", tables.FRAME_TIMES_2D), ("pattern-3d", tables.FRAME_TIMES_3D)):
        found = inputs.read(architecture(name), data, "gray_scott/train")
        expected = data["u"].sel(frame=list(times)).values.astype("float32")
        np.testing.assert_array_equal(found.inputs.reshape(expected.shape), expected)
        assert found.labels.tolist() == [*range(15), 0]


@pytest.mark.parametrize("count", [None, 15, 17])
def test_samples_of_classes_that_the_network_does_not_have_are_left_out(count):
    """A network of the first pass lacks the 14th of the 16 classes of the second pass; the labels are cyclic."""
    write_patterns("train2", 2 * 16 + 14)
    data = catalog.open("gray_scott/train2").load()
    found = inputs.read(PATTERN, data, "gray_scott/train2", count)
    labels = [*range(15), *range(15), *range(13)]
    assert found.labels.tolist() == (labels if count is None else labels[:count])
    second = inputs.read(architecture("pattern-2d-second"), data, "gray_scott/train2")
    for label, number in ((12, 12), (13, 14), (14, 15)):
        first = found.inputs[found.labels == label][0]
        np.testing.assert_array_equal(first, second.inputs[second.labels == number][0])
    with pytest.raises(InputError, match="44 samples of gray_scott/train2; expected from 1 to 43"):
        inputs.read(PATTERN, data, "gray_scott/train2", 44)


@pytest.mark.parametrize("count", [1, 7, 30, 600])
def test_read_takes_as_many_of_each_class(count):
    write_trajectories("train", 600)
    data = catalog.open("andi/train").load()
    for shuffled in (data, data.sortby("label")):
        found = inputs.read(ANDI, shuffled, "andi/train", count)
        assert np.ptp(np.bincount(found.labels, minlength=5)) <= 1
        every = inputs.network_input(ANDI, shuffled["position"].values)
        where = [np.flatnonzero((every == one).all(axis=(1, 2)))[0] for one in found.inputs]
        assert where == sorted(set(where)), "in the order of the data set, none twice"
        assert (shuffled["label"].values[where] == found.labels).all()


def test_what_a_study_prepares_is_finite_or_told(monkeypatch):
    sample = Sample("x", ("sample", "time"), prepare=lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True))
    monkeypatch.setattr(study, "find", {"andi": Study("andi", {}, sample)}.__getitem__)
    values = np.random.default_rng(0).normal(size=(4, 320))
    assert inputs.network_input(ANDI, values).shape == (4, 320, 1)
    values[2] = 1
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(
            InputError, match=r"Sample.prepare of the study andi makes .* of 1 of 4 samples, .* from 1 to 1;"
        ),
    ):
        inputs.network_input(ANDI, values)


def test_complex_fields_are_refused_unless_they_are_made_real(monkeypatch):
    values = np.exp(1j * np.random.default_rng(0).normal(size=(4, 320)))
    for prepare in (lambda x: x, np.angle):
        of = Study("andi", {}, Sample("x", ("sample", "time"), prepare=prepare))
        monkeypatch.setattr(study, "find", {"andi": of}.__getitem__)
        if prepare is np.angle:
            np.testing.assert_allclose(inputs.network_input(ANDI, values)[..., 0], np.angle(values), rtol=1e-6)
        else:
            with pytest.raises(InputError, match=r"x is complex when network 123-2 takes it.*Sample.prepare of the st"):
                inputs.network_input(ANDI, values)


@pytest.mark.parametrize(
    ("shape", "chunk", "block"),
    [((320,), 1000, 1000), ((320,), 100, 300), ((128, 128, 10), 1, 256), ((1024, 1024, 10), 4, 8), ((320,), None, 256)],
)
def test_whole_chunks_are_read_at_once(shape, chunk, block):
    values = np.broadcast_to(0.0, (9999, *shape))
    variable = xr.Variable(("sample", *"yxt"[: len(shape)]), values)
    variable.encoding = {"chunks": (chunk, *shape)} if chunk else {}
    assert inputs._block(variable) == block


@pytest.mark.parametrize("count", [0, 21])
def test_count_out_of_range(count):
    write_trajectories("val", 20)
    with pytest.raises(InputError, match=f"{count} samples of andi/val; expected from 1 to 20"):
        inputs.read(ANDI, catalog.open("andi/val"), "andi/val", count)


def test_data_sets_that_do_not_fit():
    write_trajectories("val", 10, length=100)
    write_trajectories("train", 10)
    write_patterns("val", 15, frame_times=(14940, 15000))
    write_patterns("train2", 16)

    def refused(network, name, message):
        with pytest.raises(InputError, match=message):
            inputs.check(network, catalog.open(name), name)

    refused(ANDI, "andi/val", "andi/val has samples of 100 points, not 320.*generate_trajectories --split val")
    refused(PATTERN, "andi/train", r"has no u \(sample, y, x, frame\)")
    refused(PATTERN, "gray_scott/val", "has no frames at t = 14970: .*generate_patterns --split val")
    inputs.check(architecture("pattern-2d-second"), catalog.open("gray_scott/train2"), "gray_scott/train2")
    write_patterns("test", 15)
    refused(
        architecture("pattern-2d-second"), "gray_scott/test", "has the classes alpha .* nu l h, not alpha .* pi l h"
    )


def test_samples_without_label_and_empty_data_sets():
    write_patterns("val", 15)
    data = catalog.open("gray_scott/val")
    unlabelled = data.assign_coords(label=data["label"].copy(data=np.full(15, -1)))
    with pytest.raises(InputError, match="has samples without a label"):
        inputs.check(PATTERN, unlabelled, "gray_scott/val")
    with pytest.raises(InputError, match="is empty"):
        inputs.check(PATTERN, data.isel(sample=slice(0)), "gray_scott/val")


@pytest.mark.parametrize("times", [None, (14940, 14970, 15000), (11400, 15000), (15000, 11800, 12200)])
@pytest.mark.parametrize("samples", [slice(1, 4), np.array([3, 0])])
def test_the_values_read_are_those_of_the_frames_that_are_seen(times, samples):
    write_patterns("test", 5)
    data = catalog.open("gray_scott/test")
    network = replace(PATTERN, frame_times=times)
    expected = inputs.seen(network, data).isel(sample=samples).values
    found = inputs.values(network, data, samples)
    np.testing.assert_array_equal(found, expected)
    assert len({float(one) for one in found[0, 0, 0]}) == found.shape[-1], "the frames are all alike, the test is empty"
