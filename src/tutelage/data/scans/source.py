"""Recognizing the kind of a source of scans and its splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from tutelage.core.inputs import user_path
from tutelage.core.names import shown
from tutelage.core.regular import leads_to_itself, special_kind
from tutelage.core.wording import option
from tutelage.data.images.folders import UNLABELED
from tutelage.data.scans.dataset_file import DATASET_FILE, damaged_dataset_file, is_dataset_file, unused_dataset_file
from tutelage.data.scans.folders import (
    IMAGE_FOLDERS,
    LABEL_FOLDERS,
    find_folder,
    is_atria_folder,
    is_hdf5_folder,
    list_atria,
    list_hdf5,
    list_pairs,
    scan_files,
    ssl4mis_folder,
    subfolders,
)
from tutelage.data.scans.formats.common import DICOM_SUFFIXES, SLICE_SUFFIXES, VOLUME_SUFFIXES, stem_of, suffix_of
from tutelage.data.scans.formats.files import is_dicom, is_volume
from tutelage.data.scans.items import Case, ScanListing, names_apart
from tutelage.data.scans.patient_folders import (
    is_brats_source,
    list_brats,
    list_nested,
    list_series,
    nested_scan,
)
from tutelage.data.scans.tables import is_pair_table, list_dataset_file, list_pair_table

Role = Literal["train", "val", "test", "unlabeled", "predict"]
_SPLITS = {
    **dict.fromkeys(("train", "training", "training set"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing", "testing set"), "test"),
    **dict.fromkeys(UNLABELED, "unlabeled"),
}
_LOOKED_AT = 50  # entries per folder that are looked at to recognize scans
_TRIED = 4  # of them are opened, if their name tells nothing
_KINDS = "expected images/ and labels/, a dataset.json, a CSV file with image,label, .h5 files, or a folder of scans"


@dataclass(frozen=True)
class _Known:
    """What is known of a source: whether 2-D images are cases, and the files of a case, or None."""

    slices: bool
    channels: int | None


def files_of_a_case(listing: ScanListing) -> int | None:
    """How many files each case of a listing has; None if it has none, or they differ."""
    counts = {len(case.images) for case in listing.cases}
    return counts.pop() if len(counts) == 1 else None


def is_scan_source(path: str, labels: str | None = None) -> bool:
    """Whether a path holds scans to segment rather than images to classify. Only a few files are looked at.

    Args:
        labels: as in `list_scans`; a folder of masks or a table of pairs means scans, too.
    """
    if path == "digits":  # the bundled images
        return False
    root = user_path(path)
    try:
        if labels is not None:
            table = user_path(labels)
            return (table.is_dir() and not table.samefile(root)) or is_pair_table(table, root)
        if root.is_file():
            return (
                suffix_of(root) in DICOM_SUFFIXES
                or is_volume(root)
                or (root.suffix.lower() == ".csv" and is_pair_table(root))
                or (root.suffix.lower() == ".json" and is_dataset_file(root))
            )
        return root.is_dir() and _holds_scans(root, depth=1)
    except OSError:
        return False


def list_scans(
    path: str, labels: str | None = None, *, role: Role = "train", channels: int | None = None
) -> ScanListing:
    """The cases at `path` for a role, with all faults; of `.h5` files only the names inside are read.

    Args:
        labels: a folder of masks named like the images, or a CSV file of pairs for the images in the folder `path`.
        role: of a source with splits, the split of that name is taken, otherwise everything. To predict, all splits are
            taken. The roles `unlabeled` and `predict` leave out labels and accept a folder of PNGs.
        channels: files that a case has, if that is known; see `group_channels`.
    """
    splits = list_scan_splits(path, labels, slices=role in ("unlabeled", "predict"), channels=channels)
    if role == "predict":
        return _without_labels(_merged(_named_by_split(splits)))
    if role in splits:
        return _without_labels(splits[role]) if role == "unlabeled" else splits[role]
    if role == "unlabeled" and "train" in splits:
        return _without_labels(splits["train"])
    if len(splits) == 1 and "train" in splits:
        return splits["train"]
    return _fault(path, f"{shown(path)} has no split '{role}'; it has {', '.join(splits)}")


def list_scan_splits(
    path: str, labels: str | None = None, *, slices: bool = False, channels: int | None = None
) -> dict[str, ScanListing]:
    """The splits of a source by name (`train`, `val`, `test`, `unlabeled`); a source without splits is all `train`.

    Args:
        slices: also take the 2-D images of a folder without masks as cases.
        channels: files that a case has, if that is known; else those of the training cases hold for the other splits.
    """
    try:
        splits = _recognize(user_path(path), path, labels, _Known(slices, channels))
        next(iter(splits.values())).warnings += unused_dataset_file(user_path(path) / DATASET_FILE)
        return {split: replace(one, cases=names_apart(one.cases)) for split, one in splits.items()}
    except OSError as error:
        return {"train": _fault(path, f"{shown(path)} cannot be listed: {error.strerror}")}


def _recognize(root: Path, where: str, labels: str | None, known: _Known) -> dict[str, ScanListing]:
    if not root.exists():
        why = " is a link that leads to itself" if leads_to_itself(root) else ": no such file or folder"
        return {"train": _fault(where, f"{shown(where)}{why}; {_KINDS}")}
    if labels is not None:
        return {"train": _with_labels(root, where, user_path(labels), known)}
    if (kind := special_kind(root)) is not None:
        return {"train": _fault(where, f"{shown(where)} is {kind}; {_KINDS}")}
    if root.is_file():
        return _recognize_file(root, where)
    if is_dataset_file(root / DATASET_FILE):
        return list_dataset_file(root / DATASET_FILE, where)
    if (fault := damaged_dataset_file(root / DATASET_FILE)) is not None:
        return {"train": _fault(where, fault)}
    if (series := list_series(root, where)) is not None:
        return {"train": series}
    folders = subfolders(root)
    splits = {folder: _SPLITS[folder.name.lower()] for folder in folders if folder.name.lower() in _SPLITS}
    if {"train", "val", "test"} & set(splits.values()):
        return _split_folder(splits, folders, where, known)
    listings = _list_images_folder(root, where, known)
    if listings is not None:
        return listings
    files = scan_files(root, slices=known.slices)
    if is_atria_folder(folders):
        return {"train": list_atria(root, where)}
    if is_hdf5_folder(root, files, folders):
        return list_hdf5(root, where)
    if (data := ssl4mis_folder(root, files)) is not None:
        return list_hdf5(data, where)
    if is_brats_source(root, folders):
        return {"train": list_brats(root, where)}
    if files:
        return {"train": list_pairs(root, None, where, slices=known.slices, channels=known.channels)}
    if known.slices and nested_scan(root) is not None:
        return {"train": list_nested(root, where)}
    return {"train": _fault(where, f"{shown(where)} holds no scans{_deeper(folders)}; {_KINDS}")}


def _deeper(folders: list[Path]) -> str:
    """Where scans lie instead, if they do one or two levels deeper."""
    for folder in folders:
        for inner in (folder, *subfolders(folder)):
            found = scan_files(inner, slices=False)
            if found and inner.name not in (*IMAGE_FOLDERS, *LABEL_FOLDERS):
                return f", but {shown(str(inner))} does ({shown(found[0].name)}): name that folder, or list its files"
            if found:
                return f", but {shown(str(inner.parent))} does: name that folder"
    return ""


def _recognize_file(path: Path, where: str) -> dict[str, ScanListing]:
    if path.suffix.lower() == ".json":
        return list_dataset_file(path, where)
    if path.suffix.lower() == ".csv":
        return {"train": list_pair_table(path, where)}
    if suffix_of(path) in (*VOLUME_SUFFIXES, *DICOM_SUFFIXES, *SLICE_SUFFIXES):
        return {"train": ScanListing("scan", where, [Case(stem_of(path), (path,), None)])}
    return {"train": _fault(where, f"{shown(where)} is a file of another kind; {_KINDS}")}


def _list_images_folder(root: Path, where: str, known: _Known) -> dict[str, ScanListing] | None:
    """`images/` and `labels/`, or the Decathlon's names for them; imagesTs is for testing if it is labeled."""
    images = find_folder(root, IMAGE_FOLDERS)
    if images is None:
        return None
    labels = find_folder(root, LABEL_FOLDERS)
    train = list_pairs(images, labels, where, slices=known.slices, channels=known.channels)
    listings = {"train": train}
    if (root / "imagesTs").is_dir():
        if (root / "labelsTs").is_dir():
            files = known.channels or files_of_a_case(train)
            listings["test"] = list_pairs(root / "imagesTs", root / "labelsTs", where, channels=files)
        else:
            listings["train"].warnings.append(
                f"{shown(where)}: the images of imagesTs have no labels and are not used; to learn from them use "
                f"{option('unlabeled')}"
            )
    return listings


