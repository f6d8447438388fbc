"""List the trained networks at hand: those of the store, and those in files.

    python jobs/networks.py
    python jobs/networks.py --folder results/networks

A file, or its URL, can be given to any job as --network.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from raypipe.command import run
from raypipe.networks import artifact
from raypipe.networks.artifact import Artifact


def main(
    folder: Annotated[Path, typer.Option(help="Folder in which files of networks are looked for.")] = Path(
        "results/networks"
    ),
) -> None:
    """List the trained networks at hand."""
    found = {name: artifact.load(name) for name in artifact.names()}
    found |= {str(file): artifact.read(str(file)) for file in sorted(folder.glob(f"*{artifact.ENDING}"))}
    if not found:
        print("no network is trained yet; jobs/train_network.py --help tells how")
        return
    table = pd.DataFrame([{"network": name, **_facts(one)} for name, one in found.items()])
    print(table.to_string(index=False, float_format="{:.4f}".format))


def _facts(one: Artifact) -> dict[str, object]:
    return {
        "study": one.architecture.study,
        "classes": len(one.architecture.classes),
        "parameters": one.parameters,
        "epochs": len(one.history.get("loss", [])),
        "validation accuracy": one.metrics.get("val_accuracy", float("nan")),
    }


if __name__ == "__main__":
    run(main)
