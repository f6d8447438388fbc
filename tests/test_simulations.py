"""Outputs of a user's function are stored unchanged, or refused in one line before anything is created."""

import datetime
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from without_ray import fill_here, worker_of

from raypipe import store
from raypipe.errors import InputError, ValuesError
from raypipe.networks import inputs
from raypipe.plan import CHUNK_BYTES, Output, axis, simulations
from raypipe.run.work import row_of, rows_of
from raypipe.store import objects
from raypipe.store.documents import plan_path

BUFFER = np.zeros(3)


def draw(seed):
    return {"x": np.random.default_rng(seed).normal()}


def from_a_buffer(a):
    BUFFER[:] = a
    return {"x": BUFFER}


def scaled(a, factor):
    return {"x": np.asarray(a * factor)}


def thinned(a, probability):
    return {"x": a * probability}


def vector(a):
    return {"x": np.full(3, a)}


def planned(simulate, outputs, name="mine/scan", **arguments):
    return replace(simulations(simulate, outputs=outputs, **arguments), name=name)


NUMBER = {"x": Output()}


@pytest.mark.parametrize("per_shard", [1, 3, 4])
def test_64_bit_seeds_stay_what_they_are(per_shard):
    seeds = np.random.SeedSequence(0).generate_state(4, np.uint64)
    assert (seeds >= 2**63).any()
    assert (seeds < 2**63).any()
    plan = planned(draw, NUMBER, points={"seed": seeds}, per_shard=per_shard)
    found = np.concatenate([rows_of(row_of(plan, shard))["seed"] for shard in range(plan.shards)])
    np.testing.assert_array_equal(found, seeds)
    fill_here(plan)
    np.testing.assert_array_equal(store.open(plan.name).x, [np.random.default_rng(int(one)).normal() for one in seeds])


def test_other_outputs_than_planned_end_the_run():
    one = planned(draw, {"y": Output()}, points={"seed": [1, 2]})
    store.create(one, {})
    result = worker_of(one)(row_of(one, 0))
    assert "the results are x; expected y" in result["error"]
    assert result["stops"]


def test_a_buffer_that_is_used_again_gives_each_sample_its_own():
    plan = planned(from_a_buffer, {"x": Output(("y",), (3,))}, points={"a": np.arange(4.0)}, per_shard=4)
    fill_here(plan)
    np.testing.assert_array_equal(store.open(plan.name).x[:, 0], np.arange(4))


@pytest.mark.parametrize(
    ("dtype", "factor", "fits"),
    [
        ("int16", 40000, False),
        ("int16", 30000, True),
        ("uint8", 256, False),
        ("uint8", 255, True),
        ("float32", 1e300, False),
        ("float32", 1e30, True),
        ("float32", np.inf, True),
    ],
)
def test_values_that_a_data_type_cannot_hold_are_refused(dtype, factor, fits):
    plan = planned(vector, {"x": Output(dtype=dtype)}, points={"a": [1]})
    store.create(plan, {})
    values = np.array([factor], "uint64" if dtype == "uint8" else None)

    def write():
        store.write_shard(plan.name, 0, slice(0, 1), {"x": values}, seeds=None, seconds=0, attempt="test")

    if fits:
        write()
        assert store.open(plan.name).x.values == values.astype(dtype)
    else:
        with pytest.raises(ValuesError, match=f"x has values from .* which {dtype} cannot hold"):
            write()
        assert not store.finished(plan.name)


@pytest.mark.parametrize(
    ("arguments", "twice"),
    [
        ({"constants": {"factor": 2}, "coordinates": {"a": ("t", [1, 2])}}, "a"),
        ({"constants": {"a": 2}}, "a"),
        ({"constants": {"x": 2}}, "x"),
        ({"constants": {"factor": 2}, "coordinates": {"x": ("t", [1, 2])}}, "x"),
    ],
)
def test_a_name_stands_for_one_thing(arguments, twice):
    with pytest.raises(InputError, match=f"^{twice} is the name of more than one thing"):
        simulations(scaled, {"a": [1, 2]}, NUMBER, **arguments)


