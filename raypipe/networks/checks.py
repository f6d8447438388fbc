"""Checks of a network's explanations: perturbation curves, and comparison with modified networks."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from raypipe import catalog, study
from raypipe.errors import choice
from raypipe.networks import artifact, explain, faithfulness, inputs, saliency
from raypipe.networks.architecture import Architecture
from raypipe.networks.classify import classifier, classify
from raypipe.networks.relevance import CONTROLS, settings_of


@dataclass(frozen=True)
class Checks:
    """Results of the checks of a network's relevance maps.

    Attributes:
        maps: explanations of correctly classified samples.
        method: explanation method.
        samples: what the samples are called: "trajectories" or "fields".
        of: what is removed from them: "steps" or "patches".
        curve: how well the network recognises samples without their relevant parts, see
            `faithfulness.perturbation_curve`.
        likeness: similarity of the maps to those of the network with shuffled weights, see `faithfulness.similarity`.
        ratios: by variant of the network, relevance summed over each sample divided by its score; empty for methods
            that do not distribute a score.
    """

    maps: xr.Dataset
    method: str
    samples: str
    of: str
    curve: xr.Dataset
    likeness: xr.Dataset
    ratios: dict[str, np.ndarray]


def allowed(network: str, method: str | None, per_class: int) -> tuple[Architecture, str]:
    """Architecture of a network and explanation method, after verifying that such explanations can be checked.

    Raises:
        InputError: if they cannot.
    """
    architecture, method = explain.check(network, method, per_class)
    if architecture.is_sequence:
        choice(f"method to check for network {network}", method, (explain.usual_method(architecture),))
    return architecture, method


def check(
    network: str, split: str, *, method: str | None = None, per_class: int = 500, workers: int | None = None
) -> Checks:
    """Explain samples with the network and with modified versions of it, and compare the maps.

    The modified versions have shuffled weights and, for layer-wise relevance propagation, no biases.

    Args:
        network: name of a trained network.
        split: split of the network's study.
        method: one of `explain.FIELD_METHODS` for fields; for sequences only the default method. None for the default.
        per_class: maximum number of samples of each class.
        workers: maximum number of worker processes; by default as many as fit in the cluster.

    Raises:
        InputError: see `explain.explain`, `faithfulness.perturbation_curve` and `faithfulness.patch_curve`.
    """
    architecture, method = allowed(network, method, per_class)
    conserved = architecture.is_sequence or method in saliency.WITH_SCORE
    settings = explain.methods(architecture)[method]
    controls = [one for one in CONTROLS if one != "zero-biases" or (conserved and "epsilon" in settings)]
    names = inputs.class_names(catalog.open(classify(network, split, workers=workers, last=False)))
    kinds = inputs.kinds(architecture.classes, names)
    maps = {}
    for control in (None, *controls):
        made = explain.explain(
            network,
            split,
            method=method,
            per_class=per_class,
            control=control,
            workers=workers,
            last=control == controls[-1],
        )
        found = inputs.by_label(catalog.open(made).load())
        # `explain` includes a wrong prediction for a class that the network never gets right.
        maps[control] = found.isel(sample=found["predicted"].values == found["label"].values)
    of, source = study.find(architecture.study), catalog.open(f"{architecture.study}/{split}")
    architecture = inputs.fitted(architecture, source)
    trained = artifact.load(network, maps[None].attrs["parameters"]["network_sha256"])
    probability = classifier(replace(trained, architecture=architecture))

    def predict(values: np.ndarray) -> np.ndarray:
        said = np.empty((len(values), len(architecture.classes)), "float32")
        for places, taken in inputs.grouped(architecture, values, np.full(*values.shape[:2])):
            said[places] = probability(taken)
        return said if kinds is None else inputs.by_kind(said, kinds, len(names))

    if architecture.is_sequence:
        steps = maps[None]["relevance"].shape[1] // 2
        removed = [number for number in faithfulness.REMOVED if number <= steps]
        curve = faithfulness.perturbation_curve(maps[None], predict, removed=removed, variable=of.seen.variable)
    else:
        fields = inputs.seen(architecture, source).isel(sample=maps[None]["origin"].values).values
        patches = min(faithfulness.PATCHES, *fields.shape[1:3])
        removed = [number for number in faithfulness.REMOVED_PATCHES if number <= patches**2 // 2]
        curve = faithfulness.patch_curve(maps[None], fields, predict, patches=patches, removed=removed)
    ratios = {}
    known = {None: "network as it is", "zero-biases": "without biases"}
    for control in (one for one in known if conserved and one in maps):
        own = settings_of(settings, control)
        name = f"{known[control]} (ε = {own['epsilon']:g})" if "epsilon" in own else str(known[control])
        ratios[name] = faithfulness.conservation(maps[control])
    return Checks(
        maps[None],
        method,
        "trajectories" if architecture.is_sequence else "fields",
        "steps" if architecture.is_sequence else "patches",
        curve,
        faithfulness.similarity(maps[None], maps["shuffled-weights"]),
        ratios,
    )
