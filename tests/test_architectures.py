import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.errors import InputError
from raypipe.studies.andi import diffusion, networks
from raypipe.study import architecture


def test_grid_has_164_of_180_networks():
    names = [one.name for one in networks.GRID.networks]
    assert len(set(names)) == 164
    assert len(networks.GRID.words) == 30
    refused = networks.GRID.unbuildable
    assert len(refused) == 16
    assert not set(names) & set(refused)
    assert {name.split("-")[1] for name in refused} == {"32"}
    assert {len(name.split("-")[0]) for name in refused} == {12}


@given(st.sampled_from(list(networks.GRID.words)), st.sampled_from(networks.GRID.kernel_sizes))
def test_a_network_is_buildable_if_an_array_survives_its_layers(word, kernel):
    steps = np.zeros(diffusion.TRAJECTORY_LENGTH)
    try:
        for digit in word:
            if digit == "1":
                steps = np.lib.stride_tricks.sliding_window_view(steps, kernel).sum(axis=-1)
            if digit == "2":
                steps = steps[: len(steps) // 2 * 2].reshape(-1, 2).max(axis=1)
        survives = len(steps) > 0
    except ValueError:
        survives = False
    assert (f"{word}-{kernel}" not in networks.GRID.unbuildable) == survives


def test_layers_follow_the_word():
    kinds = [layer.kind for layer in architecture("132123-6").layers]
    features, head = kinds[:6], kinds[6:]
    assert features == [
        "Conv1D", "BatchNormalization", "MaxPooling1D", "Conv1D", "MaxPooling1D", "BatchNormalization",
    ]  # fmt: skip
    assert head == ["Dense", "Dropout", "Flatten", "Dense"]
    assert architecture("132123-6").layers[0].options["kernel_size"] == 6


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("123123123123-32", "has 12 time steps left for a kernel of 32"),
        ("123-3", "unknown network '123-3'"),
        ("124-2", "unknown network"),
        ("123123123123123-2", "unknown network"),
        ("", "unknown network"),
        ("pattern-4d", "expected one of andi-study, andi-residual, .*; pattern-2d, pattern-2d-second"),
    ],
)
def test_names_that_are_none(name, reason):
    with pytest.raises(InputError, match=reason):
        architecture(name)


def test_pattern_networks_see_their_frames_and_classes():
    two, second, three = (architecture(name) for name in ("pattern-2d", "pattern-2d-second", "pattern-3d"))
    assert two.frame_times == second.frame_times == (14940, 14970, 15000)
    assert np.diff(three.frame_times).tolist() == [400] * 9
    assert three.input_shape == (128, 128, 10, 1)
    assert (len(two.classes), len(second.classes), len(three.classes)) == (15, 16, 15)
    assert (two.returns_logits, three.returns_logits) == (True, False)


@pytest.mark.parametrize("name", ["pattern-2d", "pattern-3d", "andi-study", "123132-10"])
def test_layer_names_are_unique(name):
    names = [layer.name for layer in architecture(name).layers]
    assert len(set(names)) == len(names)
