"""Results of networks for tracks, as tables with a row per track."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from raypipe import store
from raypipe.errors import InputError, choice
from raypipe.files import write as write_file
from raypipe.networks import artifact, classify, explain
from raypipe.networks.artifact import Artifact
from raypipe.studies.andi.diffusion import ANDI_MODELS
from raypipe.studies.andi.tracks import outcomes
from raypipe.studies.andi.tracks.collect import COLUMNS

INTERVAL = 0.9
"""Probability that an exponent lies in its interval."""

FORMATS = (".csv", ".parquet")
"""Possible suffixes of the table's file."""

_BLOCK = 2**16
"""Number of tracks whose probabilities are in memory at once."""


NONE = "none"
"""Stands in place of the model for tracks that are flagged as following none of the models."""


def chosen(networks: Sequence[str], dimensions: int) -> list[Artifact]:
    """Load the networks for tracks in this number of dimensions, for which {} stands in their names.

    Args:
        networks: names or files of two networks: first one of `networks.NETWORKS`, which classifies tracks, then one of
            `networks.FAMILIAR`, which flags unfamiliar ones.
        dimensions: of the tracks.

    Raises:
        InputError: if a network is not trained, is for another purpose, or has no thresholds for flagging tracks.
    """
    trained = [artifact.load(artifact.at_hand(one.replace("{}", str(dimensions)))) for one in networks]
    kinds = {"tracks": outcomes.CLASSES, "familiar": outcomes.FAMILIAR_CLASSES}
    for one, (kind, classes) in zip(trained, kinds.items(), strict=True):
        if one.architecture.classes != classes:
            raise InputError(
                f"network {one.name} has other classes than {kind}-{dimensions}d; choose one with the same"
            )
    outcomes.thresholds(trained[1].name, trained[1].metrics)
    return trained


def classified(
    data_set: str, dimensions: int, networks: Sequence[Artifact], workers: int | None = None
) -> pd.DataFrame:
    """Classify all tracks of a data set planned by `collect`, with Ray, and return their table.

    Args:
        data_set: its name.
        dimensions: of the tracks.
        networks: from `chosen`.
        workers: largest number of worker processes.

    Raises:
        InputError: if a network is for tracks in another number of dimensions.
    """
    said = classify.classify_unlabelled([one.name for one in networks], data_set, workers=workers)
    models, familiar = (store.open(name) for name in said)
    return table(models, familiar, dimensions, outcomes.thresholds(networks[1].name, networks[1].metrics))


def explained(data_set: str, network: str, numbers: Sequence[int], workers: int | None = None) -> xr.Dataset:
    """Relevance maps for the outcome of a network, of the tracks with the given numbers in a data set."""
    split = data_set.partition("/")[2]
    return store.open(explain.explain(network, split, samples=numbers, workers=workers))


def table(predictions: xr.Dataset, familiar: xr.Dataset, dimensions: int, limits: np.ndarray) -> pd.DataFrame:
    """Table with a row per track: its properties, model, exponent and warnings.

    Args:
        predictions: of a network of tracks for a data set planned by `collect`.
        familiar: predictions of a network that distinguishes familiar tracks from others.
        dimensions: of the tracks.
        limits: `outcomes.thresholds` of that network.

    Returns:
        `file`, `track` and `dimensions`; what else `collect` stores of a track; `model`, the most probable model or
        NONE; `attm` to `sbm`, the probabilities of the models; `exponent`, and `exponent_low` and `exponent_high`, the
        ends of its interval; `unfamiliar`, the probability that the track follows none of the models; `warnings`. The
        index is the track's number in the data set.
    """
    found = pd.DataFrame({name: predictions[name].values for name in COLUMNS})
    found.insert(2, "dimensions", dimensions)
    samples = predictions.sizes["sample"]
    said = [
        outcomes.outcome(predictions["probability"].isel(sample=slice(start, start + _BLOCK)).values, INTERVAL)
        for start in range(0, samples, _BLOCK)
    ]
    probability = np.concatenate([one.probability for one in said])
    unfamiliar = outcomes.unfamiliarity(familiar["probability"].values)
    flagged = outcomes.is_flagged(unfamiliar, familiar["length"].values, limits)
    found["model"] = np.where(flagged, NONE, np.array(ANDI_MODELS)[probability.argmax(axis=1)])
    found[list(ANDI_MODELS)] = probability.round(4)
    for column, values in {"exponent": "exponent", "exponent_low": "low", "exponent_high": "high"}.items():
        found[column] = np.concatenate([getattr(one, values) for one in said]).round(3)
    found["unfamiliar"] = unfamiliar.round(4)
    kind = np.array(outcomes.STRANGERS)[familiar["probability"].values[:, 1:].argmax(axis=1)]
    found["warnings"] = _warnings(found, np.where(flagged, np.char.add("like motion that is ", kind), ""))
    return found


def _warnings(found: pd.DataFrame, first: np.ndarray) -> pd.Series:
    words = pd.Series(first, index=found.index)
    for column, word in {
        "interpolated": "{} points interpolated",
        "doubled": "several positions in {} frames",
        "unread": "{} points without a number",
        "every": "only 1 point in {} used",
    }.items():
        some = found[column] > (1 if column == "every" else 0)
        said = found.loc[some, column].map(word.format).astype("str")
        words[some] = words[some].where(words[some] == "", words[some] + "; ") + said
    return words


def check_format(file: Path) -> None:
    """Check that a table can be written to a file of this name.

    Raises:
        InputError: if its suffix is not in FORMATS.
    """
    choice("format", file.suffix.lower(), FORMATS)


def write(found: pd.DataFrame, file: Path) -> None:
    """Write a table in the format given by the suffix of its file.

    Raises:
        InputError: if the file cannot be written.
    """
    if found["track"].dtype == "object":  # numbers in some data sets, strings in others
        found = found.assign(track=found["track"].astype("str"))
    writing = found.to_parquet if file.suffix.lower() == ".parquet" else found.to_csv
    write_file(file, lambda path: writing(path, index=False))
