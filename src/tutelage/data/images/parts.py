"""The sources of images of a run by role, and what was found in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tutelage.data.images.cache import PixelCache
from tutelage.data.images.items import ImageListing, Item
from tutelage.data.images.survey import ImageLook


@dataclass
class ImagePart:
    """One source in its role, e.g. test: the readable images and what each of them is."""

    listing: ImageListing
    items: list[Item]
    looks: list[ImageLook]

    def class_counts(self) -> Counter[str]:
        """The number of labeled images of each class that has any."""
        return Counter(item.label for item in self.items if item.label is not None)


LEARNED = ("train", "unlabeled")  # the roles whose images are decoded into one array


@dataclass
class ImageInventory:
    """The parts of a run by role (`train`, `unlabeled`, `val`, `test`), and what was found in them.

    Attributes:
        faults, warnings: sentences that are safe to print; faults stop a run.
        cache: holds the pixels that were decoded along the way, if any.
    """

    parts: dict[str, ImagePart] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cache: PixelCache | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.parts["train"].listing.classes if "train" in self.parts else ()

    @property
    def learned(self) -> list[str]:
        """The roles whose images are decoded into one array, in order."""
        return [role for role in LEARNED if role in self.parts]

    def array_name(self, part: str) -> str:
        """The name of the decoded images of a part (`train`, `val` or `test`); it changes with their contents."""
        return f"{part}-{self.fingerprint(*(self.learned if part == 'train' else [part]))}"

    def facts(self) -> dict[str, dict[str, Any]]:
        """For each part, the number of images and hashes of their names, labels and contents."""
        facts: dict[str, dict[str, Any]] = {}
        for role, part in sorted(self.parts.items()):
            hashes = {name: hashlib.blake2b(digest_size=16) for name in ("labels", "contents")}
            for item, look in zip(part.items, part.looks, strict=True):
                hashes["labels"].update(repr((item.name, item.label)).encode())
                hashes["contents"].update(look.digest)
            names = names_hash(item.name for item in part.items)
            facts[role] = {"images": len(part.items), "names": names}
            facts[role] |= {name: digest.hexdigest() for name, digest in hashes.items()}
        return facts

    def fingerprint(self, *roles: str) -> str:
        """32 hexadecimal digits that depend on the names, labels and file contents of these parts, or of all."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=16)
        for role in roles or sorted(self.parts):
            for item, look in zip(self.parts[role].items, self.parts[role].looks, strict=True):
                digest.update(repr((role, item.name, item.label)).encode() + look.digest)
        return digest.hexdigest()


def names_hash(names: Iterable[str]) -> str:
    """32 hexadecimal digits that follow from the names of images, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        digest.update(repr(name).encode())
    return digest.hexdigest()
