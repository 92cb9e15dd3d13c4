"""The building blocks of a report, independent of HTML and Markdown. All text is plain; the templates escape it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Text:
    """A paragraph; a `muted` one says where a number comes from or why something is missing."""

    kind: ClassVar[str] = "text"
    text: str
    muted: bool = False


@dataclass(frozen=True)
class Finding:
    """A box with a headline and reasons, each with what to try; the color of its edge shows the tone."""

    kind: ClassVar[str] = "finding"
    headline: str
    reasons: tuple[tuple[str, str], ...] = ()
    tone: Literal["good", "plain", "bad"] = "plain"


@dataclass(frozen=True)
class Tile:
    """A key number: what it is, its value, and a note on it."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Tiles:
    """Numbers side by side."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Plot:
    """A plot: `inline` is SVG for the page, `svg` and `png()` are complete files."""

    kind: ClassVar[str] = "plot"
    name: str  # of its files
    title: str
    caption: str
    inline: str
    svg: bytes
    png: Callable[[], bytes]
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `share` in [0, 1] is drawn as a bar behind the text."""

    text: str
    share: float | None = None
    mono: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells. The first `texts` columns are text, the others numbers; a `half` table takes half the width."""

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    texts: int = 1
    half: bool = False


@dataclass(frozen=True)
class Thumbnail:
    """A small picture (PNG or JPEG) with lines below it; the first is set in bold."""

    png: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Thumbnails, in their order; `pairs` are twice as wide as high."""

    kind: ClassVar[str] = "gallery"
    name: str
    thumbnails: tuple[Thumbnail, ...]
    pairs: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture (PNG) at full size."""

    kind: ClassVar[str] = "picture"
    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Point:
    """A point of a map: its position in percent from the left and the top, its marker, and its label.

    `series` is the number of a color, from 1, or 0 for none; `shape` is 0 to 3; `ring` marks it.
    """

    left: float
    top: float
    series: int
    shape: int
    text: str
    ring: bool = False


@dataclass(frozen=True)
class PointMap:
    """Points with pictures: point i shows picture i of a sheet (JPEG). `plot` is the map without pictures.

    `legend` holds names with the color and shape of their points; `columns` is the number of pictures in a row of the
    sheet.
    """

    kind: ClassVar[str] = "map"
    plot: Plot
    points: tuple[Point, ...]
    legend: tuple[tuple[str, int, int], ...]
    sheet: bytes
    columns: int


@dataclass(frozen=True)
class Code:
    """Text to copy into a terminal."""

    kind: ClassVar[str] = "code"
    text: str


Block = Text | Finding | Tiles | Plot | Table | Gallery | Picture | PointMap | Code


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading; a `folded` one opens on click."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True)
class Chapter:
    """The sections about one run in a report on several."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Page:
    """A report: its sections, then a chapter per run if there are several."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    chapters: tuple[Chapter, ...] = field(default=())

    def all_blocks(self) -> list[Block]:
        """Every block, in order."""
        sections = [*self.sections, *(section for chapter in self.chapters for section in chapter.sections)]
        return [block for section in sections for block in section.blocks]
