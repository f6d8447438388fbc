"""A trained network as one file of plain arrays and JSON, which can be read in every environment.

The file is in the safetensors format: the weights are its tensors; its metadata contain architecture, history, metrics
and provenance as JSON text, with a checksum of these and of the weights. Nothing is pickled, so loading a file from an
unknown source cannot execute code.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError, model_validator

from raypipe.errors import InputError, choice, one_line
from raypipe.networks.architecture import Architecture, weight_names
from raypipe.store import objects

_ARCHITECTURE = TypeAdapter(Architecture)
ENDING = ".safetensors"
"""File name extension of a trained network."""

SHIPPED = "shipped"
"""Series of the networks that come with raypipe, such as "shipped/pattern-2d"."""

_FOLDER = Path(__file__).parent.parent / SHIPPED

_METADATA = "raypipe"
_FEW = 8
_DIGITS = 12
_SEAL = "sha256"
_AGAIN = "delete it and run the command that trained it again, or get a new copy of the file"


class _Split(BaseModel):
    name: str
    samples: int | None = None


class _Data(BaseModel):
    train: _Split
    validation: _Split


class _MadeFrom(BaseModel):
    data: _Data | None = None
    training: dict[str, Any] = {}
    imported: dict[str, Any] = {}


class _Provenance(BaseModel):
    seconds: FiniteFloat | None = None
    made_from: _MadeFrom = _MadeFrom()


class _Documents(BaseModel):
    """Validation of an artifact's JSON documents, as far as the code here relies on them."""

    history: dict[str, list[float]]
    metrics: dict[str, float]
    provenance: _Provenance
    series: str = Field(default="", pattern=r"^[\w.-]*$")

    @model_validator(mode="after")
    def _history_has_one_value_per_epoch(self) -> "_Documents":
        if len(lengths := set(map(len, self.history.values()))) > 1:
            raise ValueError(f"its history has {' and '.join(map(str, sorted(lengths)))} epochs")
        return self


@dataclass(frozen=True)
class Artifact:
    """A trained network.

    `weights` maps "layer/0", "layer/1", … to arrays, per layer in the order of Keras's `layer.get_weights()`.
    `history` has one value per epoch of loss, accuracy, val_loss and val_accuracy; `metrics` has the values of the
    saved network. `provenance` records how the network was made: settings, data sets, seed, seconds, versions. For a
    network that was not trained here, any of these may be empty.
    `series` distinguishes networks of the same architecture; it may be empty.
    """

    architecture: Architecture
    weights: dict[str, np.ndarray]
    history: dict[str, list[float]]
    metrics: dict[str, float]
    provenance: dict[str, Any]
    series: str = ""

    @property
    def name(self) -> str:
        """Name to load it by, such as "123-2" or "series/123-2"."""
        return artifact_name(self.architecture, self.series)

    @property
    def epochs(self) -> int:
        """Number of epochs of training; 0 if it is not known, as for a network that was not trained here."""
        return max(map(len, self.history.values()), default=0)

    @property
    def parameters(self) -> int:
        """Number of parameters, including the statistics of batch normalisations."""
        return sum(array.size for array in self.weights.values())

    @property
    def made_from(self) -> dict[str, Any]:
        """What the network depends on, such as its training and data sets; empty if it is not known."""
        return self.provenance.get("made_from", {})

    @property
    def splits(self) -> tuple[str, str]:
        """Splits on which it was trained and validated; its architecture's default splits if they are not known."""
        if not (data := self.made_from.get("data")):
            return self.architecture.splits
        train, validation = (data[one]["name"].partition("/")[2] for one in ("train", "validation"))
        return train, validation

    @property
    def facts(self) -> dict[str, Any]:
        """Name, parameters, epochs, training samples, seconds of training and validation accuracy.

        Values that are not known, as for a network that was not trained here, are NaN.
        """
        data = self.made_from.get("data")
        return {
            "name": self.name,
            "parameters": self.parameters,
            "epochs": self.epochs or np.nan,
            "samples": (data["train"].get("samples") if data else None) or np.nan,
            "seconds": self.provenance.get("seconds") or np.nan,
            "val_accuracy": self.metrics.get("val_accuracy", np.nan),
        }


