"""Layers read from a foreign network, converted to the kinds supported here, with their weights."""

from dataclasses import dataclass, field, replace

import numpy as np

from raypipe.errors import InputError
from raypipe.networks.architecture import Layer, without

INPUT = "input"
"""Name by which layers refer to the input of the network."""

_ACTIVATED = ("Conv1D", "Conv2D", "Conv3D", "Dense")


@dataclass(frozen=True)
class Read:
    """One layer and its weights, in the order of Keras's `get_weights()`; its sources are always explicit."""

    layer: Layer
    weights: list[np.ndarray] = field(default_factory=list)


def tidied(found: list[Read], source: str) -> tuple[tuple[Layer, ...], dict[str, np.ndarray]]:
    """Layers in the form of an architecture, named after kind and position, and their weights under these names.

    A separate activation layer is merged into the preceding layer, if that has no activation and no other user. The
    last layer then determines whether the outputs are logits or probabilities.

    Raises:
        InputError: if the outputs are neither; `source` names the file in messages.
    """
    found = _without_idle(found)
    users: dict[str, int] = {}
    for one in found:
        for name in one.layer.sources:
            users[name] = users.get(name, 0) + 1
    merged: list[Read] = []
    renamed: dict[str, str] = {INPUT: INPUT}
    by_name: dict[str, int] = {}
    for one in found:
        sources = tuple(renamed[name] for name in one.layer.sources)
        before = by_name.get(sources[0]) if one.layer.kind == "Activation" else None
        if before is not None and users[one.layer.sources[0]] == 1 and _takes_activation(merged[before].layer):
            options = {**merged[before].layer.options, "activation": one.layer.options["activation"]}
            merged[before] = replace(merged[before], layer=replace(merged[before].layer, options=options))
            renamed[one.layer.name] = sources[0]
            continue
        if one.layer.kind == "BatchNormalization":
            one = _complete(one)
        name = f"{one.layer.kind.lower()}_{len(merged) + 1}"
        renamed[one.layer.name] = name
        by_name[name] = len(merged)
        merged.append(replace(one, layer=replace(one.layer, name=name, sources=sources)))
    while merged and merged[-1].layer.kind == "Dropout":
        merged.pop()
    last = merged[-1].layer.options.get("activation") if merged else None
    if last not in ("linear", "softmax"):
        raise InputError(
            f"{source} ends in {_last(merged)}; expected class scores, from a Dense layer, or their softmax: choose a "
            "network that classifies"
        )
    layers, previous = [], INPUT
    for one in merged:  # by default, a layer takes the output of the preceding one
        chained = one.layer.sources == (previous,)
        layers.append(replace(one.layer, sources=() if chained else one.layer.sources))
        previous = one.layer.name
    weights = {f"{one.layer.name}/{i}": array for one in merged for i, array in enumerate(one.weights)}
    return tuple(layers), weights


def _without_idle(found: list[Read]) -> list[Read]:
    """The layers except linear activations; later layers take the inputs of these instead."""
    layers = [one.layer for one in found]
    idle = [one.name for one in layers if one.kind == "Activation" and one.options.get("activation") == "linear"]
    kept = {layer.name: layer for layer in without(layers, idle)}
    return [replace(one, layer=kept[one.layer.name]) for one in found if one.layer.name in kept]


def _complete(one: Read) -> Read:
    """A batch normalisation with scale and shift; neutral ones are added if it has none."""
    options, weights = dict(one.layer.options), list(one.weights)
    neutral = {"scale": np.ones_like(weights[-1]), "center": np.zeros_like(weights[-1])}
    for place, (option, values) in enumerate(neutral.items()):
        if not options.pop(option, True):
            weights.insert(place, values)
    return Read(replace(one.layer, options=options), weights)


def _takes_activation(layer: Layer) -> bool:
    return layer.kind in _ACTIVATED and layer.options["activation"] == "linear"


def _last(merged: list[Read]) -> str:
    if not merged:
        return "nothing, as it has no layers"
    layer = merged[-1].layer
    activation = layer.options.get("activation")
    return f"a layer of kind {layer.kind}" + (f" with the activation {activation}" if activation else "")