def _with_labels(root: Path, where: str, labels: Path, known: _Known) -> ScanListing:
    if labels.is_dir() and root.is_dir():
        return list_pairs(root, labels, where, kind="folder of scans and folder of masks", channels=known.channels)
    if labels.is_file() and labels.suffix.lower() == ".csv":
        return list_pair_table(labels, where, root=root if root.is_dir() else root.parent)
    return _fault(
        where, f"labels {shown(str(labels))}: expected a folder of masks named as the images, or a CSV with image,label"
    )


def _split_folder(splits: dict[Path, str], folders: list[Path], where: str, known: _Known) -> dict[str, ScanListing]:
    listings: dict[str, ScanListing] = {}
    files = known.channels
    for folder, split in sorted(splits.items(), key=lambda pair: pair[1] != "train"):  # whose masks tell most
        inner = list_scan_splits(str(folder), slices=known.slices, channels=files)
        listing = inner["train"] if len(inner) == 1 else _merged(list(inner.values()))
        if split in listings:
            listings[split].faults.append(
                f"{shown(where)}: {shown(folder.name)} is a second folder for {split}: keep one"
            )
        else:
            listings[split] = _without_labels(listing) if split == "unlabeled" else listing
        files = files or files_of_a_case(listing)
    listings = {split: listings[split] for split in dict.fromkeys(splits.values())}
    others = [folder.name for folder in folders if folder not in splits]
    if others:
        next(iter(listings.values())).warnings.append(
            f"{shown(where)}: folders beside the splits were skipped: {', '.join(map(shown, others))}"
        )
    return listings


