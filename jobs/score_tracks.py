"""Write predictions in the file format of the first AnDi challenge, and score them against its references.

    python jobs/classify_tracks.py task.txt
    python jobs/score_tracks.py task.txt tracks-task.csv --reference ref1.txt --reference ref2.txt

Writes task1.txt (exponents) and task2.txt (probabilities of the models), with one line for each line of the task file.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from raypipe.command import run
from raypipe.errors import InputError, make_folder
from raypipe.studies.andi.tracks import challenge_files, results


def main(
    task: Annotated[Path, typer.Argument(help="The challenge's file of tracks.")],
    table: Annotated[Path, typer.Argument(help="Table that classify_tracks wrote for it.")],
    reference: Annotated[
        list[Path] | None, typer.Option(help="File of true exponents or models; may be repeated.  [default: none]")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for task1.txt and task2.txt.")] = Path("submission"),
) -> None:
    """Write predictions in the challenge's format, and score them."""
    results.check_format(table)
    try:
        found = pd.read_parquet(table) if table.suffix.lower() == ".parquet" else pd.read_csv(table)
    except (OSError, ValueError) as error:
        raise InputError(f"{table} cannot be read: {error}; expected the table of classify_tracks") from error
    predicted = challenge_files.predictions(task, found)
    scores = [challenge_files.score(predicted, one) for one in reference or ()]
    make_folder(output)
    files = challenge_files.write(predicted, output)
    print(f"{len(predicted)} tracks, of which {predicted['left_out'].sum()} were left out, and guessed")
    for one in scores:
        print(one[["measure", "dimensions", "tracks", "score"]].to_string(index=False, float_format="%.4f"))
    print(f"written: {', '.join(map(str, files))}")


if __name__ == "__main__":
    run(main)
