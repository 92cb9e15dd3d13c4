"""Folders of image files: which files are images, and which class each folder or table gives them."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tutelage.core.names import class_name_fault, counted, file_key, first_of, from_cell, shown
from tutelage.core.regular import read_regular, special_kind
from tutelage.data.images.items import HEIF_SUFFIXES, IMAGE_SUFFIXES, Files, ImageListing, Item, sort_classes
from tutelage.data.images.label_files import is_export, placed, read_labels
from tutelage.data.images.row_labels import labels_meant
from tutelage.data.images.row_paths import images_meant, ways_of
from tutelage.data.images.tables import Row, read_table

UNLABELED = ("unlabeled", "unlabelled")
LABEL_TABLE = "labels.csv"
CLASS_FOLDERS = "class folders"  # the kind of such a source
_JOINT = re.compile(r"[,;|+&]")  # what people put between the classes of an image
_MOST_VISITS = 16
_SILENT = (".csv", ".json", ".jsonl", ".txt", ".md", ".ini", ".db")  # files that are expected beside images


@dataclass
class _LeftOut:
    """What is no image in a folder: the number of other files by suffix, hidden folders, pipes and the like."""

    kinds: Counter[str] = field(default_factory=Counter)
    hidden: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    visits: Counter[tuple[int, int]] = field(default_factory=Counter)  # of each folder, by any path


def visible_folders(folder: Path) -> list[str]:
    """Names of the folders in `folder`, sorted, without hidden ones."""
    return sorted(entry.name for entry in os.scandir(folder) if _is_folder(entry) and not _hidden(entry.name))


def is_unlabeled(folder: str) -> bool:
    """Whether a folder of that name holds unlabeled images rather than a class, in upper or lower case."""
    return folder.lower() in UNLABELED


def find_images(root: Path, listing: ImageListing, under: str = "", *, deep: bool = True) -> list[str]:
    """Image files below `root/under`, as sorted paths relative to `root` with forward slashes.

    Hidden folders are skipped. Links to folders are followed unless they form a loop. Warnings and faults go to
    `listing`.
    """
    found: list[str] = []
    above = (_identity(root),) if under else ()
    left = _LeftOut()
    _walk(root, under, deep, above, found, left, listing)
    if left.kinds:
        kinds = ", ".join(f"{count} {shown(suffix) or 'without suffix'}" for suffix, count in left.kinds.most_common(5))
        heif = any(suffix in HEIF_SUFFIXES for suffix in left.kinds)
        listing.warnings.append(
            f"{shown(str(root / under))}: files that are not images were skipped: {kinds}"
            + (" (HEIC photos can be read after: pip install 'tutelage[heic]')" if heif else "")
        )
    if left.special:
        many = counted(len(left.special), "pipe, socket or device", "pipes, sockets or devices")
        listing.warnings.append(f"{shown(str(root / under))}: {many} skipped: {first_of(left.special)}")
    if left.hidden:
        inside = f"{shown(str(root / under))}: hidden folders were skipped"
        listing.warnings.append(f"{inside}: {first_of(left.hidden)}")
    return sorted(found)


def list_class_folders(root: Path, where: str) -> ImageListing:
    """A folder with a folder of images for each class, and possibly `unlabeled/`."""
    listing = ImageListing(CLASS_FOLDERS, where)
    store = Files(root)
    folders = visible_folders(root)
    beside = find_images(root, listing, deep=False)
    if beside:
        many = f"{shown(where)}: {_counted(beside)} beside the class folders"
        listing.misplaced[f"{many}: move images into a class or into unlabeled/"] = beside
    for folder in folders:
        images = find_images(root, listing, folder)
        if is_unlabeled(folder):
            listing.items += [Item(name, None, store, name) for name in images]
            continue
        nested = [name for name in images if name.count("/") > 1]
        if nested and len(nested) == len(images):
            many = f"{shown(str(root / folder))} holds folders instead of images ({_counted(nested)})"
            listing.misplaced[f"{many}: each class needs one folder directly under the source"] = nested
        elif nested:
            listing.warnings.append(
                f"{shown(str(root / folder))}: {_counted(nested)} in deeper folders, taken as class '{shown(folder)}'"
            )
        label = unicodedata.normalize("NFC", folder)  # as in tables
        listing.items += [Item(name, label, store, name) for name in images]
    listing.faults += listing.misplaced
    listing.classes = sort_classes({unicodedata.normalize("NFC", name) for name in folders if not is_unlabeled(name)})
    _check_class_names(listing)
    return listing


def list_table_folder(root: Path, where: str, table: Path) -> ImageListing:
    """A folder of images at any depth with labels in a CSV file, or in an export of Label Studio or CVAT.

    Images that the file does not name are unlabeled; those that it says to leave out are not listed.
    """
    rows, faults = read_labels(table)
    kind = "the export" if is_export(table) else "the label table"
    called = "labels given in Python" if rows and rows[0].given_as else f"{kind} {shown(table.name)}"
    listing = ImageListing(f"folder with {called}", where)
    images = find_images(root, listing)
    rows, doubtful = placed(rows, images)
    rows, taken = labels_meant(rows)
    listing.warnings += [f"{_called(table, rows[0])}: {sentence}" for sentence in taken]
    listing.faults += [*faults, *(f"{shown(str(table))} {fault}" for fault in doubtful)]
    named = _match_rows(rows, images, root, table, listing)
    labels = {path: row.label for path, row in named.items()}
    store = Files(root)
    left_out = {path for path, row in named.items() if row.left_out}
    listing.items = [Item(name, labels.get(name), store, name) for name in images if name not in left_out]
    if left_out:
        said = counted(len(left_out), "image")
        listing.warnings.append(f"{_called(table, next(iter(named.values())))}: {said} left out, as the table says")
    listing.classes = sort_classes({label for label in labels.values() if label is not None})
    _check_class_names(listing)
    _warn_joint(list(named.values()), table, listing)
    return listing


def _warn_joint(rows: list[Row], table: Path, listing: ImageListing) -> None:
    """A warning where labels such as `cat,dog` or `cat|dog` join the names of other classes."""
    classes = set(listing.classes)
    parts = {name: {part.strip() for part in _JOINT.split(name)} for name in classes if _JOINT.search(name)}
    joint = [row for row in rows if row.label is not None and parts.get(row.label, set()) & classes]
    if joint:
        spots = ", ".join(row.spot for row in joint[:5]) + (", ..." if len(joint) > 5 else "")
        such = f"{counted(len(joint), 'label')} such as '{shown(str(joint[0].label))}' ({spots})"
        listing.warnings.append(
            f"{shown(str(table))}: {such} join the names of other classes, and count as classes of their own: an image "
            "has one class here"
        )


def list_all_images(root: Path, where: str) -> ImageListing:
    """Every image below a folder, without labels."""
    listing = ImageListing("folder of images", where)
    store = Files(root)
    listing.items = [Item(name, None, store, name) for name in find_images(root, listing)]
    return listing


def list_named_images(table: Path, where: str) -> ImageListing:
    """The images listed in a CSV file with a column `path`, or in a text file with one path per line."""
    listing = ImageListing("list of images", where)
    if table.suffix.lower() == ".csv":
        rows, faults = read_table(table, needs_label=False)
        listing.faults += faults
        names = [_named(row.path, from_cell(row.path), table.parent) for row in rows]
    else:
        lines = _lines(table, listing)
        names = [_named(line, line, table.parent) for line in lines if line.strip()]
    if not names and not listing.faults:
        listing.faults.append(f"{shown(where)} names no images: expected one path per line")
    store = Files(table.parent)  # a missing file is reported when it is read, in its own row
    listing.items = [Item(name, None, store, name) for name in names]
    return listing


def _lines(file: Path, listing: ImageListing) -> list[str]:
    try:
        return read_regular(file).decode("utf-8-sig").splitlines()
    except OSError as error:
        listing.faults.append(f"{shown(str(file))} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        listing.faults.append(f"{shown(str(file))} is not UTF-8 text with one path per line (byte {error.start})")
    return []


def _named(path: str, otherwise: str, folder: Path) -> str:
    """A path of a list, `otherwise`, or the path with slashes or in another Unicode form: whichever is there."""
    slashes = path.replace("\\", "/")
    forms = (path, otherwise, slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD")))
    return next((form for form in forms if (folder / form).exists()), otherwise)


def _match_rows(rows: list[Row], images: list[str], root: Path, table: Path, listing: ImageListing) -> dict[str, Row]:
    named: dict[str, Row] = {}
    again: list[Row] = []
    found = images_meant([row.path for row in rows], images, root)
    for row, meant in zip(rows, found, strict=True):
        place = f"{row.place(table)}: '{shown(row.path)}'"
        if meant.name is None:
            listing.faults.append(f"{place} {meant.fault}")
            continue
        before = named.setdefault(meant.name, row)
        if before.left_out != row.left_out:
            listing.faults.append(f"{place} is left out here or in {before.spot}, and used in the other: keep one row")
        elif before.label != row.label:
            listing.faults.append(
                f"{place} is labeled '{shown(row.label or '')}' here and '{shown(before.label or '')}' in {before.spot}"
            )
        elif before is not row:
            again.append(row)
    spots = [f"{row.spot}: '{shown(row.path)}'" for row in rows]
    listing.warnings += [f"{_called(table, rows[0])}: {said}" for said in ways_of(list(zip(spots, found, strict=True)))]
    if again:
        listing.warnings.append(
            f"{_called(table, again[0])}: {len(again)} rows repeat a path with the same label (first: {again[0].spot})"
        )
    return named


def _called(table: Path, row: Row) -> str:
    return "labels" if row.given_as else shown(str(table))


def _check_class_names(listing: ImageListing) -> None:
    listing.faults += [
        f"{shown(listing.where)}: {fault}" for name in listing.classes if (fault := class_name_fault(name))
    ]
    by_fold: dict[str, str] = {}
    for name in listing.classes:
        first = by_fold.setdefault(file_key(name), name)
        if first != name:
            listing.warnings.append(
                f"{shown(listing.where)}: the classes '{shown(first)}' and '{shown(name)}' differ only in case"
            )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()  # a link may point to itself


def _is_file(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _counted(names: list[str]) -> str:
    return f"{len(names)} image{'s' if len(names) > 1 else ''} (first: {shown(names[0])})"


def _walk(
    root: Path,
    under: str,
    deep: bool,
    ancestors: tuple[tuple[int, int], ...],
    found: list[str],
    left: _LeftOut,
    listing: ImageListing,
) -> None:
    folder = root / under
    try:
        identity = _identity(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        listing.faults.append(f"{shown(str(folder))} cannot be listed: {error.strerror}")
        return
    if identity in ancestors:
        listing.warnings.append(f"{shown(str(folder))} is a link to a folder above itself: skipped")
        return
    left.visits[identity] += 1
    if left.visits[identity] > _MOST_VISITS:  # links between n folders give n! paths
        if left.visits[identity] == _MOST_VISITS + 1:
            many = f"is reached in more than {_MOST_VISITS} ways over links to folders"
            listing.warnings.append(f"{shown(str(folder))} {many}: the others are skipped")
        return
    for entry in entries:
        name = f"{under}/{entry.name}" if under else entry.name
        suffix = posixpath.splitext(entry.name)[1].lower()
        if _hidden(entry.name):
            if _is_folder(entry):
                left.hidden.append(name)
            elif suffix in IMAGE_SUFFIXES:
                left.kinds["hidden"] += 1
            continue
        if _is_folder(entry):
            if deep:
                _walk(root, name, deep, (*ancestors, identity), found, left, listing)
        elif (kind := None if _is_file(entry) else special_kind(entry.path)) is not None:
            left.special.append(f"{name} ({kind})")
        elif suffix not in IMAGE_SUFFIXES:
            if suffix not in _SILENT:
                left.kinds[suffix] += 1
        elif _is_file(entry):
            found.append(name)
        elif entry.is_symlink():
            listing.faults.append(f"{shown(str(root / name))} is a link to a file that does not exist")
