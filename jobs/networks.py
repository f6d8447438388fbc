"""List the trained networks: those in the store, those that come with raypipe, and those in a folder.

    python jobs/networks.py
    python jobs/networks.py --folder results/networks

Jobs that use a trained network accept these names as --network, or the path or URL of a network file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from raypipe.command import run
from raypipe.errors import InputError
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact


def main(
    folder: Annotated[
        Path | None, typer.Option(help="Folder whose network files are listed too.  [default: none]")
    ] = None,
) -> None:
    """List the trained networks."""
    places: list[tuple[str, Callable[[str], Artifact]]] = [(name, artifact.load) for name in artifact.names()]
    come_along = {name: file for name, file in artifact.shipped().items() if not artifact.exists(name)}
    places += [(name, lambda name: artifact.read(str(come_along[name]))) for name in come_along]
    files = sorted(folder.glob(f"*{artifact.ENDING}")) if folder else []
    places += [(str(file), artifact.read) for file in files]
    found, unreadable = [], []
    for name, read in places:
        try:
            found.append({"network": name, **_facts(read(name))})
        except InputError as error:
            unreadable.append(str(error))
    if found:
        print(pd.DataFrame(found).to_string(index=False, float_format="{:.4f}".format))
    if unreadable:
        raise InputError("; ".join(unreadable))


def _facts(one: Artifact) -> dict[str, object]:
    return {
        "study": one.architecture.study,
        "classes": len(one.architecture.classes),
        "parameters": one.parameters,
        "epochs": one.epochs,
        "validation accuracy": one.metrics.get("val_accuracy", float("nan")),
    }


if __name__ == "__main__":
    run(main)
