"""The report's page: its parts, and how they become one self-contained HTML file."""

import base64
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from raypipe.plot.style import raster


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    text: str


@dataclass(frozen=True)
class Heading:
    """The title of a part of a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Tiles:
    """A few key figures side by side, each with a name and a number."""

    kind: ClassVar = "tiles"
    figures: Mapping[str, int]


@dataclass(frozen=True)
class Table:
    """Rows of values under a header: integers with thousands separators, floats with three decimals, None as a dash."""

    kind: ClassVar = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Facts:
    """Named values, collapsed under a title."""

    kind: ClassVar = "facts"
    title: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Missing:
    """What does not exist yet, and the commands that make it."""

    kind: ClassVar = "missing"
    text: str
    commands: Sequence[str]


@dataclass(frozen=True)
class Cells:
    """Texts for the cells of a picture, shown when the mouse points at them.

    The first axes of the figure, or the part of it within `extent` (left, right, bottom, top, in the units of the
    axes), is divided into `columns` equal columns and as many rows as `texts` fills, row by row from the top. A cell
    with an empty text shows nothing. If cells show single samples, `samples` has their numbers, -1 where there is none.
    """

    columns: int
    texts: Sequence[str]
    extent: tuple[float, float, float, float] | None = None
    samples: Sequence[int] | None = None


@dataclass(frozen=True)
class Picture:
    """A figure with its caption; `name` is the name of its file without the ending, `palette` is as in `raster`."""

    kind: ClassVar = "picture"
    name: str
    figure: Figure
    caption: str
    cells: Cells | None = None
    palette: bool = False

    @cached_property
    def png(self) -> bytes:
        """The figure as a PNG file."""
        file = io.BytesIO()
        raster(self.figure, palette=self.palette).save(file, "PNG")
        return file.getvalue()

    def pointing(self, cells: Cells) -> dict[str, Any]:
        """Return where the cells are in the picture, as fractions of its size, for the page's script; draw it first."""
        axes = self.figure.axes[0]
        box = axes.get_position()
        if cells.extent:
            left, right, bottom, top = cells.extent
            corners = axes.transData.transform([(left, bottom), (right, top)])
            box = Bbox(self.figure.transFigure.inverted().transform(corners))
        return {
            "left": box.x0,
            "top": 1 - box.y1,
            "width": box.width,
            "height": box.height,
            "columns": cells.columns,
            "texts": list(cells.texts),
        }


Part = Text | Heading | Tiles | Table | Facts | Missing | Picture


@dataclass(frozen=True)
class Section:
    """A section of the page; `name` is the target of links."""

    name: str
    title: str
    parts: Sequence[Part]


Named = TypeVar("Named", Picture, Section)


def distinct(parts: Iterable[Named]) -> Iterator[Named]:
    """Give pictures or sections unique names: a second "scan" is renamed to "scan-2"."""
    taken: set[str] = set()
    for part in parts:
        name, number = part.name, 1
        while name in taken:
            number += 1
            name = f"{part.name}-{number}"
        taken.add(name)
        yield part if name == part.name else replace(part, name=name)


def render(
    title: str, sections: Sequence[Section], *, version: str, subtitle: str = ""
) -> tuple[str, dict[str, bytes]]:
    """Return the page as HTML with embedded pictures, and the pictures by name as PNG files."""
    named = distinct(part for section in sections for part in section.parts if isinstance(part, Picture))
    sections = [
        replace(section, parts=[next(named) if isinstance(part, Picture) else part for part in section.parts])
        for section in distinct(sections)
    ]
    pictures = {part.name: part.png for section in sections for part in section.parts if isinstance(part, Picture)}
    environment = Environment(
        loader=PackageLoader("raypipe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    html = environment.get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        version=version,
        sources={name: base64.b64encode(png).decode() for name, png in pictures.items()},
    )
    return html, pictures


def _number(value: str | int | float | None) -> str:
    match value:
        case None:
            return "–"
        case int():
            return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        case float():
            return f"{value:.3f}"
    return value
