"""Calibration of a network's probabilities by temperature scaling.

Of the samples that a network classifies with a probability of 80 %, four in five should be correct. The expected
calibration error measures the deviation from this. Dividing all class scores by one temperature, fitted on validation
samples, reduces the error without changing any prediction (Guo et al., ICML 2017, arXiv:1706.04599).

Stores of predictions keep the network's own probabilities. Where a confidence is shown to users, it is `calibrated`:

    from raypipe import catalog
    from raypipe.networks import calibration

    raw = catalog.open("predictions/small/test")["probability"].values
    shown = calibration.calibrated(raw, calibration.load("small").temperature)
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import optimize, special, stats

from raypipe import study
from raypipe.errors import InputError
from raypipe.networks import artifact, inputs
from raypipe.networks.architecture import FRESH
from raypipe.networks.evaluate import wilson
from raypipe.store import documents, objects

BINS = 15
"""Number of confidence bins, as in the paper."""

RANGE = (0.05, 20.0)
"""Bounds of the temperature in the fit."""

REPEATS = 500
"""Number of random draws: bootstrap samples for the interval of the calibration error, and simulated outcomes for
the error expected by chance."""

_FEWEST_REPEATS, _MOST_DRAWN = 50, 5 * 10**7
"""Minimum number of repeats, and maximum number of samples drawn in all repeats: with very many samples, the error
hardly varies, so fewer repeats suffice."""


class Temperature(BaseModel):
    """Temperature by which all class scores of a network are divided, and its origin.

    `network` is the SHA-256 of the artifact that it was fitted to, `source` the data set, and `samples` the number of
    samples in the fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    temperature: float = Field(gt=0)
    network: str
    source: str
    samples: int


