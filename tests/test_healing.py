"""Whatever happens to the files of a store, a repair restores it: values, checksums and every chunk."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from test_verification import NAME, damage, damages
from tiny_store import contents, restore, sound, template, write

from raypipe import repair, store
from raypipe.errors import DamageError, InputError

OTHERS = ("swap two", "leave half of a write", "add a chunk")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Create a root with a store; return the root and the content of every file."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        sound()
        yield root, contents(root)


def fill_here(plan, own):
    own.check()
    store.create(plan, {"hosts": 1})
    for shard in store.missing(plan.name):
        write(plan, shard)
    store.mark(plan.name, hosts=1)


def checksums():
    return [(line.shard, line.start, line.stop, line.checksum, line.seeds) for line in store.ledger(NAME)]


def harm(root, data):
    """Damage the files of a store in one way; return the kind of damage."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    file, other = (data.draw(st.sampled_from(files)) for _ in range(2))
    kind, where, how = data.draw(damages | st.tuples(st.sampled_from(OTHERS), st.just(0.0), st.integers(0, 999)))
    if kind == "swap two":
        first, second = file.read_bytes(), other.read_bytes()
        file.write_bytes(second)
        other.write_bytes(first)
    elif kind == "leave half of a write":
        content = file.read_bytes()
        (file.parent / f"{file.name.partition('#')[0]}#{how}").write_bytes(content[: len(content) // 2])
    elif kind == "add a chunk":
        chunk = root / f"{NAME}.zarr/noise/c/{3 + how}"
        chunk.write_bytes(file.read_bytes())
    elif file.stat().st_size or kind in ("delete", "append", "exchange"):
        damage(file, files, kind, where, how)
    return kind


def is_repaired(found):
    """Repair a store; False if that is refused, as coordinates have changed places and no plan tells them apart."""
    try:
        repair.repair(found, template())
    except InputError as error:
        if "the values or shape of" not in str(error):
            raise
        with pytest.raises(DamageError):
            store.plan_of(NAME)
        return False
    return True


def heals(whole, data):
    root, files = whole
    restore(root, files)
    values, known = store.open(NAME).load(), checksums()
    kinds = [harm(root, data) for _ in range(data.draw(st.integers(1, 3)))]
    for kind, count in Counter(kinds).items():
        event(f"{kind}: {count}")
    changed = contents(root) != files
    found = store.verify(NAME)
    event("found" if found.mendable else "nothing found")
    if changed and not found.mendable:
        assert store.open(NAME).load().identical(values), "silent, and values are others"
        assert checksums() == known
        return
    if found.mendable and not is_repaired(found):
        event("refused")
        return
    after = store.verify(NAME)
    assert not after.mendable, str(after)
    healed = store.open(NAME).load()
    assert checksums() == known
    for name, variable in values.variables.items():
        np.testing.assert_array_equal(healed[name], variable)
        assert healed[name].attrs == variable.attrs
    assert {path: data for path, data in contents(root).items() if path.suffix != ".json"} == {
        path: data for path, data in files.items() if path.suffix != ".json"
    }


@pytest.fixture
def here(monkeypatch, whole):
    monkeypatch.setenv("RAYPIPE_STORE", str(whole[0]))
    monkeypatch.setattr(repair, "fill", fill_here)
    monkeypatch.setattr(repair, "provenance", lambda _: {"hosts": 1})


ONE_STORE = [HealthCheck.function_scoped_fixture]
"""All examples share the fixtures on purpose: each example starts from the restored store."""


@settings(max_examples=60, suppress_health_check=ONE_STORE)
@given(data=st.data())
def test_what_is_damaged_is_healed(here, whole, data):
    heals(whole, data)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=ONE_STORE)
@given(data=st.data())
def test_what_is_damaged_in_a_thousand_ways_is_healed(here, whole, data):
    heals(whole, data)
