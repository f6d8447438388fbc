"""What the site has beside the pages of docs/: a start page, references from the code, cards, linked files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from raypipe import catalog
from raypipe.command import JOBS, command_of_job

ROOT = Path(__file__).parent.parent

PYTHON = ("catalog", "study", "plan", "store", "run.fill", "report.page", "errors")
"""Modules of the reference, those that analyses and studies of one's own use."""

PAGES = {
    "README.md": "index.md",
    "benchmarks/README.md": "performance.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages from elsewhere in the tree."""

LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what is made of code and cards, and the files that pages link to."""
    made = {
        "reference/jobs.md": "\n".join(_jobs()),
        "reference/python.md": "\n\n".join(["# Python", *(f"::: raypipe.{name}" for name in PYTHON)]),
        "networks.md": "\n".join(_cards("Networks that come along", catalog.cards("network"))),
        "data_sets.md": "\n".join(_cards("Data sets", [one for one in catalog.cards() if one.kind != "network"])),
        **{page: _moved((ROOT / source).read_text(), Path(source).parent) for source, page in PAGES.items()},
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    texts = [*made.values(), *((ROOT / "docs" / one.src_uri).read_text() for one in files if _is_written(one))]
    there = {one.src_uri for one in files}
    for path in sorted({_target(link) for text in texts for link, _ in LINK.findall(text)} - there):
        if (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links out of docs/ lead to the files beside the pages."""
    if page.file.generated_by:
        return markdown
    return LINK.sub(lambda found: f"]({_target(found[1])}{found[2] or ''})", markdown)


def _is_written(file: File) -> bool:
    return file.generated_by is None and file.src_uri.endswith(".md")


def _moved(text: str, folder: Path) -> str:
    """A page whose links were from elsewhere in the tree."""
    return LINK.sub(lambda found: f"]({_target('../' + (folder / found[1]).as_posix())}{found[2] or ''})", text)


def _target(link: str) -> str:
    """Where a link from a page of docs/ leads on the site."""
    path = (ROOT / "docs" / link).resolve().relative_to(ROOT.resolve()).as_posix()
    if path == "results/networks":
        return "networks.md"
    return PAGES.get(path, path.removeprefix("docs/"))


def _jobs() -> Iterator[str]:
    yield "# Jobs\n\n`raypipe <job>`, or `python jobs/<job>.py`; every job also takes `--study`.\n"
    for file in sorted(JOBS.glob("*.py")):
        command, text = command_of_job(file.stem)
        yield f"## {file.stem}\n\n{text}\n\n| flag | |\n|---|---|"
        context = command.make_context(file.stem, [], resilient_parsing=True)
        for record in filter(None, (one.get_help_record(context) for one in command.params)):
            flag, said = (" ".join(part.split()).replace("|", "\\|") for part in record)
            yield f"| `{flag}` | {said} |"
        yield ""


def _cards(title: str, cards: Any) -> Iterator[str]:
    yield f"# {title}\n"
    for card in cards:
        yield f"## {card.name}\n\n{card.title}. {card.summary}\n"
        yield f"- made by `{card.command}`\n- from {card.references}\n- licence {card.licence}\n"
