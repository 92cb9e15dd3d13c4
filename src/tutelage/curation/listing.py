"""The images of a folder that is being labeled, with the labels that are there already."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.data.images.folders import CLASS_FOLDERS
from tutelage.data.images.items import Files, ImageListing, Item
from tutelage.data.images.source import find_table, is_image_list, list_image_splits, list_images

_LEARNED = ("train", "unlabeled")


def list_pile(config: DataConfig, *, ignore_folders: bool = False) -> ImageListing:
    """The images that labels are wanted for, with those that are known; splits to score on are left out.

    A folder may have class folders, a label table, or no label at all, at any depth. Class folders are not taken as
    such if one of them cannot be one, such as a year that holds months, or if there is one class folder and nothing
    else; images beside them have no label. Lists of images are taken, too. Paths of files are relative to the source.

    Args:
        ignore_folders: the folders are no classes; only a label table tells labels.

    Raises:
        DataError: with all faults.
    """
    root = user_path(config.path)
    if is_image_list(root):
        return _sound(list_images(config.path, role="unlabeled"))
    splits = list_image_splits(config.path, config.labels)
    has_table = root.is_dir() and find_table(root, config.labels) is not None
    parts = [splits[role] for role in _LEARNED if role in splits]
    listing = splits.get("train", next(iter(parts), None))
    misplaced = {} if listing is None else listing.misplaced
    nested = [fault for fault, names in misplaced.items() if "/" in names[0]]
    no_classes = listing is not None and (listing.kind == "folder of images" or _is_nested(listing) or bool(nested))
    if not no_classes and listing is not None:
        _take_beside(listing)
    items = [
        _bare(item) if role == "unlabeled" else item
        for role in _LEARNED
        if role in splits
        for item in splits[role].items
    ]
    only_class = len({item.label for item in items}) == 1 and not has_table
    if not has_table and (no_classes or only_class or ignore_folders or "train" not in splits):
        found = _sound(list_images(config.path, role="unlabeled"))
        if nested and listing is not None and not (ignore_folders or _is_nested(listing)):
            found.warnings.append(f"its folders are not taken as classes, since {nested[0]}")
        return replace(found, items=[_from_root(item, root) for item in found.items])
    faults = [fault for part in (parts or splits.values()) for fault in part.faults]
    if faults:
        raise DataError(faults)
    if listing is None or not items:
        raise DataError(f"{shown(config.path)} holds no images to learn from; it has {', '.join(splits)}")
    warnings = [warning for part in parts for warning in part.warnings]
    return replace(listing, items=[_from_root(item, root) for item in items], warnings=warnings)


def _take_beside(listing: ImageListing) -> None:
    """Take images beside class folders, which `train` refuses, as images without a label."""
    store = Files(user_path(listing.where))
    for fault, names in listing.misplaced.items():
        listing.faults.remove(fault)
        listing.items += [Item(name, None, store, name) for name in names]
        many = counted(len(names), "image")
        listing.warnings.append(f"{many} beside the class folders taken as unlabeled (first: {shown(names[0])})")


def _sound(listing: ImageListing) -> ImageListing:
    """The listing, unless it has faults, which are raised."""
    if listing.faults:
        raise DataError(listing.faults)
    return listing


def _is_nested(listing: ImageListing) -> bool:
    """Whether all images of class folders lie in deeper folders."""
    return listing.kind == CLASS_FOLDERS and all(item.name.count("/") > 1 for item in listing.items)


def _bare(item: Item) -> Item:
    return replace(item, label=None)


def _from_root(item: Item, root: Path) -> Item:
    """The item with a path relative to `root`, if it is a file below it."""
    if not isinstance(item.store, Files) or item.store.root == root:
        return item
    name = Path(os.path.relpath(item.place, root)).as_posix()
    return Item(name, item.label, Files(root), name)
