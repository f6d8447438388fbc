"""The sections of the report, each from the holdings to its parts."""

import json
from collections.abc import Iterator

import numpy as np

from raypipe import catalog, plot
from raypipe.networks.artifact import Artifact
from raypipe.networks.evaluate import evaluate
from raypipe.plot.classes import class_names, symbol
from raypipe.report.holdings import SCAN, Holdings
from raypipe.report.page import Cells, Facts, Heading, Missing, Part, Picture, Table, Text, Tiles
from raypipe.studies.gray_scott import tables

HOMOGENEOUS = ("l", "h")
"""The classes without a pattern."""

NO_SCAN = Missing(
    "The scan has not been classified yet. These jobs make it and classify it:",
    (
        "python jobs/generate_scan.py",
        "python jobs/train_network.py --network pattern-2d-second",
        "python jobs/classify_scan.py --network pattern-2d-second",
    ),
)


def summary(holdings: Holdings) -> Iterator[Part]:
    """How much there is, and the state of every data set."""
    samples = {name: holdings.stores[name][0] for name in holdings.complete()}
    yield Tiles(
        {
            "trajectories": sum(count for name, count in samples.items() if name.startswith("andi/")),
            "patterns": sum(count for name, count in samples.items() if name.startswith("gray_scott/")),
            "trained networks": len(holdings.networks),
            "classified data sets": len(holdings.complete("predictions/")),
        }
    )
    yield Table(
        ("data set", "samples", "state"),
        [
            (name, count, "complete" if finished == shards else f"{finished} of {shards} shards")
            for name, (count, shards, finished) in holdings.stores.items()
        ],
    )


def evaluation(holdings: Holdings) -> Iterator[Part]:
    """Metrics, confusion matrices and training histories of the networks that were evaluated."""
    evaluations = {
        (network, split): evaluate(predictions) for network, split, predictions in holdings.labelled_predictions()
    }
    if not evaluations:
        yield Missing(
            "No network has been evaluated yet. This job does it:", ("python jobs/evaluate.py --network andi-study",)
        )
        return
    yield Table(
        ("network", "split", "samples", "accuracy", "macro-F1"),
        [
            (*key, one.attrs["samples"], one["accuracy"].item(), one["macro_f1"].item())
            for key, one in evaluations.items()
        ],
    )
    for (network, split), one in evaluations.items():
        yield Heading(f"{network} on {split}")
        yield Picture(
            _file_name("confusion", network, split),
            plot.confusion_matrix(one["confusion"].values, [str(name) for name in one["label"].values]),
            f"Confusion matrix of {network} on {split}. Each cell has the number of samples and its share of the true "
            "class.",
        )
    for network in dict.fromkeys(network for network, _ in evaluations if network in holdings.networks):
        yield Heading(f"Training of {network}")
        yield Picture(
            _file_name("training", network),
            plot.training_history(holdings.networks[network].history),
            f"Loss and accuracy of {network} after each epoch, on training and validation samples.",
        )


def relevance(holdings: Holdings) -> Iterator[Part]:
    """The steps that decided the class of a trajectory."""
    found = list(holdings.results("relevance"))
    if not found:
        yield Missing(
            "No trajectory has been explained yet. This job does it:", ("python jobs/explain.py --network andi-study",)
        )
    for network, split, trajectories in found:
        yield Heading(f"{network} on {split}")
        yield Picture(
            _file_name("relevance", network, split),
            plot.relevance(trajectories),
            f"One trajectory per class; in red the {plot.MARKED_STEPS} steps that speak most for the predicted class. "
            "The localisation noise σ is in units of the displacements' standard deviation.",
        )


def saliency(holdings: Holdings) -> Iterator[Part]:
    """Where a network looks at a pattern."""
    found = list(holdings.results("saliency"))
    if not found:
        yield Missing(
            "No pattern has been explained yet. This job does it:", ("python jobs/explain.py --network pattern-2d",)
        )
    for network, split, patterns in found:
        yield Heading(f"{network} on {split}")
        yield Picture(
            _file_name("saliency", network, split),
            plot.pattern_gallery(patterns),
            "One pattern per class: the field u at the end, and below it the saliency over the pattern, blurred by a "
            "Gaussian of σ = 2 grid spacings.",
        )


