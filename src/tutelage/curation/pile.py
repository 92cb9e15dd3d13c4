"""A pile of images that is being labeled: what is known of each image, and its features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tutelage.core.devices import choose_device
from tutelage.core.errors import ConfigError, DataError
from tutelage.core.inputs import real_path, user_path
from tutelage.core.names import counted, shown
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import command, option
from tutelage.curation.encoding import default_encoding, encoding_of_run
from tutelage.curation.listing import list_pile
from tutelage.curation.raw_features import Watcher, raw_features, warn_of_unreadable
from tutelage.data.images.folders import CLASS_FOLDERS
from tutelage.data.images.framing import Framing
from tutelage.data.images.image_set import class_indices
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.parts import ImageInventory, ImagePart
from tutelage.data.images.survey import ImageLook, read_headers, read_pixels
from tutelage.data.kinds import IMAGES, recognize_kind
from tutelage.run.resolve import resolve_training
from tutelage.run.run_record import RunRecord


@dataclass(frozen=True)
class Pile:
    """Images, with the labels that are known.

    Attributes:
        items: in the order of their names; names of files are relative to the source.
        classes: names, in the order of their indices.
        labels: (N,) int64, -1 where unknown.
        features: (N, D) float32, rows of norm 1.
        described: what the features are, in words.
        size, channels, framing: how images are decoded.
        alike: the cosine of two rows of features from which on two images are near-duplicates.
        probs: (N, K) float32, class probabilities of the run; None without one.
        probs_classes: K names.
        further_items: M images that do not belong to the pile, as far as they were asked for and can be read.
        further: (M, D) float32, their features; None without any.
    """

    items: list[Item]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    features: NDArray[np.float32]
    described: str
    size: int
    channels: int
    framing: Framing
    alike: float
    probs: NDArray[np.float32] | None = None
    probs_classes: tuple[str, ...] = ()
    further_items: Sequence[Item] = ()
    further: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(N, C, S, S): all images, decoded when they are asked for; see `pixels`."""
        return self.pixels(range(len(self)))

    def pixels(self, rows: Sequence[int], *, workers: int = 1) -> NDArray[np.uint8]:
        """(n, C, S, S): some images, in the order of `rows`.

        Raises:
            DataError: an image cannot be read any more.
        """
        order = sorted(range(len(rows)), key=rows.__getitem__)  # shards are read in sequence
        items = [self.items[rows[place]] for place in order]
        found = read_pixels(
            items, size=self.size, channels=self.channels, framing=self.framing, workers=max(workers, 1)
        )
        images = np.empty((len(rows), self.channels, self.size, self.size), np.uint8)
        for place, item, image in zip(order, items, found, strict=True):
            if isinstance(image, Unreadable):
                raise DataError(f"{shown(item.place)} {image.reason}")
            images[place] = image
        return images