def temperature(probability: np.ndarray, label: np.ndarray) -> float:
    """Temperature that maximises the likelihood of the labels: it minimises the mean negative log-likelihood.

    Args:
        probability: (sample, class), as predicted by the network.
        label: (sample,), numbers of the true classes.

    Raises:
        InputError: if all samples are classified correctly, or the best temperature is at an end of RANGE, as when very
            many are classified wrongly.
    """
    found = optimize.minimize_scalar(
        lambda power: negative_log_likelihood(calibrated(probability, float(np.exp(power))), label),
        bounds=tuple(np.log(RANGE)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    fitted = float(np.exp(found.x))
    right = int(np.sum(probability.argmax(axis=1) == label))
    if right == len(label) or not RANGE[0] * 1.01 < fitted < RANGE[1] / 1.01:
        raise InputError(
            f"{right} of {len(label)} samples are classified correctly, so that no temperature from {RANGE[0]:g} to "
            f"{RANGE[1]:g} fits best; fit it on more samples, some of them hard"
        )
    return fitted


def calibrated(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (sample, class), float64, after division of the scores by a temperature: softmax(ln p / T).

    The order of the classes does not change. A temperature of 1 changes nothing, a higher one lowers the confidence. A
    probability that float32 rounded to 0 is replaced by the smallest normal float32 number, about 10⁻³⁸.
    """
    score = np.log(np.maximum(probability, np.finfo("float32").tiny).astype("float64")) / temperature
    return special.softmax(score, axis=1)


def negative_log_likelihood(probability: np.ndarray, label: np.ndarray) -> float:
    """Mean over samples of −ln of the `probability` (sample, class) of the true class `label` (sample,)."""
    true = probability[np.arange(len(label)), label].astype("float64")
    return float(-np.log(np.maximum(true, np.finfo("float32").tiny)).mean())


def reliability(probability: np.ndarray, label: np.ndarray, bins: int = BINS, seed: int = 0) -> xr.Dataset:
    """Confidence and accuracy in confidence bins of equal width (reliability diagram).

    The confidence is the largest probability of a sample. The expected calibration error is the mean over samples of
    |accuracy − confidence| of their bin.

    Args:
        probability: (sample, class).
        label: (sample,), numbers of the true classes.
        bins: number of bins from 0 to 1.
        seed: seed of the bootstrap and of the simulated outcomes.

    Returns:
        `count`, `confidence` and `accuracy` with `accuracy_low` and `accuracy_high`, its 95 % interval (bin; all but
        `count` are NaN in an empty bin), with the coordinate `lower`, the lower edge of the bin; `error`, the expected
        calibration error; `error_low` and `error_high`, its basic 95 % bootstrap interval, from 2 error - high to
        2 error - low for the percentiles low and high of the resampled errors, at least 0 (Davison and Hinkley 1997,
        section 5.2); `adaptive_error`, the same error in bins of equally many samples; `chance_error`, the mean error
        of a perfectly calibrated network with the same confidences, which is above 0 by chance if there are few
        samples; and `log_loss`, the mean negative log-likelihood. As a sum of absolute values, the error is above the
        true one on average, and so are resampled errors above it: percentiles alone would be too high.

    Raises:
        InputError: if there are no samples.
    """
    if not len(label):
        raise InputError("no samples to compare confidence with accuracy; classify a split that has some")
    confidence = probability.max(axis=1).astype("float64")
    right = (probability.argmax(axis=1) == label).astype("float64")
    member = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(member, minlength=bins)
    random = np.random.default_rng(seed)
    repeats = min(REPEATS, max(_FEWEST_REPEATS, _MOST_DRAWN // len(label)))
    drawn, chance = np.empty(repeats), np.empty(repeats)
    for repeat in range(repeats):
        again = random.integers(0, len(label), len(label))
        drawn[repeat] = _error(member[again], confidence[again], right[again])
        chance[repeat] = _error(member, confidence, random.random(len(label)) < confidence)
    error = _error(member, confidence, right)
    low, high = np.maximum(0, 2 * error - np.percentile(drawn, (97.5, 2.5)))
    accuracy_low, accuracy_high = wilson(np.bincount(member, right, bins).astype(int), count)
    with np.errstate(invalid="ignore"):
        means = {
            name: ("bin", np.bincount(member, values, bins) / count)
            for name, values in (("confidence", confidence), ("accuracy", right))
        }
    return xr.Dataset(
        {
            "count": ("bin", count),
            **means,
            "accuracy_low": ("bin", accuracy_low),
            "accuracy_high": ("bin", accuracy_high),
            "error": error,
            "error_low": low,
            "error_high": high,
            "adaptive_error": adaptive_error(confidence, right, bins),
            "chance_error": chance.mean(),
            "log_loss": negative_log_likelihood(probability, label),
        },
        coords={"lower": ("bin", np.arange(bins) / bins)},
    )


def adaptive_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error in bins of equally many samples; `right` (sample,) is 1 where correct, otherwise 0."""
    ranks = stats.rankdata(confidence, method="ordinal").astype(int) - 1
    return _error(ranks * bins // len(right), confidence, right)


def _error(member: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error, given the bin number `member` (sample,) of each sample."""
    return float(np.abs(np.bincount(member, confidence - right)).sum() / len(member))


def fit(network: str, predictions: xr.Dataset) -> Temperature:
    """Fit the temperature of a trained network to its predictions for a validation split, and save it.

    Args:
        network: its name.
        predictions: as `classify` makes them, with labels.

    Raises:
        InputError: see `temperature`; or if the predictions are from an earlier network, have no labels, or their
            labels have other classes than the network.
    """
    made = predictions.attrs["parameters"]
    if made["network_sha256"] != artifact.checksum(network):
        raise InputError(
            f"predictions of {made['source']} were made by an earlier network {network}; remove them with raypipe "
            f"remove predictions/{network}/{made['source'].partition('/')[2]}, and classify again"
        )
    label = predictions["label"].values if "label" in predictions else np.array([-1])
    if label.min() < 0:
        raise InputError(f"samples of {made['source']} have no label; fit the temperature on a validation split")
    if inputs.by_label(predictions) is not predictions:
        raise InputError(
            f"labels of {made['source']} are not the network's classes; fit the temperature on a split where they are"
        )
    fitted = Temperature(
        temperature=temperature(predictions["probability"].values, label),
        network=made["network_sha256"],
        source=made["source"],
        samples=len(label),
    )
    objects.put(path(network), documents.seal(fitted))
    return fitted


def load(network: str) -> Temperature:
    """Load the temperature of a trained network.

    Raises:
        InputError: if none has been fitted, it was fitted to an earlier network of that name, or its file is damaged.
    """
    data = objects.find(path(network))
    split, of = validation_split(network), study.find(artifact.load(network).architecture.study)
    again = f"fit it with: {of.job('evaluate', network=network, split=split)}"
    if split == FRESH:
        again = "it was validated on samples made during training, which are not kept"
    if data is None:
        raise InputError(f"network {network} has no temperature yet; {again}")
    try:
        content: dict[str, Any] = json.loads(data)
        given = content.pop(documents.SEAL, None)
        found = Temperature.model_validate(content)
    except (ValueError, AttributeError, ValidationError) as error:
        raise InputError(f"{path(network)} is damaged: {' '.join(str(error).split())}; {again}") from error
    if given != documents.digest(content):
        raise InputError(f"{path(network)} is damaged: it does not agree with its checksum; {again}")
    if found.network != artifact.checksum(network):
        raise InputError(f"the temperature of {network} was fitted to an earlier network of that name; {again}")
    return found


def exists(network: str) -> bool:
    """Whether a temperature has been fitted for a network of that name."""
    return objects.exists(path(network))


def settled(network: str, predictions: Mapping[str, xr.Dataset]) -> Temperature | None:
    """Temperature of a network: fitted if predictions for its validation split are given, otherwise loaded.

    Args:
        network: its name.
        predictions: stores of predictions by split.

    Returns:
        The temperature; None, with the reason in the log, if it cannot be fitted or none has been saved.
    """
    try:
        if (split := validation_split(network)) in predictions:
            return fit(network, predictions[split])
        return load(network)
    except InputError as error:
        logging.getLogger(__name__).warning("probabilities are shown uncalibrated: %s", error)
        return None


def validation_split(network: str) -> str:
    """Split on which the network's temperature is fitted: its validation split, if the network can classify it.

    If that was FRESH, or has classes that the network does not know (whose samples were left out in training), it is
    the architecture's default validation split.
    """
    trained = artifact.load(network)
    usual, (_, validation) = trained.architecture.splits[1], trained.splits
    if validation in (usual, FRESH):
        return usual
    of = study.find(trained.architecture.study)
    plan = of.plan(validation) if validation in of.data_sets else None
    label = (plan.coordinates.get("label") or plan.variables.get("label")) if plan else None
    names = label.attributes.get("flag_meanings", "").split() if label else []
    return validation if set(names) <= set(trained.architecture.classes) else usual


def path(network: str) -> str:
    """Path of a network's temperature under the root of the store."""
    return f"networks/{network}.temperature.json"


def table(found: dict[str, xr.Dataset]) -> str:
    """Calibration errors as lines of text, one line for each result of `reliability`, by name."""
    width = max(map(len, found))
    lines = [
        f"{'calibration':<{width}}  {'error':>6} {'95 % interval':>15} {'adaptive':>8} {'by chance':>9} {'log loss':>8}"
    ]
    for name, one in found.items():
        error, low, high, adaptive, chance, loss = (
            one[key].item()
            for key in ("error", "error_low", "error_high", "adaptive_error", "chance_error", "log_loss")
        )
        interval = f"{low:.4f}–{high:.4f}"
        lines.append(f"{name:<{width}}  {error:>6.4f} {interval:>15} {adaptive:>8.4f} {chance:>9.4f} {loss:>8.4f}")
    return "\n".join(lines)
