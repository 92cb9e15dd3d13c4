"""Folders of scans: images with labels, the files of UA-MT, and the folders of the Left Atrium challenge."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from tutelage.core.errors import DataError
from tutelage.core.names import counted, enumerated, first_of, shown
from tutelage.core.regular import read_regular, special_kind
from tutelage.data.scans.channel_files import group_channels
from tutelage.data.scans.formats.common import (
    MASK_SLICE_SUFFIXES,
    SLICE_SUFFIXES,
    VOLUME_SUFFIXES,
    same_name,
    stem_of,
    suffix_of,
)
from tutelage.data.scans.formats.files import belongs_to_header, is_volume
from tutelage.data.scans.formats.read import has_mask
from tutelage.data.scans.items import Case, ScanListing

IMAGE_FOLDERS, LABEL_FOLDERS = ("images", "imagesTr"), ("labels", "labelsTr", "masks")
_TEXTS = (".txt", ".json", ".csv", ".tsv", ".md", ".list")
_ATRIUM = ("lgemri.nrrd", "laendo.nrrd", 255)  # image, label, and the value of the cavity
_UAMT = "mri_norm2.h5"
_LISTS = ("{}.list", "{}_slices.list")
_SLICE = re.compile(r"_slice_\d+$")  # behind the name of a volume, in SSL4MIS


def scan_files(folder: Path, *, slices: bool) -> list[Path]:
    """Volumes in a folder, and with `slices` also 2-D images, sorted by name, without hidden ones.

    A volume is a file, or a folder with a DICOM series.
    """
    named = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    found = (entry for entry in named if is_volume(entry) or (slices and suffix_of(entry) in SLICE_SUFFIXES))
    return sorted(entry for entry in found if special_kind(entry) is None)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted by name, without hidden ones."""
    return sorted(e for e in folder.iterdir() if e.is_dir() and not e.name.startswith(".") and e.name != "__MACOSX")


def find_folder(root: Path, names: Iterable[str]) -> Path | None:
    """The folder of one of these names in `root`."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def list_pairs(
    images: Path,
    labels: Path | None,
    where: str,
    *,
    kind: str = "",
    slices: bool = False,
    channels: int | None = None,
) -> ScanListing:
    """Images in one folder and masks of the same names in another; images without a mask are unlabeled.

    If all images end in `_0000`, `_0001`, ..., these are the channels of a case; see `group_channels`.

    Args:
        channels: files that a case has; None if that is not known.
    """
    listing = ScanListing(kind or f"{images.name}/ and {labels.name if labels else 'no labels'}/", where)
    if labels is None and not kind:
        listing.kind = "folder of scans"
    files = scan_files(images, slices=slices or labels is not None)
    masks: dict[str, Path] = {}
    for mask in scan_files(labels, slices=True) if labels else ():
        stem, suffix = same_name(stem_of(mask)), suffix_of(mask)
        if suffix in SLICE_SUFFIXES and suffix not in MASK_SLICE_SUFFIXES:
            listing.faults.append(f"{shown(str(mask))} is a JPEG, which changes label values: save masks as .png")
        elif stem in masks:
            listing.faults.append(f"{shown(str(mask))} and {shown(masks[stem].name)} are masks of one image: keep one")
        masks[stem] = mask
    groups, single = group_channels(files, masks, channels)
    listing.warnings += [f"{shown(str(images))}: {sentence}" for sentence in single]
    for stem, own in groups.items():
        listing.cases.append(Case(stem, tuple(own), masks.pop(same_name(stem), None)))
    for stem, twins in _twins(files).items():
        if stem in masks:
            names, one = enumerated([shown(path.name) for path in twins]), shown(masks.pop(stem).name)
            listing.faults.append(f"{shown(str(images))}: {names} both belong to the mask {one}: keep one")
    if masks:
        some = ", ".join(shown(path.name) for path in list(masks.values())[:3])
        many = "1 mask has" if len(masks) == 1 else f"{len(masks)} masks have"
        lonely = f"{shown(str(labels))}: {many} no image of the same name in {shown(images.name)} (first: {some})"
        listing.faults.append(lonely)
        listing.skippable.append(lonely)
    counts = {len(own) for own in groups.values()}
    if len(counts) > 1:
        listing.faults.append(
            f"{shown(str(images))}: cases have different numbers of channels: {', '.join(map(str, sorted(counts)))}"
        )
    if not files:
        listing.faults.append(f"{shown(str(images))} holds no scans (known suffixes: {' '.join(VOLUME_SUFFIXES)})")
    else:
        listing.warnings += _left_out(images, files)
    if labels is not None and files:
        listing.warnings += _left_out(labels, scan_files(labels, slices=True))
    return listing


def list_hdf5(root: Path, where: str) -> dict[str, ScanListing]:
    """`<id>.h5` or `<id>/mri_norm2.h5`, split by `train.list` and `test.list` if these exist."""
    files = {stem_of(path): path for path in scan_files(root, slices=False) if suffix_of(path) == ".h5"}
    inner = {folder.name: folder / _UAMT for folder in subfolders(root) if (folder / _UAMT).is_file()}
    twice = [
        f"{shown(str(files[name]))} and {shown(str(inner[name]))} are two files of one case: keep one"
        for name in files
        if name in inner
    ]
    files |= inner
    kind = "HDF5 files with the datasets image and label"
    lists = {split: path for split in ("train", "val", "test") if (path := _list_of(split, root)) is not None}
    if not lists:
        listing = ScanListing(kind, where, faults=twice)
        listing.warnings += _left_out(root, list(files.values()), [path.parent for path in inner.values()])
        listing.cases = [_hdf5_case(name, path) for name, path in sorted(files.items())]
        return {"train": listing}
    listings: dict[str, ScanListing] = {}
    named: set[str] = set()
    for split, path in lists.items():
        listing = listings[split] = ScanListing(f"{kind}, listed in {path.name}", where)
        for name in dict.fromkeys(_names(path, listing)) if _of_slices(path) else _names(path, listing):
            if name in named:
                listing.faults.append(f"{shown(str(path))} names '{shown(name)}', which is listed already")
            elif name not in files:
                listing.faults.append(f"{shown(str(path))} names '{shown(name)}', and there is no file of it")
            else:
                listing.cases.append(_hdf5_case(name, files[name]))
            named.add(name)
    next(iter(listings.values())).faults += twice
    rest = sorted(set(files) - named)
    if rest:
        next(iter(listings.values())).warnings.append(
            f"{shown(where)}: {len(rest)} files that no list names are not used (first: {shown(rest[0])})"
        )
    return listings


def ssl4mis_folder(root: Path, files: list[Path]) -> Path | None:
    """The folder `data/` of SSL4MIS with `.h5` volumes, if the lists of its splits are beside it."""
    data = root / "data"
    if files or not data.is_dir() or _list_of("train", data) is None:
        return None
    return data if any(suffix_of(path) == ".h5" for path in scan_files(data, slices=False)) else None


def _list_of(split: str, data: Path) -> Path | None:
    """The list of a split, in the folder of the files or above it; SSL4MIS has `.txt` beside its `data/`."""
    names = [form.format(split) for form in _LISTS]
    above = [data.parent / name for name in (*names, *([f"{split}.txt"] if data.name == "data" else []))]
    return next((path for path in (*(data / name for name in names), *above) if path.is_file()), None)


def _of_slices(path: Path) -> bool:
    """Whether a list names the slices of volumes rather than volumes."""
    return path.name.endswith("_slices.list")


def list_atria(root: Path, where: str) -> ScanListing:
    """Folders of the Left Atrium Segmentation Challenge 2018: `lgemri.nrrd`, `laendo.nrrd` with 255 for the cavity."""
    image, label, cavity = _ATRIUM
    listing = ScanListing("Left Atrium 2018 folders", where, values={"background": 0, "left atrium": cavity})
    others: list[str] = []
    for folder in subfolders(root):
        mask = folder / label
        if (folder / image).is_file():
            listing.cases.append(Case(folder.name, (folder / image,), mask if mask.is_file() else None))
        elif mask.is_file():
            listing.faults.append(f"{shown(str(folder))} has {label} and no {image}")
            listing.skippable.append(listing.faults[-1])
        else:
            others.append(folder.name)
    if others:
        listing.warnings.append(f"{shown(where)}: folders without {image} are not used: {first_of(others, 3)}")
    return listing


def is_hdf5_folder(root: Path, files: list[Path], folders: list[Path]) -> bool:
    """Whether `root` has the layout of UA-MT's HDF5 data."""
    return any(suffix_of(path) == ".h5" for path in files) or any((folder / _UAMT).is_file() for folder in folders)


