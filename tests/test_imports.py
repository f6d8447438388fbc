"""Who may import whom, and that importing the package starts nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "raypipe"

ENGINE = {"fill", "cluster", "progress", "environments", "store"}
MAY_IMPORT = {
    "__init__": set(),
    "errors": set(),
    "spaces": set(),
    "progress": set(),
    "command": set(),
    "environments": {"__init__"},
    "store": set(),
    "cluster": set(),
    "catalog": {"store"},
    "gray_scott": {"gray_scott_kernel"},
    "gray_scott_kernel": set(),
    "trajectories": set(),
    "fill": ENGINE | {"__init__"},
    "generate": {"catalog", "fill", "gray_scott"},
    "architectures": set(),
    "artifact": {"architectures", "store"},
    "inputs": {"architectures"},
    "networks": {"architectures", "artifact"},
    "augment": set(),
    "fit": {"architectures", "augment", "inputs", "networks"},
    "trial": {"__init__", "architectures", "artifact", "environments", "fit", "inputs", "progress", "store"},
    "train": {"architectures", "artifact", "catalog", "cluster", "fit", "inputs", "store", "trial"},
    "classify": {"architectures", "artifact", "fill", "inputs", "networks", "store"},
    "evaluate": set(),
    "effects": {"architectures", "artifact"},
    "ranking": {"artifact", "effects", "evaluate"},
    "relevance": {"artifact", "inputs", "networks", "store"},
    "saliency": {"artifact", "inputs", "networks", "relevance", "store"},
    "explain": {"architectures", "artifact", "fill", "relevance", "store"},
    "repair": {"classify", "explain", "fill", "generate", "store"},
    "faithfulness": set(),
    "plot": {"architectures"},
    "report": {"__init__", "artifact", "catalog", "evaluate", "plot", "store"},
}
"""Modules of this project that each may import, beside spaces and errors, which all may."""

STAGES = {"generate", "train", "trial", "fit", "classify", "evaluate", "explain"}
PARTS_OF_TRAINING = {"train", "trial", "fit"}
WITHOUT = {
    "ray": {"spaces", "errors", "store", "catalog", "gray_scott", "gray_scott_kernel", "trajectories", "architectures"}
    | {"networks", "artifact", "inputs", "plot", "report", "evaluate", "faithfulness", "effects", "ranking"},
    "keras": {
        "spaces",
        "errors",
        "store",
        "catalog",
        "gray_scott",
        "architectures",
        "artifact",
        "plot",
        "report",
        "fill",
        "effects",
        "ranking",
    },
    "tensorflow": {"spaces", "errors", "store", "catalog", "architectures", "artifact", "plot", "report", "fill"}
    | {"effects", "ranking"},
}


def module_name(path):
    """`raypipe/plot/style.py` counts as part of `plot`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Names that a file imports anywhere, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import, which this test could not follow"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_the_project(path):
    known = {module_name(other) for other in PACKAGE.rglob("*.py")}
    found = {name.split(".")[1] for name in imports(path) if name.startswith("raypipe.")}
    return {name for name in found if name in known} - {module_name(path)}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_rules(path):
    name, used = module_name(path), of_the_project(path) - {"spaces", "errors"}
    assert used <= MAY_IMPORT[name]
    if name in STAGES:
        others = STAGES - (PARTS_OF_TRAINING if name in PARTS_OF_TRAINING else {name})
        assert not used & others, "stages hand over by a store or an artifact"
    outside = {imported.split(".")[0] for imported in imports(path)}
    for package, modules in WITHOUT.items():
        if name in modules:
            assert package not in outside


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_the_jobs_or_the_tests(path):
    assert not {name.split(".")[0] for name in imports(path)} & {"jobs", "tests", "benchmarks"}


def test_importing_the_package_starts_neither_ray_nor_tensorflow():
    heavy = "import sys; print([name for name in ('ray', 'tensorflow', 'keras', 'numba') if name in sys.modules])"
    for modules in (
        "raypipe",
        "raypipe.catalog",
        "raypipe.spaces",
        "raypipe.fill",
        "raypipe.gray_scott",
        "raypipe.artifact",
    ):
        run = subprocess.run(
            [sys.executable, "-c", f"import {modules}; {heavy}"], capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == "[]", modules


def test_jobs_are_short_and_explain_themselves():
    for job in sorted((PACKAGE.parent / "jobs").glob("*.py")):
        lines = job.read_text().splitlines()
        assert len(lines) < 80, f"{job.name} has {len(lines)} lines"
        assert f"python jobs/{job.name}" in "\n".join(lines[:8]), f"{job.name} shows no example"
