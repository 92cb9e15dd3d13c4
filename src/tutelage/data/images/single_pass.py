"""Each image that training needs is decoded once: its faults, its hash and its pixels come from one decoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tutelage.data.images.cache import PixelCache, Pixels
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.parts import LEARNED, ImageInventory
from tutelage.data.images.survey import ImageLook, read_images, survey_images

Looks = list[ImageLook | Unreadable]


@dataclass
class SinglePass:
    """Reads the parts of a run, and gathers the pixels of those that training needs.

    Test images are decoded here only to find faults, and again at the end, when they are scored: their pixels would
    take memory during the whole training.

    Attributes:
        size, channels: what images are decoded to.
        cache: where pixels go.
    """

    size: int
    channels: int
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
                self.cache.keep(inventory.array_name(part), array, filled_as=part)
        self._filled.clear()

    def _read_part(self, part: str, items: list[Item], *, labeled_only: bool = False) -> Looks:
        most = sum(item.label is not None for item in items) if labeled_only else len(items)
        shape = (most, self.channels, self.size, self.size)
        if not most or self.cache.may_hold(part, shape):
            return survey_images(items, workers=self.workers)
        looks: Looks = []

        def rows() -> Iterator[Pixels]:
            read = read_images(items, size=self.size, channels=self.channels, workers=self.workers)
            for item, found in zip(items, read, strict=True):
                looks.append(found if isinstance(found, Unreadable) else found[0])
                if not isinstance(found, Unreadable) and not (labeled_only and item.label is None):
                    yield found[1]

        self._filled[part] = self.cache.fill(part, rows(), shape)
        return looks
