"""What a study is, and finding one: built in, installed beside raypipe, or a file of the user's.

A study is everything that belongs to one science and not to the engine: its data sets and how each is planned, its
networks, what they see of a sample, how they are usually trained, its pictures. The engine asks a study; it names none.
"""

import importlib
import inspect
import json
import logging
import os
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from functools import cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from raypipe import modules, studies
from raypipe.catalog import Card
from raypipe.errors import InputError, WorkError, choice, exits_told, own_traceback
from raypipe.modules import ENTRY_POINTS, STUDY_VARIABLE
from raypipe.networks.architecture import Architecture
from raypipe.networks.grid import Grid
from raypipe.store import Plan

RESERVED = ("predictions", "relevance", "saliency", "refined", "features", "novelty", "networks", "training", "tracks")
"""What no study may be called: first parts of the names of what is made of data sets."""


Measures = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]
"""From what a network says of samples, (n, class), their classes (n,), and the first size of what it sees of each (n,),
such as a length, to figures by name."""


@dataclass(frozen=True)
class DataSet:
    """One data set of a study.

    Attributes:
        plan: the plan that it is made by, or a function that makes the plan. The function's arguments, all of which
            have defaults, are what can be set when the data set is made: `--set name=value`. The name of the plan is
            that of the study and the split, and what is set, unless it is None, is among its parameters; both need not
            be given. A set made under a name of the user's, such as "scan-zoom" for "scan", is planned by the same.
        labelled: whether networks can learn from it.
        card: what the data set is and whom to cite, for those who open it.
    """

    plan: Plan | Callable[..., Plan]
    labelled: bool = True
    card: Card | None = None


@dataclass(frozen=True)
class AnyLength:
    """How samples of any length go through networks that take such, of like length together.

    The data sets' variable `length` has the number of points of each sample, after which come NaN.

    Attributes:
        size: from lengths (n,) to numbers by which samples are put together, such as lengths to which they are filled.
        prepare: from values (n, time, …) of one such size, and their lengths (n,), to what the network takes of them,
            float32.
        misfit: from an architecture and the shape of a data set's samples, (time, …), to why the network cannot see
            them, such as "has tracks in 2 dimensions", or None.
        baselines: from what the network takes of a sample, (time, channel), to the same where nothing happens,
            (1, time, channel), with which explanations compare it.
        before: how many of a sample's points come before the first that the network takes a value of.
        points_per_shard: points, of samples as long as the longest, that are classified in one shard.
    """

    size: Callable[[np.ndarray], np.ndarray]
    prepare: Callable[[np.ndarray, np.ndarray], np.ndarray]
    misfit: Callable[[Architecture, tuple[int, ...]], str | None] = lambda *_: None
    baselines: Callable[[np.ndarray], np.ndarray] = lambda taken: np.zeros_like(taken)[None]
    before: int = 0
    points_per_shard: int = 2**19


@dataclass(frozen=True)
class Sample:
    """What a network sees of a sample.

    Attributes:
        variable: name of the data sets' variable that holds the samples.
        dims: its dimensions; the first is "sample". Of a dimension "frame" a network sees the frames that it names.
        prepare: from values (sample, …) to what the network takes of them, of the same shape.
        per_shard: samples that are classified in one shard: one to two seconds of work.
        draw: from axes of matplotlib and one sample of an open data set (xarray) to a picture in these axes, with what
            the sample was made with as a label. "module:function" is imported when it is needed. By default sequences
            become lines and fields images, of several frames the last one.
        any_length: for networks whose first size is None.
    """

    variable: str
    dims: tuple[str, ...]
    per_shard: int = 256
    prepare: Callable[[np.ndarray], np.ndarray] = lambda values: values
    draw: Callable[..., None] | str | None = None
    any_length: AnyLength | None = None

    @property
    def drawing(self) -> Callable[..., None] | None:
        """The function that draws, if the study has one."""
        return modules.function(self.draw) if isinstance(self.draw, str) else self.draw


@dataclass(frozen=True)
class Picture:
    """A picture of a study's data sets, for `draw` and for the report.

    Attributes:
        of: names of the data sets that it is drawn of, without the study's, such as "scan"; or of what networks made
            of them, such as "predictions/*/scan" ("*" stands for any name).
        draw: from an open data set (xarray) to a figure of matplotlib, or to parts of the report's page, such as
            figures with captions of their own, texts and tables: see `report.page`. Its other arguments, all of which
            have defaults, are what can be set: `--set name=value`. "module:function" is imported when it is needed.
        caption: what is to be seen.
        section: title of the report's section that it is in; by default the study's name.
        commands: what makes the data sets, for those who do not have them yet; of a split it is known.
    """

    of: str
    draw: Callable[..., Any] | str
    caption: str = ""
    section: str = ""
    commands: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        """The function that draws."""
        return modules.function(self.draw) if isinstance(self.draw, str) else self.draw

    @property
    def settings(self) -> tuple[str, ...]:
        """What can be set."""
        return tuple(inspect.signature(self.function).parameters)[1:]