@pytest.mark.parametrize(
    ("outputs", "coordinates", "said"),
    [
        ({"x": Output(("t",), (3,))}, {"t": ("t", np.arange(5))}, "t has the length 5 along t; expected 3, as x has"),
        ({"x": Output(("t",), (3,)), "y": Output(("t",), (4,))}, {}, "y has the length 4 along t; expected 3"),
        ({"x": Output(("y", "y"), (3, 3))}, {}, r"x has the dimensions sample, y, y and the shape"),
        ({"x": Output(("t",), ())}, {}, r"x has the dimensions sample, t and the shape \(2,\)"),
        ({"x y": Output()}, {}, "x y"),
        (NUMBER, {"w": ("sample", np.arange(3))}, "w has the length 3 along sample; expected 2"),
        (NUMBER, {"w": ("t", np.arange(2, dtype=np.longdouble))}, "cannot be made"),
    ],
)
def test_what_could_not_be_opened_is_not_begun(outputs, coordinates, said):
    plan = planned(vector, outputs, points={"a": [1, 2]}, coordinates=coordinates)
    with pytest.raises(InputError, match=said):
        store.create(plan, {})
    assert not objects.exists(plan_path(plan.name))


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2j]),
        np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"),
        np.array([1, 2], "timedelta64[s]"),
        np.array([b"a", b"b"]),
        np.array([1, None], object),
        [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
    ],
    ids=lambda values: str(np.asarray(values).dtype),
)
def test_points_and_coordinates_are_real_numbers_and_texts(values):
    with pytest.raises(InputError, match=r"^a has values of the data type .*; expected real numbers or texts"):
        simulations(vector, {"a": values}, NUMBER)
    with pytest.raises(InputError, match=r"^w has values of the data type .*; expected real numbers or texts"):
        simulations(vector, {"a": [1, 2]}, NUMBER, coordinates={"w": ("t", values)})


@pytest.mark.parametrize("values", [["b", "a"], np.array(["b", "a"], object), [True, False], np.float16([1, 2])])
def test_points_may_be_texts_and_booleans(values):
    plan = planned(draw, NUMBER, points={"seed": values})
    assert rows_of(row_of(plan, 0))["seed"].tolist() == [np.asarray(values)[0]]


@pytest.mark.parametrize("per_shard", [0, -1, 2.0])
def test_shards_have_samples(per_shard):
    with pytest.raises(InputError, match="samples per shard; expected a whole number of 1 or more"):
        simulations(vector, {"a": [1, 2]}, {"x": Output(("t",), (0,))}, per_shard=per_shard)


@pytest.mark.parametrize("dtype", ["flot64", "str", "datetime64[s]", "object"])
def test_outputs_are_numbers(dtype):
    with pytest.raises(InputError, match="data type"):
        simulations(vector, {"a": [1, 2]}, {"x": Output(dtype=dtype)})


@pytest.mark.parametrize(
    ("dtype", "missing"), [("uint8", 255), ("uint64", 2**64 - 1), ("int8", -1), ("bool", False), ("float32", np.nan)]
)
def test_what_is_not_made_yet_reads_as_the_status_says(dtype, missing):
    plan = planned(vector, {"x": Output(dtype=dtype)}, points={"a": [1, 2]})
    store.create(plan, {})
    found = store.open(plan.name, partial=True).x.values
    np.testing.assert_array_equal(found, np.full(2, missing, dtype))


@pytest.mark.parametrize("value", [np.inf, np.nan, object()])
def test_constants_are_finite_numbers_and_texts(value):
    plan = planned(scaled, NUMBER, points={"a": [1, 2]}, constants={"factor": value})
    with pytest.raises(InputError, match="expected finite numbers and texts"):
        store.create(plan, {})
    assert not objects.exists(plan_path(plan.name))


def test_numbers_of_numpy_and_of_other_files_are_numbers():
    plan = planned(scaled, NUMBER, points={"a": np.array([1.0, 2.0], ">f8")}, constants={"factor": np.int64(3)})
    fill_here(plan)
    np.testing.assert_array_equal(store.open(plan.name).x, [3, 6])
    assert store.verify(plan.name).sound


def test_another_data_type_does_not_continue_what_is_there():
    def of(count, dtype):
        outputs = {"x": Output(dtype=dtype)}
        return planned(scaled, outputs, points={"a": np.arange(count)}, constants={"factor": 1}, per_shard=2)

    fill_here(of(4, "float64"))
    with pytest.raises(InputError, match=r"x of .* has the data type float64; expected int64"):
        store.begun(of(4, "int64"))
    for dtype in ("int64", "float32"):
        with pytest.raises(InputError, match="has the data type float64; expected"):
            store.create(replace(of(6, dtype), grows=("count",)), {})
    fill_here(replace(of(6, "float64"), grows=("count",)))
    np.testing.assert_array_equal(store.open("mine/scan").x, np.arange(6))


def test_stores_with_a_chunk_for_each_sample_grow_and_are_mended(store_root):
    """An earlier version planned stores like this, before small arrays shared chunks."""

    def of(count, chunk):
        outputs = {"x": Output(("t",), (3,))}
        plan = replace(planned(vector, outputs, points={"a": np.arange(count)}, per_shard=2), grows=("count",))
        return replace(plan, variables={"x": replace(plan.variables["x"], chunks=(chunk, 3), compression="lz4")})

    fill_here(of(4, 1))
    fill_here(planned(vector, {"x": Output(("t",), (3,))}, points={"a": np.arange(4)}, per_shard=2, grows=("count",)))
    longer = planned(vector, {"x": Output(("t",), (3,))}, points={"a": np.arange(6)}, per_shard=2, grows=("count",))
    assert longer.variables["x"].chunks == (2, 3)
    fill_here(longer)
    np.testing.assert_array_equal(store.open("mine/scan").x[:, 0], np.arange(6))
    (store_root / plan_path("mine/scan")).write_text("{")
    store.mend(longer, {}, store.verify("mine/scan"))
    assert store.finished("mine/scan") == [0, 1, 2]
    assert store.verify("mine/scan").sound


