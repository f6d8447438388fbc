"""The pictures that a study defines, drawn of the data sets that are there."""

import fnmatch
from collections.abc import Iterator

from raypipe import catalog, store, study
from raypipe.errors import InputError
from raypipe.report.page import Picture


def drawn(of: study.Study) -> Iterator[Picture]:
    """Each picture of a study for each complete data set that it is of.

    Raises:
        InputError: if the study has no pictures, or there is no complete data set for any of them.
    """
    if not of.pictures:
        raise InputError(f"the study {of.name} defines no pictures; give it some, see raypipe.study.Picture")
    names = [name for name in store.list_names() if not store.missing(name) and _study_of(name) == of.name]
    count = 0
    for picture in of.pictures:
        for name in names:
            if fnmatch.fnmatchcase(name.removeprefix(f"{of.name}/"), picture.of):
                count += 1
                of_what = f"{name.replace('/', '-')}"
                same = [one for one in of.pictures if one.of == picture.of]
                suffix = f"-{same.index(picture) + 1}" if len(same) > 1 else ""
                yield Picture(of_what + suffix, picture.draw(catalog.open(name)), picture.caption)
    if not count:
        wanted = ", ".join(sorted({picture.of for picture in of.pictures}))
        raise InputError(f"no complete data set for the pictures of {of.name}, which are of {wanted}; make those first")


def _study_of(name: str) -> str:
    """The study that a data set belongs to, or that the network is of which made it."""
    source = store.plan_of(name).parameters.get("source", name)
    return str(source).partition("/")[0]
