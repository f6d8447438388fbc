"""Stores in a bucket of a real S3 server behave like stores in a folder."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import ports
import pytest
import s3_server
from tiny_store import filled, shard_values, template, write

from raypipe import store
from raypipe.errors import DamageError, InputError
from raypipe.store import objects


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server.serving(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def bucket(server, monkeypatch, request):
    monkeypatch.setenv("RAYPIPE_STORE", f"s3://raypipe/{request.node.name}")


def test_a_store_is_filled_verified_and_read(bucket):
    filled(template())
    store.mark("tests/five", hosts=1)
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
    with pytest.raises(InputError, match="size was 3, now 4"):
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


@pytest.mark.slow
def test_a_server_that_is_stopped_for_ten_seconds_is_waited_for(server, bucket, caplog):
    """It is stopped before reads, writes, listings and creations, which wait; the log has one line about it."""
    filled(template())

    def run():
        with ThreadPoolExecutor() as pool:
            work = [
                pool.submit(write, template(), 1),
                pool.submit(store.ledger, "tests/five"),
                pool.submit(lambda: store.open("tests/five").load()),
                pool.submit(objects.create, "tests/once.json", b"1"),
                pool.submit(store.list_names),
            ]
        return [one.result() for one in work]

    before = store.open("tests/five").load()
    server.stop()
    threading.Timer(10, server.start).start()
    began = time.monotonic()
    _, lines, read, created, names = run()
    assert time.monotonic() - began > 8
    assert created
    assert len(lines) == 3
    assert names == ["tests/five"]
    assert read.identical(before)
    assert store.verify("tests/five").sound
    told = [one.message for one in caplog.records if "does not answer" in one.message]
    assert len(told) == 1
    assert "waiting for it, at most 240 s (RAYPIPE_STORE_WAIT)" in told[0]


def test_the_wait_ends_in_one_line(monkeypatch):
    (port,) = ports.free_ports(1)
    monkeypatch.setenv("RAYPIPE_STORE", "s3://raypipe/nobody")
    monkeypatch.setenv("RAYPIPE_STORE_WAIT", "2")
    for name, value in {**s3_server.KEYS, "AWS_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "1"}.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(
        InputError, match=r"^cannot write x under s3://raypipe/nobody: [^\n]*; fix that, or set RAYPIPE"
    ):
        objects.put("x", b"")
    assert 1 < time.monotonic() - began < 30


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "900"])
def test_a_wait_that_is_none(given, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", "s3://raypipe/nowhere")
    monkeypatch.setenv("RAYPIPE_STORE_WAIT", given)
    with pytest.raises(InputError, match=f"RAYPIPE_STORE_WAIT is '{given}'; expected seconds from 0 to 840"):
        objects.wait()


@pytest.mark.parametrize(
    "url", ["s3://key:secret@bucket/x", "s3://secret@bucket", "gs://a:secret@b", "abfss://c:secret@d/e"]
)
def test_credentials_in_a_url_are_refused_without_telling_them(url, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", url)
    for call in (objects.root, lambda: objects.find("x"), lambda: objects.read_from(f"{url}/x.safetensors")):
        with pytest.raises(InputError, match="there are credentials in the URL") as error:
            call()
        assert "secret@" not in str(error.value)
        assert "key:" not in str(error.value)


def test_a_container_of_azure_is_no_user(monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", "abfss://container@account.dfs.core.windows.net/x")
    assert objects.root() == "abfss://container@account.dfs.core.windows.net/x"
