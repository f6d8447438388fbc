"""Metrics of a network's predictions, over all samples and stratified by the parameters of the samples.

Every sample has one label and one prediction, so micro-F1, by which challenges rank, equals accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats
from sklearn import metrics

from raypipe.errors import InputError
from raypipe.networks import inputs
from raypipe.store.texts import is_text

_DIGITS = 9
"""Number of significant digits that distinguish strata, if the values have as many."""

_MOST_CONFUSED = 5
"""Maximum number of pairs of classes that are listed as confused."""

_NOTHING = 1e-15
"""Values below this share of the largest one are rounding errors."""


def evaluate(predictions: xr.Dataset, strata: Sequence[str] = ()) -> xr.Dataset:
    """Metrics of a store of predictions.

    Args:
        predictions: `predicted` (sample) and the coordinates `label` (sample), `class` (names). If the network's
            classes are subclasses of those of the labels, the metrics refer to the labels' classes, see
            `inputs.by_label`.
        strata: coordinates (sample) by whose values the metrics are broken down, if the predictions have them; this
            shows which confusions are due to the physics, not the network. Those of a study are `study.Study.strata`.

    Returns:
        `accuracy`, `micro_f1`, `macro_f1` (scalars, from 0 to 1); `recall`, `precision` (label; NaN if no sample is of
        the class, or predicted as it); `recall_low`, `recall_high` (label), Wilson's 95 % interval of the recall;
        `confusion` (label, predicted), counts; and for each stratum S `confusion_by_S` (S, label, predicted), counts,
        and `accuracy_by_S` (S). `label` and `predicted` are coordinates with class names; S keeps its attributes from
        the predictions.

    Raises:
        InputError: if the samples have no labels, as in a scan, or the labels have other classes.
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
    low, high = wilson(np.diag(confusion), confusion.sum(axis=1))
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


def wilson(hits: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of Wilson's 95 % interval of each proportion; NaN where there is no trial."""

    def interval(hit: int, of: int) -> tuple[float, float]:
        return tuple(stats.binomtest(hit, of).proportion_ci(method="wilson")) if of else (np.nan, np.nan)

    low, high = np.vectorize(interval, otypes=(float, float))(hits, trials)
    return low, high


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
    """Values (sample,) rounded to _DIGITS: the generator's exponents are multiples of 0.05 only up to the last bits.

    Integers and texts are unchanged. Values that are rounding errors relative to the largest value become 0.
    """
    if is_text(values):
        return values
    distinct, place = np.unique(values.astype("float64"), return_inverse=True)
    if values.dtype.kind == "f":
        size = np.abs(distinct)
        distinct[size < _NOTHING * size[np.isfinite(size)].max(initial=0)] = 0
        digits = min(_DIGITS, np.finfo(values.dtype).precision)
        distinct = np.array([float(f"{value:.{digits}g}") for value in distinct.tolist()])
    return distinct[place]


@dataclass(frozen=True)
class Confusion:
    """Number of the `samples` of class `true` that were predicted as class `predicted`; both are class names."""

    true: str
    predicted: str
    count: int
    samples: int

    def __str__(self) -> str:
        return f"{self.true} taken for {self.predicted}: {self.count} of {self.samples}"


def confused(evaluation: xr.Dataset) -> list[Confusion]:
    """The pairs of classes that were confused most often, the most frequent first; empty if there are none."""
    counts = evaluation["confusion"].values.copy()
    samples, names = counts.sum(axis=1), [str(name) for name in evaluation["label"].values]
    np.fill_diagonal(counts, 0)
    pairs = [divmod(int(place), len(names)) for place in np.argsort(-counts, axis=None, kind="stable")[:_MOST_CONFUSED]]
    return [
        Confusion(names[row], names[column], int(counts[row, column]), int(samples[row]))
        for row, column in pairs
        if counts[row, column]
    ]


def shares(predictions: Mapping[str, xr.Dataset]) -> str:
    """Number and share of the samples predicted as each class, as lines of text.

    Args:
        predictions: by name of the network, with `predicted` (sample) and `class`, all of one data set.
    """
    # In the order of the network with the most classes.
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
    """Names of the strata in a result of `evaluate`."""
    return [str(name).removeprefix("confusion_by_") for name in evaluation if str(name).startswith("confusion_by_")]


def table(evaluation: xr.Dataset) -> str:
    """The metrics as lines of text: totals, one line per class with its most frequent mistake, a table per stratum."""
    names = [str(name) for name in evaluation["label"].values]
    width = max(8, *map(len, names))
    lines = [
        f"{evaluation.samples} samples: accuracy {evaluation.accuracy.item():.3f}, "
        f"micro-F1 {evaluation.micro_f1.item():.3f}, macro-F1 {evaluation.macro_f1.item():.3f}",
        "",
        f"{'class':<{width}} {'samples':>7} {'recall':>7} {'precision':>9}  most often mistaken for",
    ]
    for name in names:
        row = evaluation.confusion.sel(label=name)
        wrong = row.where(row.predicted != name, 0)
        mistake = f"{wrong.idxmax().item()} ({wrong.max().item() / row.sum().item():.0%})" if wrong.any() else "-"
        recall, precision = (evaluation[metric].sel(label=name).item() for metric in ("recall", "precision"))
        lines.append(f"{name:<{width}} {row.sum().item():>7} {recall:>7.3f} {precision:>9.3f}  {mistake}")
    for stratum in strata_of(evaluation):
        samples = evaluation[f"confusion_by_{stratum}"].sum(("label", "predicted"))
        shown = [one if isinstance(one, str) else f"{one:g}" for one in evaluation[stratum].values.tolist()]
        width = max(8, *map(len, [stratum, *shown]))
        lines += ["", f"{stratum:<{width}} {'samples':>7} {'accuracy':>8}"]
        lines += [
            f"{value:<{width}} {count:>7} {accuracy:>8.3f}"
            for value, count, accuracy in zip(
                shown,
                samples.values,
                evaluation[f"accuracy_by_{stratum}"].values,
                strict=True,
            )
        ]
    return "\n".join(lines)