@own_random_state()
@float32_by_default()
def gather(
    settings: Mapping[str, Any],
    *,
    run: Path | None = None,
    ignore_folders: bool = False,
    check: Callable[[Sequence[Item], ImageListing], None] | None = None,
    further: Sequence[Item] = (),
    watcher: Watcher | None = None,
    workers: int = 1,
    console: Console,
) -> Pile:
    """The images of a source with their labels and features. Images that cannot be read are left out, with a warning.

    Features are those that `train` starts from on such images, or the encoder's of a run. Those of frozen networks are
    cached by the content of files, so that nothing is decoded again.

    Args:
        settings: of a training, by dotted name; `data.path` and `data.labels` matter. Labels that are not given are
            those of the run, if it was trained on the same source.
        run: whose features are taken, and whose probabilities.
        ignore_folders: see `list_pile`.
        check: looks at the images and their listing before features are computed, and raises if they do not do; and
            once more, if some cannot be decoded.
        further: images whose features are needed, too, though they do not belong to the pile.
        watcher: sees all of these; then all are decoded, also those whose features are known.

    Raises:
        TutelageError: a setting, the source or the run is invalid, photos lack the pretrained network, or fewer images
            have no label.
    """
    cfg = resolve_training(dict(settings) | _labels_of_run(settings, run, console))
    if recognize_kind(cfg.data.path, cfg.data.labels) != IMAGES:
        raise DataError(
            f"{shown(cfg.data.path)} holds scans: expected images; {command('select', cfg.data.path, run='RUN')} lists "
            "the scans for which a mask would help most"
        )
    listing = list_pile(cfg.data, ignore_folders=ignore_folders)
    for warning in listing.warnings:
        console.print(f"- {warning}", markup=False)
    if check is not None:
        check(listing.items, listing)
    part = _readable(listing, workers=workers, console=console)
    if run is None:
        found = ImageInventory(parts={"train": part})
        encoding = default_encoding(found, cfg, choose_device(cfg.train.device))
    else:
        encoding = encoding_of_run(run)
    if watcher is not None:
        watcher.prepare([look.size for look in part.looks], 2 * encoding.framing.short_side(encoding.size))
    items, raw = raw_features(part.items, encoding, watcher, workers=workers, console=console)
    if not items:
        raise DataError(f"{shown(listing.where)}: no image can be read")
    if check is not None and len(items) < len(listing.items):
        check(items, listing)
    more, others = raw_features(further, encoding, watcher, workers=workers, console=console)
    if more:
        raw = np.concatenate([raw, others])
    features, probs = encoding.finish(raw)
    return Pile(
        items=items,
        classes=listing.classes,
        labels=class_indices(items, listing.classes),
        features=features[: len(items)],
        described=encoding.described,
        size=encoding.size,
        channels=encoding.channels,
        framing=encoding.framing,
        alike=encoding.alike,
        probs=None if probs is None else probs[: len(items)],
        probs_classes=encoding.classes,
        further_items=more,
        further=features[len(items) :] if more else None,
    )


def _labels_of_run(settings: Mapping[str, Any], run: Path | None, console: Console) -> dict[str, str]:
    """The label table that a run was trained with, if none is given and it is of the same source.

    Raises:
        DataError: the table is no longer there.
    """
    if run is None or settings.get("data.labels") is not None:
        return {}
    data = RunRecord(run).best.cfg.data
    here, there = (real_path(user_path(str(path))) for path in (settings.get("data.path", ""), data.path))
    if data.labels is None or here != there:
        return {}
    if not Path(data.labels).is_file():
        raise DataError(
            f"the labels of {run}, {data.labels}, are no longer there: name a table with {option('labels')}"
        )
    console.print(f"- labels: those that {run} was trained with, {data.labels}", markup=False)
    return {"data.labels": data.labels}


def require_unlabeled(items: Sequence[Item], needed: int, listing: ImageListing) -> None:
    """Check that at least `needed` images have no label.

    Raises:
        ConfigError: there are fewer.
    """
    there = sum(item.label is None for item in items)
    if there >= needed:
        return
    hint = ""
    if listing.kind == CLASS_FOLDERS and not there:
        hint = f"; its folders are taken as classes ({option('ignore_folders', True)} takes them as plain folders)"
    has = f"{shown(listing.where)} has {counted(there, 'image')} without a label"
    raise ConfigError(f"{has}, fewer than {option('count', needed)}{hint}")


def _readable(listing: ImageListing, *, workers: int, console: Console) -> ImagePart:
    """The images whose headers can be read; others are named as warnings.

    Raises:
        DataError: there is none.
    """
    looks = read_headers(listing.items, workers=max(workers, 1))
    warn_of_unreadable(listing.items, looks, console)
    good = [(item, look) for item, look in zip(listing.items, looks, strict=True) if isinstance(look, ImageLook)]
    if not good:
        raise DataError(f"{shown(listing.where)}: no image can be read")
    return ImagePart(listing, [item for item, _ in good], [look for _, look in good])
