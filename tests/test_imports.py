"""Layers of the package: imports only go downwards, and importing the package loads no heavy library."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "raypipe"

MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "modules": {"errors"},
    "compiled": set(),
    "store": {"errors", "modules"},
    "catalog": {"errors", "store"},
    "values": {"errors", "store"},
    "plan": {"errors", "modules", "store"},
    "study": {"errors", "modules", "store", "catalog", "values", "studies"},
    "run": {"errors", "modules", "store"},
    "networks": {"errors", "files", "store", "catalog", "run", "study", "values"},
    "refine": {"errors", "store", "study", "values", "networks", "run"},
    "novelty": {"errors", "store", "study", "values", "networks", "run"},
    "plot": {"errors", "store", "study", "values"},
    "report": {"errors", "files", "store", "catalog", "study", "networks", "values", "plot"},
    "explorer": {
        "errors",
        "files",
        "store",
        "catalog",
        "study",
        "values",
        "networks",
        "run",
        "repair",
        "plot",
        "report",
    },
    "studies": {
        "errors",
        "files",
        "compiled",
        "plan",
        "store",
        "catalog",
        "study",
        "values",
        "networks",
        "plot",
        "report",
    },
    "repair": {"errors", "store", "study", "run", "networks", "refine", "novelty"},
    "command": {"errors", "modules", "study"},
}
"""Layers from the bottom up, and the layers that each may import; all may import the package's version.

`study` imports `studies` only to find the studies that come with raypipe."""

VALUES = {"networks/architecture.py", "networks/artifact.py", "networks/grid.py"}
"""Modules that describe networks by plain values; together they form the layer `values`."""

STUDIES = {path.name for path in (PACKAGE / "studies").iterdir() if (path / "__init__.py").is_file()}
SHARED = set(MAY_IMPORT) - {"studies"}

WITHOUT_RAY = {
    "errors",
    "files",
    "modules",
    "plan",
    "command",
    "store",
    "catalog",
    "values",
    "study",
    "studies",
    "plot",
    "report",
    "explorer",
}
WITHOUT_RAY_FILES = {"networks/keras_model.py", "networks/inputs.py", "networks/evaluate.py", "networks/ranking.py"}
WITHOUT_RAY_FILES |= {"refine/plane.py", "refine/agreement.py"}
WITHOUT_RAY_FILES |= {"networks/faithfulness.py", "networks/training.py"}
WITHOUT_RAY_FILES |= {"networks/grid_file.py", "networks/grid_table.py", "networks/effects.py"}
WITHOUT_TENSORFLOW = {
    "errors",
    "files",
    "modules",
    "plan",
    "command",
    "store",
    "catalog",
    "values",
    "study",
    "studies",
    "plot",
    "report",
    "explorer",
    "run",
}

STAGES = {"networks/train.py", "networks/classify.py", "networks/evaluate.py", "networks/explain.py"}


def room(path):
    """Return the layer of a file of the package."""
    name = str(path.relative_to(PACKAGE))
    return "values" if name in VALUES else name.split("/")[0].removesuffix(".py")


def imports(path):
    """Yield all names that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import, which this test could not follow"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_files(path):
    """Return the files of the package that a file imports."""
    found = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "raypipe":
            candidates = (PACKAGE.joinpath(*parts[1:]).with_suffix(".py"), PACKAGE.joinpath(*parts[1:], "__init__.py"))
            found |= {one for one in candidates if one.is_file() and one.parent != PACKAGE.parent}
    return found - {path, PACKAGE / "__init__.py", PACKAGE.with_suffix(".py")}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards_only(path):
    own, name = room(path), str(path.relative_to(PACKAGE))
    # `from raypipe.networks import artifact` also uses __init__.py, which counts only in `store` and `plot`.
    used = {room(one) for one in used_files(path) if one.name != "__init__.py" or room(one) in ("store", "plot")}
    if name == "__init__.py":
        assert not used
        return
    assert used - {own} <= MAY_IMPORT[own]
    others = {str(one.relative_to(PACKAGE)) for one in used_files(path)}
    if name in STAGES:
        assert not others & STAGES, "stages hand over by a store or an artifact"
    if own == "studies":
        same = f"studies/{path.relative_to(PACKAGE).parts[1]}"
        assert all(one.startswith(same) for one in others if one.startswith("studies/")), "a study imports no other"
    outside = {imported.split(".")[0] for imported in imports(path)}
    if own in WITHOUT_RAY or name in WITHOUT_RAY_FILES:
        assert "ray" not in outside
    if own in WITHOUT_TENSORFLOW:
        assert not {"tensorflow", "keras"} & outside


@pytest.mark.parametrize(
    "path",
    [path for path in [*FILES, *(PACKAGE / "templates").iterdir()] if room(path) in SHARED or path.suffix == ".html"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_shared_room_names_a_study(path):
    """This includes messages, comments and examples; gray_scott also as Gray-Scott, andi also in andi_grid."""
    for name in STUDIES:
        words = re.compile(rf"(?<![a-z]){name.replace('_', '[_ -]?')}(?![a-z])", re.IGNORECASE)
        assert not words.findall(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_the_jobs_or_the_tests(path):
    assert not {name.split(".")[0] for name in imports(path)} & {"jobs", "tests", "benchmarks"}


def test_importing_the_package_loads_nothing_heavy():
    names = ("ray", "tensorflow", "keras", "numba", "matplotlib")
    modules = (
        "raypipe",
        "raypipe.catalog",
        "raypipe.study",
        "raypipe.run.fill",
        "raypipe.studies.andi",
        "raypipe.studies.gray_scott",
        "raypipe.studies.gray_scott.integrator",
        "raypipe.networks.artifact",
        "raypipe.networks.grid_file",
        "raypipe.networks.effects",
        "raypipe.explorer.work",
    )
    # Imports the modules one by one in one process; the first after which a heavy library is loaded is the culprit.
    script = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    print(module, [name for name in {names} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"{module} []" for module in modules]


def test_jobs_are_short_and_explain_themselves():
    for job in sorted((PACKAGE.parent / "jobs").glob("*.py")):
        lines = job.read_text().splitlines()
        assert len(lines) < 80, f"{job.name} has {len(lines)} lines"
        assert f"python jobs/{job.name}" in "\n".join(lines[:8]), f"{job.name} shows no example"


SCRIPTS = sorted([*(PACKAGE.parent / "benchmarks").glob("*.py"), *(PACKAGE.parent / "examples").rglob("*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_benchmarks_and_examples_import_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "raypipe":
            module = importlib.import_module(node.module)
            for one in node.names:
                assert hasattr(module, one.name) or importlib.util.find_spec(f"{node.module}.{one.name}"), one.name
