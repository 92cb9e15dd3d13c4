"""Whether the images of a run fit together: their classes, and copies."""

from __future__ import annotations

from tutelage.core.names import shown
from tutelage.data.images.items import Item
from tutelage.data.images.parts import ImageInventory, ImagePart

_IMBALANCE = 10  # ratio of largest to smallest class that causes a warning


def check_train_classes(train: ImagePart, inventory: ImageInventory) -> None:
    """There are two classes or more, and each has labels; a warning where their numbers differ much."""
    where, classes, counts = shown(train.listing.where), train.listing.classes, train.class_counts()
    if not classes:
        if not train.listing.faults:
            inventory.faults.append(f"{where} has no labeled image: expected some of each class")
        return
    if len(classes) == 1:
        inventory.faults.append(f"{where} has only one class ('{shown(classes[0])}'): expected two or more")
    inventory.faults += [
        f"{where}: class '{shown(name)}' has no labeled image: label one or remove the class"
        for name in classes
        if not counts[name]
    ]
    if counts and max(counts.values()) >= _IMBALANCE * min(counts.values()):
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        inventory.warnings.append(
            f"{where}: classes are imbalanced: '{shown(most)}' has {many} labels, '{shown(least)}' {few}"
        )


def check_scored_classes(role: str, part: ImagePart, inventory: ImageInventory) -> None:
    """The classes of the images that score are those of the training images."""
    where, counts = shown(part.listing.where), part.class_counts()
    unknown = [name for name in sorted(counts) if name not in inventory.classes]
    for name in unknown:
        first = next(item for item in part.items if item.label == name)
        inventory.faults.append(
            f"{where}: class '{shown(name)}' of the {role} images is not a class of the training images "
            f"({counts[name]} images, first: {shown(first.place)})"
        )
    if not counts:
        inventory.faults.append(f"{where}: the {role} images have no labels: expected class folders or a label table")
        return
    missing = [shown(name) for name in inventory.classes if not counts[name]]
    if missing:
        inventory.warnings.append(f"{where}: no {role} image of {len(missing)} classes: {', '.join(missing[:10])}")
    without = sum(item.label is None for item in part.items)
    if without:
        inventory.warnings.append(f"{where}: {without} {role} images without a label are not used")


def check_copies(inventory: ImageInventory) -> None:
    """Byte-identical images: within the training images, and between those and the images that score."""
    first: dict[bytes, tuple[str, Item]] = {}
    groups: dict[str, list[tuple[Item, Item]]] = {}
    for role, part in inventory.parts.items():
        group = "train" if role == "unlabeled" else role
        for item, look in zip(part.items, part.looks, strict=True):
            before_group, before = first.setdefault(look.digest, (group, item))
            if before is not item:
                groups.setdefault(" and ".join(sorted({before_group, group})), []).append((before, item))
    for group, pairs in groups.items():
        example = f"{shown(pairs[0][0].place)} = {shown(pairs[0][1].place)}"
        meaning = "within" if " and " not in group else "between"
        inventory.warnings.append(f"{len(pairs)} byte-identical copies {meaning} {group} (first: {example})")
        mixed = [(a, b) for a, b in pairs if None not in (a.label, b.label) and a.label != b.label]
        if mixed:
            a, b = mixed[0]
            inventory.warnings.append(
                f"{len(mixed)} of these copies carry different labels (first: {shown(a.place)} is "
                f"'{shown(str(a.label))}', {shown(b.place)} is '{shown(str(b.label))}')"
            )
