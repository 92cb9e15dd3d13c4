"""The sources of images of a run by role, and what was found in them."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import ImageListing, Item
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.streamed import StreamedImages, open_stream
from tutelage.data.images.survey import ImageLook, Looks

LEARNED = ("train", "unlabeled")  # the roles whose images are decoded into one array


@dataclass
class ImagePart:
    """One source in its role, e.g. test: the readable images and what each of them is."""

    listing: ImageListing
    items: list[Item]
    looks: list[ImageLook]

    @property
    def seen(self) -> list[ImageLook]:
        """What is known of the images whose header was read: of large pools, only of some."""
        return [look for look in self.looks if look.seen]

    def class_counts(self) -> Counter[str]:
        """The number of labeled images of each class that has any."""
        return Counter(item.label for item in self.items if item.label is not None)


@dataclass
class ImageInventory:
    """The parts of a run by role (`train`, `unlabeled`, `val`, `test`), and what was found in them.

    Attributes:
        faults, warnings: sentences that are safe to print; faults stop a run.
        notes: how large pools are read, one sentence each.
        pixels: (N, C, S, S) of each part (`train`, `val` or `test`) whose images were decoded along the way.
        decoding: how; None if they were not.
    """

    parts: dict[str, ImagePart] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pixels: dict[str, Pixels | StreamedImages] = field(default_factory=dict)
    decoding: Decoding | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.parts["train"].listing.classes if "train" in self.parts else ()

    @property
    def learned(self) -> list[str]:
        """The roles whose images are decoded into one array, in order."""
        return [role for role in LEARNED if role in self.parts]

    @property
    def learned_looks(self) -> list[ImageLook]:
        """What is known of each training image."""
        return [look for role in self.learned for look in self.parts[role].looks]

    @property
    def seen(self) -> list[ImageLook]:
        """What is known of the training images whose header was read."""
        return [look for look in self.learned_looks if look.seen]

    def items_of(self, part: str) -> list[Item]:
        """The images of a part (`train`, `val` or `test`), in the order of its pixels."""
        return [item for role in (self.learned if part == "train" else [part]) for item in self.parts[role].items]

    def facts(self) -> dict[str, dict[str, Any]]:
        """For each part, the number of images, hashes of their names, labels and contents, and the median short side.

        That side is in pixels of the files, before images are resized.
        """
        facts: dict[str, dict[str, Any]] = {}
        for role, part in sorted(self.parts.items()):
            hashes = {name: hashlib.blake2b(digest_size=16) for name in ("labels", "contents")}
            for item, look in zip(part.items, part.looks, strict=True):
                hashes["labels"].update(repr((item.name, item.label)).encode())
                hashes["contents"].update(look.digest)
            names = names_hash(item.name for item in part.items)
            facts[role] = {"images": len(part.items), "names": names}
            facts[role] |= {name: digest.hexdigest() for name, digest in hashes.items()}
            if seen := part.seen:
                facts[role]["side"] = round(statistics.median(min(look.size) for look in seen))
        return facts

    def fingerprint(self) -> str:
        """32 hexadecimal digits that depend on the names, labels and file contents of all parts."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=16)
        for role in sorted(self.parts):
            for item, look in zip(self.parts[role].items, self.parts[role].looks, strict=True):
                digest.update(repr((role, item.name, item.label)).encode() + look.digest)
        return digest.hexdigest()


def names_hash(names: Iterable[str]) -> str:
    """32 hexadecimal digits that follow from the names of images, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        digest.update(repr(name).encode())
    return digest.hexdigest()


def read_parts(
    listings: Mapping[str, ImageListing], decoding: Decoding, reader: ImageReader, *, streamed: Looks | None, skip: bool
) -> tuple[dict[str, Looks], dict[str, Pixels | StreamedImages]]:
    """What each image of each role is, in order, and the pixels of the readable ones of each part.

    Without a cache, test images are decoded only to find faults, and again when they are scored: their pixels would
    take memory during the whole training.

    Args:
        streamed: the headers of the training images, if these are decoded as they are needed.
        skip: whether such images are replaced if they cannot be read.
    """
    learned = [role for role in LEARNED if role in listings]
    items = [item for role in learned for item in listings[role].items]
    pixels: dict[str, Pixels | StreamedImages] = {}
    if streamed is None:
        found, pixels["train"] = reader.read(items, decoding)
    else:
        found, pixels["train"] = open_stream(items, streamed, decoding, reader, skip=skip)
    rest = iter(found)
    looks = {role: [next(rest) for _ in listings[role].items] for role in learned}
    for role in ("val", "test"):
        if role in listings and (role == "val" or reader.cache is not None):
            looks[role], pixels[role] = reader.read(listings[role].items, decoding)
        elif role in listings:
            looks[role] = reader.survey(listings[role].items, decoding.framing.levels)
    return looks, pixels
