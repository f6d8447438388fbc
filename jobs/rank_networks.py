"""Rank trained networks on the same samples, with confidence intervals, and compare them with a reference network.

    python jobs/rank_networks.py --networks 123132-16,132132-16
    python jobs/rank_networks.py --networks full/123132-16 --reference full/andi-study --split test

The split is classified with each network first if necessary. Writes the ranking and, if the study defines strata such
as exponent and localisation noise, a second table beside it (…_strata.csv) with the accuracy and recall in each
stratum, and a picture of these for the best network and the reference.
"""

from pathlib import Path
from typing import Annotated

import typer

from raypipe import catalog, plot, study
from raypipe.command import Workers, listed, run
from raypipe.errors import InputError, make_folder_of
from raypipe.files import write
from raypipe.networks import artifact
from raypipe.networks.classify import classify_each
from raypipe.networks.evaluate import evaluate
from raypipe.networks.ranking import ranking, strata


def main(
    networks: Annotated[str, typer.Option(help="Trained networks, separated by commas: 123-2,full/132-16,…")],
    split: Annotated[str, typer.Option(help="Labelled data set of the networks' study.")] = "test",
    reference: Annotated[str, typer.Option(help="Trained network to compare with; it is ranked too.")] = "andi-study",
    output: Annotated[Path, typer.Option(help="File for the ranking.")] = Path("ranking.csv"),
    workers: Workers = None,
) -> None:
    """Rank trained networks on a split."""
    if not (named := listed(networks)):
        raise InputError("no network to rank; name at least one that is trained")
    reference = artifact.at_hand(reference)
    names = list(dict.fromkeys([*(artifact.at_hand(one) for one in named), reference]))
    studies = {name: artifact.load(name).architecture.study for name in names}
    if len(set(studies.values())) > 1:
        raise InputError(f"the networks are of different studies, {studies}; expected networks of one study")
    make_folder_of(output)
    said = classify_each([(name, split) for name in names], workers=workers)
    predictions = {name: catalog.open(said[name, split]) for name in names}
    table = ranking(predictions, reference)
    of = study.find(studies[reference])
    evaluations = {name: evaluate(predictions[name], of.strata) for name in table["name"]}
    shown = {name: evaluations[name] for name in dict.fromkeys([table["name"][0], reference])}
    print(f"{len(table)} networks on {split}, {evaluations[reference].attrs['samples']} {of.kind}")
    print(table.to_string(index=False, float_format="{:.4f}".format, formatters={"seconds": "{:.0f}".format}))
    write(output, lambda path: table.to_csv(path, index=False, float_format="%.6g"))
    print(output)
    if (rows := strata(evaluations)).empty:
        return
    by_stratum = output.with_name(f"{output.stem}_strata.csv")
    write(by_stratum, lambda path: rows.to_csv(path, index=False, float_format="%.6g"))
    picture = by_stratum.with_suffix(".png")
    write(picture, plot.accuracy_by_stratum(shown, of.notes).savefig)
    print(by_stratum, picture, sep="\n")


if __name__ == "__main__":
    run(main)
