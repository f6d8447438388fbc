"""Data sets by name: opening them, and the cards of those that raypipe's own studies make.

from raypipe import catalog
catalog.open("logistic/scan").x.mean("time")
"""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from raypipe import store
from raypipe.errors import InputError, choice, one_line

if TYPE_CHECKING:
    import xarray


DATA_CATALOG = Path(__file__).parent / "data_catalog"
"""Folder of the tables and cards, a folder in it for each study."""


class Card(BaseModel):
    """What a data set is, how it is made and whom to cite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    summary: str
    command: str
    references: str

    def attributes(self) -> dict[str, str]:
        """What a store of this data set says of itself."""
        return self.model_dump(exclude={"name"})


def cards() -> tuple[Card, ...]:
    """All cards of data_catalog/, by name.

    Raises:
        InputError: if a file there is none.
    """
    return tuple(_card(file) for file in sorted(DATA_CATALOG.glob("*/*.toml")))


def _card(file: Path) -> Card:
    try:
        return Card(**tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # of TOML, text and pydantic
        raise InputError(
            f"{file} is no card of a data set: {one_line(error)}; mend it, or install raypipe again"
        ) from error


def card(name: str) -> Card:
    """Card of a data set.

    Raises:
        InputError: if there is none of that name.
    """
    by_name = {one.name: one for one in cards()}
    return by_name[choice("data set", name, tuple(by_name))]


def search(text: str = "") -> tuple[Card, ...]:
    """Cards whose name, title or summary contains a text, whatever its case."""
    wanted = text.casefold()
    return tuple(card for card in cards() if wanted in f"{card.name} {card.title} {card.summary}".casefold())


def open(name: str, *, partial: bool = False) -> "xarray.Dataset":
    """Open a data set lazily, by name: `logistic/scan`, `predictions/small/test`, …

    Args:
        name: of the data set below the root, RAYPIPE_STORE or ./store.
        partial: also if it is not complete; what is missing reads as NaN, or -1 where values are integers.

    Raises:
        InputError: if it is not there or not complete; the message says what to do.
    """
    return store.open(name, partial=partial)