def _usual_training(_: Architecture) -> dict[str, Any]:
    return {"loss": "sparse_categorical_crossentropy", "rate": 0.001, "batch": 32, "epochs": 30}


@dataclass(frozen=True)
class Study:
    """A study: its name and its data sets; everything else is there if it has networks or pictures.

    A complete one, in a file `logistic.py`. `raypipe generate --study logistic.py --split scan` makes its data set, in
    parallel, `raypipe draw --study logistic.py` its picture, and `catalog.open("logistic/scan")` opens it as xarray:

        import numpy as np
        from matplotlib.figure import Figure

        from raypipe.plan import Output, product, simulations
        from raypipe.study import DataSet, Picture, Study

        def simulate(r, x0):
            x = [x0]
            for _ in range(999):
                x.append(r * x[-1] * (1 - x[-1]))
            return {"x": np.array(x[-200:])}

        def draw(scan):
            figure = Figure()
            figure.add_subplot().plot(scan.r, scan.x, ",k")
            return figure

        points = product(r=np.linspace(2.5, 4, 600), x0=[0.3])
        scan = simulations(simulate, points, {"x": Output(("time",), (200,))})
        STUDY = Study("logistic", {"scan": DataSet(scan, labelled=False)}, pictures=(Picture("scan", draw),))

    Attributes:
        name: first part of the names of its data sets.
        data_sets: by split, the second part of their names.
        sample: what its networks see.
        networks: the architectures that can be trained by name, beside those of the grid.
        grid: architectures that differ in a few factors, which `train_grid` trains and `compare_grid` compares.
        training: from an architecture to how it is usually trained, as arguments of `networks.training.Training`; other
            ways by name, as `recipes`, have only the arguments that differ.
        augmentations: by name, functions from samples (sample, …) and a generator of random numbers to variants of the
            samples, for trainings that are `augmented`; the first is that which is meant if none is named.
        fresh: from an architecture and seeds (n,), int64 of 0 … 2⁶³ − 1, to new samples, one of each seed: inputs
            (n, *input_shape), float32, as the network takes them, and the numbers of their classes (n,), int64. With it
            networks can be trained on samples that are made meanwhile, and never seen twice.
        measures: from an architecture to a function that measures more than accuracy on the validation samples, of
            outputs (n, class) and labels (n,) to figures by name, of which those that are left out of an epoch are NaN
            in it; or to None, for the recall of each class.
        strata: coordinates of the samples by whose values metrics are broken down.
        notes: by stratum, what to know of some of its values, for pictures of the metrics.
        pictures: what `draw` and the report draw, in the order of the report.
        kind: what its samples are, in a word, such as "orbits", by which `catalog.search` finds them.
        axes: parameters of its scans in the order in which they become axes, the horizontal one first; by default that
            of their names.
        class_colours: by the name of a class its colour; by default as many that differ as there are classes.
        takes_files: the job that takes files of one's own, such as "classify_orbits", with flags `--name` for what is
            made of them and `--output` for a table beside which it writes a page; none if there is no such job.
    """

    name: str
    data_sets: Mapping[str, DataSet]
    sample: Sample | None = None
    networks: Sequence[Architecture] = ()
    grid: Grid | None = None
    training: Callable[[Architecture], Mapping[str, Any]] = _usual_training
    augmentations: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = field(default_factory=dict)
    fresh: Callable[[Architecture, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None
    measures: Callable[[Architecture], Measures | None] = lambda _: None
    strata: tuple[str, ...] = ()
    notes: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    kind: str = "samples"
    axes: tuple[str, ...] = ()
    class_colours: Mapping[str, str] = field(default_factory=dict)
    takes_files: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name) or self.name in RESERVED:
            raise InputError(
                f"a study cannot be called {self.name!r}; expected letters, digits, '_', '.' and '-', and none of "
                f"{', '.join(RESERVED)}"
            )

    @property
    def labelled(self) -> tuple[str, ...]:
        """Splits that networks can learn from."""
        return tuple(split for split, data_set in self.data_sets.items() if data_set.labelled)

    @property
    def seen(self) -> Sample:
        """What its networks see.

        Raises:
            InputError: if it has none.
        """
        if self.sample is None:
            raise InputError(f"the study {self.name} does not say what a network sees; give it a Sample")
        return self.sample

    @property
    def maker(self) -> Callable[[Architecture, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """What makes fresh samples for its networks, see `fresh`.

        Raises:
            InputError: if nothing does.
        """
        if self.fresh is None:
            raise InputError(f"the study {self.name} cannot make fresh samples; train on a data set")
        return self.fresh

    def declared(self, split: str) -> str | None:
        """Which of its data sets a split is, or is one of under a name of the user's: "scan" for "scan-zoom"."""
        if split in self.data_sets:
            return split
        return max((one for one in self.data_sets if re.fullmatch(f"{one}-.+", split)), key=len, default=None)

    def check(self, split: str, what: str = "split", *, labelled: bool = False) -> str:
        """A split of the study, if it is one; `labelled` asks for one that networks can learn from.

        Raises:
            InputError: if it is none.
        """
        among, declared = self.labelled if labelled else tuple(self.data_sets), self.declared(split)
        choice(what, declared if declared in among else split, among)
        return split

    def augmentation(self, name: str | None = None) -> str:
        """The name of one of its augmentations, without a name that of the first.

        Raises:
            InputError: if it has none of that name, or none at all.
        """
        if not self.augmentations:
            raise InputError(f"the study {self.name} has no augmentations; leave this out")
        return choice("augmentation", name or next(iter(self.augmentations)), tuple(self.augmentations))

    def plan(self, split: str, settings: Mapping[str, Any] | None = None) -> Plan:
        """The plan of one of its data sets.

        Args:
            split: of the study.
            settings: arguments of the function that plans it, see `DataSet`.

        Raises:
            InputError: if there is no such split or setting.
        """
        usual = self.settings(split)
        for name, value in (settings or {}).items():
            if name not in usual:
                possible = ", ".join(usual) or "none"
                raise InputError(f"{name} is not a setting of {self.name}/{split}; possible: {possible}")
            _check_type(name, value, usual[name])
        given = {name: one.tolist() if isinstance(one, np.ndarray) else one for name, one in (settings or {}).items()}
        bound = {**usual, **given}
        made = self._data_set(split).plan
        plan = made if isinstance(made, Plan) else made(**bound)
        card = self.data_sets[split].card if split in self.data_sets else None
        told = {**(card.attributes() if card else {}), "command": self.command(split, bound)}
        if card and told["command"] != card.command:  # nor does its summary tell what is set
            del told["summary"]
        return replace(
            plan,
            name=f"{self.name}/{split}",
            environment=_lock_beside(plan),
            parameters={**{name: value for name, value in bound.items() if value is not None}, **plan.parameters},
            attributes={
                "kind": self.kind,
                **told,
                **plan.attributes,
            },
        )

    def _data_set(self, split: str) -> DataSet:
        return self.data_sets[str(self.declared(self.check(split)))]

    def settings(self, split: str) -> dict[str, Any]:
        """What can be set of a data set when it is made, with the usual values.

        Raises:
            InputError: if there is no such split, or the function that plans it has an argument without a default.
        """
        plan = self._data_set(split).plan
        found = {} if isinstance(plan, Plan) else inspect.signature(plan).parameters
        for name, argument in found.items():
            if argument.default is argument.empty:
                raise InputError(
                    f"the argument {name} of the function that plans {self.name}/{split} has no default; expected one, "
                    f"the usual value: {name}=…"
                )
        return {name: argument.default for name, argument in found.items()}

    def command(self, split: str, settings: Mapping[str, Any] | None = None) -> str:
        """The command that makes one of its data sets, with what is set other than usual."""
        usual = self.settings(split) if settings else {}
        given = [f"{name}={_as_setting(value)}" for name, value in (settings or {}).items() if value != usual[name]]
        if not given and split in self.data_sets and (card := self.data_sets[split].card):
            return card.command
        own = [f" --set {shlex.quote(one)}" for one in given]
        return f"raypipe generate --study {_flag(self)} --split {split}{''.join(own)}"

    def job(self, name: str, **flags: str) -> str:
        """The command that runs a job for it, such as `raypipe train_network --study mine.py --network small`."""
        own = [] if self.name in built_in() else ["--study", _flag(self)]
        return " ".join(["raypipe", name, *own, *(f"--{flag} {value}" for flag, value in flags.items())])


def _check_type(name: str, value: Any, usual: Any) -> None:
    # What other values may be, such as sequences, the function knows.
    plain = type(usual) in (bool, int, float, str)
    if plain and type(value) is not type(usual) and (type(value), type(usual)) != (int, float):
        raise InputError(f"{name} is {value!r}; expected a value like the usual one, {usual!r}")


def setting(text: str) -> Any:
    """The value that a text stands for, as after `--set name=`: what is no TOML value, or is a date, is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, date | time) else value  # 20:50:10 is a range


def _as_setting(value: Any) -> str:
    """The text that stands for a value, see `setting`; texts that would stand for something else are quoted."""
    return value if isinstance(value, str) and setting(value) == value else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else str(value)


def _lock_beside(plan: Plan) -> str | None:
    """A plan's environment; if it is the lock file of an installed study, which lies beside its module, with folder."""
    name, module = plan.environment, None
    if name and name.endswith(".txt") and not modules.study_file():
        module = modules.source(plan.compute)
    return str(module.parent / name) if name and module and (module.parent / name).is_file() else name


def _flag(of: Study) -> str:
    """What --study names a study by: its file, if that is the chosen one."""
    file = modules.study_file()
    try:
        own = file is not None and of_file(file).name == of.name
    except (InputError, WorkError):  # as while the file is being loaded
        own = of.name not in built_in()
    return shlex.quote(str(file)) if file and own else of.name


@cache
def built_in() -> Mapping[str, Study]:
    """The studies that come with raypipe, by name."""
    names = (f"{studies.__name__}.{one.name}" for one in pkgutil.iter_modules(studies.__path__))
    found: list[Study] = [importlib.import_module(name).STUDY for name in names]
    return {study.name: study for study in found}


def _installed() -> dict[str, metadata.EntryPoint]:
    return {one.name: one for one in metadata.entry_points(group=ENTRY_POINTS)}


def of_file(file: Path) -> Study:
    """The study that a file defines as STUDY.

    Raises:
        InputError: if there is no such file, or it defines none.
        WorkError: if its code raises an exception.
    """
    try:
        with exits_told():
            module = modules.load(file)
    except InputError:
        raise
    except Exception as error:
        hint = "; for packages of your own, see docs/own_study.md" if isinstance(error, ImportError) else ""
        raise WorkError(f"{file}: {type(error).__name__}: {error}{hint}", own_traceback(error)) from error
    found = getattr(module, "STUDY", None)
    if not isinstance(found, Study):
        raise InputError(f"{file} must define STUDY, a raypipe.study.Study; it has {type(found).__name__}")
    return found


def chosen() -> Study | None:
    """The study that --study or STUDY_VARIABLE names, by its name or by its file; None if there is neither."""
    if file := modules.study_file():
        return of_file(file)
    name = os.environ.get(STUDY_VARIABLE)
    return find(name) if name else None


def choose(name_or_file: str) -> None:
    """Make a study the chosen one, here and in workers.

    Raises:
        InputError: if there is none.
    """
    os.environ[STUDY_VARIABLE] = name_or_file
    chosen()


def find(name: str) -> Study:
    """The study called `name`: that of the chosen file, one that comes with raypipe, or an installed one.

    Raises:
        InputError: if there is none.
    """
    file = modules.study_file()
    if file and (own := of_file(file)).name == name:
        return own
    if name in built_in():
        return built_in()[name]
    installed = _installed()
    if name in installed:
        try:
            found = installed[name].load()
        except Exception as error:  # whatever the code of another's package raises
            raise InputError(
                f"the installed study {name} cannot be loaded: {type(error).__name__}: {error}; install its package "
                "again, or remove it"
            ) from error
        if not isinstance(found, Study) or found.name != name:
            raise InputError(f"the entry point {name!r} of {ENTRY_POINTS} is {found!r}, not a study of that name")
        return found
    known = ", ".join([*([own.name] if file else []), *built_in(), *installed])
    raise InputError(f"unknown study {name!r}; known are {known}: name the file of another with --study")


def all_studies() -> list[Study]:
    """Every study that can be found, the chosen one first; an installed one that cannot be loaded is left out."""
    first = chosen()
    names = dict.fromkeys(chain([first.name] if first else [], built_in(), _installed()))
    found = []
    for name in names:
        try:
            found.append(find(name))
        except InputError as error:  # of an installed one
            logging.getLogger(__name__).warning("left out: %s", error)
    return found


def architecture(name: str) -> Architecture:
    """The architecture called `name`, of whatever study.

    Raises:
        InputError: if there is none of that name; the message lists what there is.
    """
    known = []
    for study in all_studies():
        own = {one.name: one for one in study.networks}
        if name in own:
            return own[name]
        if study.grid and name in study.grid.members:
            return study.grid.network(name)
        if names := [*own, *([study.grid.description] if study.grid else [])]:
            known.append(", ".join(names))
    raise InputError(f"unknown network {name!r}; expected one of {'; '.join(known)}")
