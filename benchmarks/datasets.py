"""Tabulate what the Gray-Scott data sets of a store cost: time, throughput, size, compression, steps saved.

    python benchmarks/datasets.py --output results/gray_scott_datasets.csv

Seconds are computing time on one core, summed over the shards as the workers recorded it in the ledger.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from raypipe import catalog, store
from raypipe.command import run
from raypipe.store import objects


def row(name: str) -> dict[str, object]:
    """Return the figures of one data set."""
    data, ledger = catalog.open(name), store.ledger(name)
    seconds = sum(line.seconds for line in ledger)
    files = [path for path in Path(store.location(name)).rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in files)
    full = round(float(data.frame[-1]) / data.attrs["parameters"]["time_step"])
    return {
        "data set": name,
        "simulations": data.sizes["sample"],
        "frames": data.sizes["frame"],
        "core seconds": round(seconds),
        "simulations per core second": round(data.sizes["sample"] / seconds, 2),
        "gigabytes": round(data.u.nbytes / 1e9, 3),
        "stored gigabytes": round(stored / 1e9, 3),
        "compression ratio": round(data.u.nbytes / stored, 2),
        "ended early": int(np.count_nonzero(data.steps < full)),
        "share of steps saved": round(float(1 - data.steps.mean() / full), 3),
    }


def main(
    output: Annotated[Path, typer.Option(help="Table to write, as CSV.")] = Path("results/gray_scott_datasets.csv"),
) -> None:
    """Tabulate the complete Gray-Scott data sets under the root."""
    names = [name for name in store.list_names("gray_scott/") if not store.missing(name)]
    table = pd.DataFrame([row(name) for name in names])
    output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(output, index=False)
    print(f"{objects.root()}\n{table.to_string(index=False)}")


if __name__ == "__main__":
    run(main)
