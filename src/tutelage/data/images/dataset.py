"""The data of a run: decoded images, the rows of both streams, and the parts that score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.wording import option
from tutelage.data.images.image_set import ImageSet, ImageSubset, class_indices, decode
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.size import (
    alpha_note,
    choose_channels,
    choose_framing,
    choose_size,
    framing_note,
    levels_note,
)
from tutelage.data.images.streamed import StreamedImages
from tutelage.data.images.streaming import hold_labeled
from tutelage.data.split import LEAST_HELD, LEAST_LEFT, copies_of, hold_out, keep_labels, leave_out

_KINDS = {1: "grayscale", 3: "color"}  # of images, by their channels


class ImageDataset:
    """What a run trains and scores on.

    Attributes:
        classes: class names in the order of their indices.
        train: all training images: labeled, unlabeled and held out. Its labels are -1 everywhere but in
            `labeled_rows`.
        labeled_rows, unlabeled_rows: sorted rows of the two streams. Held-out rows and their copies are in neither.
        val: validation images, or None if there are too few labels.
        hidden_labels: (N,) int64, labels that `label_count` hides; for diagnosis only. -1 elsewhere.
        notes: what was found and decided, one sentence each.
        fingerprint: changes with any name, label or file content of any part.
        facts: for each part, the number of images and hashes of names, labels and contents; see `ImageInventory.facts`.
        flip_ok: whether mirrored images keep their class, as far as the kind of source is known to.
    """

    def __init__(
        self,
        *,
        config: DataConfig,
        inventory: ImageInventory,
        train: ImageSet,
        labeled_rows: NDArray[np.int64],
        unlabeled_rows: NDArray[np.int64],
        val: ImageSubset | None,
        hidden_labels: NDArray[np.int64],
        reader: ImageReader,
        notes: list[str],
    ) -> None:
        self.classes, self.train, self.val = inventory.classes, train, val
        self.labeled_rows, self.unlabeled_rows, self.hidden_labels = labeled_rows, unlabeled_rows, hidden_labels
        self.notes, self.fingerprint, self.facts = notes, inventory.fingerprint(), inventory.facts()
        self.flip_ok = inventory.parts["train"].listing.flip_ok
        self._config, self._inventory, self._reader = config, inventory, reader
        self._test = inventory.parts.get("test")

    @property
    def has_test(self) -> bool:
        return self._test is not None

    @property
    def test_count(self) -> int:
        """The number of labeled test images."""
        return 0 if self._test is None else sum(self._test.class_counts().values())

    @property
    def image_size(self) -> int:
        return self.train.images.shape[2]

    @property
    def channels(self) -> int:
        return self.train.images.shape[1]

    @property
    def seconds_per_image(self) -> float:
        """Time to decode one image that is not decoded yet, as measured so far."""
        return 0.0 if "test" in self._inventory.pixels else self._reader.seconds / max(self._reader.rows, 1)

    def load_test(self) -> ImageSubset:
        """The test images. Call it once, at the end, when nothing depends on them any more.

        Raises:
            DataError: there are none.
        """
        if self._test is None:
            raise DataError(f"there are no test images: name a source with {option('test')}")
        return _labeled_part("test", self._inventory, self._reader)

    def split_record(self) -> dict[str, Any]:
        """The role of each image, by name, ready for JSON."""
        held_out = self.val is not None and self.val.images.images is self.train.images
        return {
            "classes": list(self.classes),
            "fingerprint": self.fingerprint,
            "label_count": self._config.label_count,
            "label_balance": self._config.label_balance,
            "labeled": [self.train.names[row] for row in self.labeled_rows],
            "held_out": [self.train.names[row] for row in self.val.rows] if self.val is not None and held_out else [],
            "train_images": len(self.train),
            "labeled_counts": np.bincount(self.train.labels[self.labeled_rows], minlength=len(self.classes)).tolist(),
            "unlabeled_images": len(self.unlabeled_rows),
            "val_images": 0 if self.val is None else len(self.val),
            "test_images": self.test_count,
        }


def load_images(
    config: DataConfig,
    *,
    seed: int,
    reader: ImageReader | None = None,
    inventory: ImageInventory | None = None,
    needs_labels: bool = True,
    uses_unlabeled: bool = True,
) -> ImageDataset:
    """Decode the training and validation images and choose the rows of both streams.

    Args:
        seed: chooses the kept and the held-out labels, together with the names of the images.
        reader: None reads with one thread and without a cache.
        inventory: from an earlier check. The sources are then not listed again, and images that it decoded are not
            decoded again.
        needs_labels, uses_unlabeled: whether there must be labels, and whether images without one are decoded; see
            `take_image_inventory`.

    Raises:
        DataError: with all faults of all sources.
    """
    reader = reader or ImageReader()
    inventory = inventory or take_image_inventory(
        config, reader=reader, needs_labels=needs_labels, decode=True, uses_unlabeled=uses_unlabeled, seed=seed
    )
    if inventory.faults:
        raise DataError(inventory.faults)
    notes = _found(inventory) + inventory.notes
    decoding = _choose_decoding(inventory, config, reader, notes)
    if inventory.decoding != decoding:  # an unreadable image seemed to ask for another size
        inventory.decoding, inventory.pixels = decoding, {}
    train = _image_set("train", inventory, reader)

    kept = _kept_labels(train, inventory.classes, config, notes, seed=seed)
    digests = [look.digest for look in inventory.learned_looks]
    if isinstance(train.images, StreamedImages):
        kept, digests = hold_labeled(train.images, kept, digests, reader, skip=config.skip_unreadable, notes=notes)
    val, taken = _validation(
        train, kept, digests, inventory, reader, config, notes, seed=seed, needs_labels=needs_labels
    )
    labeled = np.setdiff1d(kept, taken)
    unlabeled = np.setdiff1d(np.arange(len(train)), taken)
    if config.exclude_labeled:
        unlabeled = leave_out(unlabeled, labeled, digests, notes)
    hidden = train.labels.copy()
    hidden[kept] = -1
    return ImageDataset(
        config=config,
        inventory=inventory,
        train=ImageSet(train.images, _only(train.labels, labeled), train.names),
        labeled_rows=labeled,
        unlabeled_rows=unlabeled,
        val=val,
        hidden_labels=hidden,
        reader=reader,
        notes=notes,
    )


def _choose_decoding(inventory: ImageInventory, config: DataConfig, reader: ImageReader, notes: list[str]) -> Decoding:
    """Size, colors and framing that suit the training images; `notes` get what was chosen."""
    looks, before = inventory.seen, inventory.decoding
    if before is None:
        levels = reader.levels(config, inventory.items_of("train"), inventory.learned_looks)
    else:
        levels = before.framing.levels
    framing, channels = replace(choose_framing(looks, config), levels=levels), choose_channels(looks, config)
    size, note = choose_size(looks, config.image_size, framing.mode)
    notes.append(f"{note}, {_KINDS.get(channels, f'{channels} channels')}")
    if (note_of_shape := framing_note(looks, framing)) is not None:
        notes.append(note_of_shape)
    notes += [said for said in (levels_note(looks, levels), alpha_note(looks, channels)) if said is not None]
    return Decoding(size, channels, framing)


def _image_set(part: str, inventory: ImageInventory, reader: ImageReader) -> ImageSet:
    """The images of a part, which are decoded unless they have been."""
    items, decoding = inventory.items_of(part), inventory.decoding
    assert decoding is not None
    if part in inventory.pixels:
        names = [item.name for item in items]
        return ImageSet(inventory.pixels[part], class_indices(items, inventory.classes), names)
    size, channels, framing = decoding.size, decoding.channels, decoding.framing
    return decode(items, inventory.classes, size=size, channels=channels, framing=framing, reader=reader)


def _kept_labels(
    train: ImageSet, classes: tuple[str, ...], config: DataConfig, notes: list[str], *, seed: int
) -> NDArray[np.int64]:
    """The sorted rows whose label may be used; `notes` get how many are hidden."""
    balance, labels = config.label_balance, (train.labels >= 0).sum()
    kept = keep_labels(train.labels, train.names, classes, count=config.label_count, balance=balance, seed=seed)
    if len(kept) < labels:
        notes.append(f"{len(kept)} of {labels} labels are used ({balance}), the others are hidden")
    return kept


def _validation(
    train: ImageSet,
    kept: NDArray[np.int64],
    digests: list[bytes],
    inventory: ImageInventory,
    reader: ImageReader,
    config: DataConfig,
    notes: list[str],
    *,
    seed: int,
    needs_labels: bool,
) -> tuple[ImageSubset | None, NDArray[np.int64]]:
    """The validation images, and the training rows that are in no stream: those held out and their copies.

    Labels are held out, and `notes` get how many, where no validation images are given.
    """
    if "val" in inventory.parts:
        return _labeled_part("val", inventory, reader), kept[:0]
    if not len(kept):
        return None, kept
    held = hold_out(
        kept,
        train.labels,
        train.names,
        len(inventory.classes),
        share=config.val_share,
        seed=seed,
        digests=digests,
    )
    copies = copies_of(held, digests)
    notes.append(_held_note(len(held), len(kept), len(copies), config.val_share, needs_labels=needs_labels))
    taken = np.union1d(held, copies)
    if not len(held):
        return None, taken
    return ImageSubset(ImageSet(train.images, _only(train.labels, held), train.names), held), taken


def _labeled_part(part: str, inventory: ImageInventory, reader: ImageReader) -> ImageSubset:
    images = _image_set(part, inventory, reader)
    return ImageSubset(images, np.flatnonzero(images.labels >= 0))


def _only(labels: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    visible = np.full_like(labels, -1)
    visible[rows] = labels[rows]
    return visible


def _found(inventory: ImageInventory) -> list[str]:
    notes = []
    for role, part in inventory.parts.items():
        labeled, left_out = sum(part.class_counts().values()), len(part.listing.items) - len(part.items)
        skipped = f", {left_out} unreadable ones left out" if left_out else ""
        notes.append(
            f"{role}: {shown(part.listing.where)} ({part.listing.kind}), {len(part.items)} images, "
            f"{labeled} labeled{skipped}"
        )
    return notes


def _held_note(held: int, kept: int, copies: int, share: float, *, needs_labels: bool) -> str:
    if held:
        note = f"no validation images are given: {held} of the {kept} labels are held out for validation"
        return f"{note}, and {copies} byte-identical copies of these are left out" if copies else note
    instead = "there is no validation set" if needs_labels else "labeled images are scored against each other"
    if share == 0.0:
        return f"no validation images are given and val_share is 0: nothing is held out, {instead}"
    return (
        f"no validation images are given, and {kept} labels are too few to hold some out: at least {LEAST_LEFT} "
        f"per class must remain and {LEAST_HELD} per class be held out, so {instead}"
    )
