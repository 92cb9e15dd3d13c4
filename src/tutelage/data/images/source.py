"""Recognizing the kind of an image source and its splits."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tutelage.core.errors import did_you_mean
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.core.regular import leads_to_itself, special_kind
from tutelage.core.wording import option
from tutelage.data.images.arrays import list_arrays, list_digits
from tutelage.data.images.folders import (
    LABEL_TABLE,
    find_images,
    is_unlabeled,
    list_all_images,
    list_class_folders,
    list_named_images,
    list_table_folder,
    visible_folders,
)
from tutelage.data.images.frames import tell_of_frames
from tutelage.data.images.items import IMAGE_SUFFIXES, Files, ImageListing, Item
from tutelage.data.images.metadata import columns_of
from tutelage.data.images.own_tables import OwnTable, own_table
from tutelage.data.images.record_splits import is_record_source, list_record_splits
from tutelage.data.images.shards import is_shard, list_shards
from tutelage.data.images.split_names import split_files, split_folders, warn_beside

Role = Literal["train", "val", "test", "unlabeled", "predict"]
_LEARNED = ("train", "unlabeled")
_KINDS = "expected class folders, a folder with labels.csv, tar shards, Parquet or .npz files, or the word digits"


def list_images(path: str, labels: str | None = None, *, role: Role = "train") -> ImageListing:
    """The images at `path` for a role, with all faults; no pixel is read.

    Args:
        path: folder, tar shard, `.npz` file, or the word `digits`; to predict also an image, a `.csv` with a column
            `path`, or a `.txt` with one path per line.
        labels: label table of a folder, see `read_table`.
        role: of a source with splits, the split of that name is taken, otherwise everything. The roles `unlabeled` and
            `predict` take all images below a folder without their labels; `unlabeled` leaves out the splits `val` and
            `test`.
    """
    if role in ("unlabeled", "predict"):
        try:
            return tell_of_frames(_without_labels(path, scored=role == "predict"))
        except OSError as error:
            return _closed(path, error)
    splits = list_image_splits(path, labels)
    if role in splits:
        return splits[role]
    if len(splits) == 1 and "train" in splits:
        return splits["train"]
    return ImageListing(
        "not recognized", path, faults=[f"{shown(path)} has no split '{role}'; it has {', '.join(splits)}"]
    )


def is_archive(path: str) -> bool:
    """Whether images lie in files of many, so that no table of a folder can label them. Only names are looked at."""
    root = user_path(path)
    if path == "digits" or root.is_file():
        return True
    return root.is_dir() and (is_record_source(root) or any(map(is_shard, root.iterdir())))


def list_image_splits(path: str, labels: str | None = None) -> dict[str, ImageListing]:
    """The splits of a source by name (`train`, `val`, `test`, `unlabeled`); a source without splits is all `train`."""
    try:
        return {name: tell_of_frames(listing) for name, listing in _recognize(path, labels).items()}
    except OSError as error:
        return {"train": _closed(path, error)}


def _recognize(path: str, labels: str | None) -> dict[str, ImageListing]:
    if path == "digits":
        return _refuse_labels(list_digits(), path, labels)
    root = user_path(path)
    if leads_to_itself(root):
        return {"train": _fault(path, f"{shown(path)} is a link that leads to itself; {_KINDS}")}
    if not root.exists():
        return {"train": _fault(path, f"{shown(path)}: no such file or folder{_near(root)}; {_KINDS}")}
    if (kind := special_kind(root)) is not None:
        return {"train": _fault(path, f"{shown(path)} is {kind}; {_KINDS}")}
    if is_record_source(root):
        return _refuse_labels(list_record_splits(root, path), path, labels)
    if root.is_dir():
        shards = sorted(entry for entry in root.iterdir() if is_shard(entry))
        if shards:
            return _refuse_labels(split_files(root, shards, path, list_shards, "shards"), path, labels)
        return _split_folder(root, path, labels)
    if is_shard(root):
        return _refuse_labels({"train": list_shards([root], path)}, path, labels)
    if root.suffix.lower() == ".npz":
        return _refuse_labels(list_arrays(root, path), path, labels)
    if root.suffix.lower() == ".csv":
        alone = f"{shown(path)} is a table alone: name the folder of its images, and the table with"
        return {"train": _fault(path, f"{alone} {option('labels', path)}")}
    return {"train": _fault(path, f"{shown(path)} is a file of another kind; {_KINDS}")}


def _without_labels(path: str, *, scored: bool) -> ImageListing:
    """All images of a source; `scored` includes its splits `val` and `test`."""
    root = user_path(path)
    if path != "digits" and root.is_dir() and not is_record_source(root):
        shards = sorted(entry for entry in root.iterdir() if is_shard(entry))
        if not shards:
            return _list_below(root, path, scored=scored)
        if scored:
            listing = list_shards(shards, path)
            warn_beside(root, listing, "shards")
            return _merged([listing])
    if is_image_list(root) and root.suffix.lower() in IMAGE_SUFFIXES:
        return ImageListing("image", path, [Item(root.name, None, Files(root.parent), root.name)])
    if is_image_list(root):
        return list_named_images(root, path)
    splits = list_image_splits(path)
    taken = [listing for split, listing in splits.items() if scored or split in _LEARNED]
    if not taken:
        return _fault(path, f"{shown(path)} has no split {' or '.join(_LEARNED)}; it has {', '.join(splits)}")
    return _merged(taken)


def is_image_list(path: Path) -> bool:
    """Whether a path is an image, or a file with a list of some: what is taken wherever images need no labels."""
    return path.is_file() and path.suffix.lower() in (*IMAGE_SUFFIXES, ".csv", ".txt")


def _merged(listings: list[ImageListing]) -> ImageListing:
    return replace(
        listings[0],
        items=[replace(item, label=None) for listing in listings for item in listing.items],
        faults=[fault for listing in listings for fault in listing.faults],
        warnings=[warning for listing in listings for warning in listing.warnings],
    )


def _list_below(root: Path, where: str, *, scored: bool) -> ImageListing:
    listing = list_all_images(root, where)
    if not listing.items:
        listing.faults.append(f"{shown(where)} holds no images (known suffixes: {' '.join(IMAGE_SUFFIXES)})")
    passed = [folder for folder, split in split_folders(root).items() if not scored and split not in _LEARNED]
    left = [item for item in listing.items if item.name.split("/", 1)[0] not in passed]
    if len(left) < len(listing.items):
        names = ", ".join(shown(folder) for folder in passed)
        if left:
            listing.warnings.append(
                f"{shown(where)}: the images in {names} are for scoring and are not used for training"
            )
        else:
            listing.faults.append(f"{shown(where)} holds images for scoring only ({names}): name that folder itself")
    listing.items = left
    return listing


def _split_folder(root: Path, where: str, labels: str | None) -> dict[str, ImageListing]:
    folders = visible_folders(root)
    splits = split_folders(root)
    table = find_table(root, labels)
    if table is not None:
        return _partition(list_table_folder(root, where, table), splits)
    if (own := own_table(root)) is not None:
        return _of_own_table(own, where, splits)
    parts = [folder for folder, split in splits.items() if split in ("train", "val", "test")]
    if "train" in splits.values() or (parts and len(splits) == len(folders)):
        listings: dict[str, ImageListing] = {}
        for folder, split in splits.items():
            if split in listings:
                listings[split].faults.append(
                    f"{shown(where)}: {shown(folder)} is a second folder for {split}: keep one"
                )
            elif split == "unlabeled":
                listings[split] = list_images(str(root / folder), role="unlabeled")
            else:
                listings[split] = list_images(str(root / folder), role="train")
        first = listings.get("train", next(iter(listings.values())))
        if others := [folder for folder in folders if folder not in splits]:
            first.warnings.append(
                f"{shown(where)}: folders beside the splits were skipped: {', '.join(map(shown, others))}"
            )
        if beside := find_images(root, first, deep=False):
            many = counted(len(beside), "image")
            first.warnings.append(f"{shown(where)}: {many} beside the splits skipped (first: {shown(beside[0])})")
        return listings
    listing = _list_plain_folder(root, where, folders)
    listing.faults += [
        f"{shown(str(root / part))} looks like a split, but there is no folder 'train' beside it: "
        "move the class folders into 'train', or rename it"
        for part in parts
    ]
    return {"train": listing}


def _of_own_table(own: OwnTable, where: str, splits: dict[str, str]) -> dict[str, ImageListing]:
    """The images that a table of another tool names; what it is taken for is said."""
    listing = list_table_folder(own.images, where, own.file)
    columns = columns_of(own.file)
    if columns not in (None, ("file_name", "label"), ("path", "label")):
        said = f"the column '{shown(columns[0])}' names the images, and '{shown(columns[1])}' is the label"
        listing.warnings.insert(0, f"{shown(str(own.file))}: {said}")
    if own.beside:
        names = ", ".join(map(shown, own.beside))
        use = option("unlabeled", own.images.parent / own.beside[0])
        listing.warnings.append(f"{shown(where)}: folders beside {own.images.name} were skipped: {names}; try {use}")
    return _partition(listing, splits if own.images == own.file.parent else {})


def _list_plain_folder(root: Path, where: str, folders: list[str]) -> ImageListing:
    classes = [folder for folder in folders if not is_unlabeled(folder)]
    if classes:
        listing = list_class_folders(root, where)
        if not listing.items:
            listing.faults = [f"{shown(where)} holds no images (known suffixes: {' '.join(IMAGE_SUFFIXES)})"]
        return listing
    listing = list_all_images(root, where)
    if listing.items:
        listing.faults.append(
            f"{shown(where)} holds images ({len(listing.items)}) and no labels: sort labeled images into class "
            f"folders, or give a table with {option('labels')}"
        )
    else:
        listing.faults.append(f"{shown(where)} holds no images; {_KINDS}")
    return listing


def find_table(root: Path, labels: str | None) -> Path | None:
    """The label table of a folder: `labels` as given or relative to the folder, or the folder's own `labels.csv`."""
    inside = root / (labels or LABEL_TABLE)
    there = os.path.lexists(inside) and not inside.is_dir()  # a pipe or a broken link, too, which reading it names
    if labels is None:
        return inside if there else None
    given = user_path(labels)
    return inside if there and not given.exists() else given