def artifact_name(architecture: Architecture, series: str = "") -> str:
    """Name of the artifact of an architecture in a series."""
    return f"{series}/{architecture.name}" if series else architecture.name


def path(name: str) -> str:
    """Path of an artifact under the root of the store."""
    return f"networks/{name}{ENDING}"


def exists(name: str) -> bool:
    """Whether a trained network of that name exists."""
    return objects.exists(path(name))


def at_hand(network: str) -> str:
    """Make a trained network available under the root of the store, and return its name there.

    Args:
        network: name of a network under the root of the store, or path or URL of a file that ends with .safetensors,
            which is copied there. A network from a file keeps its name; if another network already has this name, it
            gets the series "file-" followed by the first digits of its checksum. Networks of the series SHIPPED come
            with raypipe and are copied too.

    Raises:
        InputError: if the file cannot be read or contains no trained network, or no such network comes with raypipe.
    """
    if not network.endswith(ENDING):
        if network.startswith(f"{SHIPPED}/"):
            _ship(network)
        return network
    data = objects.read_from(network)
    found, own = _checked(data, network), hashlib.sha256(data).hexdigest()
    if not exists(found.name):
        objects.put(path(found.name), data)
    elif checksum(found.name) != own:
        found = replace(found, series=f"file-{own[:8]}")
        save(found)
    logging.getLogger(__name__).info("%s is the network %s", network, found.name)
    return found.name


def shipped() -> dict[str, Path]:
    """Files of the networks that come with raypipe, by their names."""
    return {f"{SHIPPED}/{file.stem}": file for file in sorted(_FOLDER.glob(f"*{ENDING}"))}


def _ship(network: str) -> None:
    """Copy a network that comes with raypipe to the store; a different version that is there is replaced."""
    known = shipped()
    file = known[choice("shipped network", network, list(known))]
    packed = _packed(replace(_checked(file.read_bytes(), str(file)), series=SHIPPED))
    if objects.find(path(network)) != packed:
        objects.put(path(network), packed)


def names() -> list[str]:
    """Names of all trained networks, sorted."""
    found = (file.removeprefix("networks/") for file in objects.paths("networks"))
    return sorted(file.removesuffix(ENDING) for file in found if file.endswith(ENDING))


def sound(damaged: dict[str, str] | None = None) -> list[Artifact]:
    """All trained networks that can be read, by name; errors of the others are put into `damaged`, or logged."""
    found = []
    for name in names():
        try:
            found.append(load(name))
        except InputError as error:
            if damaged is None:
                logging.getLogger(__name__).warning("left out: %s", error)
            else:
                damaged[name] = str(error)
    return found


def save(artifact: Artifact) -> None:
    """Write the artifact under its name, all of it or nothing."""
    objects.put(path(artifact.name), _packed(artifact))


def _packed(artifact: Artifact) -> bytes:
    documents = {
        "architecture": _ARCHITECTURE.dump_python(artifact.architecture, mode="json"),
        "history": artifact.history,
        "metrics": artifact.metrics,
        "provenance": artifact.provenance,
        "series": artifact.series,
    }
    return pack(artifact.weights, documents)


def load(name: str, sha256: str | None = None) -> Artifact:
    """Load the artifact of that name; one that comes with raypipe, such as "shipped/pattern-2d", is copied first.

    Raises:
        InputError: if there is none, its file is damaged, or its weights do not match its architecture or are not
            finite; also if it does not have the checksum `sha256`, where that is given.
    """
    data = _file(name)
    if sha256 is not None and (own := hashlib.sha256(data).hexdigest()) != sha256:
        raise InputError(
            f"{path(name)} has the checksum {own[:_DIGITS]}…, expected {sha256[:_DIGITS]}…: another job has replaced "
            "the network since this one began; run the same command again"
        )
    return _checked(data, path(name))


def read(place: str) -> Artifact:
    """Load an artifact from a file at any path or URL.

    Raises:
        InputError: see `load`.
    """
    return _checked(objects.read_from(place), place)


