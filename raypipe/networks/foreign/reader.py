"""Read a foreign network in the environment whose TensorFlow supports it; bytes in, bytes out."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from raypipe.errors import InputError, in_texts
from raypipe.files import scratch_folder
from raypipe.networks import artifact
from raypipe.networks.architecture import Layer
from raypipe.networks.foreign import config, graph
from raypipe.networks.foreign.layers import Read, tidied

SAMPLES = 8
"""Number of samples on which outputs are compared: half normally distributed, half uniform from 0 to 1."""

_SIGNATURE = "serving_default"
GRAPH = "saved_model.pb"
"""File that identifies the folder of a SavedModel."""

_KERAS_3 = {"Keras": (3,), "TensorFlow": (2, 16)}
"""First versions with Keras 3."""


def read(files: dict[str, bytes], source: str, sizes: str) -> bytes:
    """Read a foreign network as plain values.

    Args:
        files: the files of a SavedModel by their path in its folder, or a single .h5 or .keras file.
        source: name of the network in messages.
        sizes: JSON, shapes of samples to choose from if the network takes samples of any size.

    Returns:
        A file made by `artifact.pack`: the arrays "weights/…", and `inputs` and `outputs` of the original for random
        samples; the documents `layers`, `input_shape` and `framework`. If the network cannot be read, the only
        documents are `error` and `traceback`, which is empty for a user's mistake.
    """
    try:
        with scratch_folder("raypipe-import-") as folder:
            for path, data in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
            if GRAPH in files:
                found, shape, forward, framework = _saved_model(folder, source)
            else:
                (name,) = files
                found, shape, forward, framework = _keras(folder / name, source)
            layers, weights = tidied(found, source)
            shape = _sized(shape, json.loads(sizes), source)
            samples = _samples(shape)
            outputs = np.asarray(forward(samples))
    except Exception as error:
        message, details = in_texts(error)
        return artifact.pack({}, {"error": f"{source}: {message}" if details else message, "traceback": details})
    arrays = {f"weights/{name}": array for name, array in weights.items()}
    documents = {"layers": [asdict(one) for one in layers], "input_shape": shape, "framework": framework}
    return artifact.pack({**arrays, "inputs": samples, "outputs": outputs}, documents)


Found = tuple[list[Read], tuple[int | None, ...], Callable[[np.ndarray], Any], str]
"""Layers, shape of a sample (None for sizes that are not fixed), the original as a function from samples to outputs,
and its framework."""


def _saved_model(folder: Path, source: str) -> Found:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        loaded = tf.saved_model.load(str(folder))
        signatures = dict(loaded.signatures)
        original = signatures.get(_SIGNATURE) or (next(iter(signatures.values())) if len(signatures) == 1 else None)
        frozen = convert_variables_to_constants_v2(original) if original else None
    except Exception as error:  # TensorFlow raises many kinds for an invalid file
        raise unreadable(source, "a SavedModel", error) from error
    if original is None or frozen is None:
        raise InputError(
            f"{source} has the signatures {', '.join(signatures) or 'none'}; expected {_SIGNATURE}: use model.save"
        )
    inputs = original.structured_input_signature[1]
    if len(inputs) != 1 or len(frozen.outputs) != 1:
        raise InputError(
            f"{source} has {len(inputs)} inputs and {len(frozen.outputs)} outputs; expected one of each: import a "
            "network that classifies samples"
        )
    ((argument, spec),) = inputs.items()
    found = graph.layers_of(frozen.graph.as_graph_def(add_shapes=True), frozen.outputs[0].name, source)
    batch = spec.shape[0] or SAMPLES

    def forward(samples: np.ndarray) -> np.ndarray:
        parts = [samples[start : start + batch] for start in range(0, len(samples), batch)]
        answers = [original(**{argument: tf.constant(part, spec.dtype)}) for part in parts]
        return np.concatenate([next(iter(answer.values())).numpy() for answer in answers])

    return found, tuple(spec.shape[1:]), forward, f"TensorFlow {loaded.tensorflow_version}"


def _keras(file: Path, source: str) -> Found:
    version, text = description(file.read_bytes(), source)
    # Before Keras loads the model: a Lambda layer of an .h5 file would run unknown code.
    try:
        described = config.layers_of(json.loads(text), source)
    except InputError:
        raise
    except Exception as error:  # if something is missing that Keras always writes
        raise unreadable(source, "a Keras network", error) from error
    from tensorflow import keras

    try:
        model = keras.models.load_model(str(file), compile=False)
    except Exception as error:
        raise unreadable(source, "a Keras network", error) from error
    found = []
    for one in described:
        layer = model
        for name in one.path:
            layer = layer.get_layer(name)
        _check_axis(layer, one.layer, source)
        found.append(Read(one.layer, layer.get_weights()))

    def forward(samples: np.ndarray) -> Any:
        return model(samples, training=False).numpy()

    return found, tuple(model.input_shape[1:]), forward, f"Keras {version}"


def _check_axis(original: Any, layer: Layer, source: str) -> None:
    """Make sure that a batch normalisation acts on channels, which are the last dimension here."""
    if layer.kind == "BatchNormalization":
        axes, rank = np.ravel(original.axis).tolist(), len(original.input.shape)
        if [axis % rank for axis in axes] != [rank - 1]:
            raise InputError(
                f"{source} has a layer {layer.name} of class BatchNormalization with axis = "
                f"{', '.join(map(str, axes))} of {rank} dimensions, which is not supported; expected the last "
                "one, of the channels"
            )


def description(data: bytes, source: str) -> tuple[str, str]:
    """Version of Keras that wrote an .h5 or .keras file, and its configuration of the model as JSON.

    Raises:
        InputError: if the file is damaged, of another type, or has weights only.
    """
    try:
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as parts:
                return json.loads(parts.read("metadata.json"))["keras_version"], parts.read("config.json").decode()
        import h5py

        with h5py.File(io.BytesIO(data), "r") as parts:
            version, text = (parts.attrs.get(name, b"") for name in ("keras_version", "model_config"))
    except Exception as error:  # from zip or HDF5
        raise unreadable(source, "a .h5 or .keras file", error) from error
    if not len(text):
        raise InputError(f"{source} has weights only; expected a network: save it with model.save, not save_weights")
    return tuple(one.decode() if isinstance(one, bytes) else str(one) for one in (version, text))  # type: ignore[return-value]


def is_new(files: dict[str, bytes], source: str) -> bool:
    """Whether a network was saved with Keras 3, or with a TensorFlow that includes it.

    Raises:
        InputError: if the version cannot be read.
    """
    if GRAPH in files:
        from tensorflow.core.protobuf import saved_model_pb2

        try:
            saved = saved_model_pb2.SavedModel.FromString(files[GRAPH])
            since, version = _KERAS_3["TensorFlow"], saved.meta_graphs[0].meta_info_def.tensorflow_version
        except Exception as error:  # from protobuf, or if it is empty
            raise unreadable(source, "a SavedModel", error) from error
    else:
        since, (version, _) = _KERAS_3["Keras"], description(next(iter(files.values())), source)
    return tuple(int(one) for one in re.findall(r"\d+", version)[: len(since)]) >= since


def unreadable(source: str, what: str, error: Exception) -> InputError:
    """Error for a file that cannot be read as `what`."""
    line = " ".join(str(error).split())
    return InputError(f"{source} cannot be read as {what}: {line[:300]}; get a new copy of it")


def checksum(files: dict[str, bytes]) -> str:
    """SHA-256 of a single file; for a folder, of the lines "checksum  path" of sha256sum, sorted by path."""
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    if len(files) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256("".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()).hexdigest()


def _sized(shape: tuple[int | None, ...], sizes: list[list[int]], source: str) -> tuple[int, ...]:
    """Shape of a sample; if the network leaves sizes open, the first of `sizes` that matches."""
    if None not in shape:
        return tuple(int(one) for one in shape if one is not None)
    for size in sizes:
        if len(size) == len(shape) and all(one in (None, known) for one, known in zip(shape, size, strict=True)):
            return tuple(size)
    raise InputError(
        f"{source} takes samples of any size, {shape}, and no network of the study fixes one; save it with a fixed "
        "sample size"
    )


def _samples(shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(0)
    half = (SAMPLES // 2, *shape)
    return np.concatenate([random.standard_normal(half), random.uniform(size=half)]).astype("float32")
