"""Performance of networks of tracks by the challenge's measures and by length, beside the challenge's best entries."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from raypipe.catalog import DATA_CATALOG
from raypipe.networks.calibration import adaptive_error
from raypipe.studies.andi import challenge_sets
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.tracks.results import INTERVAL

REFERENCE = Path("andi") / "challenge_results.csv"
"""Figures of the challenge's best entries in the data catalogue, from the organisers' tables of predictions."""

LENGTHS = ((10, 59), (60, 109), (110, 209), (210, 409), (410, 1000))
"""Bins of the number of points of tracks, as in REFERENCE."""

MEASURES = {"model": "model: accuracy", "exponent": "exponent: mean absolute error"}
"""Name in REFERENCE of the figure for each task of `challenge_sets`."""

_REPEATS = 500


def score(predictions: xr.Dataset, task: str, seed: int = 0) -> pd.DataFrame:
    """Figures of a network for a test set of a task: a row for all lengths, and one for each of LENGTHS.

    Args:
        predictions: with `probability` (sample, class) for `outcomes.CLASSES`, and along `sample`: `label`, the number
            of the model, `exponent` and `length`.
        task: one of `challenge_sets.TASKS`; the composition of its test sets is taken into account.
        seed: of the bootstrap over tracks.

    Returns:
        `lengths`; `tracks`, their number; `figure`, the accuracy of the model or the mean absolute error of the
        exponent; `low` and `high`, its 95 % interval; `calibration_error` of the probability of the model; `covered`,
        the share of exponents that lie in their interval.
    """
    probability = outcomes.reweighted(predictions["probability"].values.astype("float64"), challenge_sets.share(task))
    said = outcomes.outcome(probability, INTERVAL)
    right = said.probability.argmax(axis=1) == predictions["label"].values
    exponent, length = predictions["exponent"].values, predictions["length"].values
    each = right.astype("float64") if task == "model" else np.abs(said.exponent - exponent)
    # The exponents of a test set are the centres of the steps that the classes cover.
    covered = (said.low <= exponent) & (exponent <= said.high)
    rows = []
    for first, last in ((10, 1000), *LENGTHS):
        members = np.flatnonzero((first <= length) & (length <= last))
        drawn = each[members[np.random.default_rng(seed).integers(len(members), size=(_REPEATS, len(members)))]].mean(
            axis=1
        )
        rows.append(
            {
                "lengths": "all lengths" if (first, last) == (10, 1000) else f"{first} to {last} points",
                "tracks": len(members),
                "figure": each[members].mean(),
                "low": np.quantile(drawn, 0.025),
                "high": np.quantile(drawn, 0.975),
                "calibration_error": adaptive_error(said.probability[members].max(axis=1), right[members]),
                "covered": covered[members].mean(),
            }
        )
    return pd.DataFrame(rows)


def entries(task: str, dimensions: int) -> pd.DataFrame:
    """Figures of the challenge's best entries: `team`, a column for all lengths, and one for each bin."""
    table = pd.read_csv(DATA_CATALOG / REFERENCE)
    of = table[(table["figure"] == MEASURES[task]) & (table["dimensions"] == dimensions)]
    return of.drop(columns=["figure", "dimensions"])


def beside(own: pd.DataFrame, task: str, dimensions: int, name: str) -> str:
    """A network's figures beside those of the challenge's best entries, as lines of text."""
    best = entries(task, dimensions)
    columns = own["lengths"].tolist()
    ours = pd.DataFrame(
        [[name, *own["figure"]], ["  from", *own["low"]], ["  to", *own["high"]]], columns=["team", *columns]
    )
    lines = pd.concat([ours, best[["team", *columns]]], ignore_index=True)
    return f"{MEASURES[task]}, {dimensions}-D\n{lines.to_string(index=False, float_format='%.4f')}"