def _holds_scans(root: Path, *, depth: int) -> bool:
    if is_dataset_file(root / DATASET_FILE):
        return True
    if find_folder(root, IMAGE_FOLDERS) and damaged_dataset_file(root / DATASET_FILE) is not None:
        return True  # and is refused as such
    masks = find_folder(root, LABEL_FOLDERS)
    if find_folder(root, IMAGE_FOLDERS) and masks and _may_hold_masks(masks):
        return True
    entries = list(islice((e for e in root.iterdir() if not e.name.startswith(".")), _LOOKED_AT))
    if any(entry.is_file() and is_dicom(entry) for entry in entries[:_TRIED]):
        return True
    kinds = {suffix_of(entry) for entry in entries if entry.suffix.lower() != ".hdr" or is_volume(entry)}
    kinds &= set(VOLUME_SUFFIXES)
    if kinds - {".h5"} or (kinds and not _holds_photos([root, *(e for e in entries if e.is_dir())])):
        return True
    return depth >= 0 and any(_holds_scans(entry, depth=depth - 1) for entry in entries if entry.is_dir())


def _may_hold_masks(folder: Path) -> bool:
    """Whether the first files of a folder are images, or there are none; others describe boxes, for example."""
    files = list(islice((e for e in folder.iterdir() if e.is_file() and not e.name.startswith(".")), _LOOKED_AT))
    return not files or any(suffix_of(file) in (*VOLUME_SUFFIXES, *SLICE_SUFFIXES) for file in files)


def _holds_photos(folders: list[Path]) -> bool:
    """Whether 2-D images lie in one of these folders, beside which a .h5 file is a network rather than a scan."""
    return any(suffix_of(file) in SLICE_SUFFIXES for folder in folders for file in islice(folder.iterdir(), _LOOKED_AT))


def _named_by_split(splits: dict[str, ScanListing]) -> list[ScanListing]:
    """With the split in the names of cases if there are several splits, since two may have the same names."""
    if len(splits) == 1:
        return list(splits.values())
    return [
        replace(listing, cases=[replace(case, name=f"{split}/{case.name}") for case in listing.cases])
        for split, listing in splits.items()
    ]


def _without_labels(listing: ScanListing) -> ScanListing:
    return replace(listing, cases=[replace(case, label=None) for case in listing.cases])


def _merged(listings: list[ScanListing]) -> ScanListing:
    return replace(
        listings[0],
        cases=[case for listing in listings for case in listing.cases],
        faults=[fault for listing in listings for fault in listing.faults],
        skippable=[fault for listing in listings for fault in listing.skippable],
        warnings=[warning for listing in listings for warning in listing.warnings],
    )


def _fault(where: str, fault: str) -> ScanListing:
    return ScanListing("not recognized", where, faults=[fault])
