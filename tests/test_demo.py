"""The demo's lines are valid calls of jobs, and they cover every job that creates data."""

import importlib
import shlex
from pathlib import Path

import pytest
import typer

from raypipe.errors import InputError
from raypipe.jobs import demo

JOBS = Path(__file__).parent.parent / "jobs"


def test_every_line_is_a_job_with_its_flags():
    for line in demo.PIPELINE.format(output="demo").strip().splitlines():
        job, *flags = shlex.split(line)
        application = typer.Typer()
        application.command()(importlib.import_module(f"raypipe.jobs.{job}").main)
        context = typer.main.get_command(application).make_context(job, flags)
        assert not context.args


def test_elsewhere_than_in_a_checkout_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no examples/tracks.csv here; run the demo in a checkout of raypipe"):
        demo.main(Path("demo"))
    assert not list(tmp_path.iterdir())


def test_every_job_that_makes_data_is_shown():
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
