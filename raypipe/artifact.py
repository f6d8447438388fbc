"""A trained network as one file of plain arrays and JSON, which every environment can read.

The file is in the safetensors format: the weights are its tensors; architecture, history, metrics and provenance
are a JSON text in its metadata. Nothing is pickled, so a file from elsewhere can do no harm.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import TypeAdapter, ValidationError

from raypipe import objects
from raypipe.architectures import Architecture
from raypipe.errors import InputError

_ARCHITECTURE = TypeAdapter(Architecture)
_METADATA = "raypipe"


@dataclass(frozen=True)
class Artifact:
    """A trained network.

    `weights` maps "layer/0", "layer/1", … to arrays, per layer in the order of Keras's `layer.get_weights()`.
    `history` has one value per epoch of loss, accuracy, val_loss and val_accuracy; `metrics` the figures of the
    network as it was kept. `provenance` says what made it: settings, data sets, seed, seconds, versions.
    `series` tells apart networks of one architecture; it may be empty.
    """

    architecture: Architecture
    weights: dict[str, np.ndarray]
    history: dict[str, list[float]]
    metrics: dict[str, float]
    provenance: dict[str, Any]
    series: str = ""

    @property
    def name(self) -> str:
        """Name to load it by: "123-2", or "series/123-2"."""
        return artifact_name(self.architecture, self.series)

    @property
    def parameters(self) -> int:
        """Number of parameters, with the statistics of batch normalisations."""
        return sum(array.size for array in self.weights.values())


def artifact_name(architecture: Architecture, series: str = "") -> str:
    """Name of the artifact of an architecture in a series."""
    return f"{series}/{architecture.name}" if series else architecture.name


def path(name: str) -> str:
    """Path of an artifact under the root of the store."""
    return f"networks/{name}.safetensors"


def exists(name: str) -> bool:
    """Whether there is a trained network of that name."""
    return objects.exists(path(name))


def names() -> list[str]:
    """Names of all trained networks, sorted."""
    found = (file.removeprefix("networks/") for file in objects.paths("networks"))
    return sorted(file.removesuffix(".safetensors") for file in found if file.endswith(".safetensors"))


def save(artifact: Artifact) -> None:
    """Write the artifact under its name, in one piece."""
    documents = {
        "architecture": _ARCHITECTURE.dump_python(artifact.architecture, mode="json"),
        "history": artifact.history,
        "metrics": artifact.metrics,
        "provenance": artifact.provenance,
        "series": artifact.series,
    }
    objects.put(path(artifact.name), pack(artifact.weights, documents))


def load(name: str) -> Artifact:
    """The artifact of that name.

    Raises:
        InputError: if there is none, or its file is damaged.
    """
    weights, documents = unpack(_file(name), path(name))
    try:
        architecture = _ARCHITECTURE.validate_python(documents.pop("architecture"))
        return Artifact(architecture=architecture, weights=weights, **documents)
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{path(name)} is not a trained network: {_line(error)}; train it again") from error


def checksum(name: str) -> str:
    """SHA-256 of the artifact's file, hexadecimal."""
    return hashlib.sha256(_file(name)).hexdigest()


def pack(arrays: dict[str, np.ndarray], documents: dict[str, Any]) -> bytes:
    """A safetensors file of the arrays, with the documents as JSON in its metadata."""
    # As one text: safetensors writes several in random order, and equal networks would have unequal checksums.
    metadata = {_METADATA: json.dumps(documents, sort_keys=True)}
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata)


def unpack(data: bytes, source: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and documents of a file made by `pack`; `source` names it in messages.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        arrays = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        documents = json.loads(header["__metadata__"][_METADATA])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{source} is damaged: {_line(error)}; delete it and make it again") from error
    return arrays, documents


def _file(name: str) -> bytes:
    if not exists(name):
        raise InputError(
            f"there is no trained network {name!r} ({path(name)}); train it with jobs/train_network.py or "
            "jobs/train_grid.py"
        )
    return objects.get(path(name))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
