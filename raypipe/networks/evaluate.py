"""How good a network is: metrics of its predictions, over all samples and stratified by what they were made with.

Every sample has one label and one prediction, so micro-F1, which challenges rank by, equals the accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats
from sklearn import metrics

from raypipe.errors import InputError
from raypipe.networks import inputs

_DIGITS = 9
"""By which values are different strata, if they have as many."""

_NOTHING = 1e-15
"""Share of the largest value that is a rounding error of it."""


def evaluate(predictions: xr.Dataset, strata: Sequence[str] = ()) -> xr.Dataset:
    """Metrics of a store of predictions.

    Args:
        predictions: `predicted` (sample) and the coordinates `label` (sample), `class` (names). Where the network's
            classes are kinds of those that the labels count, the metrics are of the latter, see `inputs.by_label`.
        strata: coordinates (sample) by whose values the metrics are broken down, as far as the predictions have them:
            which confusions are physics, not the network's. Those of a study are `study.Study.strata`.

    Returns:
        `accuracy`, `micro_f1`, `macro_f1` (scalars, from 0 to 1); `recall`, `precision` (label; NaN where nothing was
        of the class or taken for it); `recall_low`, `recall_high` (label), Wilson's 95 % interval of the recall;
        `confusion` (label, predicted), counts; and for each stratum S
        `confusion_by_S` (S, label, predicted), counts, and `accuracy_by_S` (S). `label` and `predicted` are coordinates
        of class names, S has the attributes that it has in the predictions.

    Raises:
        InputError: if the samples have no labels, as those of the scan, or these count other classes.
    """
    predictions = inputs.by_label(predictions)
    names = [str(name) for name in predictions["class"].values]
    if "label" not in predictions:
        raise InputError("the samples have no labels, which metrics need; choose a training, validation or test split")
    label, predicted = predictions["label"].values, predictions["predicted"].values
    if label.min() < 0:
        raise InputError(
            f"{np.sum(label < 0)} of {len(label)} samples have no label; "
            "metrics need labelled samples: choose a training, validation or test split"
        )
    numbers = np.arange(len(names))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        label, predicted, labels=numbers, zero_division=np.nan
    )
    confusion = metrics.confusion_matrix(label, predicted, labels=numbers)
    low, high = _wilson(np.diag(confusion), confusion.sum(axis=1))
    result = xr.Dataset(
        {
            "accuracy": metrics.accuracy_score(label, predicted),
            "micro_f1": metrics.f1_score(label, predicted, average="micro"),
            "macro_f1": np.nanmean(f1),
            "recall": ("label", recall),
            "recall_low": ("label", low),
            "recall_high": ("label", high),
            "precision": ("label", precision),
            "confusion": (("label", "predicted"), confusion),
        },
        coords={"label": names, "predicted": names},
        attrs={"samples": len(label)},
    )
    for stratum in strata:
        if stratum in predictions.coords:
            result = result.merge(_stratified(predictions[stratum], label, predicted, names))
    return result


def _wilson(hits: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Lower and upper end of the 95 % interval of each share; NaN where there was no trial."""
    ends = [
        stats.binomtest(int(hit), int(of)).proportion_ci(method="wilson") if of else (np.nan, np.nan)
        for hit, of in zip(hits, trials, strict=True)
    ]
    return np.transpose([tuple(one) for one in ends])


def _stratified(values: xr.DataArray, label: np.ndarray, predicted: np.ndarray, names: list[str]) -> xr.Dataset:
    stratum = str(values.name)
    strata, member = np.unique(_rounded(values.values), return_inverse=True)
    counts = np.zeros((len(strata), len(names), len(names)), "int64")
    np.add.at(counts, (member, label, predicted), 1)
    dims = (stratum, "label", "predicted")
    along = {stratum: (stratum, strata, values.attrs), "label": names, "predicted": names}
    confusion = xr.DataArray(counts, along, dims)
    accuracy = np.trace(counts, axis1=1, axis2=2) / counts.sum((1, 2))
    return xr.Dataset({f"confusion_by_{stratum}": confusion, f"accuracy_by_{stratum}": (stratum, accuracy)})


