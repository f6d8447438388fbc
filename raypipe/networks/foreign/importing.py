"""Make an artifact of a network that was trained elsewhere, and verify that its outputs match the original's."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raypipe import study
from raypipe.errors import InputError, of_texts
from raypipe.networks import artifact, keras_model
from raypipe.networks.architecture import Architecture
from raypipe.networks.artifact import Artifact
from raypipe.networks.foreign import reader
from raypipe.networks.grid import Grid
from raypipe.run import cluster, environments
from raypipe.store import objects
from raypipe.store.documents import now
from raypipe.study import Study

TOLERANCE = 1e-4
"""Maximum difference of outputs from the original's, relative to the largest: float32 sums in another order."""

OLD = "explain"
"""Environment whose TensorFlow reads what TensorFlow 2 wrote before it adopted Keras 3."""

_SPREAD = 100
"""Minimum variation of the outputs between samples, in units of the tolerance; equal outputs would prove nothing."""


@dataclass(frozen=True)
class Meaning:
    """Meaning of a network's inputs and outputs, see `Architecture`."""

    study: str
    classes: tuple[str, ...]
    frame_times: tuple[int, ...] | None
    splits: tuple[str, str]


def import_network(
    place: str,
    *,
    name: str | None = None,
    classes: Sequence[str] | None = None,
    frames: Sequence[int] | None = None,
) -> Artifact:
    """Import a network that Keras or TensorFlow saved, as a trained network of a study.

    The study is the chosen one, or else the only one with samples of this shape.

    Args:
        place: folder of a SavedModel, or path or URL of an .h5 or .keras file.
        name: its new name, optionally in a series: "theirs/small"; None for that of the file.
        classes: names of its outputs, in order; None for those of the study's networks.
        frames: times of the frames that it sees, for studies whose samples have frames; None for those of the study's
            networks.

    Returns:
        The artifact, whose provenance has the file, its SHA-256, the framework and the difference of the outputs.

    Raises:
        InputError: if it cannot be read, has an unsupported layer, does not fit the study, or gives other outputs after
            the import, or if there is another network of that name.
        WorkError: if reading it raises an unexpected exception.
    """
    files, source = _files(place)
    own = {"file": source, "sha256": reader.checksum(files)}
    series, _, called = (name or re.sub(r"[^\w.-]+", "-", Path(source).stem)).rpartition("/")
    wanted = f"{series}/{called}" if series else called
    _check_name(wanted, own)
    candidates = [chosen] if (chosen := study.chosen()) else [one for one in study.all_studies() if one.sample]
    sizes = [list(one.input_shape) for of in candidates for one in _kinds(of)]
    arrays, documents = _read(files, source, sizes)

    shape, outputs = tuple(documents["input_shape"]), arrays["outputs"]
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise InputError(f"{source} has outputs of shape {outputs.shape[1:]}; expected one per class, two at least")
    meaning = _meaning(source, candidates, shape, outputs.shape[1], classes, frames)
    weights = {key.removeprefix("weights/"): one for key, one in arrays.items() if key.startswith("weights/")}
    made = artifact.made(
        {
            "name": called,
            "study": meaning.study,
            "input_shape": shape,
            "classes": meaning.classes,
            "layers": documents["layers"],
            "frame_times": meaning.frame_times,
            "splits": meaning.splits,
        },
        weights,
        source,
    )
    difference = _difference(made, arrays["inputs"], outputs, source)
    provenance = {
        "made_from": {"imported": {**own, "framework": documents["framework"]}},
        "difference": difference,
        "created": now(),
        "versions": environments.provenance(None),
    }
    imported = Artifact(made.architecture, weights, {}, {}, provenance, series)
    artifact.save(imported)
    return imported


def _files(place: str) -> tuple[dict[str, bytes], str]:
    """The files of a network, and a name for it in messages."""
    folder = Path(place)
    if "://" in place or not folder.is_dir():
        name = place.rstrip("/").rpartition("/")[2]
        return {name: objects.read_from(place)}, name
    files = {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}
    if reader.GRAPH not in files:
        raise InputError(
            f"{place} has no saved_model.pb; expected the folder of a SavedModel, or an .h5 or .keras file"
        )
    return files, folder.resolve().name


def _check_name(name: str, own: dict[str, str]) -> None:
    """Make sure that a name is not in use."""
    objects.checked(artifact.path(name))
    if artifact.exists(name):
        imported = artifact.load(name).made_from.get("imported", {})
        same = ", made from this same file" if imported.get("sha256") == own["sha256"] else ""
        raise InputError(
            f"network {name} already exists{same}; choose another --name, or delete {objects.root()}/"
            f"{artifact.path(name)}"
        )
    for of in study.all_studies():
        if any(one.name == name for one in of.networks) or (of.grid and name in of.grid.members):
            raise InputError(
                f"{name} is the name of a network of the study {of.name}, which may be trained here; choose another "
                f"name, such as --name theirs/{name}"
            )


