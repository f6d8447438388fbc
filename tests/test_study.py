"""Studies: a user's file, settings, plans of simulations, and invalid input."""

import functools
import importlib
import itertools
import logging
import os
import re
import shlex
import sys
import textwrap

import numpy as np
import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st
from without_ray import fill_here, worker_of

from raypipe import catalog, modules, store, study
from raypipe.command import values
from raypipe.errors import InputError, WorkError
from raypipe.networks.architecture import stack
from raypipe.plan import Output, product, simulations
from raypipe.run import environments, fill
from raypipe.store import Plan
from raypipe.study import DataSet, Study


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Change to a user's folder; modules imported from it are removed afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    before = set(sys.modules)
    monkeypatch.delenv(modules.STUDY_VARIABLE, raising=False)
    yield tmp_path
    os.environ.pop(modules.STUDY_VARIABLE, None)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def choose(folder, name, text):
    (folder / name).write_text(textwrap.dedent(text))
    study.choose(name)
    return study.chosen()


EXAMPLE = textwrap.dedent(Study.__doc__.split("as xarray:\n")[1].split("    Attributes:")[0])


def test_the_example_of_the_docstring_is_complete(folder):
    chosen = choose(folder, "logistic.py", EXAMPLE)
    plan = chosen.plan("scan")
    assert (plan.name, plan.samples, plan.attributes["command"]) == (
        "logistic/scan", 600, "raypipe generate --study logistic.py --split scan"
    )  # fmt: skip
    fill_here(plan)
    scan = catalog.open("logistic/scan")
    assert scan.x.dims == ("sample", "time")
    np.testing.assert_allclose(scan.x.sel(sample=0), 1 - 1 / 2.5)
    assert chosen.pictures[0].draw(scan).axes


def test_the_example_of_the_documentation_is_that_of_the_docstring():
    page = (fill.cluster.PACKAGE.parent / "docs/own_study.md").read_text()
    assert "".join(EXAMPLE.split()) in "".join(page.split())


@pytest.mark.parametrize(
    "page", sorted((fill.cluster.PACKAGE.parent / "docs").glob("*.md")), ids=lambda page: page.name
)
def test_pages_have_no_gap_to_fill(page):
    assert not re.findall(r"^[A-Z_]{4,}$", page.read_text(), flags=re.MULTILINE)


def test_settings_are_arguments_of_the_plan_and_are_kept(folder):
    chosen = choose(
        folder,
        "mine.py",
        """
        from raypipe.plan import Output, product, simulations
        from raypipe.study import DataSet, Study

        def simulate(a, factor):
            return {"x": a * factor}

        def scan(points: int = 3, factor: float = 2.0):
            return simulations(simulate, product(a=range(points)), {"x": Output()}, constants={"factor": factor})

        STUDY = Study("mine", {"scan": DataSet(scan, labelled=False)})
        """,
    )
    plan = chosen.plan("scan", {"points": 5})
    assert (plan.samples, plan.parameters) == (5, {"points": 5, "factor": 2.0})
    fill_here(plan)
    assert catalog.open("mine/scan").x.values.tolist() == [0, 2, 4, 6, 8]
    with pytest.raises(InputError, match=r"factor was 2.0, now 3.0"):
        store.create(chosen.plan("scan", {"points": 5, "factor": 3.0}), {})
    with pytest.raises(InputError, match="colour is not a setting of mine/scan; possible: points, factor"):
        chosen.plan("scan", {"colour": "red"})
    with pytest.raises(InputError, match="unknown split 'train'"):
        chosen.plan("train")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("json.py", "STUDY = 1", "json.py is hidden by another module json"),
        ("my-study.py", "STUDY = 1", "my-study is not a valid module name"),
        ("empty.py", "", "empty.py must define STUDY"),
        ("wrong.py", "STUDY = 'andi'", "it has str"),
        (
            "reserved.py",
            "from raypipe.study import Study\nSTUDY = Study('predictions', {})",
            "'predictions' cannot name a study",
        ),
    ],
)
def test_files_that_are_no_study(folder, name, text, message):
    with pytest.raises(InputError, match=message):
        choose(folder, name, text)


