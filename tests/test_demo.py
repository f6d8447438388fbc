"""The demo's lines are jobs with flags that they have, and it covers every job that makes data."""

import importlib
import shlex
import sys
from pathlib import Path

import pytest
import typer

JOBS = Path(__file__).parent.parent / "jobs"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(JOBS))
    yield importlib.import_module("demo")
    for name in [path.stem for path in JOBS.glob("*.py")]:
        sys.modules.pop(name, None)


def test_every_line_is_a_job_with_its_flags(demo):
    for line in demo.PIPELINE.format(output="demo").strip().splitlines():
        job, *flags = shlex.split(line)
        application = typer.Typer()
        application.command()(importlib.import_module(job).main)
        context = typer.main.get_command(application).make_context(job, flags)
        assert not context.args


def test_every_job_that_makes_data_is_shown(demo):
    shown = {line.split()[0] for line in demo.PIPELINE.strip().splitlines()}
    make_none = {
        "demo",
        "verify",
        "generate",
        "catalog",
        "draw",
        "plot",
        "networks",
        "import_network",
        "preview_pattern",
        "show_environments",
        "compare_grid",
        "score_tracks",
        "rank_networks",
        "check_relevance",
        "refine_scan",
        "browse_scan",
        "explore",
        "tabulate_networks",
        "status",
        "remove",
    }
    assert shown == {path.stem for path in JOBS.glob("*.py")} - make_none
