"""What networks say of tracks, as tables: a row per track."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from raypipe.errors import InputError, choice
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.tracks.collect import COLUMNS

INTERVAL = 0.9
"""Probability of the interval of an exponent."""

FORMATS = (".csv", ".parquet")
"""Of the table's file, by the end of its name."""

_BLOCK = 2**16
"""Tracks whose probabilities are in memory at once."""


def table(predictions: xr.Dataset, dimensions: int) -> pd.DataFrame:
    """A row per track: what is known of it, the probabilities of the models, the exponent with its interval, a word.

    Args:
        predictions: of a network of tracks for a data set that `collect` has planned.
        dimensions: of the tracks.

    Returns:
        `file`, `track`, `dimensions`, what `collect` keeps of a track, `model`, the most probable, `attm` to `sbm`, the
        probabilities, `exponent`, `exponent_low` and `exponent_high`, the ends of its interval, and `warnings`.
    """
    found = pd.DataFrame({name: predictions[name].values for name in COLUMNS})
    found.insert(2, "dimensions", dimensions)
    samples = predictions.sizes["sample"]
    said = [
        outcomes.outcome(predictions["probability"].isel(sample=slice(start, start + _BLOCK)).values, INTERVAL)
        for start in range(0, samples, _BLOCK)
    ]
    probability = np.concatenate([one.probability for one in said])
    found["model"] = np.array(ANDI_MODELS)[probability.argmax(axis=1)]
    found[list(ANDI_MODELS)] = probability.round(4)
    for column, values in {"exponent": "exponent", "exponent_low": "low", "exponent_high": "high"}.items():
        found[column] = np.concatenate([getattr(one, values) for one in said]).round(3)
    found["warnings"] = _warnings(found)
    return found


def _warnings(found: pd.DataFrame) -> pd.Series:
    words = pd.Series("", index=found.index)
    for column, word in {
        "interpolated": "{} points interpolated",
        "doubled": "several positions in {} frames",
        "unread": "{} points without a number",
        "every": "every {}. point seen",
    }.items():
        some = found[column] > (1 if column == "every" else 0)
        said = found.loc[some, column].map(word.format).astype("str")
        words[some] = words[some].where(words[some] == "", words[some] + "; ") + said
    return words


def check_format(file: Path) -> None:
    """Make sure that a table can be written to a file of this name.

    Raises:
        InputError: if its ending is none of FORMATS.
    """
    choice("format", file.suffix.lower(), FORMATS)


def write(found: pd.DataFrame, file: Path) -> None:
    """Write a table as its file's name says.

    Raises:
        InputError: if it cannot be written.
    """
    try:
        if file.suffix.lower() == ".parquet":
            found.to_parquet(file, index=False)
        else:
            found.to_csv(file, index=False)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}; choose another --output") from error