def _read(
    files: dict[str, bytes], source: str, sizes: list[list[int | None]]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Result of the reader for the files, in the environment that can read them."""
    if reader.is_new(files, source):
        data = reader.read(files, source, json.dumps(sizes))
    else:
        environments.warm(OLD)
        cluster.connect()
        import ray

        remote: Any = ray.remote(runtime_env=environments.runtime_env(OLD), max_retries=0)(reader.read)
        data = ray.get(remote.remote(files, source, json.dumps(sizes)))
    arrays, documents = artifact.unpack(data, source)
    if "error" in documents:
        raise of_texts(documents["error"], documents["traceback"])
    return arrays, documents


def _kinds(of: Study) -> list[Architecture | Grid]:
    """Networks of a study that take samples of one shape; its grid, if any, stands for all networks in it."""
    return [*(one for one in of.networks if None not in one.input_shape), *([of.grid] if of.grid else [])]


def _meaning(
    source: str,
    candidates: list[Study],
    shape: tuple[int, ...],
    outputs: int,
    classes: Sequence[str] | None,
    frames: Sequence[int] | None,
) -> Meaning:
    """The study of a network and the meaning of its inputs and outputs there."""
    found = f"{source} takes samples of shape {shape} and has {outputs} outputs"
    fitting = [of for of in candidates if _fits(of, shape)]
    if not fitting:
        known = {f"{of.name} {one.input_shape}" for of in candidates for one in _kinds(of)}
        raise InputError(
            f"{found}; the known studies take other samples: {', '.join(sorted(known)) or 'there are none'}; name its "
            "study with --study"
        )
    if len(fitting) > 1:
        raise InputError(
            f"{found}, which fits the studies {', '.join(of.name for of in fitting)}; name one with --study"
        )
    (of,) = fitting
    alike = [one for one in _kinds(of) if _space(of, one.input_shape) == _space(of, shape)]
    named = _one(
        tuple(classes) if classes else None,
        {one.classes for one in alike if len(one.classes) == outputs},
        f"{found}; it is not known which of the study's classes these are: name them in order, --classes a,b,c",
    )
    if len(named) != outputs or len(set(named)) != outputs:
        raise InputError(f"{found}; {len(set(named))} different classes are named, {','.join(named)}; name {outputs}")
    times = None
    if "frame" in of.seen.dims:
        count = shape[of.seen.dims.index("frame") - 1]
        of_count = {one.frame_times for one in alike if one.frame_times and len(one.frame_times) == count}
        said = f"{found}; it is not known which {count} frames it sees: give their times, --frames 1,2,3"
        times = _one(tuple(frames) if frames else None, of_count, said)
        if len(times) != count:
            raise InputError(f"{found}, of {count} frames; {len(times)} times are given: give {count}")
    elif frames:
        raise InputError(f"--frames with {source} of the study {of.name}, whose samples have no frames; leave it out")
    splits = next((one.splits for one in alike if one.classes == named), Architecture.splits)
    return Meaning(of.name, named, times, splits)


def _one(given: tuple[Any, ...] | None, possible: set[tuple[Any, ...]], otherwise: str) -> tuple[Any, ...]:
    """The given value, or else the only possible one."""
    if given:
        return given
    if len(possible) != 1:
        raise InputError(otherwise)
    return next(iter(possible))


def _fits(of: Study, shape: tuple[int, ...]) -> bool:
    """Whether samples of a study may have a shape; it may end with sizes of 1, where networks expect channels."""
    if of.sample is None:
        return False
    dims = len(of.sample.dims) - 1
    alike = [one for one in _kinds(of) if len(one.input_shape) == len(shape)]
    sizes = {_space(of, one.input_shape) for one in alike}
    return len(shape) >= dims and all(one == 1 for one in shape[dims:]) and (not sizes or _space(of, shape) in sizes)


def _space(of: Study, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Sizes of a sample without its frames, whose number networks may choose."""
    return tuple(size for dim, size in zip(of.seen.dims[1:], shape, strict=False) if dim != "frame")


def _difference(made: Artifact, inputs: np.ndarray, expected: np.ndarray, source: str) -> float:
    """Maximum difference of the outputs from the original's, relative to the largest of these.

    If the outputs are nearly the same for every input, a warning is logged.

    Raises:
        InputError: if the difference is above TOLERANCE.
    """
    outputs = keras_model.load(made)(inputs, training=False).numpy()
    largest = float(np.abs(expected).max())
    difference = float(np.abs(outputs - expected).max()) / largest if largest else float("inf")
    if not difference <= TOLERANCE:  # also if it is NaN
        raise InputError(
            f"{source} gives other results once imported: outputs for random samples differ by {difference:.1e} of the "
            f"largest; expected at most {TOLERANCE:.0e}: some layer works differently there; nothing is saved"
        )
    if float(np.ptp(expected, axis=0).max()) < _SPREAD * TOLERANCE * largest:
        logging.getLogger(__name__).warning(
            "%s has nearly the same outputs for every random sample: that they agree proves little", source
        )
    return difference
