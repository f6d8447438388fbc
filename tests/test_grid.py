"""Grids of networks: names and factors determine each other, and Keras builds what counts as buildable."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.errors import InputError
from raypipe.networks import keras_model
from raypipe.networks.grid import Grid
from raypipe.studies.andi.networks import GRID

SMALL = Grid("any", (20, 1), ("a", "b", "c"), ("123", "132"), (1, 2), (2, 4), (3, 5))


def several(values, most):
    return st.lists(values, min_size=1, max_size=most, unique=True).map(tuple)


grids = st.builds(
    Grid,
    study=st.just("any"),
    input_shape=st.sampled_from([(40, 1), (30, 20, 3), (12, 16, 10, 1)]),
    classes=st.just(("a", "b")),
    blocks=several(st.permutations("123").map("".join), 3),
    depths=several(st.integers(1, 3), 2),
    kernel_sizes=several(st.integers(1, 9), 3),
    filters=several(st.integers(1, 64), 3),
    learning_rates=st.lists(st.sampled_from([0.001, 0.01, 2e-05]), max_size=3, unique=True).map(tuple),
    seeds=several(st.integers(0, 9), 3),
)


@given(grids)
def test_names_and_factors_tell_each_other(grid):
    words = sum(len(grid.blocks) ** depth for depth in grid.depths)
    assert len(grid.members) == words * len(grid.kernel_sizes) * len(grid.filters)
    for name, member in grid.members.items():
        word, kernel, filters = re.fullmatch(r"([123]+)-(\d+)(?:-f(\d+))?", name).groups()
        assert (word, int(kernel)) == (member.word, member.kernel_size)
        assert filters == (str(member.filters) if len(grid.filters) > 1 else None)
        assert len(member.blocks) in grid.depths
        assert set(member.blocks) <= set(grid.blocks)
    assert {one.name for one in grid.networks} == grid.members.keys() - grid.unbuildable.keys()


@given(grids)
def test_layers_are_those_of_the_name(grid):
    digits = {"Conv": "1", "MaxPooling": "2", "BatchNormalization": "3"}
    for network in grid.networks:
        member = grid.members[network.name]
        features = network.layers[: len(member.word)]
        assert "".join(digits[re.sub(r"\dD", "", layer.kind)] for layer in features) == member.word
        convolutions = [layer.options for layer in features if layer.kind.startswith("Conv")]
        assert {(one["filters"], one["kernel_size"]) for one in convolutions} == {(member.filters, member.kernel_size)}


@given(grids)
def test_each_series_has_a_rate_and_a_seed(grid):
    trainings = grid.trainings("mine")
    rates = grid.learning_rates or (None,)
    assert sorted(map(str, trainings.values())) == sorted(str((rate, seed)) for rate in rates for seed in grid.seeds)
    for series, (rate, seed) in trainings.items():
        told = (f"-rate-{rate:g}" if len(rates) > 1 else "") + (f"-seed-{seed}" if len(grid.seeds) > 1 else "")
        assert series == f"mine{told}"
    assert [*grid.trainings("")] == [series.removeprefix("mine").removeprefix("-") for series in trainings]


@pytest.mark.parametrize("shape", [(20, 1), (20, 24, 3), (20, 22, 24, 1)])
def test_keras_builds_what_can_be_built(shape):
    grid = replace(SMALL, input_shape=shape, blocks=("123", "1"), depths=(1, 3), kernel_sizes=(4, 6), filters=(3,))
    assert len(grid.networks) > 4 < len(grid.unbuildable)
    for network in grid.networks:
        model = keras_model.build(network)
        assert model.output_shape == (None, 3)
    for name in grid.unbuildable:
        with pytest.raises(ValueError, match=r"[Nn]egative|Computed output size"):
            keras_model.build(grid._network(name))


def test_the_head_follows_the_dimensions():
    field = replace(SMALL, input_shape=(20, 20, 3)).networks[0]
    assert [layer.kind for layer in field.layers[3:]] == ["GlobalMaxPooling2D", "Dense", "Dropout", "Dense"]
    assert [layer.kind for layer in SMALL.networks[0].layers[3:]] == ["Dense", "Dropout", "Flatten", "Dense"]


def test_a_network_by_its_name():
    assert SMALL.network("132123-2-f5") in SMALL.networks
    with pytest.raises(
        InputError, match="unknown network '123-2' of the grid; expected a word of 1 or 2 blocks 123 or"
    ):
        SMALL.network("123-2")
    with pytest.raises(InputError, match="123123123123-32 cannot be built: layer 10 of 123123123123 has 12 time"):
        GRID.network("123123123123-32")
    with pytest.raises(InputError, match="layer 2 of 123 has 1 points left for a pooling by 2"):
        replace(SMALL, input_shape=(20, 4, 1), depths=(1,)).network("123-4-f3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": ()}, "blocks is empty; expected blocks of digits 1, 2 and 3, with a 1 in each"),
        ({"blocks": ("124",)}, "blocks has '124'; expected"),
        ({"blocks": ("23",)}, "blocks has '23'; expected"),
        ({"blocks": ("1", "11")}, "blocks is 1, 11, which give one word in several ways"),
        ({"depths": (0,)}, "depths has 0; expected numbers from 1 to 20"),
        ({"kernel_sizes": (2, 2)}, "kernel_sizes has 2 twice; expected whole numbers of 1 or more, each once"),
        ({"filters": (0,)}, "filters has 0"),
        ({"learning_rates": (0.0,)}, "learning_rates has 0.0; expected rates above 0"),
        ({"learning_rates": (0.00123456789,)}, "of at most six digits"),
        ({"seeds": (-1,)}, "seeds has -1"),
        ({"depths": (14,)}, "the grid has 65536 networks; expected at most 10000"),
        ({"input_shape": (3,)}, "samples of 0 dimensions; expected 1, 2 or 3"),
    ],
)
def test_what_makes_no_grid(change, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)
