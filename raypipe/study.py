"""What a study is, and finding one by name.

A study is everything that belongs to one science and not to the engine: its data sets and how each is planned, its
networks, what they see of a sample, how they are usually trained. The engine asks a study; it names none.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from raypipe import studies
from raypipe.errors import InputError, choice
from raypipe.networks.architecture import Architecture
from raypipe.store import Plan


@dataclass(frozen=True)
class DataSet:
    """One data set of a study.

    Attributes:
        plan: from the parameters that its store keeps to the plan that it was made by.
        command: the command that makes it.
        labelled: whether networks can learn from it.
    """

    plan: Callable[[Mapping[str, Any]], Plan]
    command: str
    labelled: bool = True


@dataclass(frozen=True)
class Sample:
    """What a network sees of a sample.

    Attributes:
        variable: name of the data sets' variable that holds the samples.
        dims: its dimensions; the first is "sample". Of a dimension "frame" a network sees the frames that it names.
        prepare: from values (sample, …) to what the network takes of them, of the same shape.
        per_shard: samples that are classified in one shard: one to two seconds of work.
    """

    variable: str
    dims: tuple[str, ...]
    per_shard: int
    prepare: Callable[[np.ndarray], np.ndarray] = lambda values: values


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        name: first part of the names of its data sets.
        data_sets: by split, the second part of their names.
        network: from a name to the architecture called so, or None.
        network_names: what a network may be called, for messages.
        sample: what its networks see.
        training: from an architecture to how it is usually trained, as arguments of `networks.training.Training`.
        augment: "module:function" from samples and a generator of random numbers to variants of the samples.
    """

    name: str
    data_sets: Mapping[str, DataSet]
    network: Callable[[str], Architecture | None]
    network_names: str
    sample: Sample
    training: Callable[[Architecture], Mapping[str, Any]]
    augment: str | None = None

    @property
    def labelled(self) -> tuple[str, ...]:
        """Splits that networks can learn from."""
        return tuple(split for split, data_set in self.data_sets.items() if data_set.labelled)


@cache
def built_in() -> Mapping[str, Study]:
    """The studies that come with raypipe, by name."""
    names = (f"{studies.__name__}.{one.name}" for one in pkgutil.iter_modules(studies.__path__))
    found: list[Study] = [importlib.import_module(name).STUDY for name in names]
    return {study.name: study for study in found}


def find(name: str) -> Study:
    """The study called `name`.

    Raises:
        InputError: if there is none.
    """
    return built_in()[choice("study", name, tuple(built_in()))]


def architecture(name: str) -> Architecture:
    """The architecture called `name`, of whatever study.

    Raises:
        InputError: if there is none of that name, or it cannot be built; the message has the reason.
    """
    for study in built_in().values():
        if found := study.network(name):
            return found
    names = "; ".join(study.network_names for study in built_in().values())
    raise InputError(f"unknown network {name!r}; expected one of {names}")
