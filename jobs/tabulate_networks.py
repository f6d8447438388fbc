"""Evaluate the trained networks of a study, and write a table of how each was trained and how good it is.

    python jobs/tabulate_networks.py --study gray_scott --output results/patterns.csv
    python jobs/tabulate_networks.py --networks pattern-2d,seed-2/pattern-2d

Each row gives the network, its series and seed, its epochs and training time in seconds, its accuracy on its training
split, its validation split and the test split, and its recall of each class on the test split. Splits that have not
been classified yet are classified first. Accuracies on training and validation splits that are not there are left out.
"""

from pathlib import Path
from typing import Annotated

import typer
import xarray as xr

from raypipe import catalog, study
from raypipe.command import Workers, listed, run
from raypipe.errors import InputError, make_folder_of
from raypipe.files import write
from raypipe.networks import artifact
from raypipe.networks.classify import classify_each
from raypipe.networks.evaluate import evaluate
from raypipe.networks.ranking import overview, splits_to_evaluate


def main(
    networks: Annotated[
        str | None, typer.Option(help="Trained networks, separated by commas.  [default: all of the study]")
    ] = None,
    test: Annotated[str, typer.Option(help="Labelled data set that no network was trained on.")] = "test",
    output: Annotated[Path, typer.Option(help="File for the table.")] = Path("networks.csv"),
    workers: Workers = None,
) -> None:
    """Write a table of trained networks, one row per network."""
    names = [artifact.at_hand(one) for one in listed(networks)] or _of_study()
    make_folder_of(output)
    evaluations: dict[str, dict[str, xr.Dataset]] = {name: {} for name in names}
    wanted = {(name, column): split for name in evaluations for column, split in splits_to_evaluate(name, test).items()}
    said = classify_each([(name, split) for (name, _), split in wanted.items()], workers=workers)
    for (name, column), split in wanted.items():
        evaluations[name][column] = evaluate(catalog.open(said[name, split]))
    table = overview(list(evaluations), evaluations)
    shown = [column for column in table if not str(column).startswith("recall_")]
    print(table[shown].to_string(index=False, float_format="{:.4f}".format, formatters={"seconds": "{:.0f}".format}))
    write(output, lambda path: table.to_csv(path, index=False, float_format="%.6g"))
    print(output)


def _of_study() -> list[str]:
    of = study.chosen()
    if of is None:
        raise InputError(
            f"no networks; name some with --networks, or all of a study with --study: {', '.join(study.built_in())}"
        )
    if not (found := [one.name for one in artifact.sound() if one.architecture.study == of.name]):
        raise InputError(f"no network of {of.name} is trained yet; see {of.job('train_network')} --help")
    return found


if __name__ == "__main__":
    run(main)
