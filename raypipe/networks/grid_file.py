"""A user-defined grid from a small TOML file, see docs/own_grid.md."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, Strict, ValidationError

from raypipe import catalog, study
from raypipe.errors import InputError, check_name, choice
from raypipe.networks import inputs
from raypipe.networks.architecture import Architecture
from raypipe.networks.grid import Grid
from raypipe.study import Study

_Whole = Annotated[int, Strict()]
_Number = Annotated[float, Strict()]
_WHOLE = "a list of whole numbers, such as"


class _File(BaseModel, extra="forbid"):
    """The keys of a file. Factors that are left out do not vary; `Grid` checks the values."""

    blocks: list[str] = Field(description='a list of blocks of layers, such as ["123", "132"]')
    depths: list[_Whole] = Field([1], description=f"{_WHOLE} [1, 2]")
    kernel_sizes: list[_Whole] = Field([3], description=f"{_WHOLE} [3, 5]")
    filters: list[_Whole] = Field([16], description=f"{_WHOLE} [8, 16]")
    learning_rates: list[_Number] = Field([], description="a list of numbers, such as [0.001, 0.003]")
    seeds: list[_Whole] = Field([1], description=f"{_WHOLE} [1, 2]")
    study: str | None = Field(None, description="the name of a study")
    like: str | None = Field(None, description="the name of a network of the study")
    train_split: str | None = Field(None, description="the name of a data set of the study")
    validation_split: str | None = Field(None, description="the name of a data set of the study")
    epochs: _Whole | None = Field(None, description="a whole number")
    batch: _Whole | None = Field(None, description="a whole number")


@dataclass(frozen=True)
class NamedGrid:
    """A grid and how its networks are trained, as in `train.Settings`.

    Attributes:
        name: name of its tables and pictures.
        grid: the networks.
        trainings: learning rate and seed of each series.
        epochs: number of epochs; None for the study's default.
        batch: batch size; None for the study's default.
    """

    name: str
    grid: Grid
    trainings: dict[str, tuple[float | None, int]]
    epochs: int | None = None
    batch: int | None = None


def of_study(of: Study, series: str = "", seed: int | None = None) -> NamedGrid:
    """The grid of a study.

    Args:
        of: the study.
        series: beginning of the names of its series; without several rates or seeds, the name of its only one.
        seed: seed to train with in place of the grid's.

    Raises:
        InputError: if the study has no grid.
    """
    if of.grid is None:
        raise InputError(f"the study {of.name} has no grid; write one in a file and name that with --grid")
    grid = of.grid if seed is None else replace(of.grid, seeds=(seed,))
    return NamedGrid(f"{of.name}_grid", grid, grid.trainings(series))


def read(file: Path, usual: Study) -> NamedGrid:
    """Read a grid from a file.

    Its networks have the same input, classes and default splits as the network that the file names with `like`, or else
    the first network of the study. If the study has no networks yet, they see whole samples of the training data set.

    Args:
        file: path of the file, whose name without the ending becomes the name of the grid and of the series of its
            networks.
        usual: the study, unless the file names one.

    Raises:
        InputError: if there is no such file, or its content is invalid.
    """
    check_name("a series of networks", file.stem)
    try:
        keys = _keys(file)
        of = study.find(keys.study) if keys.study else usual
        grid = _grid(keys, of)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return NamedGrid(file.stem, grid, grid.trainings(file.stem), keys.epochs, keys.batch)


def _keys(file: Path) -> _File:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}; expected a grid in TOML") from error
    except ValueError as error:
        raise InputError(f"is not TOML: {error}") from error
    try:
        return _File(**found)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
    if key not in _File.model_fields:
        raise InputError(f"unknown key {key!r}; expected {', '.join(_File.model_fields)}")
    said = f"{key} is {found[key]!r}" if key in found else f"{key} is missing"
    raise InputError(f"{said}; expected {_File.model_fields[key].description}")


def _grid(keys: _File, of: Study) -> Grid:
    usual = (*of.networks, *(of.grid.networks if of.grid else ()))
    known = {one.name: one for one in usual if None not in one.input_shape}  # a grid needs a fixed length
    if keys.like is not None:
        seen = _seen_by(known[choice("network", keys.like, tuple(known))])
    else:
        seen = _seen_by(next(iter(known.values()))) if known else _seen_of(of, keys)
    train, validation = seen.pop("splits", ("train", "val"))
    return Grid(
        **seen,
        study=of.name,
        blocks=tuple(keys.blocks),
        depths=tuple(keys.depths),
        kernel_sizes=tuple(keys.kernel_sizes),
        filters=tuple(keys.filters),
        learning_rates=tuple(keys.learning_rates),
        seeds=tuple(keys.seeds),
        splits=(keys.train_split or train, keys.validation_split or validation),
    )


def _seen_by(network: Architecture) -> dict[str, Any]:
    return {name: getattr(network, name) for name in ("input_shape", "classes", "frame_times", "splits")}


def _seen_of(of: Study, keys: _File) -> dict[str, Any]:
    """Input and classes of networks that see whole samples; frames, if they are the last dimension, are channels."""
    sample = of.seen
    name = f"{of.name}/{of.check(keys.train_split or 'train', 'training split', labelled=True)}"
    try:
        data = catalog.open(name)
    except InputError as error:
        raise InputError(f"{error}; the grid needs it: run {inputs.job(name)}") from error
    if sample.variable not in data or data[sample.variable].dims != sample.dims or "label" not in data.coords:
        dims = ", ".join(sample.dims)
        raise InputError(f"data set {name} has no {sample.variable} ({dims}) with a label; make it again")
    shape = data[sample.variable].shape[1:] + (() if sample.dims[-1] == "frame" else (1,))
    return {"input_shape": shape, "classes": inputs.class_names(data)}