def is_atria_folder(folders: list[Path]) -> bool:
    """Whether these folders are those of the Left Atrium challenge."""
    return any((folder / _ATRIUM[0]).is_file() for folder in folders)


def _twins(files: list[Path]) -> dict[str, list[Path]]:
    """The files of one name but for their suffix or Unicode form, by that name."""
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(same_name(stem_of(path)), []).append(path)
    return {stem: paths for stem, paths in found.items() if len(paths) > 1}


def _hdf5_case(name: str, path: Path) -> Case:
    try:
        labeled = has_mask(path)
    except DataError:  # reported when its voxels are read, where it may be skipped
        labeled = False
    return Case(name, (path,), path if labeled else None)


def _names(path: Path, listing: ScanListing) -> list[str]:
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        listing.faults.append(f"{shown(str(path))} cannot be read: {error.strerror}")
        return []
    except UnicodeDecodeError as error:
        listing.faults.append(f"{shown(str(path))} is not UTF-8 text with one name per line (byte {error.start})")
        return []
    names = [line.partition(",")[0].strip() for line in lines]
    return [_SLICE.sub("", name) if _of_slices(path) else name for name in names if name]


def _left_out(folder: Path, used: list[Path], inside: Collection[Path] = ()) -> list[str]:
    """What is not used in a folder: other files, and scans in deeper folders but those `inside`."""
    said = []
    if unknown := _other_files(folder, used):
        said.append(f"{shown(str(folder))}: files of other kinds are not used: {first_of(unknown, 3)}")
    if special := _special(folder, used):
        many = counted(len(special), "pipe, socket or device", "pipes, sockets or devices")
        said.append(f"{shown(str(folder))}: {many} not used: {first_of(special)}")
    others = [inner for inner in subfolders(folder) if inner not in (*inside, *used)]
    deeper = [file for inner in others for file in scan_files(inner, slices=False)]
    if deeper:
        first = deeper[0].relative_to(folder).as_posix()
        many = counted(len(deeper), "scan")
        said.append(f"{shown(str(folder))}: {many} in deeper folders not used (first: {shown(first)})")
    return said


def _special(folder: Path, used: list[Path]) -> list[str]:
    """Names of pipes, sockets and devices in a folder, with what they are."""
    kinds = ((entry, special_kind(entry)) for entry in folder.iterdir() if entry not in used)
    return sorted(f"{entry.name} ({kind})" for entry, kind in kinds if kind and not entry.name.startswith("."))


def _other_files(folder: Path, used: list[Path]) -> list[str]:
    """Names of the other files, without hidden ones and text files."""
    files = (entry for entry in folder.iterdir() if entry.is_file() and entry not in used)
    names = (file.name for file in files if not belongs_to_header(file))
    return sorted(name for name in names if not name.startswith(".") and Path(name).suffix.lower() not in _TEXTS)
