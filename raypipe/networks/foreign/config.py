"""Read the layers of a network from the configuration that Keras 2 or 3 saves: class names and options."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from raypipe.errors import InputError
from raypipe.networks.architecture import Kind, Layer, Options
from raypipe.networks.foreign.layers import INPUT

OPTIONS: dict[str, dict[str, Any]] = {
    "Conv": {
        "filters": None,
        "kernel_size": None,
        "activation": None,
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        "groups": 1,
        "use_bias": True,
    },
    "Dense": {"units": None, "activation": None, "use_bias": True},
    "BatchNormalization": {"epsilon": 1e-3, "center": True, "scale": True},
    "LayerNormalization": {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True},
    "GlobalMaxPooling": {},
    "GlobalAveragePooling": {},
    "MaxPooling": {"pool_size": None, "strides": 1, "padding": "valid"},
    "AveragePooling": {"pool_size": None, "strides": 1, "padding": "valid"},
    "Dropout": {"rate": None},
    "Activation": {"activation": None},
    "Cropping": {"cropping": None},
    "ZeroPadding": {"padding": None},
    "Concatenate": {"axis": -1},
    "Reshape": {"target_shape": None},
    "Permute": {"dims": None},
    "Dot": {"axes": None, "normalize": False},
}
"""Relevant options of a layer, by the beginning of its kind, with their default values, if any."""

NEUTRAL: dict[str, Any] = {
    "data_format": "channels_last",
    "keepdims": False,
    "renorm": False,
    "rms_scaling": False,
    "noise_shape": None,
    "lora_rank": None,
    "quantization_config": None,
}
"""Options that would matter, and the only value of each that is supported here."""

WITHOUT_EFFECT = (
    "InputLayer", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
    "RandomContrast", "RandomBrightness",
)  # fmt: skip
"""Layers that pass on their input unchanged, except in training."""

_MODELS = ("Sequential", "Functional", "Model")
_NO_MATTER = (
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "momentum", "seed", "synchronized",
    "virtual_batch_size", "fused", "renorm_clipping", "renorm_momentum", "optional", "sparse", "ragged", "axis",
)  # fmt: skip
_NO_MATTER_ENDS = ("_initializer", "_regularizer", "_constraint")
_SELF_NAMED = {"ReLU": "relu", "Softmax": "softmax"}
"""Layers that are an activation, if all their options have the default values."""

_USUAL_OF_SELF_NAMED = {"max_value": None, "negative_slope": 0, "threshold": 0, "axis": -1}


@dataclass(frozen=True)
class Described:
    """A layer of a model: `path` are the names that lead to it in the model, `layer` is its counterpart here."""

    path: tuple[str, ...]
    layer: Layer


def layers_of(model: dict[str, Any], source: str) -> list[Described]:
    """Layers of a model from its Keras configuration `model`, each after those whose outputs it takes.

    Raises:
        InputError: if a layer or one of its options is not supported; the message names it, and `source` the file.
    """
    return list(_Model(source).read(model, ()))


class _Model:
    def __init__(self, source: str) -> None:
        self._source = source
        self._outputs: dict[tuple[str, ...], str] = {}
        """By path, the layer here that gives the output of the Keras layer; possibly an earlier one."""

    def read(self, model: dict[str, Any], path: tuple[str, ...], before: str = INPUT) -> Iterator[Described]:
        """Layers of a model, or of one nested in another at `path`, whose input is the output of the layer `before`."""
        kind, config = model["class_name"], model["config"]
        layers = config if isinstance(config, list) else config["layers"]  # a list before Keras 2.2.3
        chain = kind == "Sequential"
        if kind not in _MODELS:
            raise InputError(
                f"{self._source} has a layer {'/'.join(path) or config.get('name')} of class {kind}, which is "
                "not supported; import a Sequential or Functional network without it"
            )
        last = before
        for one in layers:
            own = (*path, one["config"]["name"])
            sources = [last] if chain else self._sources(one, path)
            if one["class_name"] in _MODELS and len(sources) == 1:
                yield from self.read(one, own, sources[0])
                last = self._outputs[own]
            elif one["class_name"] in WITHOUT_EFFECT:
                last = self._outputs[own] = sources[0] if sources else before
            else:
                last = self._outputs[own] = "/".join(own)
                here, options = self._counterpart(one, last)
                yield Described(own, Layer(here, last, options, tuple(sources)))
        if not chain and (outputs := _histories(config["output_layers"])) != [layers[-1]["config"]["name"]]:
            raise InputError(
                f"{self._source} has the outputs {', '.join(outputs)}; expected one, of the last layer: import a "
                "network with one output"
            )
        self._outputs[path] = last

    def _sources(self, one: dict[str, Any], path: tuple[str, ...]) -> list[str]:
        nodes, name = one["inbound_nodes"], one["config"]["name"]
        if one["class_name"] == "InputLayer":
            if (*path, "") in self._outputs:
                raise InputError(f"{self._source} has another input, {name}; expected a network with one")
            self._outputs[(*path, "")] = INPUT
            return []
        if len(nodes) != 1:
            raise InputError(f"{self._source} uses its layer {name} {len(nodes)} times; expected each once")
        return [self._outputs[(*path, name)] for name in _histories(nodes)]

    def _counterpart(self, one: dict[str, Any], name: str) -> tuple[Kind, Options]:
        kind, config = one["class_name"], one["config"]
        said = f"{self._source} has a layer {name} of class {kind}"
        if kind in _SELF_NAMED:
            odd = [key for key, usual in _USUAL_OF_SELF_NAMED.items() if config.get(key, usual) not in (usual, [usual])]
            if odd:
                raise InputError(f"{said} with {odd[0]} = {config[odd[0]]!r}, which is not supported")
            return "Activation", {"activation": _SELF_NAMED[kind]}
        if kind not in get_args(Kind):
            raise InputError(f"{said}, which is not supported; supported are {', '.join(sorted(get_args(Kind)))}")
        if (dtype := _dtype(config.get("dtype"))) != "float32":
            raise InputError(f"{said} that computes in {dtype}; expected float32: save the network in float32")
        meant = OPTIONS.get(kind) or next((of for start, of in OPTIONS.items() if kind.startswith(start)), {})
        options: Options = {}
        for option, given in config.items():
            value = _plain(given)
            if option in meant:
                usual = _plain(config.get("pool_size", 1)) if option == "strides" else meant[option]
                if not _same(value, usual):
                    options[option] = _checked(value, option, said)
            elif option in NEUTRAL:
                if value not in (NEUTRAL[option], None):
                    raise InputError(f"{said} with {option} = {value!r}, which is not supported")
            elif option not in _NO_MATTER and not option.endswith(_NO_MATTER_ENDS):
                raise InputError(f"{said} with {option} = {value!r}, which is not supported")
        return kind, options


def _checked(value: Any, option: str, said: str) -> Any:
    if isinstance(value, int | float | str) or (isinstance(value, tuple) and all(isinstance(n, int) for n in value)):
        return value
    raise InputError(f"{said} with {option} = {value!r}, which is not supported")


def _same(one: Any, other: Any) -> bool:
    """Whether two plain options are equal; (2, 2) equals 2."""
    if isinstance(one, tuple) and not isinstance(other, tuple):
        return all(number == other for number in one)
    return bool(one == other)


def _plain(value: Any) -> Any:
    """An option as a plain value, whichever way Keras writes tuples."""
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict) and "items" in value:
        return tuple(_plain(one) for one in value["items"])
    return value


def _dtype(given: Any) -> str:
    if isinstance(given, dict):
        given = given.get("config", {}).get("name")
    return str(given or "float32")


def _histories(found: Any) -> list[str]:
    """Names of the layers whose outputs are referenced, as written by Keras 2 or 3."""
    if isinstance(found, dict):
        history = (
            found.get("config", {}).get("keras_history") if found.get("class_name") == "__keras_tensor__" else None
        )
        return [history[0]] if history else [name for value in found.values() for name in _histories(value)]
    if isinstance(found, list):
        if len(found) >= 3 and isinstance(found[0], str) and isinstance(found[1], int):
            return [found[0]]
        return [name for one in found for name in _histories(one)]
    return []
