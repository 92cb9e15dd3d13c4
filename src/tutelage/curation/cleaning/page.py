"""The page of a cleaning: what was found, with pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tutelage.core.colors import as_rgb
from tutelage.core.names import counted, shown
from tutelage.curation.cleaning.faults import MEANS, Fault, Kind, by_name
from tutelage.curation.cleaning.pictures import Pictures
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Unreadable
from tutelage.data.images.survey import read_pixels
from tutelage.results.report.blocks import Block, Gallery, Page, Section, Text, Thumbnail, Tile, Tiles

SHOWN = 24  # pictures of each kind of fault
_SIDE, _GAP = 168, 4  # pixels


def cleaning_page(pictures: Pictures, faults: Sequence[Fault], source: str, described: str, *, workers: int) -> Page:
    """A section for each kind of fault, with the first images of it; copies are shown beside their originals.

    Args:
        source: the name of the set.
        described: what images were compared by.
    """
    groups = by_name(faults)
    wanted = [fault for own in groups.values() for fault in own[:SHOWN]]
    drawn = _read(pictures, {path for fault in wanted for path in (fault.path, fault.other) if path}, workers)
    sections = [Section("Overview", _overview(pictures, groups, described))]
    for number, (name, own) in enumerate(groups.items()):
        sections.append(Section(name.capitalize(), tuple(_blocks(own, f"fault-{number}", pictures, drawn))))
    return Page(f"What is wrong with {shown(source)}", counted(len(pictures.items), "image"), tuple(sections))


def _overview(pictures: Pictures, groups: dict[str, list[Fault]], described: str) -> tuple[Block, ...]:
    if not groups:
        return (Text("Nothing was found."), Text(f"Images were compared by {described}.", muted=True))
    tiles = tuple(Tile(name, f"{len(own):,}") for name, own in groups.items())
    notes = [
        "Each of these is a suspicion: look before you act on it. No file was changed.",
        f"Images were compared by {described}.",
    ]
    scored = pictures.learned
    if scored:
        notes.append(f"{counted(scored, 'test or validation image')} were compared with the others to find copies.")
    return (Tiles(tiles), *(Text(note, muted=number > 0) for number, note in enumerate(notes)))


def _blocks(faults: Sequence[Fault], name: str, pictures: Pictures, drawn: dict[str, np.ndarray]) -> list[Block]:
    said = MEANS[faults[0].kind]
    more = f" The first {SHOWN} of {len(faults)} are shown; the table has all." if len(faults) > SHOWN else ""
    labels = {path: item.label for path, item in zip(pictures.paths, pictures.items, strict=True)}
    thumbnails = [
        Thumbnail(_picture([drawn[path] for path in (fault.path, fault.other) if path in drawn]), _lines(fault, labels))
        for fault in faults[:SHOWN]
        if fault.path in drawn
    ]
    blocks: list[Block] = [Text(said + more, muted=True)]
    if thumbnails:
        blocks.append(Gallery(name, tuple(thumbnails), pairs=any(fault.other for fault in faults)))
    else:
        blocks += [Text(f"{shown(fault.path)}: {shown(fault.suggestion)}") for fault in faults[:SHOWN]]
    return blocks


def _lines(fault: Fault, labels: dict[str, str | None]) -> tuple[str, ...]:
    label = labels.get(fault.path)
    lines = [shown(fault.suggestion or fault.name)]
    lines += [f"given: {shown(label)}"] if label is not None else []
    lines += [f"margin {fault.score:.2f} of 1"] if fault.kind is Kind.WRONG_LABEL else []
    lines.append(shown(fault.path))
    return tuple([*lines, f"= {shown(fault.other)}"] if fault.other else lines)


def _read(pictures: Pictures, paths: set[str], workers: int) -> dict[str, np.ndarray]:
    """(C, side, side) uint8 of some images, whole, by their path."""
    rows = [row for row, path in enumerate(pictures.paths) if path in paths]
    items = [pictures.items[row] for row in rows]
    images = read_pixels(
        items, size=_SIDE, channels=pictures.channels, framing=Framing(mode="pad"), workers=max(workers, 1)
    )
    return {
        pictures.paths[row]: image for row, image in zip(rows, images, strict=True) if not isinstance(image, Unreadable)
    }


def _picture(images: Sequence[np.ndarray]) -> bytes:
    """One picture, or two side by side, as JPEG: a page with PNG files would be six times as large."""
    paper = Image.new("RGB", (_SIDE * len(images) + _GAP * (len(images) - 1), _SIDE), "gray")
    for number, image in enumerate(images):
        paper.paste(Image.fromarray(as_rgb(image)), ((_SIDE + _GAP) * number, 0))
    stream = io.BytesIO()
    paper.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def page_beside(table: Path) -> Path:
    """The page that belongs to a table of faults."""
    return table.with_suffix(".html")