def test_a_missing_file_and_an_unknown_name(folder):
    with pytest.raises(InputError, match=r"there is no file none.py"):
        study.choose("none.py")
    with pytest.raises(InputError, match="unknown study 'none'; known are andi, gray_scott"):
        study.choose("none")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0", r"broken.py: ZeroDivisionError: division by zero\n\n.*broken.py"),
        ("import no_such_package", "broken.py: ModuleNotFoundError: .*for packages of your own, see docs/own_study.md"),
        ("def f(:", "broken.py: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit()", r"broken.py: RuntimeError: expected an exception instead of sys.exit\(None\)"),
    ],
)
def test_an_error_in_the_file_is_told_without_frames_of_raypipe(folder, text, told):
    with pytest.raises(WorkError, match=f"(?s){told}") as caught:
        choose(folder, "broken.py", text)
    assert "raypipe/" not in str(caught.value)


def test_what_is_set_is_like_the_usual_value(folder):
    text = """
        from raypipe.plan import Output, product, simulations
        from raypipe.study import DataSet, Study
        def simulate(a): return {"x": a}
        def scan(points: int = 3, top: float = 2.0, wide: bool = False, window: tuple = (0, 1)):
            return simulations(simulate, product(a=range(points)), {"x": Output()})
        STUDY = Study("mine", {"scan": DataSet(scan, labelled=False)})
        """
    chosen = choose(folder, "mine.py", text)
    assert chosen.plan("scan", {"top": 3}).parameters["top"] == 3
    assert chosen.plan("scan", {"window": [2, 3]}).parameters["window"] == [2, 3]
    for name, value in (("points", "many"), ("points", 2.5), ("points", True), ("wide", 1)):
        with pytest.raises(InputError, match=f"{name} is {value!r}; expected a value like the usual one"):
            chosen.plan("scan", {name: value})
    told = chosen.plan("scan", {"points": 5, "top": 2.0}).attributes["command"]
    assert told == "raypipe generate --study mine.py --split scan --set points=5"


SETTINGS = """
    from raypipe.catalog import Card
    from raypipe.plan import Output, product, simulations
    from raypipe.study import DataSet, Study
    def simulate(a): return {"x": a}
    def scan(points: int = 3, wide: bool = False, name: str = "x", a: str = "0:1:2p", window: tuple = (0, 1)):
        return simulations(simulate, product(a=range(points)), {"x": Output()})
    CARD = Card(name="mine/scan", kind="k", title="t", summary="3 points", command="make it", references="r")
    STUDY = Study("mine", {"scan": DataSet(scan, labelled=False, card=CARD)})
    """


def test_recorded_commands_make_the_same_again(folder):
    (folder / "my studies").mkdir()
    chosen = choose(folder, "my studies/mine.py", SETTINGS)
    for settings in (
        {"wide": True},
        {"name": "12", "points": 5},
        {"name": "true"},
        {"name": 'it\'s "ä"'},
        {"a": "20:50:10"},
        {"a": "20:50:3p", "window": ["1", 2.5, False]},
    ):
        words = shlex.split(chosen.plan("scan", settings).attributes["command"])
        assert words[:6] == ["raypipe", "generate", "--study", "my studies/mine.py", "--split", "scan"]
        assert values(words[7::2]) == settings
    assert chosen.command("scan-own", {}) == "raypipe generate --study 'my studies/mine.py' --split scan-own"
    assert chosen.job("draw") == "raypipe draw --study 'my studies/mine.py'"
    assert study.built_in()["andi"].command("train-own") == "raypipe generate --study andi --split train-own"


def test_a_card_tells_of_the_usual_settings_alone(folder):
    chosen = choose(folder, "mine.py", SETTINGS)
    usual, other = chosen.plan("scan").attributes, chosen.plan("scan", {"points": 2}).attributes
    assert (usual["command"], usual["summary"]) == ("make it", "3 points")
    assert other["command"] == "raypipe generate --study mine.py --split scan --set points=2"
    assert "summary" not in other
    assert other["references"] == "r"


