"""The site of docs/: it builds without warnings, loads nothing from elsewhere, and covers jobs, networks and API."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raypipe import catalog

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    run = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    return folder


def test_every_page_of_docs_is_in_the_navigation(site):
    start = (site / "index.html").read_text()
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in start, page.name


def test_every_job_and_every_card_has_its_place(site):
    jobs = (site / "reference/jobs.html").read_text()
    for job in (CHECKOUT / "jobs").glob("*.py"):
        assert f'id="{job.stem}"' in jobs
    assert "--montage" not in jobs
    assert "<code>--network &lt;str&gt;</code>" in jobs
    networks = (site / "networks.html").read_text()
    assert all(card.name in networks for card in catalog.cards("network"))
    python = (site / "reference/python.html").read_text()
    for name in ("raypipe.catalog.search", "raypipe.study.Study", "raypipe.plan.simulations"):
        assert f'id="{name}"' in python


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = re.compile(
        r'<(?:script|img|iframe|source)[^>]+src="(?:https?:)?//|<link[^>]+rel="stylesheet"[^>]+href="(?:https?:)?//'
    )
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text()), page.name


def test_files_that_pages_lead_to_are_there(site):
    """Such as tables of results from the repository; mkdocs itself checks the links between pages."""
    for page in set(site.glob("*.html")) - {site / "404.html"}:
        for link in re.findall(r'href="((?!https?:|#|mailto:|\.\.?")[^"#]+)', page.read_text()):
            assert (site / link).exists(), f"{page.name} leads to {link}"


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium; install Debian's package chromium")
def test_it_can_be_read_from_a_folder(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, asked = browser.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{site}/index.html")
        page.get_by_role("link", name="Explorer", exact=True).first.click()
        page.get_by_role("heading", name="The explorer").wait_for()
        browser.close()
    assert [one for one in asked if not one.startswith(("file:", "data:", "blob:"))] == []
