"""Define studies and find them: built in, installed as a package, or in a user's file.

A study contains everything that is specific to one science: its data sets and how to plan them, its networks, their
input and usual training, and its pictures. The rest of raypipe gets all of this from the study and names none itself.
"""

import importlib
import inspect
import json
import logging
import os
import pkgutil
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
from raypipe.errors import InputError, WorkError, check_name, choice, exits_told, own_traceback
from raypipe.modules import ENTRY_POINTS, STUDY_VARIABLE
from raypipe.networks.architecture import Architecture
from raypipe.networks.grid import Grid
from raypipe.store import Plan

RESERVED = ("predictions", "relevance", "saliency", "refined", "features", "novelty", "networks", "training", "tracks")
"""Names that no study may have: they are the first part of the names of derived data."""


Measures = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]
"""Function that returns figures by name from the network outputs (n, class), the class numbers (n,), and the size of
each sample's input along its first axis (n,), such as its length."""


@dataclass(frozen=True)
class DataSet:
    """One data set of a study.

    Attributes:
        plan: the plan, or a function that returns the plan. All arguments of this function must have defaults; they are
            the settings that can be changed with `--set name=value` when the data set is made. The plan need not
            contain its name (study and split) or the settings in its parameters: both are added, except settings that
            are None. A data set under a user's name, such as "scan-zoom" for "scan", has the same plan.
        labelled: whether networks can learn from it.
        card: what the data set is and what to cite, for those who open it.
    """

    plan: Plan | Callable[..., Plan]
    labelled: bool = True
    card: Card | None = None


@dataclass(frozen=True)
class AnyLength:
    """Describes how samples of any length are fed to networks that accept them, in groups of similar length.

    The data sets' variable `length` holds the number of points of each sample; the values after these are NaN.

    Attributes:
        size: function from lengths (n,) to group sizes (n,), such as padded lengths. Samples of equal size form a
            group.
        prepare: function from the values (n, time, …) of a group and their lengths (n,) to the network's input,
            float32.
        misfit: function from an architecture and the shape (time, …) of a data set's samples to the reason why the
            network cannot take them, such as "has tracks in 2 dimensions", or None.
        baselines: function from a network's input for one sample, (time, channel), to the baselines of explanations:
            the input for a sample in which nothing happens, (1, time, channel).
        before: number of points at the start of a sample for which the network's input has no value.
        points_per_shard: points classified in one shard, if every sample counts as many as the longest one.
    """

    size: Callable[[np.ndarray], np.ndarray]
    prepare: Callable[[np.ndarray, np.ndarray], np.ndarray]
    misfit: Callable[[Architecture, tuple[int, ...]], str | None] = lambda *_: None
    baselines: Callable[[np.ndarray], np.ndarray] = lambda taken: np.zeros_like(taken)[None]
    before: int = 0
    points_per_shard: int = 2**19


@dataclass(frozen=True)
class Sample:
    """Describes how a sample becomes the input of a network.

    Attributes:
        variable: name of the variable that holds the samples in the data sets.
        dims: its dimensions, the first of which is "sample". Along a dimension "frame", a network sees only the frames
            that it names.
        prepare: function from values (sample, …) to the network's input, of the same shape.
        per_shard: number of samples classified in one shard: one to two seconds of work.
        draw: function that draws one sample, labelled with its parameters; it takes matplotlib axes and a sample of an
            open data set (xarray). A text "module:function" is imported when needed. By default, sequences are drawn as
            lines and fields as images, with the last of several frames.
        any_length: how samples of any length are handled, for networks whose first input size is None.
    """

    variable: str
    dims: tuple[str, ...]
    per_shard: int = 256
    prepare: Callable[[np.ndarray], np.ndarray] = lambda values: values
    draw: Callable[..., None] | str | None = None
    any_length: AnyLength | None = None

    @property
    def is_sequence(self) -> bool:
        """Whether samples are sequences; otherwise they are fields."""
        return len(self.dims) == 2

    @property
    def drawing(self) -> Callable[..., None] | None:
        """The function that draws a sample, or None if the study has none."""
        return modules.function(self.draw) if isinstance(self.draw, str) else self.draw


