"""A grid of networks: every word of layers with every kernel size and number of filters, as plain values.

A name such as 123132-16 consists of a word and a kernel size. A word consists of blocks, whose digits are layers: 1 is
a convolution, 2 a maximum pooling by 2, 3 a batch normalisation. If a grid has several numbers of filters, the name
ends with that of the network's convolutions, as in 123132-16-f32.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from raypipe.errors import InputError
from raypipe.networks.architecture import Architecture, Kind, Options, stack

_CONVOLUTION: dict[int, Kind] = {1: "Conv1D", 2: "Conv2D", 3: "Conv3D"}
_POOLING: dict[int, Kind] = {1: "MaxPooling1D", 2: "MaxPooling2D", 3: "MaxPooling3D"}
_FLAT: dict[int, Kind] = {2: "GlobalMaxPooling2D", 3: "GlobalMaxPooling3D"}

_MOST_BLOCKS = 20
_MOST_NETWORKS = 10_000


@dataclass(frozen=True)
class Member:
    """The properties that distinguish a network from the others in its grid."""

    blocks: tuple[str, ...]
    kernel_size: int
    filters: int

    @property
    def word(self) -> str:
        """All layers of the network, one digit each."""
        return "".join(self.blocks)


@dataclass(frozen=True)
class Grid:
    """Networks of one study that differ in their layers, and the learning rates and seeds to train them with.

    Attributes:
        study: name of the study whose samples they see.
        input_shape: as in `Architecture`.
        classes: as in `Architecture`.
        blocks: blocks of layers, such as "123" and "132"; the first is the reference for comparisons.
        depths: numbers of blocks in a word.
        kernel_sizes: kernel sizes of all convolutions of a network, along each dimension, in time steps or points.
        filters: numbers of filters of all convolutions of a network.
        learning_rates: learning rates with which each network is trained; if empty, the study's default.
        seeds: seeds with which each network is trained.
        frame_times: as in `Architecture`.
        splits: as in `Architecture`.
    """

    study: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    blocks: tuple[str, ...]
    depths: tuple[int, ...] = (1,)
    kernel_sizes: tuple[int, ...] = (3,)
    filters: tuple[int, ...] = (16,)
    learning_rates: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (1,)
    frame_times: tuple[int, ...] | None = None
    splits: tuple[str, str] = ("train", "val")

    def __post_init__(self) -> None:
        if len(self.input_shape) - 1 not in _CONVOLUTION:
            raise InputError(f"samples of {len(self.input_shape) - 1} dimensions; expected 1, 2 or 3")
        blocks, count = "blocks of digits 1, 2 and 3, with a 1 in each", "whole numbers of 1 or more"
        _check("blocks", self.blocks, blocks, lambda one: re.fullmatch("[23]*1[123]*", one))
        _check("depths", self.depths, f"numbers from 1 to {_MOST_BLOCKS}", lambda one: 1 <= one <= _MOST_BLOCKS)
        _check("kernel_sizes", self.kernel_sizes, count, lambda one: one >= 1)
        _check("filters", self.filters, count, lambda one: one >= 1)
        _check("seeds", self.seeds, "whole numbers of 0 or more", lambda one: one >= 0)
        if self.learning_rates:
            digits = "rates above 0 and up to 1, of at most six digits"
            _check("learning_rates", self.learning_rates, digits, lambda one: 0 < one <= 1 and float(f"{one:g}") == one)
        words = sum(len(self.blocks) ** depth for depth in self.depths)
        if (found := words * len(self.kernel_sizes) * len(self.filters)) > _MOST_NETWORKS:
            raise InputError(f"the grid has {found} networks; expected at most {_MOST_NETWORKS}: leave some values out")
        if len(self.words) < words:
            raise InputError(
                f"blocks is {', '.join(self.blocks)}, which give one word in several ways; expected blocks that do not"
            )

    @cached_property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """The blocks of each word, ordered by depth, then by block."""
        return {"".join(one): one for depth in sorted(self.depths) for one in product(self.blocks, repeat=depth)}

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Every network by its name, including those that cannot be built; by word, then kernel size, then filters."""
        several = len(self.filters) > 1
        return {
            f"{word}-{kernel}" + (f"-f{filters}" if several else ""): Member(blocks, kernel, filters)
            for (word, blocks), kernel, filters in product(self.words.items(), self.kernel_sizes, self.filters)
        }

    @cached_property
    def networks(self) -> tuple[Architecture, ...]:
        """The networks that can be built."""
        return tuple(self._network(name) for name in self.members if name not in self.unbuildable)

    @cached_property
    def unbuildable(self) -> Mapping[str, str]:
        """Name of each network that cannot be built, with the reason and a remedy."""
        return {name: reason for name, member in self.members.items() if (reason := self._obstacle(member))}

    @property
    def description(self) -> str:
        """Description of its networks, for messages."""
        filters = f", and f with {_any(self.filters)} filters" if len(self.filters) > 1 else ""
        example = list(self.members)[len(self.members) // 2]
        return (
            f"a word of {_any(self.depths)} blocks {_any(self.blocks)} and a kernel size of {_any(self.kernel_sizes)}"
            f"{filters}, such as {example}"
        )

    @property
    def factors(self) -> Mapping[str, tuple[float, ...]]:
        """Factors that distinguish trainings of the same word, except the seed, with their values in ascending order.

        A factor with a single value is left out, except the kernel size.
        """
        others = {"filters": self.filters, "learning_rate": self.learning_rates}
        several = {name: values for name, values in others.items() if len(values) > 1}
        return {name: tuple(sorted(values)) for name, values in {"kernel_size": self.kernel_sizes, **several}.items()}

    def trainings(self, name: str) -> dict[str, tuple[float | None, int]]:
        """Learning rate (None for the default) and seed of each series, whose names begin with `name`, if any."""
        rates: tuple[float | None, ...] = self.learning_rates or (None,)
        found = {}
        for rate, seed in product(rates, self.seeds):
            ends = (f"rate-{rate:g}" if len(rates) > 1 else "", f"seed-{seed}" if len(self.seeds) > 1 else "")
            found["-".join(filter(None, (name, *ends)))] = rate, seed
        return found

    def network(self, name: str) -> Architecture:
        """The network of that name.

        Raises:
            InputError: if there is none, or it cannot be built.
        """
        if reason := self.unbuildable.get(name):
            raise InputError(f"network {name} cannot be built: {reason}")
        if name not in self.members:
            raise InputError(f"unknown network {name!r} of the grid; expected {self.description}")
        return self._network(name)

    def _network(self, name: str) -> Architecture:
        member, dimensions = self.members[name], len(self.input_shape) - 1
        layers: dict[str, tuple[Kind, Options]] = {
            "1": (
                _CONVOLUTION[dimensions],
                {"filters": member.filters, "kernel_size": member.kernel_size, "activation": "relu"},
            ),
            "2": (_POOLING[dimensions], {"pool_size": 2}),
            "3": ("BatchNormalization", {}),
        }
        return Architecture(
            name=name,
            study=self.study,
            input_shape=self.input_shape,
            classes=self.classes,
            layers=stack(*(layers[digit] for digit in member.word), *head(dimensions, len(self.classes))),
            frame_times=self.frame_times,
            splits=self.splits,
        )

    def _obstacle(self, member: Member) -> str | None:
        """Why a network cannot be built; None if it can."""
        left, kernel = min(self.input_shape[:-1]), member.kernel_size
        for position, digit in enumerate(member.word, start=1):
            needed, what = {"1": (kernel, f"a kernel of {kernel}"), "2": (2, "a pooling by 2"), "3": (1, "")}[digit]
            if left < needed:
                return (
                    f"layer {position} of {member.word} has {left} {unit(self)} left for {what}; choose "
                    "a smaller kernel or fewer blocks"
                )
            left = {"1": left + 1 - kernel, "2": left // 2, "3": left}[digit]
        return None


def unit(grid: Grid) -> str:
    """Unit of the kernel size."""
    return "time steps" if len(grid.input_shape) == 2 else "points"


def head(dimensions: int, classes: int) -> tuple[tuple[Kind, Options], ...]:
    """The last layers; for sequences, the first Dense acts on each time step, for fields on the global maxima."""
    dense: tuple[tuple[Kind, Options], ...] = (
        ("Dense", {"units": 50, "activation": "relu"}),
        ("Dropout", {"rate": 0.25}),
    )
    last: tuple[Kind, Options] = ("Dense", {"units": classes, "activation": "softmax"})
    return (*dense, ("Flatten", {}), last) if dimensions == 1 else ((_FLAT[dimensions], {}), *dense, last)


def _check(key: str, found: Sequence[Any], expected: str, fits: Callable[[Any], object]) -> None:
    wrong = [one for one in found if not fits(one)] or [one for one in found if list(found).count(one) > 1]
    if wrong or not found:
        what = f"has {wrong[0]!r}{' twice' if wrong and fits(wrong[0]) else ''}" if wrong else "is empty"
        raise InputError(f"{key} {what}; expected {expected}, each once")


def _any(values: Sequence[Any]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}" if first else last
