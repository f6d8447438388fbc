"""List everything in the store: its state, its size, how long it took, and what it was made from.

    python jobs/status.py
    python jobs/status.py --json

To continue incomplete work, repeat the command that started it.
"""

import dataclasses
import json
from typing import Annotated

import pandas as pd
import typer

from raypipe.command import run
from raypipe.report.status import Status, status
from raypipe.store import objects


def main(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, with bytes and seconds, for programs.")] = False,
) -> None:
    """List data sets, the results of networks, networks, and unfinished trainings."""
    found = list(status())
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
    elif not found:
        print(f"there is nothing in {objects.root()} yet; raypipe --help lists the jobs")
    else:
        print(pd.DataFrame([_row(one) for one in found]).to_string(index=False, max_colwidth=72))


def _row(one: Status) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "state": one.state,
        "samples": "" if one.samples is None else one.samples,
        "MB": f"{one.size / 1e6:.1f}",
        "core hours": "" if one.seconds is None else f"{one.seconds / 3600:.2f}",
        "created": one.created[:16].replace("T", " "),
        "of": one.of,
    }


if __name__ == "__main__":
    run(main)
