"""The sections of the report that all studies share; each function turns the holdings into the parts of a section."""

import json
from collections.abc import Iterator

from raypipe import catalog, plot
from raypipe.errors import InputError
from raypipe.networks import inputs
from raypipe.networks.artifact import Artifact
from raypipe.networks.evaluate import evaluate, strata_of
from raypipe.report import scan
from raypipe.report.holdings import Holdings, known
from raypipe.report.page import Facts, Heading, Missing, Part, Picture, Table, Text, Tiles


def summary(holdings: Holdings) -> Iterator[Part]:
    """Show how much there is, and the state of every data set."""
    own = [one for one in holdings.stores if not one.product]
    yield Tiles(
        {
            **{
                f"samples of {name}": sum(one.samples for one in own if one.study == name and one.complete)
                for name in dict.fromkeys(one.study for one in own)
            },
            "trained networks": len(holdings.networks),
            "classified data sets": sum(one.product == "predictions" for one in holdings.complete),
        }
    )
    yield Table(
        ("data set", "samples", "state"),
        [
            (one.name, one.samples, "complete" if one.complete else f"{one.finished} of {one.shards} shards")
            for one in holdings.stores
        ],
    )
    for name, reason in holdings.damaged.items():
        yield _left_out(name, reason)


def _left_out(name: str, reason: object) -> Text:
    """Return the text that replaces something damaged."""
    return Text(f"{name} is left out. {reason}")


def evaluation(holdings: Holdings) -> Iterator[Part]:
    """Show metrics, confusion matrices and training histories of the networks that were evaluated."""
    found, damaged = {}, []
    for one in holdings.complete:
        if one.product == "predictions" and not one.is_control:
            of = known(one.study)
            try:
                predictions = catalog.open(one.name)
                if one.is_outdated:
                    again = ", then ".join(scan.commands_again(predictions))
                    raise InputError(f"The network of this name has been trained again since; run {again}")
                if inputs.is_labelled(predictions):
                    network, _, split = one.name.removeprefix("predictions/").rpartition("/")
                    found[network, split] = evaluate(predictions, of.strata if of else ()), of
            except InputError as error:
                damaged.append(_left_out(one.name, error))
    yield from damaged
    if not found:
        there = [of for name in holdings.studies if (of := known(name)) and of.networks]
        commands = [of.job("evaluate", network=of.networks[0].name) for of in there]
        yield Missing(f"No network has been evaluated yet.{' To evaluate one:' if commands else ''}", commands)
        return
    yield Table(
        ("network", "split", "samples", "accuracy", "macro-F1"),
        [
            (*key, metrics.attrs["samples"], metrics["accuracy"].item(), metrics["macro_f1"].item())
            for key, (metrics, _) in found.items()
        ],
    )
    for (network, split), (metrics, of) in found.items():
        yield Heading(f"{network} on {split}")
        yield Picture(
            _file_name("confusion", network, split),
            plot.confusion_matrix(metrics["confusion"].values, [str(name) for name in metrics["label"].values]),
            f"Confusion matrix of {network} on {split}. Each cell shows the number of samples and its share of the "
            "true class.",
        )
        if strata := strata_of(metrics):
            yield Picture(
                _file_name("strata", network, split),
                plot.accuracy_by_stratum({network: metrics}, of.notes if of else None),
                f"Recall of each class and accuracy of {network} on {split}, by {' and by '.join(strata)}.",
            )
    trained = {one.name: one for one in holdings.networks if one.epochs}
    for network in dict.fromkeys(network for network, _ in found if network in trained):
        yield Heading(f"Training of {network}")
        yield Picture(
            _file_name("training", network),
            plot.training_history(trained[network].history),
            f"Loss and accuracy of {network} after each epoch, on training and validation samples.",
        )


def networks(holdings: Holdings) -> Iterator[Part]:
    """Show the trained networks of each study, best first."""
    for study in holdings.studies:
        own, of = holdings.of(study), known(study)
        labelled = {f"{study}/{split}" for split in of.labelled} if of else set()
        if own.networks:
            yield Heading(f"Study {study}")
            yield Table(
                ("network", "parameters", "epochs", "validation accuracy", "training time (s)"),
                [_row(one) for one in sorted(own.networks, key=lambda one: -one.metrics.get("val_accuracy", 0))],
            )
        elif of and of.networks and labelled & {one.name for one in own.stores}:
            yield Heading(f"Study {study}")
            yield Missing(
                "No network has been trained yet. To train one:",
                (of.job("train_network", network=of.networks[0].name),),
            )


def _row(network: Artifact) -> tuple[str, int, int | None, float | None, int | None]:
    seconds = network.provenance.get("seconds")
    return (
        network.name,
        network.parameters,
        network.epochs or None,
        network.metrics.get("val_accuracy"),
        None if seconds is None else round(seconds),
    )


def provenance(holdings: Holdings) -> Iterator[Part]:
    """Show how each data set and each network was made."""
    yield Heading("Data sets")
    for one in holdings.complete:
        try:
            dataset = catalog.open(one.name)
            facts = dict(dataset.attrs)
            if "seed" in dataset.coords:
                facts["seeds"] = f"{dataset['seed'].values.min()} to {dataset['seed'].values.max()}"
        except InputError as error:
            yield _left_out(one.name, error)
            continue
        yield Facts(one.name, {key: _shown(value) for key, value in facts.items()})
    if holdings.networks:
        yield Heading("Networks")
    for network in holdings.networks:
        yield Facts(network.name, {key: _shown(value) for key, value in network.provenance.items()})


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _file_name(*parts: str) -> str:
    return "-".join(parts).replace("/", "-")