@dataclass(frozen=True)
class Picture:
    """A picture of a study's data sets, for `draw` and for the report.

    Attributes:
        of: name of the data sets to draw, without the study's name, such as "scan"; or of derived data, such as
            "predictions/*/scan" ("*" stands for any name).
        draw: function from an open data set (xarray) to a matplotlib figure, or to parts of the report's page, such as
            figures with their own captions, texts and tables (see `report.page`). Its other arguments must have
            defaults; they can be set with `--set name=value`. A text "module:function" is imported when needed.
        caption: what the picture shows.
        section: title of the report section for the picture; by default the study's name.
        commands: commands that make the data sets, shown while these are missing; not needed for a split of the study.
    """

    of: str
    draw: Callable[..., Any] | str
    caption: str = ""
    section: str = ""
    commands: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        """The function that draws the picture."""
        return modules.function(self.draw) if isinstance(self.draw, str) else self.draw

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings."""
        return tuple(inspect.signature(self.function).parameters)[1:]


def _usual_training(_: Architecture) -> dict[str, Any]:
    return {"loss": "sparse_categorical_crossentropy", "rate": 0.001, "batch": 32, "epochs": 30}


@dataclass(frozen=True)
class Study:
    """A study: its name and data sets; the other attributes are needed only for networks and pictures.

    A complete study, in a file `logistic.py`. `raypipe generate --study logistic.py --split scan` makes its data set in
    parallel, `raypipe draw --study logistic.py` draws its picture, and `catalog.open("logistic/scan")` opens the data
    set as xarray:

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
        name: name of the study, the first part of the names of its data sets.
        data_sets: its data sets by split, the second part of their names.
        sample: how its samples become the input of networks.
        networks: architectures that can be trained by name, in addition to those of the grid.
        grid: architectures that differ in a few factors; `train_grid` trains them and `compare_grid` compares them.
        training: function from an architecture to its usual training, as arguments of `networks.training.Training`. An
            entry `recipes` holds alternatives by name, each with only the arguments that differ.
        augmentations: functions by name, each from samples (sample, …) and a random generator to variants of the
            samples, for training with augmentation. The first is the default.
        fresh: function from an architecture and seeds (n,), int64 in 0 … 2⁶³ − 1, to one new sample per seed: inputs
            (n, *input_shape), float32, ready for the network, and class numbers (n,), int64. It allows training on
            samples that are generated on the fly and never seen twice.
        measures: function from an architecture to a `Measures` function, which computes further figures besides
            accuracy on the validation samples, or to None for the recall of each class. A figure that is missing in an
            epoch is recorded as NaN.
        strata: coordinates of the samples, numbers or texts, by whose values metrics are broken down.
        notes: for each stratum, remarks on some of its values, shown in pictures of the metrics.
        pictures: pictures for `draw` and the report, in the order of the report.
        kind: what its samples are, in one word, such as "orbits"; `catalog.search` can filter by it.
        axes: parameters of its scans in the order in which they become axes, the horizontal one first; by default
            alphabetical.
        class_colours: colour of each class by name; classes without one get distinct default colours.
        takes_files: name of the job that processes a user's files, such as "classify_orbits", or empty. This job must
            have the flags `--name`, for the resulting data, and `--output`, for a table; it writes a page next to that
            table.
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
        if check_name("a study", self.name) in RESERVED:
            raise InputError(f"{self.name!r} cannot name a study; expected none of {', '.join(RESERVED)}")

    @property
    def labelled(self) -> tuple[str, ...]:
        """Splits that networks can learn from."""
        return tuple(split for split, data_set in self.data_sets.items() if data_set.labelled)

    @property
    def seen(self) -> Sample:
        """How its samples become the input of networks.

        Raises:
            InputError: if the study does not define this.
        """
        if self.sample is None:
            raise InputError(f"the study {self.name} does not say what a network sees; give it a Sample")
        return self.sample

    @property
    def maker(self) -> Callable[[Architecture, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """The function that makes fresh samples for its networks, see `fresh`.

        Raises:
            InputError: if the study has none.
        """
        if self.fresh is None:
            raise InputError(f"the study {self.name} cannot make fresh samples; train on a data set")
        return self.fresh

    def declared(self, split: str) -> str | None:
        """The data set that a split belongs to: itself, or "scan" for a user's "scan-zoom"; None if there is none."""
        if split in self.data_sets:
            return split
        of = [one for one in self.data_sets if split.startswith(f"{one}-") and len(split) > len(one) + 1]
        return max(of, key=len, default=None)

    def check(self, split: str, what: str = "split", *, labelled: bool = False) -> str:
        """Return `split` if it is a split of the study; `labelled` requires one that networks can learn from.

        Raises:
            InputError: if it is not.
        """
        among, declared = self.labelled if labelled else tuple(self.data_sets), self.declared(split)
        choice(what, declared if declared in among else split, among)
        return split

    def augmentation(self, name: str | None = None) -> str:
        """Name of one of its augmentations; without `name`, the first.

        Raises:
            InputError: if there is no such augmentation, or none at all.
        """
        if not self.augmentations:
            raise InputError(f"the study {self.name} has no augmentations; leave this out")
        return choice("augmentation", name or next(iter(self.augmentations)), tuple(self.augmentations))

    def plan(self, split: str, settings: Mapping[str, Any] | None = None) -> Plan:
        """Plan one of its data sets.

        Args:
            split: split of the study.
            settings: arguments of the function that plans it, see `DataSet`.

        Raises:
            InputError: if there is no such split or setting, or a setting has the wrong type; also if the split's name
                has other characters than letters, digits, '.', '_' and '-'.
        """
        usual = self.settings(split)
        check_name("a split", split)
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
        if card and told["command"] != card.command:  # its summary describes the usual settings
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
        """Settings that can be changed when a data set is made, with their usual values.

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
        """The command that makes one of its data sets, including the settings that differ from the usual ones."""
        usual = self.settings(split) if settings else {}
        given = [f"{name}={_as_setting(value)}" for name, value in (settings or {}).items() if value != usual[name]]
        if not given and split in self.data_sets and (card := self.data_sets[split].card):
            return card.command
        own = [f" --set {shlex.quote(one)}" for one in given]
        return f"raypipe generate --study {_flag(self)} --split {split}{''.join(own)}"

    def job(self, name: str, **flags: str) -> str:
        """The command that runs a job for the study, such as `raypipe evaluate --study mine.py --network small`."""
        own = [] if self.name in built_in() else ["--study", _flag(self)]
        return " ".join(["raypipe", name, *own, *(f"--{flag} {value}" for flag, value in flags.items())])


def _check_type(name: str, value: Any, usual: Any) -> None:
    # Other values, such as sequences, are checked by the function itself.
    plain = type(usual) in (bool, int, float, str)
    if plain and type(value) is not type(usual) and (type(value), type(usual)) != (int, float):
        raise InputError(f"{name} is {value!r}; expected a value like the usual one, {usual!r}")


def setting(text: str) -> Any:
    """Parse a value as given in `--set name=value`: as TOML; if it is not TOML, or a date or time, it stays a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, date | time) else value  # 20:50:10 is a range


def _as_setting(value: Any) -> str:
    """Format a value for `--set`, the inverse of `setting`; texts that would be parsed as something else are quoted."""
    return value if isinstance(value, str) and setting(value) == value else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else str(value)


def _lock_beside(plan: Plan) -> str | None:
    """A plan's environment; a lock file next to the module of an installed study is returned with its folder."""
    name, module = plan.environment, None
    if name and name.endswith(".txt") and not modules.study_file():
        module = modules.source(plan.compute)
    return str(module.parent / name) if name and module and (module.parent / name).is_file() else name


def _flag(of: Study) -> str:
    """Value of --study for a study: the chosen file if it defines this study, else its name."""
    file = modules.study_file()
    try:
        own = file is not None and of_file(file).name == of.name
    except (InputError, WorkError):  # for example while the file is being loaded
        own = of.name not in built_in()
    return shlex.quote(str(file)) if file and own else of.name


@cache
def built_in() -> Mapping[str, Study]:
    """The studies that are shipped with raypipe, by name."""
    names = (f"{studies.__name__}.{one.name}" for one in pkgutil.iter_modules(studies.__path__))
    found: list[Study] = [importlib.import_module(name).STUDY for name in names]
    return {study.name: study for study in found}


def _installed() -> dict[str, metadata.EntryPoint]:
    return {one.name: one for one in metadata.entry_points(group=ENTRY_POINTS)}


def of_file(file: Path) -> Study:
    """The study that a file defines as STUDY.

    Raises:
        InputError: if there is no such file, or it does not define a study.
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
    """The study that --study or STUDY_VARIABLE names, by name or by file, or None if neither is given."""
    if file := modules.study_file():
        return of_file(file)
    name = os.environ.get(STUDY_VARIABLE)
    return find(name) if name else None


def choose(name_or_file: str) -> None:
    """Select a study, in this process and in workers.

    Raises:
        InputError: if there is no such study.
        WorkError: if the code of its file raises an exception.
    """
    os.environ[STUDY_VARIABLE] = name_or_file
    chosen()


def find(name: str) -> Study:
    """Find a study by name: in the chosen file, among those shipped with raypipe, or among installed packages.

    Raises:
        InputError: if there is none.
        WorkError: if the code of the chosen file raises an exception.
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
        except Exception as error:  # the code of another package may raise anything
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
    """All available studies, the chosen one first; an installed one that cannot be loaded is skipped with a warning."""
    first = chosen()
    names = dict.fromkeys(chain([first.name] if first else [], built_in(), _installed()))
    found = []
    for name in names:
        try:
            found.append(find(name))
        except InputError as error:  # from an installed study
            logging.getLogger(__name__).warning("left out: %s", error)
    return found


def architecture(name: str) -> Architecture:
    """Find an architecture by name, in any study.

    Raises:
        InputError: if there is none with that name; the message lists those available.
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
