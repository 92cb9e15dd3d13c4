"""The sources of images of a run by role, what was found in them, and the single pass that reads them."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tutelage.data.images.framing import Framing, Pixels
from tutelage.data.images.image_set import PixelCache
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.survey import ImageLook, read_images, survey_images

LEARNED = ("train", "unlabeled")  # the roles whose images are decoded into one array
Looks = list[ImageLook | Unreadable]


@dataclass
class ImagePart:
    """One source in its role, e.g. test: the readable images and what each of them is."""

    listing: ImageListing
    items: list[Item]
    looks: list[ImageLook]

    def class_counts(self) -> Counter[str]:
        """The number of labeled images of each class that has any."""
        return Counter(item.label for item in self.items if item.label is not None)


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

    def array_name(self, part: str, framing: Framing) -> str:
        """The name of the decoded images of a part (`train`, `val` or `test`); it changes with contents and framing."""
        return f"{part}-{self.fingerprint(*(self.learned if part == 'train' else [part]))}-{framing.key}"

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
            if part.looks:
                facts[role]["side"] = round(statistics.median(min(look.size) for look in part.looks))
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


@dataclass
class SinglePass:
    """Reads the parts of a run, and gathers the pixels of those that training needs.

    Test images are decoded here only to find faults, and again at the end, when they are scored: their pixels would
    take memory during the whole training.

    Attributes:
        size, channels, framing: what images are decoded to, and how.
        cache: where pixels go.
    """

    size: int
    channels: int
    framing: Framing
    cache: PixelCache
    workers: int

    def __post_init__(self) -> None:
        self._filled: dict[str, Pixels] = {}

    def read(self, listings: Mapping[str, ImageListing]) -> dict[str, Looks]:
        """What each image of each part is, in order.

        If the cache already has a file for a part, its images are decoded without keeping pixels: the file is most
        likely theirs, and `load_images` uses it if so.
        """
        learned = [role for role in LEARNED if role in listings]
        found = iter(self._read_part("train", [item for role in learned for item in listings[role].items]))
        looks = {role: [next(found) for _ in listings[role].items] for role in learned}
        if "val" in listings:
            looks["val"] = self._read_part("val", listings["val"].items, labeled_only=True)
        if "test" in listings:
            looks["test"] = survey_images(listings["test"].items, workers=self.workers)
        return looks

    def finish(self, inventory: ImageInventory) -> None:
        """Keep the pixels under their final names for loading; drop them where `inventory` has faults."""
        for part, array in self._filled.items():
            if inventory.faults:
                self.cache.drop(part, array)
            else:
                self.cache.keep(inventory.array_name(part, self.framing), array, filled_as=part)
        self._filled.clear()

    def _read_part(self, part: str, items: list[Item], *, labeled_only: bool = False) -> Looks:
        most = sum(item.label is not None for item in items) if labeled_only else len(items)
        shape = (most, self.channels, self.size, self.size)
        if not most or self.cache.may_hold(part, shape):
            return survey_images(items, workers=self.workers)
        looks: Looks = []

        def rows() -> Iterator[Pixels]:
            read = read_images(
                items, size=self.size, channels=self.channels, framing=self.framing, workers=self.workers
            )
            for item, found in zip(items, read, strict=True):
                looks.append(found if isinstance(found, Unreadable) else found[0])
                if not isinstance(found, Unreadable) and not (labeled_only and item.label is None):
                    yield found[1]

        self._filled[part] = self.cache.fill(part, rows(), shape)
        return looks
