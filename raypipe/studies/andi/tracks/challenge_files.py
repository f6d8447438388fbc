"""Files of the first AnDi challenge: predictions in its format, and scores against its references.

Each file has a line per track, in the order of the task's file. A line has numbers separated by ;, and the first is the
number of dimensions. In `task1.txt` the anomalous exponent follows, in `task2.txt` the probabilities of the five models
in the order of ANDI_MODELS, and in a reference the exponent or the number of the model.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from raypipe.errors import InputError
from raypipe.files import write as write_file
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.tracks.formats import UNREADABLE, is_challenge, text_lines

SUBMISSIONS = {"exponent": "task1.txt", "model": "task2.txt"}
"""Names of the files of predictions, by what is predicted."""

_OF_TRACK = ("dimensions", "points", "unread")
"""Columns of a table by which its tracks are compared with the lines of a task."""


def predictions(task: Path, found: pd.DataFrame) -> pd.DataFrame:
    """Predictions for each line of a task's file: `dimensions`, `exponent`, the models' probabilities, `left_out`.

    Args:
        task: the file that `classify_tracks` has read.
        found: the table that `classify_tracks` wrote for it. For lines that were left out and are missing there, all
            models are equally probable, and the exponent is the median over the classes.

    Raises:
        InputError: if the file is not one of the challenge's, or the table belongs to another file.
    """
    lines = [line for line in _lines(task) if line]
    if not lines or not all(is_challenge(line) for line in lines):
        raise InputError(f"{task} is not a challenge file; expected lines of a dimension and positions, separated by ;")
    if missing := [name for name in ("track", *_OF_TRACK, "exponent", *ANDI_MODELS) if name not in found]:
        raise InputError(
            f"the table has no column {', '.join(missing)}; expected the table that classify_tracks wrote for {task}"
        )
    number = pd.to_numeric(found["track"], errors="coerce")
    if found.empty or number.duplicated().any() or not number.isin(range(len(lines))).all():
        raise InputError(
            f"the table is not that of {task.name}, which has {len(lines)} lines; give the table of this file"
        )
    dimensions = np.array([int(float(line.split(";")[0])) for line in lines])
    points = np.array([line.count(";") for line in lines]) // dimensions
    at = number.to_numpy("int64")
    # An axis along which a track rests is left out, and so are points without a number.
    alike = (found["dimensions"] <= dimensions[at]) & ((found["points"] == points[at]) | (found["unread"] > 0))
    if not alike.all():
        other, row = at[~alike][0], found[~alike].iloc[0]
        raise InputError(
            f"the table is not that of {task.name}: track {other} has {points[other]} points in {dimensions[other]}-D "
            f"there, {row['points']} in {row['dimensions']}-D in the table; give the table of this file"
        )
    unknown = outcomes.outcome(outcomes.SHARE[None])
    made = found.set_index(at)[["exponent", *ANDI_MODELS]].reindex(range(len(lines)))
    left_out = made["exponent"].isna()
    made = made.fillna({"exponent": unknown.exponent[0], **dict.fromkeys(ANDI_MODELS, 1 / len(ANDI_MODELS))})
    return made.assign(dimensions=dimensions, left_out=left_out.to_numpy())


def write(predicted: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the files in SUBMISSIONS and return their paths."""
    files = []
    for what, name in SUBMISSIONS.items():
        columns = ["exponent"] if what == "exponent" else list(ANDI_MODELS)
        files.append(folder / name)
        lines = predicted[["dimensions", *columns]].to_csv(sep=";", header=False, index=False, float_format="%.4f")
        write_file(files[-1], partial(Path.write_text, data=lines))
    return files


def score(predicted: pd.DataFrame, reference: Path) -> pd.DataFrame:
    """Scores against a reference, by number of dimensions: `dimensions`, `tracks`, `measure`, `score`.

    The score is the mean absolute error of exponents, or the F1 score of models, micro-averaged over tracks, which
    equals the accuracy. The reference has models if all its values are integers from 0 to 4. If they are only 1 and 2,
    which exponents may be too, a decimal point tells: `1;1.0` is an exponent.

    Raises:
        InputError: if the reference does not have a line for each track, with the same dimension.
    """
    try:
        lines = [line for line in _lines(reference) if line]
        rows = [[float(field) for field in line.split(";")] for line in lines]
    except ValueError:
        rows = []
    if (
        len(rows) != len(predicted)
        or min(map(len, rows), default=2) < 2
        or [row[0] for row in rows] != predicted["dimensions"].tolist()
    ):
        raise InputError(
            f"{reference} is not a reference for these {len(predicted)} tracks; expected a line for each, its "
            "dimension and a number, separated by ;"
        )
    truth = np.array([row[1] for row in rows])
    is_model = bool(np.isin(truth, range(len(ANDI_MODELS))).all())
    if np.isin(truth, (1, 2)).all():
        is_model = not any("." in line.partition(";")[2] for line in lines)
    named = predicted[list(ANDI_MODELS)].to_numpy().argmax(axis=1)
    each = named == truth if is_model else np.abs(predicted["exponent"].to_numpy() - truth)
    scores = pd.DataFrame({"dimensions": predicted["dimensions"].to_numpy(), "score": each.astype("float64")})
    made = scores.groupby("dimensions")["score"].agg(tracks="size", score="mean").reset_index()
    return made.assign(measure="F1 of the model" if is_model else "mean absolute error of the exponent")


def _lines(file: Path) -> Sequence[str]:
    try:
        return text_lines(file)
    except UNREADABLE as error:
        raise InputError(f"{file} cannot be read: {error}; expected a text file") from error
