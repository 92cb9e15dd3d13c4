"""What a page on predictions shows of their reasons: heat maps, and the labeled images that an image looks like."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from tutelage.core.colors import as_rgb
from tutelage.core.errors import TutelageError
from tutelage.core.names import shown
from tutelage.data.images.inventory import list_image_parts
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels
from tutelage.inference.images.doubt import LIKE
from tutelage.inference.images.explain.folder import HeatMaps
from tutelage.inference.images.explain.pictures import THUMBNAIL, jpeg
from tutelage.inference.images.model import Model
from tutelage.inference.images.predict import WrittenTable
from tutelage.results.report.blocks import Block, Gallery, Section, Text, Thumbnail
from tutelage.results.report.galleries import SHOWN, said_class
from tutelage.run.run_record import RunRecord

_HALF = THUMBNAIL // 2


def reason_sections(model: Model, written: WrittenTable) -> list[Section]:
    """Why the least certain images got their class, if heat maps were made."""
    if written.heat is None:
        return []
    note = "The brighter, the more this part speaks for the class above it. If nothing is bright, nothing does."
    sections = [Section("What speaks for the class", (Text(note, muted=True), _maps(model, written, written.heat)))]
    if any(LIKE in prediction.more for prediction in written.predictions):
        sections.append(Section("Labeled images they look like", _alike(model, written, written.heat)))
    return sections


def _maps(model: Model, written: WrittenTable, heat: HeatMaps) -> Gallery:
    made = [
        Thumbnail(
            picture, (said_class(model.classes[one.predicted], one.confidence), shown(written.items[one.row].name))
        )
        for one, picture in zip(heat.shown[:SHOWN], heat.thumbnails, strict=False)
    ]
    return Gallery("heat-maps", tuple(made), pairs=True)


def _alike(model: Model, written: WrittenTable, heat: HeatMaps) -> tuple[Block, ...]:
    """Each image beside the labeled ones, or the names of these alone if their pictures are gone."""
    chosen = heat.shown[:SHOWN]
    names = [written.predictions[one.row].more.get(LIKE, ()) for one in chosen]
    known, missing = _labeled(model, {name for some in names for name in some})
    pictures = _pictures(model, known)
    made = []
    for one, some, picture in zip(chosen, names, heat.thumbnails, strict=False):
        lines = [_line(name, known) for name in some]
        own = shown(written.items[one.row].name)
        made.append(Thumbnail(_beside(picture, [pictures.get(name) for name in some]), (own, *lines)))
    gallery = Gallery("alike", tuple(made), pairs=True)
    note = "Nearest by the cosine of the angle between features, the nearest first."
    return (Text(f"{note} {missing}".strip(), muted=True), gallery)


def _line(name: str, known: dict[str, Item]) -> str:
    label = known[name].label if name in known else None
    return shown(name) if label is None else f"{shown(str(label))}: {shown(name)}"


def _labeled(model: Model, names: set[str]) -> tuple[dict[str, Item], str]:
    """The labeled images of the run with these names, and what to say if some are gone."""
    if model.known.labeled is None or model.known.labeled.run is None:
        return {}, ""
    try:
        items = list_image_parts(RunRecord(model.known.labeled.run).cfg.data, needs_labels=True)["train"].items
    except (TutelageError, KeyError):
        return {}, "The training images are gone, or cannot be read, so that only their names are shown."
    found = {item.name: item for item in items if item.name in names}
    return found, "" if len(found) == len(names) else "Some of the training images are gone."


def _pictures(model: Model, known: dict[str, Item]) -> dict[str, Image.Image]:
    items = list(known.values())
    pixels = read_pixels(items, size=model.image_size, channels=model.channels, framing=model.framing)
    return {
        item.name: Image.fromarray(as_rgb(image)).resize((_HALF, _HALF), Image.Resampling.LANCZOS)
        for item, image in zip(items, pixels, strict=True)
        if not isinstance(image, Unreadable)
    }


def _beside(picture: bytes, others: Sequence[Image.Image | None]) -> bytes:
    """The image of a pair on the left, and up to four others in the right half."""
    paper = Image.new("RGB", (2 * THUMBNAIL, THUMBNAIL), "white")
    with Image.open(io.BytesIO(picture)) as both:
        paper.paste(both.crop((0, 0, THUMBNAIL, THUMBNAIL)))
    for place, other in enumerate(others[:4]):
        if other is not None:
            paper.paste(other, (THUMBNAIL + place % 2 * _HALF, place // 2 * _HALF))
    return jpeg(paper)
