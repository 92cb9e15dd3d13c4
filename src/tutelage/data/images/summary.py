"""The results of a check of images in numbers, for JSON and tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tutelage.data.images.parts import ImageInventory, ImagePart


@dataclass(frozen=True)
class ImageSummary:
    """One source in its role.

    Attributes:
        images: readable images; `unreadable` ones are not included.
        classes: labeled images per class, including classes without any.
        sizes: images of each size, e.g. `{"32 x 32": 50000}`.
        modes: images of each Pillow mode, e.g. `{"RGB": 50000}`.
    """

    source: str
    kind: str
    images: int
    labeled: int
    unreadable: int
    classes: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]


def summarize_images(inventory: ImageInventory) -> dict[str, ImageSummary]:
    """A summary of each part, by role."""
    return {role: _summary(part, inventory.classes) for role, part in inventory.parts.items()}


def _summary(part: ImagePart, classes: tuple[str, ...]) -> ImageSummary:
    counts = part.class_counts()
    names = [*classes, *sorted(set(counts) - set(classes))]
    return ImageSummary(
        source=part.listing.where,
        kind=part.listing.kind,
        images=len(part.items),
        labeled=sum(counts.values()),
        unreadable=len(part.listing.items) - len(part.items),
        classes={name: counts[name] for name in names},
        sizes=dict(Counter(f"{look.size[0]} x {look.size[1]}" for look in part.looks).most_common()),
        modes=dict(Counter(look.mode for look in part.looks).most_common()),
    )