def test_a_link_to_a_study_is_the_study(folder):
    (folder / "versions").mkdir()
    (folder / "versions/beside.py").write_text("NAME = 'linked'")
    (folder / "versions/study_v2.py").write_text(
        "from beside import NAME\nfrom raypipe.study import Study\nSTUDY = Study(NAME, {})"
    )
    (folder / "study.py").symlink_to("versions/study_v2.py")
    for name in ("study.py", "versions/study_v2.py"):
        study.choose(name)
        assert study.chosen().name == "linked"


def test_an_argument_without_a_usual_value_is_refused():
    of = Study("mine", {"scan": DataSet(lambda count: Plan("", count, 1, {}, {}), labelled=False)})
    with pytest.raises(InputError, match="the argument count of the function that plans mine/scan has no default"):
        of.plan("scan", {"count": 3})


def test_names_that_are_taken_are_refused():
    for points, outputs in (({"x": [1]}, "x"), ({"sample": [1]}, "y"), ({"label": [1]}, "y"), ({"a": [1]}, "c")):
        with pytest.raises(InputError, match=r"^(x|sample|label|c) is the name of more than one thing"):
            simulations(dict, points, {outputs: Output()}, constants={"c": 1})


def test_a_layer_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"unknown kind of layer 'Conv2DD'; choose one of .*GlobalAveragePooling2D"):
        stack(("Conv2DD", {"filters": 3}))


def test_a_file_may_extend_a_built_in_study(folder):
    text = """
        from dataclasses import replace
        from raypipe.studies.andi import STUDY as BUILT_IN
        STUDY = replace(BUILT_IN, networks=[replace(BUILT_IN.networks[0], name="mine")])
        """
    choose(folder, "extension.py", text)
    assert study.architecture("mine").study == "andi"
    assert [one.name for one in study.find("andi").networks] == ["mine"]
    assert study.architecture("pattern-2d").study == "gray_scott", "the others are there as before"


def test_an_installed_package_offers_a_study(folder, monkeypatch, caplog):
    package = folder / "offering-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[raypipe.studies]\noffered = offering:STUDY\nfalse = offering:OTHER\n")
    (folder / "offering.py").write_text(
        "from raypipe.study import Study\nSTUDY = Study('offered', {})\nOTHER = Study('other', {})\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    study.choose("offered")
    assert study.chosen().name == "offered"
    assert list(fill.cluster._installed_studies()) == [str(folder / "offering.py")], "it is sent to isolated workers"
    with pytest.raises(InputError, match=r"entry point 'false' of raypipe\.studies is "):
        study.find("false")
    with caplog.at_level(logging.WARNING):
        assert study.architecture("pattern-2d").study == "gray_scott"
    assert "left out: the entry point" in caplog.text


def test_the_name_of_a_split_is_no_pattern():
    of = Study("s", {"v1.0": DataSet(Plan("", 1, 1, {}, {}, {}))})
    assert [of.declared(split) for split in ("v1.0-zoom", "v1x0-zoom")] == ["v1.0", None]


def test_the_lock_file_of_an_installed_study_lies_beside_it(folder, monkeypatch):
    package = folder / "somewhere"
    package.mkdir()
    (package / "lone.py").write_text("def simulate(a):\n    return {'x': a}\n")
    (package / "own.txt").write_text("numpy==2.0.0")
    monkeypatch.syspath_prepend(str(package))
    planned = simulations(importlib.import_module("lone").simulate, {"a": [1]}, {"x": Output()}, environment="own.txt")
    made = Study("lone", {"all": DataSet(planned)}).plan("all")
    assert environments.lock(made.environment) == package / "own.txt"


def test_the_clusters_own_environment_has_no_name():
    with pytest.raises(InputError, match=r"unknown environment 'cluster'.*None for the cluster's own"):
        environments.lock("cluster")


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1))
def test_a_product_has_every_combination_once(axes):
    found = product(**axes)
    assert {len(values) for values in found.values()} == {np.prod([len(values) for values in axes.values()])}
    points = list(zip(*found.values(), strict=True))
    assert points == [tuple(one) for one in itertools.product(*axes.values())]


