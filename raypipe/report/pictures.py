"""The pictures that a study defines, drawn for the data sets in the stores."""

import fnmatch
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from raypipe import catalog, study
from raypipe.errors import DamageError, InputError
from raypipe.report.holdings import Store, stores
from raypipe.report.page import Heading, Missing, Part, Picture, Section, Text, distinct

Settings = Mapping[str, Any]


def drawn(of: study.Study, settings: Settings | None = None) -> Iterator[Picture]:
    """Draw each picture of a study for each complete data set that it applies to.

    A figure is named after its data set, such as logistic-scan; a second one of the same data set is logistic-scan-2.

    Args:
        of: the study.
        settings: settings of the pictures, see `study.Picture`.

    Raises:
        InputError: if the study has no pictures; if there is no such setting; if there is no complete data set for any
            picture; or if a picture cannot be drawn with its settings. If pictures cannot be drawn for another reason,
            the error is raised after all others are drawn.
    """
    if not of.pictures:
        raise InputError(f"the study {of.name} defines no pictures; give it some, see raypipe.study.Picture")
    check([of], settings or {})
    lost: dict[str, str] = {}
    there = stores(lost)
    pairs = [(picture, one) for picture in of.pictures for one in _matching(picture, of, there)]
    if not pairs:
        wanted = ", ".join(dict.fromkeys(picture.of for picture in of.pictures))
        raise InputError(f"no complete data set for the pictures of {of.name}, which show {wanted}; make those first")

    def parts() -> Iterator[Picture]:
        for picture, one in pairs:
            try:
                found = _parts(picture, one, settings or {})
            except InputError as error:
                if _own(picture, settings or {}) and not isinstance(error, DamageError):
                    raise
                lost[one.name] = str(error)
                continue
            yield from (part for part in found if isinstance(part, Picture))

    yield from distinct(parts())
    if lost:
        raise InputError(f"some pictures could not be drawn: {'; '.join(f'{n}: {why}' for n, why in lost.items())}")


def of_data_set(of: study.Study, name: str, settings: Settings | None = None) -> Iterator[Picture]:
    """Draw the pictures that a study has of one data set, first those that the settings apply to.

    There are none if the study has no such pictures, or the data set is not complete. Settings that none has are
    ignored, see `check`.
    """
    there = [one for one in stores() if one.name == name]
    for picture in sorted(of.pictures, key=lambda one: not _own(one, settings or {})):
        for one in _matching(picture, of, there):
            yield from (part for part in _parts(picture, one, settings or {}) if isinstance(part, Picture))


def named(of: study.Study, data_set: Store) -> dict[str, study.Picture]:
    """Return a study's pictures of one complete data set, by the names of their functions: phase-diagram, …"""
    found = [picture for picture in of.pictures if _matching(picture, of, [data_set])]
    return {picture.function.__name__.replace("_", "-"): picture for picture in found}


def figures(picture: study.Picture, data_set: Store, settings: Settings | None = None) -> list[Figure]:
    """Return the figures of a picture of a data set.

    Raises:
        InputError: if there is no such setting, or the picture cannot be drawn.
    """
    _refuse_others(settings or {}, picture.settings, "this picture")
    return [part.figure for part in _parts(picture, data_set, settings or {}) if isinstance(part, Picture)]


def sections(of: study.Study, there: Iterable[Store], settings: Settings) -> Iterator[Section]:
    """Draw the pictures of a study as sections of the report; a picture that cannot be drawn is replaced by the reason.

    Raises:
        InputError: if a picture cannot be drawn with its settings.
    """
    by_title: dict[str, list[Part]] = {}
    for picture in of.pictures:
        parts = by_title.setdefault(picture.section or of.name, [])
        found = _matching(picture, of, there)
        if not found:
            parts.append(Missing(f"No complete {picture.of} yet. To make it:", _commands(picture, of)))
        for one in found:
            try:
                parts += _parts(picture, one, settings)
            except Exception as error:
                mistake = isinstance(error, InputError) and not isinstance(error, DamageError)
                if mistake and _own(picture, settings):
                    raise
                reason = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
                parts.append(Text(f"{one.name} could not be drawn. {reason.removeprefix('raypipe.errors.')}"))
    for title, parts in by_title.items():
        yield Section(title.lower().replace(" ", "-"), title, parts)


def check(studies: Iterable[study.Study], settings: Settings) -> None:
    """Check that each setting is one of the studies' pictures.

    Raises:
        InputError: if one is not.
    """
    if settings:
        possible = {name for of in studies for picture in of.pictures for name in picture.settings}
        _refuse_others(settings, sorted(possible), "these pictures")


def _refuse_others(settings: Settings, possible: Iterable[str], of: str) -> None:
    for name in settings:
        if name not in possible:
            raise InputError(f"{name} is not a setting of {of}; possible: {', '.join(possible) or 'none'}")


def _matching(picture: study.Picture, of: study.Study, there: Iterable[Store]) -> list[Store]:
    """Return the complete data sets that a picture applies to."""
    return [
        one
        for one in there
        if one.complete
        and not one.is_control
        and one.study == of.name
        and fnmatch.fnmatchcase(_declared(one.name.removeprefix(f"{of.name}/"), of), picture.of)
    ]


def _declared(name: str, of: study.Study) -> str:
    """Replace a split that the user named, as in predictions/small/scan-zoom, with the study's name for it."""
    before, slash, split = name.rpartition("/")
    return before + slash + (of.declared(split) or split)


def _own(picture: study.Picture, settings: Settings) -> Settings:
    """Return the settings that apply to one picture."""
    return {name: settings[name] for name in picture.settings if name in settings} if settings else {}


def _parts(picture: study.Picture, of: Store, settings: Settings) -> list[Part]:
    """Return the parts that a picture makes of a data set, completely drawn, as some mistakes only show then."""
    made = picture.function(catalog.open(of.name), **_own(picture, settings))
    if isinstance(made, Figure):
        made = [Heading(of.title), Picture(of.name, made, picture.caption or of.title)]
    if not isinstance(made, Iterable):
        raise InputError(f"draw returned {made!r}; expected a matplotlib figure, or parts of raypipe.report.page")
    parts: list[Part] = []
    for part in made:
        if not isinstance(part, Part):
            raise InputError(f"draw returned a part {part!r}; expected parts of raypipe.report.page")
        if isinstance(part, Picture):
            part = replace(part, name=re.sub("[/ ]", "-", part.name))
            part.png  # noqa: B018
        parts.append(part)
    return parts


def _commands(picture: study.Picture, of: study.Study) -> tuple[str, ...]:
    splits = [split for split in of.data_sets if fnmatch.fnmatchcase(split, picture.of)]
    return picture.commands or tuple(of.command(split) for split in splits)