def _checked(data: bytes, source: str) -> Artifact:
    """Parse and validate the content of an artifact file; `source` names it in messages."""
    weights, documents = unpack(data, source)
    try:
        architecture = _ARCHITECTURE.validate_python(documents.pop("architecture"))
        _Documents.model_validate(documents)
        found = Artifact(architecture=architecture, weights=weights, **documents)
        objects.checked(path(found.name))
    except (InputError, KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{source} is not a trained network: {one_line(error)}; {_AGAIN}") from error
    if problem := _misfit(found):
        raise InputError(f"{source} is not a trained network: {problem}; {_AGAIN}")
    return found


def made(architecture: Mapping[str, Any], weights: dict[str, np.ndarray], source: str) -> Artifact:
    """Make a network, without history, from an architecture as JSON values; `source` names it in messages.

    Raises:
        InputError: if the architecture is invalid, or the weights do not match it or are not finite.
    """
    try:
        found = Artifact(_ARCHITECTURE.validate_python(architecture), weights, {}, {}, {})
    except ValidationError as error:
        raise InputError(f"{source} cannot be used as a network: {one_line(error)}") from error
    if problem := _misfit(found):
        raise InputError(f"{source} cannot be used as a network: {problem}")
    return found


def _misfit(found: Artifact) -> str | None:
    """Why the weights are invalid for the architecture, None if they are valid; only Keras can check their shapes."""
    expected = weight_names(found.architecture)
    if surplus := sorted(set(found.weights) - set(expected)):
        return f"its architecture has no weights {', '.join(surplus)}"
    if absent := sorted(set(expected) - set(found.weights)):
        return f"it has no weights {', '.join(absent)}"
    wrong = [name for name, array in found.weights.items() if not np.isfinite(array).all()]
    return f"{', '.join(wrong)} are not finite" if wrong else None


def checksum(name: str) -> str:
    """SHA-256 of the artifact's file, hexadecimal."""
    return hashlib.sha256(_file(name)).hexdigest()


def pack(arrays: dict[str, np.ndarray], documents: dict[str, Any]) -> bytes:
    """A safetensors file of the arrays, with the documents as JSON in its metadata, and a checksum of both."""
    stored = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # A single text: safetensors writes several in random order, so equal networks would have different checksums.
    text = json.dumps({**documents, _SEAL: _digest(stored, documents)}, sort_keys=True)
    return safetensors.numpy.save(stored, {_METADATA: text})


def _digest(arrays: dict[str, np.ndarray], documents: dict[str, Any]) -> str:
    """SHA-256 of names, types, shapes and values of the arrays, and of the documents as JSON."""
    content = hashlib.sha256(json.dumps(documents, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        content.update(f"{name} {array.dtype.str} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


def unpack(data: bytes, source: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and documents of a file made by `pack`; `source` names it in messages.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        arrays = dict(sorted(safetensors.numpy.load(data).items()))  # safetensors returns them in random order
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        documents = json.loads(header["__metadata__"][_METADATA])
        given = documents.pop(_SEAL, None)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{source} is damaged: {one_line(error)}; {_AGAIN}") from error
    if given != _digest(arrays, documents):
        raise InputError(f"{source} is damaged: it does not agree with its checksum; {_AGAIN}")
    return arrays, documents


def _file(name: str) -> bytes:
    if not exists(name) and name in shipped():
        _ship(name)
    if not exists(name):
        own = f"{SHIPPED}/{name.rpartition('/')[2]}"
        taken = f"use {own}, which comes with raypipe" if own in shipped() else f"name a file ending with {ENDING}"
        raise InputError(
            f"there is no trained network {name!r} ({path(name)}; available: {_short(names())}); train it with "
            f"raypipe train_network or raypipe train_grid, or {taken}"
        )
    return objects.get(path(name))


def _short(found: list[str]) -> str:
    """A few of the names and, if there are more, their total number."""
    more = f", … ({len(found)} in all)" if len(found) > _FEW else ""
    return ", ".join(found[:_FEW]) + more or "none"
