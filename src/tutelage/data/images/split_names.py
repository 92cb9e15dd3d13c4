"""Words in the names of folders and files that tell a split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tutelage.core.names import shown
from tutelage.data.images.folders import UNLABELED, find_images, visible_folders
from tutelage.data.images.items import ImageListing

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"} | dict.fromkeys(
    UNLABELED, "unlabeled"
)
_SPLIT_WORD = re.compile(rf"(?<![a-z])({'|'.join(SPLIT_NAMES)})(?![a-z])", re.IGNORECASE)
_SCORED_PART = re.compile("test|val", re.IGNORECASE)


def split_folders(root: Path) -> dict[str, str]:
    """The split of each folder in `root` that is named after one."""
    return {name: SPLIT_NAMES[name.lower()] for name in visible_folders(root) if name.lower() in SPLIT_NAMES}


def split_files(
    root: Path, files: Sequence[Path], where: str, read: Callable[[list[Path], str], ImageListing], called: str
) -> dict[str, ImageListing]:
    """The splits of files that hold many images each, by a word in their names; files without one are for training.

    Args:
        read: lists the images of some files.
        called: what such files are, in the plural.
    """
    groups: dict[str, list[Path]] = {}
    faults = []
    for file in files:
        named = {SPLIT_NAMES[word.lower()] for word in _SPLIT_WORD.findall(file.name)}
        if len(named) > 1:
            faults.append(f"{shown(str(file))} names more than one split ({', '.join(sorted(named))}): keep one word")
        groups.setdefault(min(named, default="train"), []).append(file)
    faults += _doubtful(files, called)
    listings = {split: read(group, where) for split, group in groups.items()}
    next(iter(listings.values())).faults[:0] = faults
    warn_beside(root, listings.get("train", next(iter(listings.values()))), called)
    return listings


def warn_beside(root: Path, listing: ImageListing, called: str) -> None:
    """A warning of image files that lie beside files of many images."""
    if images := find_images(root, ImageListing("", listing.where)):
        beside = f"{len(images)} image files beside the {called} were skipped"
        listing.warnings.append(f"{shown(listing.where)}: {beside} (first: {shown(images[0])})")


def _doubtful(files: Sequence[Path], called: str) -> list[str]:
    """A fault for files without a split word that may belong to another split, e.g. `testset-0.tar`.

    Files that are all named alike are one set, whatever their name.
    """
    parts = {
        file: tuple(part.lower() for part in _SCORED_PART.findall(file.name))
        for file in files
        if not _SPLIT_WORD.search(file.name)
    }
    doubtful = [file for file, found in parts.items() if found]
    if not doubtful or (len(parts) == len(files) and len(set(parts.values())) == 1):
        return []
    return [
        f"{shown(str(doubtful[0]))} would be used for training, but its name suggests another split "
        f"({len(doubtful)} such {called}): name it train-..., val-... or test-..."
    ]
