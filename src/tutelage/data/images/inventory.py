"""All sources of a run, listed and looked at once, with everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tutelage.config.settings import DataConfig
from tutelage.core.names import shown
from tutelage.data.images.items import Item, Listing, Unreadable
from tutelage.data.images.source import find_table, list_source, list_splits
from tutelage.data.images.survey import Look, survey

_IMBALANCE = 10  # largest class against smallest, from where on it is worth a warning
_TINY = 4  # pixels
ROLES = ("train", "unlabeled", "val", "test")


@dataclass
class Part:
    """One source in its role, e.g. test: what can be read, and what each image of it is."""

    listing: Listing
    items: list[Item]
    looks: list[Look]

    def class_counts(self) -> Counter[str]:
        """Labeled images of each class that has any."""
        return Counter(item.label for item in self.items if item.label is not None)


@dataclass
class Inventory:
    """The parts of a run by role (`train`, `unlabeled`, `val`, `test`), and what was found in them.

    `faults` stop a run, `warnings` do not; all are sentences that are safe to print.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.parts["train"].listing.classes if "train" in self.parts else ()

    def facts(self) -> dict[str, dict[str, Any]]:
        """Of each part the number of images, and a hash of their names, of their labels, and of their contents."""
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
        """32 hexadecimal digits that follow from the names, labels and file contents of these parts, or of all."""
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


def take_inventory(config: DataConfig, *, workers: int = 1, needs_labels: bool = True) -> Inventory:
    """List all sources of `config`, read every image once, and collect all faults and warnings.

    Args:
        needs_labels: without it labels are welcome and no lack of them is a fault; see `list_parts`.
    """
    inventory = Inventory()
    for role, listing in list_parts(config, needs_labels=needs_labels).items():
        inventory.faults += listing.faults
        inventory.warnings += listing.warnings
        inventory.parts[role] = _look(listing, config.skip_unreadable, workers, inventory)
    train = inventory.parts.get("train")
    if train is None:
        inventory.faults.append(f"{shown(config.path)} has no training images: expected a folder or shards 'train'")
    elif train.listing.items:
        if needs_labels:
            _check_train_classes(train, inventory)
        for role in ("val", "test"):
            if role in inventory.parts and inventory.parts[role].listing.items:
                _check_scored_classes(role, inventory.parts[role], inventory)
    _check_copies(inventory)
    return inventory


def list_parts(config: DataConfig, *, needs_labels: bool = True) -> dict[str, Listing]:
    """What each source of `config` offers, by role; nothing is read but names and labels.

    Args:
        needs_labels: without it, training images that have no two classes are taken as images alone, wherever they lie
            below the folder, and images that are to score and have no labels are left out, which a warning says.
    """
    listings = list_splits(config.path, config.labels)
    if not needs_labels:
        listings = _labels_or_images_alone(listings, config)
    if config.val is not None:
        listings["val"] = list_source(config.val, role="val")
    if config.test is not None:
        listings["test"] = list_source(config.test, role="test")
    if config.unlabeled is not None:
        further = list_source(config.unlabeled, role="unlabeled")
        if "unlabeled" in listings:
            further.items = listings["unlabeled"].items + further.items
            further.faults = listings["unlabeled"].faults + further.faults
            further.warnings = listings["unlabeled"].warnings + further.warnings
        listings["unlabeled"] = further
    if not needs_labels:
        _leave_out_useless_scores(listings)
    if "unlabeled" in listings:  # also of shards and tables, whose split of that name may hold labels
        unlabeled = listings["unlabeled"]
        unlabeled.items = [_bare(item) for item in unlabeled.items]
    return {role: listings[role] for role in ROLES if role in listings}


def _labels_or_images_alone(listings: dict[str, Listing], config: DataConfig) -> dict[str, Listing]:
    """The listings of the data as they are if there are labels to speak of; else all images as `train`, unlabeled."""
    train = listings.get("train")
    if train is not None and len(train.classes) > 1:
        return listings
    if train is not None and find_table(Path(config.path).expanduser(), config.labels) is not None:
        return listings | {"train": replace(train, items=[_bare(item) for item in train.items], classes=())}
    alone = list_source(config.path, role="unlabeled")
    if train is not None:
        alone.flip_ok = train.flip_ok
    return {role: part for role, part in listings.items() if role not in ("train", "unlabeled")} | {"train": alone}


def _leave_out_useless_scores(listings: dict[str, Listing]) -> None:
    """Drop the parts that score and have no labels, and all of them where no training image has one to compare with."""
    train = listings["train"]
    labeled = {role: any(item.label is not None for item in part.items) for role, part in listings.items()}
    for role in ("val", "test"):
        if role in listings and listings[role].items and not (labeled["train"] and labeled[role]):
            part = listings.pop(role)
            train.warnings.append(f"{shown(part.where)}: the {role} images score nothing, since labels are missing")


def _bare(item: Item) -> Item:
    return Item(item.name, None, item.store, item.key)


def _look(listing: Listing, skip: bool, workers: int, inventory: Inventory) -> Part:
    part = Part(listing, [], [])
    for item, look in zip(listing.items, survey(listing.items, workers=workers), strict=True):
        if isinstance(look, Look):
            part.items.append(item)
            part.looks.append(look)
        elif skip:
            inventory.warnings.append(f"left out: {_sentence(item, look)}")
        else:
            inventory.faults.append(_sentence(item, look))
    tiny = [item for item, look in zip(part.items, part.looks, strict=True) if min(look.size) < _TINY]
    if tiny:
        inventory.warnings.append(
            f"{len(tiny)} images have a side of less than {_TINY} pixels (first: {shown(tiny[0].place)})"
        )
    return part


def _check_train_classes(train: Part, inventory: Inventory) -> None:
    where, classes, counts = shown(train.listing.where), train.listing.classes, train.class_counts()
    if not classes:
        if not train.listing.faults:
            inventory.faults.append(f"{where} has no labeled image: expected some of each class")
        return
    if len(classes) == 1:
        inventory.faults.append(f"{where} has one class only ('{shown(classes[0])}'): expected two or more")
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


def _check_scored_classes(role: str, part: Part, inventory: Inventory) -> None:
    where, counts = shown(part.listing.where), part.class_counts()
    unknown = [name for name in sorted(counts) if name not in inventory.classes]
    for name in unknown:
        first = next(item for item in part.items if item.label == name)
        inventory.faults.append(
            f"{where}: class '{shown(name)}' of the {role} images is no class of the training images "
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
        inventory.warnings.append(f"{where}: {without} {role} images without label are not used")


def _check_copies(inventory: Inventory) -> None:
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


def _sentence(item: Item, look: Unreadable) -> str:
    return f"{shown(item.place)} {look.reason}"
