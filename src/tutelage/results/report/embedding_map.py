"""A map of images by their features: points colored by label, with the picture shown on hover."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.colors import as_rgb
from tutelage.core.errors import TutelageError
from tutelage.core.names import shown
from tutelage.data.images.items import Item, Unreadable
from tutelage.inference.images.embed import list_to_embed
from tutelage.inference.images.encoder import Encoder
from tutelage.results.report.blocks import Block, Page, Plot, Point, PointMap, Section, Text
from tutelage.results.report.drawing import INK, SERIES, SOFT, finished, new_figure, short, style
from tutelage.results.report.examples import Looked, spaced
from tutelage.results.report.projection import NEIGHBORS, neighbor_agreement, project
from tutelage.run.run_record import RunRecord

MOST = 1500  # points; images with a label that a run learned from are all kept, and others fill what is left
MOST_LABELED = 5000  # of these; with more, evenly spaced ones are shown
ALWAYS = 500  # of these, however long it takes
PATIENCE = 15.0  # seconds for computing features; a large network on a slow machine gets fewer points
TITLE = "Map of the images"
TILE = 32  # pixels, side of a picture on the sheet
COLUMNS = 40  # pictures per row of the sheet
_TRIAL = 32
_MARKS = ("o", "s", "^", "D")  # the next marker each time the colors repeat, as in `Point.shape`
_NAMED = 32  # classes; with more, colors and markers repeat


@dataclass(frozen=True)
class Mapped:
    """Images with their features (n, F) and small pictures (n, TILE, TILE, 3) uint8, out of `total` images."""

    items: list[Item]
    features: NDArray[np.float32]
    pictures: NDArray[np.uint8]
    total: int


def embedding_section(
    encoder: Encoder,
    items: Sequence[Item],
    name: str,
    *,
    labeled: Sequence[Item] = (),
    ring: bool = True,
    most: int = MOST,
    patience: float = 1.0,
) -> Section | None:
    """The map of all `labeled` and of evenly spaced other `items`, up to `most`; None if fewer than three can be read.

    Args:
        name: of the files of the plot.
        labeled: images that are not left out; with `ring`, those that a run learned from with their label.
    """
    mapped = look_at_images(encoder, items, labeled=labeled, most=most, patience=patience)
    if len(mapped.items) < 3:  # or there are none at all
        return None
    labels = sorted({item.label for item in mapped.items if item.label is not None})
    index = {label: number for number, label in enumerate(labels)}
    label = np.array([-1 if item.label is None else index[item.label] for item in mapped.items], np.int64)
    made = project(mapped.features)
    low, high = made.places.min(0), made.places.max(0)
    places = (made.places - low) / np.maximum(high - low, 1e-12)
    learned = {id(item) for item in labeled} if ring else set()
    ringed = np.array([id(item) in learned for item in mapped.items])
    spread = "evenly spaced" if not ringed.any() else "those without a ring are evenly spaced"
    count = f"{len(label):,}" if len(label) == mapped.total else f"{len(label):,} of {mapped.total:,} ({spread})"
    about = f"{count} images, {int((label >= 0).sum()):,} of them with a label"
    if ringed.any():
        every = "all " if ringed.sum() == len(labeled) else ""
        about += f"; {every}{ringed.sum():,} that the run learned from with their label have a ring"
    about += f". {made.how}"
    marked = zip(mapped.items, label, places, ringed, strict=True)
    points = tuple(_point(item, number, place, bool(own)) for item, number, place, own in marked)
    blocks: list[Block] = [Text("Hover over a point to see its image. Nearby points are images with similar features.")]
    legend = [(shown(text), *_look(number)) for number, text in enumerate(labels[:_NAMED])]
    legend += [("no label", 0, 0)] if (label < 0).any() else []
    plot = _plot(places, label, labels, ringed, name, about)
    blocks.append(PointMap(plot, points, tuple(legend), _sheet(mapped.pictures), COLUMNS))
    agreement = neighbor_agreement(mapped.features, np.where(ringed, -1, label))  # those it learned are no proof
    if agreement is not None:
        blocks.append(
            Text(
                f"Of the {NEIGHBORS} nearest labeled neighbors of an image, by all {mapped.features.shape[1]:,} "
                f"features, {100 * agreement[0]:.0f}% have the same label (by chance {100 * agreement[1]:.0f}%).",
                muted=True,
            )
        )
    return Section(TITLE, tuple(blocks))


def run_map(
    record: RunRecord, looked: Looked, name: str, *, device: str = "auto", most: int = MOST, patience: float = 1.0
) -> Section | None:
    """The map of the images whose labels the run learned from, and of those that the report predicts.

    These are scored ones, and unlabeled ones.

    A pretrained encoder predicts nothing, so its map shows all images of its data.
    """
    labeled = looked.labeled
    items = [item for part in (looked.scored, looked.unlabeled) if part is not None for item in part.items]
    try:
        if record.pretrained:
            items, labeled = list_to_embed(record.cfg.data.path, record.cfg.data.labels), ()
        encoder = Encoder.load(record.path, device=device)
        return embedding_section(encoder, items, name, labeled=labeled, most=most, patience=patience)
    except TutelageError:  # e.g. features that are not one row per image; other problems are reported by `looked`
        return None


def embedding_page(run: Path, data: str, encoder: Encoder, items: Sequence[Item], *, most: int = MOST) -> Page:
    """The report of `embed`."""
    labeled = [item for item in items if item.label is not None]
    labeled = labeled if len(labeled) <= most else []  # if most have one, they are sampled like others
    kept = {id(item) for item in labeled}
    others = [item for item in items if id(item) not in kept]
    section = embedding_section(encoder, others, "map", labeled=labeled, ring=False, most=most)
    title = f"{shown(run.name)}: {shown(Path(data).name)}"
    network = RunRecord(run).cfg.network.name
    subtitle = f"{shown(network)} · step {encoder.step:,}"
    none = Section(TITLE, (Text("There are fewer than three images, so there is no map.", muted=True),))
    return Page(title, subtitle, (section or none,))


def look_at_images(
    encoder: Encoder,
    items: Sequence[Item],
    *,
    labeled: Sequence[Item] = (),
    most: int = MOST,
    patience: float = 1.0,
) -> Mapped:
    """Features and pictures of all `labeled` images, and of evenly spaced others, which come first.

    There are as many others as take about `patience` times `PATIENCE` seconds together with the labeled ones. Of these,
    `ALWAYS` are taken in any case, and the rest in as much time as is left.
    """
    total = len(items) + len(labeled)
    few = spaced([*items, *labeled], min(_TRIAL, most))
    begin = time.perf_counter()
    trial = _read(encoder, few, total)
    seconds = max(time.perf_counter() - begin, 1e-6)
    affordable = max(_TRIAL, int(patience * PATIENCE * len(few) / seconds)) if few else 0
    labeled = spaced(labeled, min(MOST_LABELED, max(affordable, round(patience * ALWAYS))))
    count = min(max(min(most, affordable) - len(labeled), 0), len(items))
    if not labeled and count <= len(few):
        return trial
    return _read(encoder, [*spaced(items, count), *labeled], total)  # the last points lie on top


def _read(encoder: Encoder, items: Sequence[Item], total: int) -> Mapped:
    kept: list[Item] = []
    features: list[NDArray[np.float32]] = []
    pictures: list[NDArray[np.uint8]] = []
    block: list[NDArray[np.uint8]] = []
    for number, (item, image) in enumerate(zip(items, encoder.read(items), strict=True)):
        if not isinstance(image, Unreadable):
            kept.append(item)
            block.append(image)
            pictures.append(_picture(image))
        if block and (len(block) == 64 or number == len(items) - 1):
            features.append(encoder.features(np.stack(block)).numpy())
            block = []
    if block:
        features.append(encoder.features(np.stack(block)).numpy())
    return Mapped(
        items=kept,
        features=np.concatenate(features) if features else np.zeros((0, 1), np.float32),
        pictures=np.stack(pictures) if pictures else np.zeros((0, TILE, TILE, 3), np.uint8),
        total=total,
    )


def _picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = Image.fromarray(as_rgb(image))
    small = picture.width < TILE
    return np.asarray(picture.resize((TILE, TILE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS))


def _sheet(pictures: NDArray[np.uint8]) -> bytes:
    """All pictures in one JPEG, `COLUMNS` per row."""
    rows = -(-len(pictures) // COLUMNS)
    paper = np.zeros((rows * COLUMNS, TILE, TILE, 3), np.uint8)
    paper[: len(pictures)] = pictures
    whole = paper.reshape(rows, COLUMNS, TILE, TILE, 3).transpose(0, 2, 1, 3, 4).reshape(rows * TILE, COLUMNS * TILE, 3)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _look(number: int) -> tuple[int, int]:
    """Color (from 1) and marker of a class; color 0 means no label."""
    return number % len(SERIES) + 1, number // len(SERIES) % len(_MARKS)


def _point(item: Item, label: int, place: NDArray[np.float64], ring: bool) -> Point:
    series, shape = (0, 0) if label < 0 else _look(label)
    said = "no label" if item.label is None else shown(item.label)
    return Point(
        100.0 * float(place[0]), 100.0 * float(1.0 - place[1]), series, shape, f"{said} · {shown(item.name)}", ring
    )


def _plot(
    places: NDArray[np.float64],
    label: NDArray[np.int64],
    labels: Sequence[str],
    ringed: NDArray[np.bool_],
    name: str,
    caption: str,
) -> Plot:
    """The map as a plot without pictures."""
    with style(name):
        figure = new_figure(9.2, 6.0)
        axes = figure.add_subplot()
        for number in (-1, *range(len(labels))):
            own = places[label == number]
            if len(own):
                series, shape = (0, 0) if number < 0 else _look(number)
                color = SOFT if number < 0 else SERIES[series - 1]
                told = "no label" if number < 0 else short(labels[number])
                axes.scatter(
                    own[:, 0],
                    own[:, 1],
                    s=9,
                    color=color,
                    marker=_MARKS[shape],
                    alpha=0.35 if number < 0 else 0.8,
                    linewidths=0,
                    label=told if number < _NAMED else None,
                )
        own = places[ringed]
        axes.scatter(own[:, 0], own[:, 1], s=26, facecolors="none", edgecolors=INK, linewidths=0.9)
        axes.set(xticks=[], yticks=[])
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        return finished(figure, name, TITLE, caption, wide=True)
