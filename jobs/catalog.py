"""List data sets, describe one, or search for samples by class and parameters.

    python jobs/catalog.py list --kind patterns
    python jobs/catalog.py show gray_scott/scan
    python jobs/catalog.py show shipped/tracks-2d                  # a network that comes with raypipe
    python jobs/catalog.py search --kind patterns --class mu --where f=0.04:0.06 --output mu.csv

A search prints the first 20 samples that match; with --output or --json, it writes all of them.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from raypipe import catalog
from raypipe.command import run, values
from raypipe.errors import InputError, choice
from raypipe.files import write

_SHOWN = 20
"""Maximum number of samples that are printed."""


def main(
    what: Annotated[str, typer.Argument(help="list, show or search.")] = "list",
    name: Annotated[str | None, typer.Argument(help="Data set or network to show.  [default: none]")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of data set: trajectories, patterns, predictions, …")] = None,
    classes: Annotated[list[str] | None, typer.Option("--class", help="Class of samples; may be repeated.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="name=value or name=least:largest; may be repeated.")] = None,
    output: Annotated[Path | None, typer.Option(help="CSV file for the samples found.  [default: printed]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List data sets, show one, or search for samples."""
    choice("action", what, ("list", "show", "search"))
    if (name is None) == (what == "show"):
        raise InputError(f"catalog {what}{f' {name}' if name else ''}; expected a name after show, and only there")
    own = [flag for flag, value in (("--class", classes), ("--where", where), ("--output", output)) if value]
    if what != "search" and own:
        raise InputError(f"catalog {what} with {', '.join(own)}, which search alone takes; leave it out, or search")
    if what == "search":
        wanted = {key: _range(one) for key, one in values(where, "--where").items()}
        for key, flag in (("kind", "--kind"), ("classes", "--class"), ("data_sets", "a name")):
            if key in wanted:
                raise InputError(f"--where {key}=…; expected a coordinate of samples: use {flag} instead")
        found = catalog.search(kind, classes=classes, **wanted)
        if output:
            choice("format", output.suffix.lower(), (".csv",))
            write(output, lambda path: found.to_csv(path, index=False))
        listing = "" if output else f"{found.head(_SHOWN).to_string(index=False)}\n"
        summary = f"{listing}{len(found)} samples" + (f", written to {output}" if output else "")
        print(json.dumps(catalog.records(found)) if as_json else summary)
        return
    networks = {one.name: one for one in catalog.cards("network")}
    if name in networks:
        print(json.dumps([networks[name].model_dump()], indent=1) if as_json else networks[name].text())
        return
    described = [catalog.describe(one) for one in ([name] if name else catalog.of_kind(kind))]
    if as_json:
        print(json.dumps([one.model_dump() for one in described], indent=1))
    elif name:
        print(described[0].text())
    else:
        print("\n".join(f"{one.name:<40} {one.samples:>9} {one.about.get('title', '')}" for one in described))


def _range(value: Any) -> Any:
    if not isinstance(value, str) or ":" not in value:
        return value
    try:
        least, most = map(float, value.split(":"))
    except ValueError as error:
        raise InputError(f"cannot search for {value}; expected a value, or least:largest") from error
    return least, most


if __name__ == "__main__":
    run(main)