def _partition(listing: ImageListing, splits: dict[str, str]) -> dict[str, ImageListing]:
    """One listing per split, by the first folder of each path; all share the classes of the table.

    Images outside the split folders are for training.
    """
    if not {"train", "val", "test"} & set(splits.values()):
        return {"train": listing}
    names = dict.fromkeys(("train", *splits.values()))
    listings = {split: replace(listing, items=[], faults=[], warnings=[]) for split in names}
    for item in listing.items:
        folder = item.name.split("/", 1)[0]
        listings[splits.get(folder, "train")].items.append(item)
    if not listings["train"].items:
        del listings["train"]
    first = next(iter(listings.values()))
    first.faults, first.warnings = listing.faults, listing.warnings
    return listings


def _refuse_labels(listings: dict[str, ImageListing], where: str, labels: str | None) -> dict[str, ImageListing]:
    if labels is not None:
        next(iter(listings.values())).faults.append(
            f"{shown(where)} has its own labels: the table {shown(labels)} is for a folder of images"
        )
    return listings


def _near(root: Path) -> str:
    if not root.parent.is_dir():
        return ""
    beside = [entry.name for entry in os.scandir(root.parent) if not entry.name.startswith(".")]
    hint = did_you_mean(root.name, ["digits", *beside] if root.name == str(root) else beside)
    return shown(hint) if hint.startswith("; did you mean") else ""


def _closed(where: str, error: OSError) -> ImageListing:
    return _fault(where, f"{shown(where)} cannot be listed: {error.strerror}")


def _fault(where: str, fault: str) -> ImageListing:
    return ImageListing("not recognized", where, faults=[fault])
