"""Classify your own tracks: find the diffusion model and the anomalous exponent of each, directly from their files.

    python jobs/classify_tracks.py spots.csv
    python jobs/classify_tracks.py day1.csv day2.csv --name both --output both.parquet --gaps split

Reads tables (CSV, TSV, Parquet) with any column names, TrackMate's spots and XML, trackpy, MATLAB's `tr` arrays, and
the text files of both AnDi challenges. Writes a table with one row per track, and an HTML page beside it. For tracks in
two dimensions, the data set is `andi/tracks-<name>-2d`, the predictions are `predictions/<network>/tracks-<name>-2d`.
To continue an interrupted run, run the same command again.
"""

import re
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from raypipe.command import Workers, run
from raypipe.errors import check_name, choice, make_folder_of
from raypipe.run.fill import fill
from raypipe.studies.andi.tracks import collect, page, results
from raypipe.studies.andi.tracks.columns import parse
from raypipe.studies.andi.tracks.order import GAPS


def main(
    files: Annotated[list[Path], typer.Argument(help="Files of tracks.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Columns: track=id,frame=n,x=X,y=Y; track=none for a single track.  [default: recognised]"),
    ] = None,
    gaps: Annotated[str, typer.Option(help="If a track lacks frames: interpolate, split or refuse it.")] = GAPS[0],
    step: Annotated[
        float | None, typer.Option(help="Time between frames.  [default: the most common difference in the file]")
    ] = None,
    network: Annotated[
        str, typer.Option(help="Network, by name or file; {} stands for the dimensions: 1, 2 or 3.")
    ] = "shipped/tracks-{}d",
    familiar: Annotated[
        str, typer.Option(help="Network that flags tracks of none of the models; {} as above.")
    ] = "shipped/familiar-{}d",
    name: Annotated[str | None, typer.Option(help="Name for these tracks.  [default: that of the first file]")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Table to write, .csv or .parquet.  [default: tracks-<name>.csv]")
    ] = None,
    workers: Workers = None,
) -> None:
    """Find the diffusion model and the anomalous exponent of each track in one or more files."""
    called = check_name("tracks", name or re.sub(r"[^\w.-]+", "-", files[0].stem).strip("-."))
    table_file = output or Path(f"tracks-{called}.csv")
    results.check_format(table_file)
    make_folder_of(table_file)
    made = collect.made_from(files, parse(columns), choice("gaps", gaps, GAPS), step)
    with collect.planned(files, called, made) as (summaries, plans):
        if plans:
            fill(*plans, workers=workers, last=False)
    print("\n".join(one.text() for one in summaries))
    sets = {d: collect.data_set(called, d) for d in sorted({d for one in summaries for d in one.used})}
    own = {d: results.chosen((network, familiar), d) for d in sets}
    found = pd.concat(results.classified(one, d, own[d], workers) for d, one in sets.items())
    results.write(found, table_file)
    shown = page.examples(found)
    numbers = {d: shown.index[shown["dimensions"] == d].tolist() for d in sets}
    maps = {d: results.explained(sets[d], own[d][0].name, some, workers) for d, some in numbers.items() if some}
    page.write(table_file.with_suffix(".html"), called, found, maps, summaries)
    print(page.shares(found).to_string(index=False, float_format="%.3f"))
    print(f"written: {table_file} with {len(found)} tracks, {table_file.with_suffix('.html')}")


if __name__ == "__main__":
    run(main)
