"""Any content of a store, artifact or card is either used, or refused in one line that names it."""

import contextlib
import copy
import json
import resource
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_artifact import small_artifact
from tiny_store import contents, filled, restore, sound, template, write

from raypipe import catalog, store
from raypipe.errors import DamageError, InputError
from raypipe.networks import artifact, keras_model
from raypipe.report import holdings, sections
from raypipe.report.page import Section, render
from raypipe.store import Coordinate, Variable, documents, objects
from raypipe.store.template import seal_group

NAME = "tests/five"

ANYTHING = st.sampled_from(
    [None, True, "", "x", "../x", -1, 0, 1, 2, 3, 5, 10**6, 10**10, 10**18, 10**30, 1.5, float("nan"), float("inf"),
     [], {}, [1], [10**10], [[1]], {"name": "x"}, "float64", "int8", "string", "sharding_indexed"]
)  # fmt: skip


@contextlib.contextmanager
def little_memory(spare=2**32):
    """Limit this process to so many additional bytes, so that absurd allocations fail."""
    with open("/proc/self/statm") as pages:
        used = int(pages.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def places(node, at=()):
    """Yield the path of each value in a JSON document, except the document itself."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*at, key)
        yield from places(value, (*at, key))


@st.composite
def changed(draw, document):
    """Return a JSON document with one value changed, removed or added."""
    document = copy.deepcopy(document)
    *outer, last = draw(st.sampled_from(list(places(document))))
    node = document
    for key in outer:
        node = node[key]
    how = draw(st.sampled_from(["put", "put", "put", "drop", "again"]))
    if how == "put":
        node[last] = draw(ANYTHING)
    elif how == "drop":
        del node[last]
    elif isinstance(node, list):
        node.append(node[last])
    else:
        node[draw(st.sampled_from(["again", "scale_factor", "_FillValue", "units"]))] = draw(ANYTHING)
    return document


def sealed(file, document):
    """Return the document with a valid checksum: deliberately changed, not damaged."""
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        if ".ledger" in str(file):
            content = {key: value for key, value in document.items() if key != documents.SEAL}
            return json.dumps({**content, documents.SEAL: documents.digest(content)}).encode()
        if file.parent.name == "five.zarr":
            return seal_group(document)
    return json.dumps(document).encode()


READERS = {
    "list_names": lambda: store.list_names(damaged=True),
    "open": lambda: repr(catalog.open(NAME, partial=True)),
    "load": lambda: catalog.open(NAME, partial=True).load(),
    "arrays": lambda: {name: array[...] for name, array in store.arrays(NAME).items()},
    "verify": lambda: str(store.verify(NAME)),
    "ledger": lambda: store.ledger(NAME),
    "missing": lambda: store.missing(NAME),
    "begun": lambda: store.begun(template()),
    "is_marked_complete": lambda: store.is_marked_complete(NAME),
    "stores": holdings.stores,
    "write": lambda: write(template(), 1),
    "mark": lambda: store.mark(NAME),
}


def said_by(read):
    """Return the message of a reader's error, or nothing; one without advice gets a line break, so that tests fail."""
    try:
        read()
    except InputError as error:
        return str(error) if ";" in str(error) else f"nothing to do:\n{error}"
    return ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Create a root with a store; return the root and the content of every file."""
    root = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPIPE_STORE", str(root))
        sound()
    return root, contents(root)


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_the_documents_of_a_store_say(whole, data):
    root, files = whole
    file = data.draw(st.sampled_from(sorted(file for file in files if file.suffix == ".json")))
    document = data.draw(changed(json.loads(files[file])))
    try:
        with pytest.MonkeyPatch.context() as patch, little_memory():
            patch.setenv("RAYPIPE_STORE", str(root))
            for read in READERS.values():
                file.write_bytes(sealed(file, document))
                assert said_by(read).count("\n") == 0
    finally:
        restore(root, files)


def array_of(group, name):
    return group["consolidated_metadata"]["metadata"][name]


def absurd_coordinate(group, plan):
    array_of(group, "frame")["shape"] = array_of(group, "frame")["chunk_grid"]["configuration"]["chunk_shape"] = [
        10**10
    ]
    plan["arrays"]["frame"]["shape"] = [10**10]


def absurd_chunk(group, plan):
    array_of(group, "frame")["chunk_grid"]["configuration"]["chunk_shape"] = [10**10]


def absurd_shard(group, plan):
    u = array_of(group, "u")
    u["shape"][1] = u["chunk_grid"]["configuration"]["chunk_shape"][1] = 3 * 10**9
    plan["arrays"]["u"]["shape"][1] = 3 * 10**9


def absurdly_many_chunks(group, plan):
    u = array_of(group, "u")
    u["shape"][1] = u["chunk_grid"]["configuration"]["chunk_shape"][1] = 10**8
    u["codecs"][0]["configuration"]["chunk_shape"] = [1, 1]
    plan["arrays"]["u"]["shape"][1] = 10**8


def absurd_text(group, plan):
    frame = array_of(group, "frame")
    frame["data_type"] = {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**31 - 4}}
    frame["fill_value"] = ""


def absurd_plan(group, plan):
    plan.update(samples=10**18, shard_samples=1, shards=10**18)


ABSURD = {
    absurd_coordinate: "frame has 80000000000 bytes in a chunk; at most 2147483647 are allowed",
    absurd_chunk: "frame has 80000000000 bytes in a chunk",
    absurd_shard: "u has 48000000000 bytes in a shard",
    absurdly_many_chunks: "u has 200000000 chunks in a shard",
    absurd_text: "frame has 4294967288 bytes in a chunk",
    absurd_plan: "1000000000000000000 shards; at most 10000000 are allowed",
}


@pytest.mark.parametrize("what", ABSURD)
def test_absurd_sizes_are_refused_before_anything_is_allocated(what, store_root):
    """Plan and metadata agree, and their checksums are valid."""
    filled(template())
    files = [store_root / path(NAME) for path in (documents.group_path, documents.plan_path)]
    group, plan = (json.loads(file.read_text()) for file in files)
    what(group, plan)
    for file, document in zip(files, (group, plan), strict=True):
        file.write_bytes(sealed(file, document))
    with little_memory():
        for read in ("open", "arrays", "write"):
            with pytest.raises(DamageError, match=f"json is damaged: .*{ABSURD[what]}.*; repair it with: raypipe"):
                READERS[read]()
        (problem,) = store.verify(NAME).documents
    assert ABSURD[what] in problem


def test_a_template_that_could_not_be_read_again_is_refused(store_root):
    many = np.broadcast_to(np.int64(1), 3 * 10**8)
    wide = Variable(("sample", "y"), (5, 10**9), "float64", (1, 10**9))
    for what, said in (
        ({"samples": 10**8, "shard_samples": 1}, "it has 100000000 shards; at most 10000000 are allowed"),
        ({"variables": {"u": wide}}, "u has 8000000000 bytes in a chunk"),
        ({"coordinates": {"frame": Coordinate(("frame",), many)}}, "frame has 2400000000 bytes"),
    ):
        with pytest.raises(InputError, match=f"{said}.*plan smaller pieces"):
            store.create(replace(template(), **what), {})
    assert not store_root.exists()


@pytest.mark.parametrize("prefix", ["../", "../x", "/etc/x", "a/../../x", "tests/../../x", "a\0b/x", "a//b"])
def test_names_do_not_lead_out_of_the_root(prefix, tmp_path, monkeypatch):
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "x.ledger"))
    filled(template("five"))
    monkeypatch.setenv("RAYPIPE_STORE", str(tmp_path / "root"))
    filled(template())
    for call in (store.list_names, store.verify, store.finished, store.arrays, catalog.open, store.location):
        with pytest.raises(InputError, match="is not a valid name"):
            call(prefix)
    with pytest.raises(InputError, match="is not a valid name"):
        store.create(template(prefix), {})


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_the_documents_of_an_artifact_say(tmp_path_factory, data):
    sound = small_artifact()
    known = {
        "made_from": {
            "data": {one: {"name": "andi/x", "samples": 3} for one in ("train", "validation")},
            "training": {"seed": 1, "rate": 0.1},
        },
        "seconds": 1.5,
    }
    said = json.loads(json.dumps({**asdict(replace(sound, provenance=known, weights={}))}))
    changes = data.draw(changed({key: value for key, value in said.items() if key != "weights"}))
    with pytest.MonkeyPatch.context() as patch, little_memory():
        patch.setenv("RAYPIPE_STORE", str(tmp_path_factory.mktemp("artifact")))
        objects.put(artifact.path("123-2"), artifact.pack(sound.weights, changes))
        assert "\n" not in said_by(lambda: artifact.load("123-2"))
        read = holdings.Holdings.all()
        assert len(read.networks) + len(read.damaged) == 1
        assert not read.damaged or "networks/123-2.safetensors" in read.damaged["network 123-2"]
        for section in (sections.summary, sections.evaluation, sections.networks, sections.provenance):
            list(section(read))
        for network in read.networks:
            assert {network.facts["name"], *network.splits}
            render("page", [Section("networks", "Networks", list(sections.networks(read)))], version="0")


@pytest.mark.parametrize(
    "change",
    [
        {"layers": {"units": 10**9}},
        {"layers": {"filters": 10**9}},
        {"layers": {"kernel_size": 10**8}},
        {"input_shape": (10**9, 1)},
    ],
)
def test_a_network_of_absurd_size_is_refused_before_it_takes_memory(change):
    sound = small_artifact()
    absurd = sound.architecture
    if "input_shape" in change:
        absurd = replace(absurd, input_shape=change["input_shape"])
    for name, value in change.get("layers", {}).items():
        layers = [
            replace(one, options=one.options | {name: value}) if name in one.options else one for one in absurd.layers
        ]
        absurd = replace(absurd, layers=tuple(layers))
    with little_memory():
        message = said_by(lambda: keras_model.load(replace(sound, architecture=absurd)))
    assert "123-2" in message
    assert "\n" not in message


@pytest.mark.parametrize("content", ["", "name =", 'name = "x"', "\0", 'name = "x"\nmore = 1'])
def test_a_card_that_is_none(content, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/x.toml").write_text(content)
    monkeypatch.setattr(catalog, "DATA_CATALOG", tmp_path)
    with pytest.raises(InputError, match=r"^.*mine/x.toml is not a data set card: .*; "):
        catalog.cards()