@given(st.integers(-30, 30), st.integers(2, 40))
def test_ranges_have_as_many_digits_at_any_scale(exponent, points):
    first, last = float(f"1e{exponent}"), float(f"2e{exponent}")
    found = axis("D", f"{first}:{last}:{points}p")
    assert (found[0], found[-1], len(found)) == (first, last, points)
    np.testing.assert_allclose(found, np.linspace(first, last, points), rtol=1e-9, atol=0)


def test_ranges_have_no_digits_of_adding_up():
    assert axis("k", "0.03:0.05:0.001").tolist() == [round(0.03 + number / 1000, 3) for number in range(21)]


@given(st.integers(1, 500), st.integers(1, 20000))
@example(997, 10)
def test_small_arrays_share_chunks_that_fill_the_shard(shard, length):
    plan = simulations(vector, {"a": np.arange(2 * shard)}, {"x": Output(("t",), (length,))}, per_shard=shard)
    count = plan.variables["x"].chunks[0]
    assert shard % count == 0
    wanted = max(1, CHUNK_BYTES // (length * 8))
    off = max(count / wanted, wanted / count)
    assert all(off <= max(one / wanted, wanted / one) + 1e-9 for one in range(1, shard + 1) if shard % one == 0)


@pytest.mark.parametrize("name", ["predicted", "probability", "score", "relevance", "saliency", "sample"])
def test_outputs_are_not_called_as_what_networks_say_of_them(name):
    with pytest.raises(InputError, match=f"^{name} is the name of more than one thing.*raypipe uses itself"):
        simulations(scaled, {"a": [1], "factor": [2]}, {name: Output()})


def sided(a):
    return {"x": a, "label": -1 if a == 0 else int(a > 0)}


def test_a_simulation_may_determine_the_class_itself():
    outputs = {"x": Output(), "label": Output(dtype="int8")}
    points = {"a": [-1.0, 0.0, 2.0]}
    plan = planned(sided, outputs, points=points, classes=["left", "right"])
    fill_here(plan)
    found = store.open(plan.name)
    assert found.coords["label"].values.tolist() == [0, -1, 1]
    assert inputs.class_names(found) == ("left", "right")
    assert store.verify(plan.name).sound
    other = planned(sided, outputs, name="mine/one", points=points, classes=["left"])
    store.create(other, {})
    assert "label of sample 2 is 1, expected from -1 to 0" in worker_of(other)(row_of(other, 2))["error"]


@pytest.mark.parametrize(
    ("outputs", "arguments", "said"),
    [
        ({"label": Output()}, {"classes": "ab"}, "the output label has the shape .* data type float64, for 2 classes"),
        ({"label": Output(dtype="int64")}, {}, "for 0 classes; expected class numbers"),
        ({"label": Output(("t",), (3,), "int64")}, {"classes": "ab"}, r"the output label has the shape \(3,\)"),
        ({"label": Output(dtype="int64")}, {"classes": "aa"}, "a class is called 'a'; expected names .* each once"),
        ({"label": Output(dtype="int64")}, {"classes": "ab", "label": [0, 1]}, "expected one of them"),
        ({"x": Output()}, {"classes": "ab"}, "classes a, b, but no labels; give label=…"),
    ],
)
def test_labels_that_could_not_be_used_are_refused(outputs, arguments, said):
    with pytest.raises(InputError, match=said):
        simulations(sided, {"a": [1.0, 2.0]}, outputs, **arguments)


def test_a_constant_may_be_called_as_what_is_said_of_samples():
    plan = simulations(thinned, {"a": [1]}, NUMBER, constants={"probability": 0.3})
    assert plan.parameters == {"probability": 0.3}
    with pytest.raises(InputError, match="probability is the name of more than one thing"):
        simulations(vector, {"a": [1]}, {"probability": Output()})


def test_names_of_points_constants_and_outputs_are_all_apart():
    for one, other in itertools.combinations(["points", "constants", "outputs", "coordinates"], 2):
        given = {"points": {"a": [1]}, "constants": {}, "outputs": dict(NUMBER), "coordinates": {}}
        values = {"points": [1], "constants": 1, "outputs": Output(), "coordinates": ("t", [1])}
        given[one]["twice"], given[other]["twice"] = values[one], values[other]
        with pytest.raises(InputError, match="twice is the name of more than one thing"):
            simulations(scaled, **given)
