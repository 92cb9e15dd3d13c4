"""Copies among images: equal files, equal pixels in different files, and pictures that were saved again or mirrored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tutelage.core.names import counted, shown
from tutelage.data.images.items import Item
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.perceptual_hash import SIDE, Thumbnails
from tutelage.data.images.resaved import SMALLEST, resaved_pairs
from tutelage.data.images.survey import DIGEST, ImageLook, pixel_digests

MOST_COMPARED = 200_000  # images; comparing all pairs then takes minutes
Kind = Literal["exact", "pixels", "resaved", "mirrored"]
_SAID: dict[Kind, tuple[str, str]] = {
    "exact": ("byte-identical copies", "byte-identical copies"),  # as it has always been said
    "pixels": ("copy with equal pixels in another file", "copies with equal pixels in another file"),
    "resaved": ("copy that was saved again", "copies that were saved again"),
    "mirrored": ("mirrored copy", "mirrored copies"),
}


@dataclass(frozen=True)
class Copy:
    """Two images of one picture: rows `first` < `second`; `score` is the correlation of their thumbnails."""

    kind: Kind
    first: int
    second: int
    score: float = 1.0


def exact_copies(looks: Sequence[ImageLook]) -> list[Copy]:
    """Each image whose file is equal to that of an earlier one, with the earliest."""
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(look.digest, row), row) for row, look in enumerate(looks) if len(look.digest) == DIGEST]
    return [Copy("exact", before, row) for before, row in pairs if before != row]


def similar_copies(
    items: Sequence[Item], looks: Sequence[ImageLook], *, mirrored: bool = False, workers: int = 1
) -> list[Copy]:
    """Pairs of different files with equal pixels, or of one picture that was saved again or, if asked for, mirrored.

    Of files that are equal, only the earliest is compared. Images with a side of less than 32 pixels are found only if
    all pixels are equal.

    Args:
        looks: of the items, with thumbnails; see `survey_images`.
        workers: threads that decode the images whose pixels may be equal.
    """
    copied = {copy.second for copy in exact_copies(looks)}
    rows = np.array([row for row in range(len(looks)) if row not in copied], np.int64)
    large = rows[[min(looks[row].size) >= SMALLEST for row in rows]] if len(rows) else rows
    pairs, scores = resaved_pairs(_thumbnails([looks[row] for row in large]))
    again = {(int(large[a]), int(large[b])): float(score) for (a, b), score in zip(pairs, scores, strict=True)}
    equal = _equal_pixels(items, looks, rows.tolist(), list(again), workers)
    found = [Copy("pixels", *pair) for pair in sorted(equal)]
    found += [Copy("resaved", *pair, score) for pair, score in sorted(again.items()) if pair not in equal]
    if mirrored:
        pairs, scores = resaved_pairs(_thumbnails([looks[row] for row in large]), mirrored=True)
        turned = {(int(large[a]), int(large[b])): float(score) for (a, b), score in zip(pairs, scores, strict=True)}
        known = equal | set(again)  # a picture that is symmetric is its own mirror image
        found += [Copy("mirrored", *pair, score) for pair, score in sorted(turned.items()) if pair not in known]
    return found


def are_comparable(count: int) -> bool:
    """Whether that many images are compared with each other; of more, thumbnails are of no use."""
    return count <= MOST_COMPARED


def check_copies(inventory: ImageInventory, *, similar: bool = False, workers: int = 1) -> None:
    """Warnings about copies: within the training images, and between those and the images that score.

    Args:
        similar: also name copies that are not byte-identical, if the looks have thumbnails.
    """
    groups = [group for role, part in inventory.parts.items() for group in _groups(role, part.items)]
    items = [item for part in inventory.parts.values() for item in part.items]
    looks = [look for part in inventory.parts.values() for look in part.looks]
    found = exact_copies(looks)
    if similar and not all(look.thumbnail for look in looks):
        inventory.warnings.append(
            f"{counted(len(items), 'image')} are too many to find copies among them that were saved again: only "
            "byte-identical ones were looked for"
        )
    elif similar:
        found += similar_copies(items, looks, workers=workers)
    where: dict[tuple[Kind, str], list[tuple[Item, Item]]] = defaultdict(list)
    for copy in found:
        roles = {groups[row] for row in (copy.first, copy.second)}
        where[copy.kind, " and ".join(sorted(roles))].append((items[copy.first], items[copy.second]))
    for (kind, group), pairs in where.items():
        _warn(inventory, kind, group, pairs)


def _groups(role: str, items: Sequence[Item]) -> list[str]:
    """What each image of a part is for: its role, or "unlabeled" of those that lie unlabeled among labeled ones."""
    labeled = role != "train" or all(item.label is None for item in items)
    return [role if labeled or item.label is not None else "unlabeled" for item in items]


def _warn(inventory: ImageInventory, kind: Kind, group: str, pairs: Sequence[tuple[Item, Item]]) -> None:
    example = f"{shown(pairs[0][0].place)} = {shown(pairs[0][1].place)}"
    meaning = "within" if " and " not in group else "between"
    said = counted(len(pairs), *_SAID[kind])
    inventory.warnings.append(f"{said} {meaning} {group} (first: {example})")
    mixed = [(a, b) for a, b in pairs if None not in (a.label, b.label) and a.label != b.label]
    if mixed:
        a, b = mixed[0]
        inventory.warnings.append(
            f"{len(mixed)} of these copies carry different labels (first: {shown(a.place)} is "
            f"'{shown(str(a.label))}', {shown(b.place)} is '{shown(str(b.label))}')"
        )


def _thumbnails(looks: Sequence[ImageLook]) -> Thumbnails:
    joined = np.frombuffer(b"".join(look.thumbnail for look in looks), np.uint8)
    return joined.reshape(len(looks), SIDE, SIDE)


def _equal_pixels(
    items: Sequence[Item],
    looks: Sequence[ImageLook],
    rows: Sequence[int],
    similar: Sequence[tuple[int, int]],
    workers: int,
) -> set[tuple[int, int]]:
    """The pairs of `rows` whose pixels are equal: each row with the earliest one.

    Only images of one size that look alike are decoded for that.
    """
    alike: dict[tuple[tuple[int, ...], bytes], list[int]] = defaultdict(list)
    for row in rows:
        alike[tuple(sorted(looks[row].size)), looks[row].thumbnail].append(row)
    doubtful = {row for group in alike.values() if len(group) > 1 for row in group}
    doubtful |= {row for pair in similar if len({tuple(sorted(looks[r].size)) for r in pair}) == 1 for row in pair}
    order = sorted(doubtful)
    digests = pixel_digests([items[row] for row in order], workers=workers)
    first: dict[bytes, int] = {}
    pairs = [
        (first.setdefault(digest, row), row)
        for row, digest in zip(order, digests, strict=True)
        if isinstance(digest, bytes)
    ]
    return {(before, row) for before, row in pairs if before != row}
