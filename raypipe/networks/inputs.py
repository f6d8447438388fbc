"""Network inputs from a data set, prepared by its study: float32."""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from raypipe import store, study
from raypipe.errors import InputError, ValuesError
from raypipe.networks.architecture import Architecture

if TYPE_CHECKING:
    import xarray

_BLOCK = 256
"""Number of samples read and converted at once, rounded up to whole chunks so that no chunk is decoded several
times."""

_BLOCK_BYTES = 2**29
"""Maximum bytes of samples read at once, unless chunks are larger; limits the memory for data that the network does
not see."""

_SHOWN_NAMES = 120
"""Maximum number of characters for class names in a message."""

_NUMBERED = re.compile(r"(?<=.)_\d+(\.\d+)?$")
"""End of the name of a subclass, such as _0.50 in fbm_0.50."""

_UNCHANGING = 2**64 - 1
"""Seed of the fresh samples that are the same each time; the seeds of trainings are far smaller."""


@dataclass(frozen=True)
class Samples:
    """Labelled samples to train on: `inputs` (sample, *input_shape), float32, and `labels` (sample,), int64."""

    inputs: np.ndarray
    labels: np.ndarray

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.labels)

    def few(self, count: int) -> "Samples":
        """The first `count` samples."""
        return Samples(self.inputs[:count], self.labels[:count])

    def parts(self, random: np.random.Generator | None, batch: int, most_bytes: int) -> Iterator["Samples"]:
        """All samples once, in parts of whole batches; in random order if a generator is given.

        A part has as many batches as fit into `most_bytes` of inputs, and at least one.
        """
        order = np.arange(self.count) if random is None else random.permutation(self.count)
        size = _part(batch, self.inputs[0].nbytes, most_bytes)
        for start in range(0, self.count, size):
            members = order[start : start + size]
            yield Samples(self.inputs[members], self.labels[members])


@dataclass(frozen=True)
class Fresh:
    """Samples that the network's study generates on demand, see `Study.fresh`: in training, never the same ones twice.

    Attributes:
        architecture: the network's architecture.
        count: number of samples in an epoch.
    """

    architecture: Architecture
    count: int

    def few(self, count: int) -> "Fresh":
        """The same with only `count` samples."""
        return Fresh(self.architecture, count)

    def parts(self, random: np.random.Generator | None, batch: int, most_bytes: int) -> Iterator[Samples]:
        """Generate `count` samples in parts, as in `Samples`; without a generator they are the same each time.

        For a network that takes samples of any length, a part is one batch, whose samples have the same shape.
        """
        make = study.find(self.architecture.study).maker
        shape = self.architecture.input_shape
        known = [size for size in shape if size is not None]
        size = _part(batch, 4 * int(np.prod(known)), most_bytes) if len(known) == len(shape) else batch
        seeds = np.random.default_rng(_UNCHANGING) if random is None else random
        for start in range(0, self.count, size):
            drawn = seeds.integers(2**63, size=min(size, self.count - start), dtype="int64")
            yield Samples(*make(self.architecture, drawn))


