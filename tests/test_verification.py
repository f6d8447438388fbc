"""Damage of any kind in any file is found; only damaged parts are created again."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_artifact import small_artifact
from tiny_store import contents, restore, shard_values, sound, template, write

from raypipe import repair, store
from raypipe.errors import DamageError, InputError
from raypipe.networks import artifact
from raypipe.store import verification

NAME = "tests/five"


@pytest.fixture
def sound_store(store_root):
    sound()
    assert store.verify(NAME).sound
    return store_root / "tests"


damages = st.one_of(
    st.tuples(st.just("flip a bit"), st.floats(0, 1, exclude_max=True), st.integers(0, 7)),
    st.tuples(st.just("cut off"), st.floats(0, 1, exclude_max=True), st.just(0)),
    st.tuples(st.just("append"), st.just(0.0), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("overwrite"), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("fill with zeros"), st.floats(0, 1, exclude_max=True), st.integers(1, 4096)),
    st.tuples(st.just("delete"), st.just(0.0), st.just(0)),
    st.tuples(st.just("exchange"), st.floats(0, 1, exclude_max=True), st.just(0)),
)


def damage(file, files, kind, where, how):
    """Damage a file; return whether its content has changed."""
    sound = file.read_bytes()
    at = int(where * len(sound))
    if kind == "delete":
        file.unlink()
        return True
    broken = bytearray(sound)
    if kind == "flip a bit":
        broken[at] ^= 1 << how
    elif kind == "cut off":
        del broken[at:]
    elif kind == "append":
        broken += how
    elif kind == "overwrite":
        broken[at : at + len(how)] = how
    elif kind == "fill with zeros":
        broken[at : at + how] = bytes(len(broken[at : at + how]))
    else:
        broken = bytearray(files[int(where * len(files))].read_bytes())
    file.write_bytes(broken)
    return bytes(broken) != sound


def everything(name):
    """Return plan, ledger, attributes and values of a store as a string."""
    dataset = store.open(name).load()
    attributes = {key: value for key, value in dataset.attrs.items() if key != "sha256"}
    arrays = {str(key): (array.dims, array.attrs, array.values.tolist()) for key, array in dataset.variables.items()}
    return repr((store.plan_of(name), store.ledger(name), attributes, arrays))


@pytest.fixture(scope="module")
def sound_root(tmp_path_factory):
    """Create a root with a store and an artifact; return the root, the content of every file, and what both hold."""
    root = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        sound()
        artifact.save(small_artifact())
        return root, contents(root), everything(NAME), repr(artifact.load("123-2"))


@settings(max_examples=150)
@given(data=st.data())
def test_no_damage_to_a_store_is_silent(sound_root, data):
    root, whole, said, _ = sound_root
    restore(root, whole)
    files = sorted(file for file in whole if file.is_relative_to(root / "tests"))
    file = data.draw(st.sampled_from(files))
    kind, where, how = data.draw(damages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        changed = damage(file, files, kind, where, how)
        line_is_gone = kind == "delete" and file.parent.name == "five.ledger" and file.name != "plan.json"
        try:
            # Without a ledger entry the store is incomplete, which `open` reports, but no value is wrong.
            found = store.verify(NAME)
            is_found = not found.sound or (line_is_gone and len(found.missing) == 1)
        except InputError:
            is_found = True
        try:
            read = everything(NAME)
        except InputError:
            read = None
        assert is_found or not changed or read == said, "verify is silent"
        # Only `verify` detects a valid chunk or document in place of another.
        assert read in (None, said) or kind == "exchange", "reading is silent"


@settings(max_examples=300)
@given(data=st.data())
def test_no_damage_to_an_artifact_is_silent(sound_root, data):
    root, whole, _, said = sound_root
    file = root / artifact.path("123-2")
    file.write_bytes(whole[file])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        damage(file, [file], *data.draw(damages))
        try:
            read = repr(artifact.load("123-2"))
        except InputError:
            read = None
    assert read in (None, said)


def test_a_missing_chunk_is_damage_not_a_fill_value(sound_store):
    for chunk in ("k/c/0", "class/c/0", "u/c/1/0", "noise/c/2"):
        file = sound_store / "five.zarr" / chunk
        content = file.read_bytes()
        for broken in (None, b""):
            file.unlink() if broken is None else file.write_bytes(broken)
            with pytest.raises(DamageError, match=rf"five.zarr/{chunk} is damaged: it is .*raypipe verify {NAME}"):
                store.open(NAME).load()
            assert not store.verify(NAME).sound
        file.write_bytes(content)
    assert store.verify(NAME).sound


def test_a_damaged_chunk_is_named_when_it_is_read(sound_store):
    file = sound_store / "five.zarr/u/c/1/0"
    broken = bytearray(file.read_bytes())
    broken[3] ^= 0xFF
    file.write_bytes(broken)
    dataset = store.open(NAME)
    np.testing.assert_array_equal(dataset.u[:2], shard_values(slice(0, 2))["u"])
    with pytest.raises(DamageError, match=r"five.zarr/u/c/1/0 is damaged: it cannot be decoded: .*--repair$"):
        dataset.u[2:3].load()
    with pytest.raises(DamageError, match=r"u/c/1/0 is damaged"):
        store.arrays(NAME)["u"][:]
    assert list(store.verify(NAME).shards) == [1]


def test_a_line_that_is_a_copy_of_anothers(sound_store):
    shutil.copy(sound_store / "five.ledger/000000.json", sound_store / "five.ledger/000001.json")
    found = store.verify(NAME)
    assert list(found.shards) == [1]
    assert "it is the line of shard 0, samples 0 to 1, not of shard 1, samples 2 to 3" in found.shards[1]


def test_a_line_of_another_name_counts_for_nothing(sound_store):
    (sound_store / "five.ledger/000001.json").rename(sound_store / "five.ledger/0000001.json")
    found = store.verify(NAME)
    assert found.missing == [1]
    assert found.foreign == [f"{NAME}.ledger/0000001.json"]


def test_a_shard_that_is_another_arrays_chunk(sound_store):
    """Such a chunk has a valid checksum and the length of a shard index, but the index points beyond its end."""
    shutil.copy(sound_store / "five.zarr/frame/c/0", sound_store / "five.zarr/u/c/2/0")
    said = r"u/c/2/0 is damaged: its index points to byte \d+, but it has only 36; repair it with: raypipe verify"
    with pytest.raises(DamageError, match=said):
        store.open(NAME).u.load()
    assert list(store.verify(NAME).shards) == [2]


def test_a_line_for_a_shard_that_is_none(sound_store):
    shutil.copy(sound_store / "five.ledger/000000.json", sound_store / "five.ledger/000007.json")
    assert store.verify(NAME).surplus == [7]


def test_sizes_that_someone_edited_are_held_against_the_plan(sound_store):
    """All checksums are valid, but the sizes contradict the plan and the ledger."""
    from raypipe.store import template as templates

    file = sound_store / "five.zarr/zarr.json"
    group = json.loads(file.read_text())
    group["attributes"]["samples"] = 10**10
    for metadata in group["consolidated_metadata"]["metadata"].values():
        metadata["shape"] = [10**10 if length == 5 else length for length in metadata["shape"]]
    file.write_bytes(templates.seal_group(group))
    (problem,) = store.verify(NAME).documents
    assert "samples 10000000000, not 5" in problem
    with pytest.raises(DamageError, match="does not agree with the plan"):
        store.open(NAME)


def test_a_store_completed_by_another_kind_of_processor_is_sound(store_root):
    """Its results may differ in the last bits: checksums are compared with what was written."""
    store.create(template(), {})
    for shard in range(3):
        bounds = template().bounds(shard)
        values = {name: array * (1 + shard * 2**-50) for name, array in shard_values(bounds).items()}
        store.write_shard(NAME, shard, bounds, values, seeds=None, seconds=0, attempt="test")
    assert np.any(store.open(NAME).u.values != shard_values(slice(0, 5))["u"])
    assert store.verify(NAME).sound
    damage_shard(store_root / "tests")
    store.mend(template(), {}, store.verify(NAME))
    assert store.missing(NAME) == [1]
    write(template(), 1)
    assert store.verify(NAME).sound


def test_a_store_that_is_not_there():
    with pytest.raises(InputError, match="there is no data set 'tests/five'"):
        store.verify(NAME)


def test_a_shard_that_is_finished_meanwhile_is_no_damage(monkeypatch):
    store.create(template(), {})
    for shard in (0, 1):
        write(template(), shard)
    opened, coordinates = verification.arrays, []

    def meanwhile(name):
        found = opened(name)
        if coordinates:  # the second call opens the arrays of the shards
            write(template(), 2)
        coordinates.append(found)
        return found

    monkeypatch.setattr(verification, "arrays", meanwhile)
    found = store.verify(NAME)
    assert found.sound, str(found)
    assert found.missing == [2]


def test_a_repair_by_another_plan_is_refused_before_anything_is_changed(sound_store):
    damage_shard(sound_store)
    found, before = store.verify(NAME), contents(sound_store)
    coordinate = replace(template().coordinates["k"], values=np.arange(5) / 7)
    other = replace(template(), coordinates={**template().coordinates, "k": coordinate})
    with pytest.raises(InputError, match="the values or shape of k have changed"):
        store.mend(other, {}, found)
    assert contents(sound_store) == before
    store.mend(template(), {}, found)
    assert store.attributes(NAME)["status"].startswith("incomplete: 2 of 3")


@pytest.mark.parametrize("lost", ["five.ledger/plan.json", "five.zarr/k/zarr.json"])
def test_a_repair_by_another_plan_is_refused_also_without_the_stored_one(sound_store, lost):
    (sound_store / lost).unlink()
    found, before = store.verify(NAME), contents(sound_store)
    coordinate = replace(template().coordinates["class"], values=["h", "l"])
    others = {
        r"extra was None, now 1": template(extra=1),
        r"size was 3, now None": replace(template(), parameters={}),
        r"samples was 5, now 6": template(samples=6),
        r"shard_samples was 2, now 3": template(shard_samples=3),
        r"values or shape of class have": replace(
            template(), coordinates={**template().coordinates, "class": coordinate}
        ),
    }
    for message, other in others.items():
        with pytest.raises(InputError, match=f"made with other parameters: .*{message}"):
            store.mend(other, {}, found)
        assert contents(sound_store) == before
    store.mend(template(), {"hosts": 1}, found)
    assert store.verify(NAME).sound
    assert not store.missing(NAME)


def test_shards_of_an_unknown_plan_are_made_again(sound_store):
    """Shards fit any plan of the same shape, so that they count only if plan or metadata tell whose they are."""
    for document in (sound_store / "five.ledger/plan.json", sound_store / "five.zarr/zarr.json"):
        document.write_text(document.read_text().replace('"size": 3', '"size": 4'))
    store.mend(template(size=4), {}, store.verify(NAME))
    assert store.missing(NAME) == [0, 1, 2]
    assert store.plan_of(NAME).parameters == {"size": 4}


def test_shards_that_are_not_made_yet_are_no_damage():
    store.create(template(), {})
    write(template(), 2)
    found = store.verify(NAME)
    assert found.sound
    assert len(found.missing) == 2


def damage_shard(folder):
    file = folder / "five.zarr/u/c/1/0"
    file.write_bytes(file.read_bytes()[:-5])


DAMAGES = {
    "a shard": damage_shard,
    "a shard that is gone": lambda folder: (folder / "five.zarr/noise/c/2").unlink(),
    "a line": lambda folder: (folder / "five.ledger/000001.json").write_text("{"),
    "a surplus line": lambda folder: (folder / "five.ledger/000009.json").write_text("{}"),
    "a lost line": lambda folder: (folder / "five.ledger/000000.json").unlink(),
    "a coordinate": lambda folder: (folder / "five.zarr/k/c/0").write_bytes(b"x"),
    "an array's metadata": lambda folder: (folder / "five.zarr/u/zarr.json").unlink(),
    "the group's metadata": lambda folder: (folder / "five.zarr/zarr.json").unlink(),
    "the plan": lambda folder: (folder / "five.ledger/plan.json").unlink(),
    "the whole ledger": lambda folder: shutil.rmtree(folder / "five.ledger"),
    "all data": lambda folder: shutil.rmtree(folder / "five.zarr"),
}
MADE_AGAIN = {"a shard": [1], "a shard that is gone": [2], "a line": [1], "a lost line": [0]} | {
    "the whole ledger": [0, 1, 2], "all data": [0, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_a_repair_makes_again_just_what_is_damaged(what, sound_store, monkeypatch):
    before = everything(NAME)
    values = {file: content for file, content in contents(sound_store).items() if "ledger" not in str(file)}
    DAMAGES[what](sound_store)
    made = []

    def fill_here(plan, own):
        store.create(plan, {})
        for shard in store.missing(plan.name):
            made.append(shard)
            write(plan, shard)
        store.mark(plan.name, hosts=1)

    monkeypatch.setattr(repair, "fill", fill_here)
    monkeypatch.setattr(repair, "provenance", lambda _: {"hosts": 1})
    monkeypatch.setitem(repair.MAKERS, "tests", lambda name, _: template(name))
    found = store.verify(NAME)
    repair.repair(found)
    assert found.missing or not found.sound
    assert made == MADE_AGAIN.get(what, [])
    after = store.verify(NAME)
    assert after.sound
    assert not after.missing
    if not made:
        assert everything(NAME) == before
    repaired = contents(sound_store)
    assert {file: repaired[file] for file in values if file.name != "zarr.json"} == {
        file: content for file, content in values.items() if file.name != "zarr.json"
    }