def _rounded(values: np.ndarray) -> np.ndarray:
    """Values (sample,) to so many digits: the generator's exponents are multiples of 0.05 only up to the last bits.

    Whole numbers stay as they are, and what is but a rounding error beside the largest value is 0.
    """
    distinct, place = np.unique(values.astype("float64"), return_inverse=True)
    if values.dtype.kind == "f":
        size = np.abs(distinct)
        distinct[size < _NOTHING * size[np.isfinite(size)].max(initial=0)] = 0
        digits = min(_DIGITS, np.finfo(values.dtype).precision)
        distinct = np.array([float(f"{value:.{digits}g}") for value in distinct.tolist()])
    rounded: np.ndarray = distinct[place]
    return rounded


@dataclass(frozen=True)
class Confusion:
    """So many of the `samples` of the class `true` were taken for the class `predicted`; both by name."""

    true: str
    predicted: str
    count: int
    samples: int

    def __str__(self) -> str:
        return f"{self.true} taken for {self.predicted}: {self.count} of {self.samples}"


def confused(evaluation: xr.Dataset, most: int = 5) -> list[Confusion]:
    """The pairs of classes that were confused most often, that with the most samples first; empty if none was."""
    counts = evaluation["confusion"].values.copy()
    samples, names = counts.sum(axis=1), [str(name) for name in evaluation["label"].values]
    np.fill_diagonal(counts, 0)
    pairs = [divmod(int(place), len(names)) for place in np.argsort(-counts, axis=None, kind="stable")[:most]]
    return [
        Confusion(names[row], names[column], int(counts[row, column]), int(samples[row]))
        for row, column in pairs
        if counts[row, column]
    ]


def shares(predictions: Mapping[str, xr.Dataset]) -> str:
    """How many samples each class has, and their share of all, as lines of text.

    Args:
        predictions: by name of the network, with `predicted` (sample) and `class`, of one data set.
    """
    # In the order of the network that has most.
    largest_first = sorted(predictions.values(), key=lambda one: -one.sizes["class"])
    classes = dict.fromkeys(str(name) for found in largest_first for name in found["class"].values)
    columns = [["class", *classes]]
    for network, found in predictions.items():
        own = [str(name) for name in found["class"].values]
        counts = dict(zip(own, np.bincount(found["predicted"].values, minlength=len(own)), strict=True))
        columns.append([network, *(str(counts.get(name, "-")) for name in classes)])
        total = found.sizes["sample"]
        columns.append(["share", *(f"{counts[name] / total:.2%}" if name in counts else "-" for name in classes)])
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    return "\n".join(
        "  ".join([first.ljust(widths[0]), *(one.rjust(width) for one, width in zip(others, widths[1:], strict=True))])
        for first, *others in rows
    )


def strata_of(evaluation: xr.Dataset) -> list[str]:
    """Names of the strata by which `evaluate` broke its metrics down."""
    return [str(name).removeprefix("confusion_by_") for name in evaluation if str(name).startswith("confusion_by_")]


def table(evaluation: xr.Dataset) -> str:
    """The metrics as lines of text: totals, one line per class with its commonest mistake, one per stratum."""
    lines = [
        f"{evaluation.samples} samples: accuracy {evaluation.accuracy.item():.3f}, "
        f"micro-F1 {evaluation.micro_f1.item():.3f}, macro-F1 {evaluation.macro_f1.item():.3f}",
        "",
        f"{'class':<8} {'samples':>7} {'recall':>7} {'precision':>9}  most often mistaken for",
    ]
    for name in evaluation.label.values:
        row = evaluation.confusion.sel(label=name)
        wrong = row.where(row.predicted != name, 0)
        mistake = f"{wrong.idxmax().item()} ({wrong.max().item() / row.sum().item():.0%})" if wrong.any() else "-"
        recall, precision = (evaluation[metric].sel(label=name).item() for metric in ("recall", "precision"))
        lines.append(f"{name:<8} {row.sum().item():>7} {recall:>7.3f} {precision:>9.3f}  {mistake}")
    for stratum in strata_of(evaluation):
        samples = evaluation[f"confusion_by_{stratum}"].sum(("label", "predicted"))
        lines += ["", f"{stratum:<8} {'samples':>7} {'accuracy':>8}"]
        lines += [
            f"{value:<8g} {count:>7} {accuracy:>8.3f}"
            for value, count, accuracy in zip(
                evaluation[stratum].values,
                samples.values,
                evaluation[f"accuracy_by_{stratum}"].values,
                strict=True,
            )
        ]
    return "\n".join(lines)