def _part(batch: int, sample_bytes: int, most_bytes: int) -> int:
    return max(1, most_bytes // (batch * sample_bytes)) * batch


def network_input(architecture: Architecture, values: np.ndarray) -> np.ndarray:
    """Values of a data set in the form that the network takes: (sample, *input_shape), float32.

    `values` are those that `seen` selects, in the dimensions of the study's samples.

    Raises:
        InputError: if the samples do not have the network's shape, a value is not finite, or the study prepares complex
            values.
        ValuesError: if a value is not finite after the study has prepared it.
    """
    sample = study.find(architecture.study).seen
    expected = architecture.sample_shape[: len(sample.dims) - 1]
    if values.shape[1:] != expected:
        raise InputError(
            f"samples of shape {values.shape[1:]}; network {architecture.name} takes {expected}: "
            "choose a data set made for it"
        )
    if not np.isfinite(values).all():
        raise InputError(
            "the data set has values that are not finite: it was made so, or is damaged; check it with raypipe verify"
        )
    prepared = sample.prepare(values)
    if np.iscomplexobj(prepared):
        raise InputError(
            f"{sample.variable} is complex when network {architecture.name} takes it, which needs real values: let "
            f"Sample.prepare of the study {architecture.study} return them, such as the absolute values"
        )
    prepared = prepared.astype("float32", copy=False)
    prepared = prepared.reshape(len(values), *architecture.sample_shape)
    if (wrong := np.flatnonzero(~np.isfinite(prepared).all(axis=tuple(range(1, prepared.ndim))))).size:
        first = values[wrong[0]]
        raise ValuesError(
            f"Sample.prepare of the study {architecture.study} makes values that are not finite of {len(wrong)} of "
            f"{len(values)} samples, the first one with values from {first.min():g} to {first.max():g}; expected "
            "finite ones: fix it, for example where it divides by what may be 0"
        )
    return prepared


def seen(architecture: Architecture, data: "xarray.Dataset") -> "xarray.DataArray":
    """The variable of a data set that a network sees, lazily, with only those frames that the network sees."""
    variable = data[study.find(architecture.study).seen.variable]
    return variable if architecture.frame_times is None else variable.sel(frame=list(architecture.frame_times))


def values(architecture: Architecture, data: "xarray.Dataset", samples: slice | np.ndarray) -> np.ndarray:
    """Values of some samples as a network sees them: the selection of `seen`, read into memory.

    Frames are read as a range and selected afterwards: each chunk contains all frames, and selecting single ones in
    Zarr takes four times as long.
    """
    variable = data[study.find(architecture.study).seen.variable].isel(sample=samples)
    if architecture.frame_times is None:
        return variable.values
    times = data["frame"].values.tolist()
    places = [times.index(time) for time in architecture.frame_times]
    first, last = min(places), max(places)
    block: np.ndarray = variable.isel(frame=slice(first, last + 1)).values
    if places == list(range(first, last + 1)):
        return block
    return block.take([place - first for place in places], axis=variable.dims.index("frame"))


def groups(
    architecture: Architecture, data: "xarray.Dataset", samples: slice | np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs of a network for some samples, in groups of equal shape: positions among these samples, and inputs.

    Raises:
        InputError: see `network_input`.
    """
    found = values(architecture, data, samples)
    return grouped(architecture, found, lengths(data, samples, found))


def grouped(
    architecture: Architecture, found: np.ndarray, length: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same as `groups` for the values `found` (sample, time, …) with these lengths."""
    of = any_length(architecture)
    if of is None:
        yield np.arange(len(found)), network_input(architecture, found)
        return
    sizes = of.size(length)
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        yield places, of.prepare(found[places, : length[places].max()], length[places])


def any_length(architecture: Architecture) -> study.AnyLength | None:
    """How a network takes samples of any length; None if its samples have a fixed length."""
    return study.find(architecture.study).seen.any_length if None in architecture.input_shape else None


def lengths(data: "xarray.Dataset", samples: slice | np.ndarray, found: np.ndarray) -> np.ndarray:
    """Number of points of some samples, whose values are `found` (sample, time, …)."""
    return data["length"].isel(sample=samples).values if "length" in data else np.full(*found.shape[:2])


def labels_for(architecture: Architecture, data: "xarray.Dataset") -> np.ndarray:
    """Labels of a data set (sample,), int64, in the network's order of classes; -1 for no label or an unknown class."""
    numbers = [
        architecture.classes.index(name) if name in architecture.classes else -1 for name in class_names(data)
    ] + [-1]  # the last one is for samples without a label, -1
    return np.array(numbers, "int64")[data["label"].values.astype("int64")]


def check_finite(what: str, values: np.ndarray, samples: np.ndarray) -> None:
    """Make sure that results of a network, `values` (sample, …) for the sample numbers `samples`, can be stored.

    Raises:
        ValuesError: if a value is not finite.
    """
    if (wrong := samples[~np.isfinite(values.reshape(len(samples), -1)).all(axis=1)]).size:
        raise ValuesError(
            f"{what} are not finite for {len(wrong)} samples, the first of them number {wrong[0]}; this shard is not "
            "written: train the network again, or leave these samples out"
        )


def read(architecture: Architecture, data: "xarray.Dataset", name: str, count: int | None = None) -> Samples:
    """Read inputs and labels from the labelled data set `name`: all samples, or `count`, balanced over the classes.

    The labels are numbered in the network's order of classes. Samples of classes that it does not have are left out.

    Raises:
        InputError: if the network cannot learn from the data set, see `check`, or `count` is not from 1 to the number
            of samples that the network can learn from.
    """
    check(architecture, data, name)
    labels = labels_for(architecture, data)
    known = np.flatnonzero(labels >= 0)
    chosen = known[_balanced(labels[known], len(known) if count is None else count, name)]
    inputs = np.empty((len(chosen), *architecture.sample_shape), "float32")
    size = _block(data[study.find(architecture.study).seen.variable])
    for start in range(0, len(labels), size):
        first, last = np.searchsorted(chosen, (start, start + size))
        if first < last:
            block = values(architecture, data, slice(start, start + size))
            inputs[first:last] = network_input(architecture, block[chosen[first:last] - start])
    return Samples(inputs, labels[chosen])


def _block(variable: "xarray.DataArray") -> int:
    """Number of samples of a variable that are read at once."""
    chunk = (variable.encoding.get("chunks") or (1,))[0]
    fitting = _BLOCK_BYTES // max(1, variable.dtype.itemsize * math.prod(variable.shape[1:]))
    return -(-max(1, min(_BLOCK, fitting)) // chunk) * chunk


def check(architecture: Architecture, data: "xarray.Dataset", name: str) -> None:
    """Make sure that a network can learn from the data set `name`.

    Raises:
        InputError: if the data set is empty, has samples without labels or of another size, or lacks a class of the
            network or a frame that it sees; the message names the command that makes it.
    """
    problem = misfit(architecture, data)
    if problem is None and "label" not in data.coords:
        problem = f"has no {study.find(architecture.study).seen.variable} with a label"
    if problem is None and not set(architecture.classes) <= set(classes := class_names(data)):
        problem = f"has the classes {' '.join(classes)}, not {' '.join(architecture.classes)}"
    if problem is None and data["label"].values.min() < 0:
        problem = "has samples without a label"
    if problem:
        raise InputError(f"data set {name} {problem}: network {architecture.name} cannot learn from it; {again(name)}")


def fitted(architecture: Architecture, data: "xarray.Dataset") -> Architecture:
    """The architecture for the size of a data set's fields, if the network can take fields of any size.

    This is the case if all layers before a global pooling slide over the field, so that their output at a point does
    not depend on the size of the field. Other architectures are returned unchanged, and all are for data without such
    fields.
    """
    sample = study.find(architecture.study).seen
    space = len(sample.dims) - 1 - ("frame" in sample.dims)
    kinds = [layer.kind for layer in architecture.layers]
    pooled = next((at for at, kind in enumerate(kinds) if kind.startswith("Global")), None)
    slides = pooled is not None and not {"Flatten", "Dense", "Reshape", "Permute", "Dot"} & set(kinds[:pooled])
    if (
        architecture.is_sequence
        or not slides
        or sample.variable not in data
        or data[sample.variable].dims != sample.dims
    ):
        return architecture
    size = data[sample.variable].shape[1 : 1 + space]
    return replace(architecture, input_shape=(*size, *architecture.input_shape[space:]))


def misfit(architecture: Architecture, data: "xarray.Dataset") -> str | None:
    """Why a network does not take the samples of a data set, labelled or not, such as "is empty"; None if it does."""
    sample = study.find(architecture.study).seen
    variable, dims = sample.variable, sample.dims
    of = any_length(architecture)
    # Samples of any length may have a further axis.
    if variable not in data or data[variable].dims[: len(dims) if of else None] != dims:
        return f"has no {variable} ({', '.join(dims)})"
    if not data.sizes["sample"]:
        return "is empty"
    if of:
        return of.misfit(architecture, data[variable].shape[1:])
    framed = "frame" in dims
    size = architecture.sample_shape[: len(dims) - 1 - framed]
    if (found := data[variable].shape[1 : len(dims) - framed]) != size:
        return f"has samples of {' × '.join(map(str, found))} points, not {' × '.join(map(str, size))}"
    if (channels := math.prod(architecture.sample_shape[len(dims) - 1 :])) != 1:
        return f"has one value at each point of {variable} ({', '.join(dims)}), not {channels}"
    if architecture.frame_times:
        absent = sorted(set(architecture.frame_times) - set(data["frame"].values.tolist()))
        return f"has no frames at t = {', '.join(map(str, absent))}" if absent else None
    if framed and data.sizes["frame"] != (frames := architecture.sample_shape[len(size)]):
        return f"has samples of {data.sizes['frame']} frames, not {frames}"
    return None


def class_names(data: "xarray.Dataset") -> tuple[str, ...]:
    """Names of the classes in the order of a data set's label numbers; empty if not recorded, or without labels."""
    return tuple(data["label"].attrs.get("flag_meanings", "").split()) if "label" in data else ()


def is_labelled(data: "xarray.Dataset") -> bool:
    """Whether every sample has a label, -1 being none."""
    return "label" in data and bool((data["label"] >= 0).all())


def kind(name: str) -> str:
    """The class that a class is a subclass of, by name: fbm for fbm_0.50; for others, such as spots_small, itself."""
    return _NUMBERED.sub("", name)


def kinds(of_network: Sequence[str], of_data: Sequence[str]) -> np.ndarray | None:
    """For each class of a network, the number of the data set's class of which it is a subclass, see `kind`.

    None if the network's classes are not subclasses of the data set's.
    """
    wholes = [kind(name) for name in of_network]
    if set(wholes) != set(of_data) or set(of_data) == set(of_network):
        return None
    return np.array([list(of_data).index(one) for one in wholes])


def by_label(found: "xarray.Dataset") -> "xarray.Dataset":
    """A network's results for samples, converted to the classes of their labels.

    Args:
        found: predictions or explanations, with `predicted` (sample), `class`, and optionally `probability` (sample,
            class).

    Returns:
        The same, if the labels have the network's classes, or there are none. If the network's classes are subclasses
        of the labels' classes, see `kinds`, `class` has the names of the latter, `probability` is summed over
        subclasses, and `predicted` is the most probable class, or, without `probability`, the class of the predicted
        subclass.

    Raises:
        InputError: if the labels have other classes.
    """
    own, labelled = tuple(str(name) for name in found["class"].values), class_names(found)
    if not labelled or labelled == own:
        return found
    if (whole := kinds(own, labelled)) is None:
        raise InputError(
            f"labels are of the classes {shown(labelled)}, the network's are {shown(own)}: they cannot be compared; "
            "choose a network and a data set that match"
        )
    others = found.drop_dims("class")
    if "probability" in found:
        summed = by_kind(found["probability"].values, whole, len(labelled))
        others["probability"] = ("sample", "class"), summed, found["probability"].attrs
        predicted = others["probability"].values.argmax(axis=1)
    else:
        predicted = whole[found["predicted"].values]
    return others.assign({"predicted": found["predicted"].copy(data=predicted)}).assign_coords(
        {"class": list(labelled)}
    )


def by_kind(probability: np.ndarray, whole: np.ndarray, count: int) -> np.ndarray:
    """Probabilities (sample, class) summed over subclasses to (sample, count); `whole` is the result of `kinds`."""
    return np.stack([probability[:, whole == number].sum(axis=1) for number in range(count)], axis=1)


def shown(names: Sequence[str]) -> str:
    """Class names for a message, shortened if necessary."""
    return textwrap.shorten(" ".join(names), _SHOWN_NAMES, placeholder=" …")


def job(name: str) -> str:
    """The command that makes the data set `name` of a study; if it exists, with the settings it was made with."""
    with suppress(InputError):  # it does not exist, or is damaged
        if made := store.attributes(name).get("command"):
            return str(made)
    return _usual_job(name)


def again(name: str) -> str:
    """Advice to make the data set `name`, whose samples do not suit, again."""
    made, advice = job(name), f"remove it with raypipe remove {name}, and make it again with"
    return f"{advice} {made}" if made == _usual_job(name) else f"{advice} other settings than with {made}"


def _usual_job(name: str) -> str:
    of, split = name.split("/")
    return study.find(of).command(split)


def _balanced(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    """Ascending indices of `count` samples, taken in turn from each class, in the order in which they occur."""
    if not 1 <= count <= len(labels):
        raise InputError(f"{count} samples of {name}; expected from 1 to {len(labels)}, its number of samples")
    turn = np.empty(len(labels), "int64")
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turn[members] = np.arange(len(members))
    return np.sort(np.argsort(turn, kind="stable")[:count])
