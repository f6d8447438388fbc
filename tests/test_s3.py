"""Stores in a bucket of a real S3 server are what they are in a folder."""

import numpy as np
import pytest
import s3_server
from tiny_store import filled, shard_values, template, write

from raypipe import store
from raypipe.errors import DamageError, InputError
from raypipe.store import objects


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server.serving(tmp_path_factory.mktemp("s3")):
        yield


@pytest.fixture
def bucket(server, monkeypatch, request):
    monkeypatch.setenv("RAYPIPE_STORE", f"s3://raypipe/{request.node.name}")


def test_a_store_is_filled_verified_and_read(bucket):
    filled(template())
    store.mark("tests/five", complete=True, hosts=1)
    found = store.verify("tests/five")
    assert found.sound, str(found)
    assert not found.missing
    assert store.list_names() == ["tests/five"]
    np.testing.assert_array_equal(store.open("tests/five").u, shard_values(slice(0, 5))["u"])


def test_a_document_is_created_once(bucket):
    assert objects.create("tests/once.json", b"1")
    assert not objects.create("tests/once.json", b"2")
    assert objects.get("tests/once.json") == b"1"
    store.create(template(), {})
    with pytest.raises(InputError, match="size is 3 there and 4 here"):
        store.create(template(size=4), {})


def test_damage_is_found_and_written_over(bucket):
    filled(template())
    objects.put("tests/five.zarr/u/c/1/0", objects.get("tests/five.zarr/u/c/1/0")[:-5])
    objects.delete("tests/five.zarr/k/c/0")
    with pytest.raises(DamageError, match="k/c/0 is damaged: it is missing"):
        store.open("tests/five").k.load()
    found = store.verify("tests/five")
    assert list(found.shards) == [1]
    assert "k/c/0 is damaged: it is missing" in found.documents[0]
    store.mend(template(), {"hosts": 1}, found)
    assert store.missing("tests/five") == [1]
    write(template(), 1)
    assert store.verify("tests/five").sound