def phase_diagram(holdings: Holdings) -> Iterator[Part]:
    """The scan as each network classifies it."""
    found = holdings.scan_predictions()
    if not found:
        yield NO_SCAN
    for network, predictions in found:
        names = class_names(predictions)
        k, f, image = plot.phase_grid(predictions)
        classified, points = predictions.sizes["sample"], len(tables.scan_simulations())
        thinned = f" Each point has the class of the nearest of {classified} patterns." if classified < points else ""
        yield Heading(f"By {network}")
        yield Picture(
            _file_name("phase-diagram", network),
            plot.phase_diagram(predictions),
            f"The pattern at each kill rate k and feed rate f, as {network} classifies it.{thinned}",
            Cells(
                len(k),
                [
                    "" if number == plot.OUTSIDE else f"k = {k[column]:g}, f = {f[row]:g}: {symbol(names[number])}"
                    for row in reversed(range(len(f)))
                    for column, number in enumerate(image[row])
                ],
            ),
        )


def montage(holdings: Holdings, wanted: str | None) -> Iterator[Part]:
    """All patterns of the scan of one class: the `wanted` one, or the commonest that is not homogeneous."""
    found = holdings.scan_predictions()
    if not found or f"gray_scott/{SCAN}" not in holdings.complete():
        yield NO_SCAN
        return
    scan = catalog.open(f"gray_scott/{SCAN}")
    for network, predictions in found:
        if not np.array_equal(predictions["seed"].values, scan["seed"].values):
            yield Missing(
                f"The predictions of {network} are of another scan. Delete them and classify the scan again:",
                (f"python jobs/classify_scan.py --network {network}",),
            )
            continue
        names = class_names(predictions)
        called = np.array(names)[predictions["predicted"].values]
        name = wanted or max((one for one in names if one not in HOMOGENEOUS), key=lambda one: np.sum(called == one))
        patterns = scan.isel(sample=np.flatnonzero(called == name)).sortby(["k", "f"])
        count = patterns.sizes["sample"]
        yield Heading(f"Class {symbol(name)} by {network}")
        if not count:
            yield Text(f"{network} finds no pattern of this class in the scan.")
            continue
        blank = plot.MONTAGE_COLUMNS * plot.montage_rows(count) - count
        yield Picture(
            _file_name("montage", network, name),
            plot.montage(patterns),
            f"All {count} patterns of the scan that {network} classifies as {symbol(name)}: the field u at the end.",
            Cells(
                plot.MONTAGE_COLUMNS,
                [
                    f"k = {k:g}, f = {f:g}, seed {seed}"
                    for k, f, seed in zip(*(patterns[rate].values for rate in ("k", "f", "seed")), strict=True)
                ]
                + [""] * blank,
            ),
            palette=True,
        )


def networks(holdings: Holdings) -> Iterator[Part]:
    """Every trained network, the best of each study first."""
    for study, title, job in (
        ("andi", "Of trajectories", "python jobs/train_grid.py"),
        ("gray_scott", "Of patterns", "python jobs/train_network.py --network pattern-2d"),
    ):
        trained = [one for one in holdings.networks.values() if one.architecture.study == study]
        yield Heading(title)
        if trained:
            yield Table(
                ("network", "parameters", "epochs", "validation accuracy", "training time (s)"),
                [_row(one) for one in sorted(trained, key=lambda one: -one.history["val_accuracy"][-1])],
            )
        else:
            yield Missing("No network has been trained yet. This job does it:", (job,))


def _row(network: Artifact) -> tuple[str, int, int, float, int | None]:
    accuracy = network.history["val_accuracy"]
    seconds = network.provenance.get("seconds")
    return (
        network.name,
        network.parameters,
        len(accuracy),
        accuracy[-1],
        None if seconds is None else round(seconds),
    )


def provenance(holdings: Holdings) -> Iterator[Part]:
    """What made each data set and each network."""
    yield Heading("Data sets")
    for name in holdings.complete():
        dataset = catalog.open(name)
        facts = dict(dataset.attrs)
        if "seed" in dataset.coords:
            facts["seeds"] = f"{dataset['seed'].values.min()} to {dataset['seed'].values.max()}"
        yield Facts(name, {key: _shown(value) for key, value in facts.items()})
    if holdings.networks:
        yield Heading("Networks")
    for name, network in holdings.networks.items():
        yield Facts(name, {key: _shown(value) for key, value in network.provenance.items()})


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _file_name(*parts: str) -> str:
    return "-".join(parts).replace("/", "-")