def test_plans_that_are_refused():
    points, outputs = {"a": [1, 2]}, {"x": Output()}
    for simulate, given_points, message in (
        (lambda a: {"x": a}, points, "workers cannot import"),
        (functools.partial(scripted.summed, b=1), points, r"workers cannot import functools.partial\(.*with `def`"),
        (scripted.doubled, {"b": [1, 2]}, "doubled takes a; the points and constants are b"),
        (scripted.doubled, {"a": [1, 2], "b": [1]}, "one-dimensional arrays of equal length"),
        (scripted.doubled, {"a": [[1, 2]]}, "one-dimensional arrays of equal length"),
        (scripted.doubled, {"a": []}, "there are no points: a are empty"),
    ):
        with pytest.raises(InputError, match=message):
            simulations(simulate, given_points, outputs)


def at(x):
    return {"u": np.full(3, x)}


@pytest.mark.parametrize(
    ("label", "classes", "message"),
    [
        ([0, 1], ("no pattern", "spots"), "a class is called 'no pattern'; expected names without spaces"),
        ([0, 1], ("spots", "spots"), "a class is called 'spots'; expected .* each once"),
        ([0, 2], ("none", "spots"), "labels are from 0 to 2; expected numbers from 0 to 1"),
        ([-2, 0], ("none", "spots"), "labels are from -2 to 0; expected"),
        ([0.0, 1.0], ("none", "spots"), "data type float64; expected 2 class numbers"),
        ([0], ("none", "spots"), r"labels of shape \(1,\)"),
    ],
)
def test_labels_and_classes_that_would_be_read_otherwise_are_refused(label, classes, message):
    with pytest.raises(InputError, match=message):
        simulations(at, {"x": [1.0, 2.0]}, {"u": Output(("time",), (3,))}, label=np.array(label), classes=classes)


def test_an_exit_in_a_simulation_is_an_error_of_its_sample_unless_it_is_rays():
    points = simulations(scripted.leaving, {"a": [1.0, 2.0]}, {"x": Output()}, per_shard=1)
    planned = Study("mine", {"all": DataSet(points)}).plan("all")
    store.create(planned, {})
    worker = worker_of(planned)
    result = worker(fill.row_of(planned, 0))
    assert "shard 0 (sample 0): RuntimeError: expected an exception instead of sys.exit('solver" in result["error"]
    assert result["error"].endswith("at a = 1.0")
    assert "raypipe/run" not in result["traceback"]
    with pytest.raises(SystemExit):
        worker(fill.row_of(planned, 1))


def test_other_code_is_told(caplog, folder, monkeypatch):
    text = """
        from raypipe.plan import Output, simulations
        from raypipe.study import DataSet, Study
        def simulate(a):
            return {"x": a * 1.0}
        STUDY = Study("mine", {"all": DataSet(simulations(simulate, {"a": [1, 2]}, {"x": Output()}), labelled=False)})
        """
    plan = choose(folder, "mine.py", text).plan("all")
    store.create(plan, fill.provenance(plan))
    monkeypatch.setattr(fill, "_run", lambda *_: iter([]))
    monkeypatch.setattr(fill.cluster, "connect", lambda: None)
    monkeypatch.setattr(fill.cluster, "require", lambda *_: None)  # would ask a cluster, but there is none
    caplog.set_level(logging.WARNING)
    with pytest.raises(InputError, match="that workers wrote are not here"):
        fill.fill(plan)
    assert not caplog.text
    (folder / "mine.py").write_text(textwrap.dedent(text) + "\n# changed\n")
    with pytest.raises(InputError, match="that workers wrote are not here"):
        fill.fill(plan)
    assert "mine/all was begun with another version of mine.py" in caplog.text


def test_a_plan_as_it_is_becomes_the_studys():
    plan = Plan("", 1, 1, {}, {}, {"size": 3})
    assert Study("mine", {"all": DataSet(plan)}).plan("all").name == "mine/all"
