"""Compare networks on the same samples: accuracy, its uncertainty, and accuracy by stratum."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from raypipe import catalog
from raypipe.errors import InputError
from raypipe.networks import artifact, inputs
from raypipe.networks.architecture import FRESH
from raypipe.networks.evaluate import evaluate, strata_of, wilson


def splits_to_evaluate(network: str, test: str) -> dict[str, str]:
    """Splits on which a network can be evaluated, by the columns of `overview`: "train", "val" and "test".

    Training and validation splits that do not exist, or have classes that the network lacks, are logged and left out.

    Raises:
        InputError: if there is no data set `test`.
    """
    trained, found, log = artifact.load(network), {}, logging.getLogger(__name__)
    train, validation = trained.splits
    for column, split in {"train": train, "val": validation, "test": test}.items():
        if split == FRESH:  # generated during training and not stored
            continue
        try:
            data = catalog.open(f"{trained.architecture.study}/{split}")
        except InputError as error:
            if column == "test":
                raise
            log.warning("no accuracy of %s on %s: %s", network, split, error)
            continue
        named, own = inputs.class_names(data), trained.architecture.classes
        if inputs.kinds(own, named) is None and (others := sorted(set(named) - set(own))):
            log.warning("no accuracy of %s on %s, which also has %s", network, split, ", ".join(others))
            continue
        found[column] = split
    return found


def overview(networks: Sequence[str], evaluations: Mapping[str, Mapping[str, xr.Dataset]]) -> pd.DataFrame:
    """One row per network, in the given order: how it was trained and how accurate it is.

    Args:
        networks: names of trained networks.
        evaluations: by network, the results of `evaluate` on the samples that it was trained on, as "train", that it
            was validated on, as "val", and on "test"; missing ones become NaN.

    Returns:
        Columns `network`, `series` and `seed`, `train_split` and `val_split`, `epochs`, `seconds`; `train`, `val` and
        `test`, the accuracy on each; `recall_<class>` on test.
    """
    rows = []
    for name in networks:
        trained, found = artifact.load(name), evaluations[name]
        train_split, val_split = trained.splits
        rows.append(
            {
                "network": trained.architecture.name,
                "series": trained.series,
                "seed": trained.made_from.get("training", {}).get("seed"),
                "train_split": train_split,
                "val_split": val_split,
                **{key: trained.facts[key] for key in ("epochs", "seconds")},
                **{one: found[one]["accuracy"].item() if one in found else np.nan for one in ("train", "val", "test")},
                **{
                    f"recall_{one.label.item()}": one.item()
                    for one in (found["test"]["recall"] if "test" in found else ())
                },
            }
        )
    return pd.DataFrame(rows).astype({"seed": "Int64", "epochs": "Int64"})


def mean_with_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % confidence interval by Student's t, NaN for a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, np.nan, np.nan
    if np.ptp(values) == 0:  # SciPy would divide zero by zero
        return mean, mean, mean
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return mean, float(interval.low), float(interval.high)


def ranking(predictions: Mapping[str, xr.Dataset], reference: str) -> pd.DataFrame:
    """One row per network, the best first.

    Args:
        predictions: by name of the network, its store of predictions, all for the same samples.
        reference: the network to compare the others with.

    Returns:
        Columns `name`, `parameters`, `epochs`, `samples`, `seconds` and `val_accuracy` (see `Artifact.facts`); on the
        samples of the predictions, `accuracy` with `accuracy_low` and `accuracy_high`, its 95 % confidence interval
        (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)), `micro_f1`, `macro_f1`, `recall_<class>`; and `difference`, the
        accuracy minus the reference's, with `difference_low` and `difference_high`, its 95 % confidence interval over
        pairs: both networks saw the same samples, so samples that are hard for both do not widen the interval.

    Raises:
        InputError: if the reference is not among the networks, the predictions are for different samples, or samples
            have no label.
    """
    if reference not in predictions:
        raise InputError(f"reference {reference!r} is not among the networks {', '.join(predictions)}; add it")
    if "label" not in predictions[reference]:
        raise InputError(
            "the samples have no labels, which a ranking needs; choose a training, validation or test split"
        )
    compared = inputs.by_label(predictions[reference])
    labels, right_of_reference = _labels(compared), _right(compared)
    rows = []
    for name, found in predictions.items():
        found = inputs.by_label(found)
        if not np.array_equal(_labels(found), labels):
            raise InputError(
                f"predictions of {name} and {reference} are of different samples; classify the same split with both"
            )
        right = _right(found)
        difference, low, high = mean_with_interval(right - right_of_reference)
        rows.append(
            {
                **artifact.load(name).facts,
                **_metrics(found),
                "difference": difference,
                "difference_low": low,
                "difference_high": high,
            }
        )
    return pd.DataFrame(rows).sort_values(["accuracy", "name"], ascending=[False, True], ignore_index=True)


def _labels(predictions: xr.Dataset) -> np.ndarray:
    """Names of the samples' classes, independent of the networks' numbering; "" for samples without a label."""
    return np.array([*predictions["class"].values.tolist(), ""])[predictions["label"].values]


def _right(predictions: xr.Dataset) -> np.ndarray:
    """1 for each correctly classified sample, 0 for the others."""
    return (predictions["predicted"].values == predictions["label"].values).astype("float64")


def _metrics(predictions: xr.Dataset) -> dict[str, Any]:
    evaluation = evaluate(predictions)
    confusion = evaluation["confusion"].values
    low, high = wilson(np.trace(confusion), confusion.sum())
    return {
        "accuracy": evaluation["accuracy"].item(),
        "accuracy_low": low.item(),
        "accuracy_high": high.item(),
        "micro_f1": evaluation["micro_f1"].item(),
        "macro_f1": evaluation["macro_f1"].item(),
        **{f"recall_{one.label.item()}": one.item() for one in evaluation["recall"]},
    }


def strata(evaluations: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Accuracy and recall by each stratum, one row per network and value.

    Args:
        evaluations: by name of the network, the result of `evaluate`.

    Returns:
        Columns `network`, `stratum` (the coordinate), `value` (in its units), `samples`, `accuracy` and
        `recall_<class>` (from 0 to 1; NaN if the stratum has no samples of the class).
    """
    rows = [
        {
            "network": network,
            "stratum": stratum,
            "value": one[stratum].item(),
            "samples": int(one.sum()),
            "accuracy": np.trace(one.values) / one.values.sum(),
            **{f"recall_{row.label.item()}": _recall(row) for row in one},
        }
        for network, evaluation in evaluations.items()
        for stratum in strata_of(evaluation)
        for one in evaluation[f"confusion_by_{stratum}"]
    ]
    return pd.DataFrame(rows)


def _recall(row: xr.DataArray) -> float:
    """Recall of a class from its row of the confusion matrix; NaN if there are no samples."""
    samples = int(row.sum())
    return row.sel(predicted=row.label.item()).item() / samples if samples else np.nan
