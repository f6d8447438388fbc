"""Values that the attributes of an array do not allow are never written, and are reported where they exist."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tiny_store
from test_fill import plan
from tiny_store import filled, shard_values, template, write
from without_ray import worker_of

from raypipe import store
from raypipe.errors import DamageError, InputError
from raypipe.plan import Output, simulations
from raypipe.run.fill import row_of
from raypipe.store import bounds, finite, shards, values
from raypipe.studies.gray_scott import pattern_sets

NAME = "tests/five"


def ranged(**attributes):
    """Return the template with these attributes of u, whose values are from 0 to 4.2."""
    plain = template()
    return replace(plain, variables={**plain.variables, "u": replace(plain.variables["u"], attributes=attributes)})


@pytest.mark.parametrize(
    ("found", "attributes", "said"),
    [
        ([0.0, 1.0], {"valid_range": [0, 1]}, None),
        ([0.0, 1 + 4e-16], {"valid_range": [0, 1]}, None),
        ([0.0, 1 + 1e-13], {"valid_range": [0, 1]}, "sample 8 is 1.0000000000001, expected from 0 to 1"),
        ([-0.1, 1.0], {"valid_range": [0, 1]}, "sample 7 is -0.1, expected from 0 to 1"),
        ([0.0, np.nan], {"valid_range": [0, 1]}, "sample 8 is nan, expected from 0 to 1"),
        ([0.0, np.nan], {}, None),
        ([np.inf, 0.0], finite("float64"), "sample 7 is inf, expected a finite number"),
        ([-1e308, 1e308], finite("float64"), None),
        ([0.0, np.nan], finite("float64"), "sample 8 is nan, expected a finite number"),
        ([0, 2], {"flag_values": [0, 1, 2]}, None),
        ([0, 3], {"flag_values": [0, 1, 2]}, "sample 8 is 3, expected one of 0, 1, 2"),
        ([0, 3], {"valid_range": [0, 2]}, "sample 8 is 3, expected from 0 to 2"),
        ([0, -1], {"flag_values": [0, 1, 2], "valid_range": [-1, 2]}, None),
        ([], {"valid_range": [0, 2]}, None),
    ],
)
def test_what_attributes_allow(found, attributes, said):
    assert values.fault(np.array(found), attributes, 7) == said


def test_the_largest_float32_is_finite_and_what_exceeds_it_is_not():
    largest = np.finfo("float32").max
    assert values.fault(np.array([largest, -largest]), finite("float32"), 0) is None
    assert "sample 1 is inf" in values.fault(np.array([largest, np.inf], "float32"), finite("float32"), 0)


def test_a_wrong_value_is_not_written(store_root):
    store.create(ranged(valid_range=[0, 3]), {})
    write(ranged(), 0)
    with pytest.raises(InputError, match=r"^u of sample 3 is 3\.1, expected from 0 to 3: nothing is written; fix"):
        write(ranged(), 1)
    assert store.finished(NAME) == [0]
    assert not (store_root / "tests/five.zarr/u/c/1").exists()
    assert not (store_root / "tests/five.zarr/noise/c/1").exists()


def test_a_wrong_value_that_was_written_is_told(monkeypatch):
    monkeypatch.setattr(shards, "fault", lambda *_: None)
    filled(ranged(valid_range=[0, 3]))
    found = store.verify(NAME)
    assert found.shards == {
        1: "u of sample 3 is 3.1, expected from 0 to 3",
        2: "u of sample 4 is 4.0, expected from 0 to 3",
    }


def test_a_store_that_was_made_without_a_range_is_continued_as_it_is():
    store.create(template(), {})
    write(template(), 0)
    wider = ranged(valid_range=[0, 3])
    assert store.begun(wider)
    store.create(wider, {})
    write(wider, 1)
    write(wider, 2)
    assert store.verify(NAME).sound
    np.testing.assert_array_equal(store.open(NAME).u, shard_values(slice(0, 5))["u"])


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("valid_range", [1, 0]),
        ("valid_range", [0]),
        ("valid_range", "0 1"),
        ("valid_range", [0, float("inf")]),
        ("flag_values", 3),
        ("flag_values", ["a"]),
    ],
)
def test_attributes_by_which_nothing_can_be_judged_are_refused(key, found):
    with pytest.raises(InputError, match=rf"^tests/five: u has the attribute {key} = "):
        store.create(ranged(**{key: found}), {})


def test_a_worker_names_the_shard_of_a_wrong_value():
    variable = replace(plan().variables["square"], attributes={"valid_range": [0, 40]})
    squares = replace(plan(), variables={"square": variable})
    store.create(squares, {})
    worker = worker_of(squares)
    first, second = (worker(row_of(squares, shard)) for shard in (1, 2))
    assert not first["error"]
    assert re.search(r"shard 2 .*square of sample 7 is 49, expected from 0 to 40", second["error"])
    assert not second["stops"], "the other shards are computed"
    assert (store.finished("tests/squares"), store.failed("tests/squares")) == ([1], [2])


def doubled(a):
    return {"x": 2 * a}


def test_an_output_has_a_range():
    planned = simulations(doubled, {"a": [1.0]}, {"x": Output(valid_range=(0, 1))})
    assert planned.variables["x"].attributes["valid_range"] == [0, 1]


def test_patterns_lie_between_0_and_1_where_a_step_mixes():
    assert pattern_sets.patterns("val", 1).variables["u"].attributes["valid_range"] == [0, 1]
    points = {"k": [0.06], "f": [0.03], "seed": [1], "label": [-1]}
    other = pattern_sets.planned("x", points, {"frame_times": [1.0], "dtype": "float64", "time_step": 0.5})
    assert other.variables["u"].attributes["valid_range"] == finite("float64")["valid_range"]


def test_a_document_of_absurd_size_is_not_read(store_root):
    """A sparse file of 3 GB; no memory is allocated for it."""
    filled(template())
    for document in ("five.zarr/zarr.json", "five.ledger/plan.json", "five.ledger/000001.json"):
        file = store_root / "tests" / document
        content = file.read_bytes()
        with file.open("r+b") as opened:
            opened.truncate(3 * 10**9)
        found = str(store.verify(NAME))
        assert f"{document} is damaged: it has 3000000000 bytes; at most {2**26} are allowed" in found
        file.write_bytes(content)
    with (store_root / "tests/five.zarr/zarr.json").open("r+b") as opened:
        opened.truncate(3 * 10**9)
    with pytest.raises(DamageError, match=r"zarr.json is damaged: it has 3000000000 bytes"):
        store.open(NAME)


def test_parameters_that_could_not_be_read_again_are_refused(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_BYTES", 1000)
    with pytest.raises(
        InputError, match=r"^tests/five: the document of its parameters has \d+ bytes as JSON; at most 500"
    ):
        store.create(tiny_store.template(samples_of="x" * 600), {})
