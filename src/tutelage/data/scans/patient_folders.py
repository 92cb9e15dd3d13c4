"""A folder for each patient: the channels and the mask of BraTS, or scans at any depth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tutelage.core.names import counted, enumerated, first_of, shown
from tutelage.data.scans.folders import scan_files, subfolders
from tutelage.data.scans.formats.common import same_name, stem_of
from tutelage.data.scans.formats.files import is_series
from tutelage.data.scans.items import Case, ScanListing

MASKS = ("seg", "mask", "label")  # at the end of a file name
_SEQUENCES = ("flair", "t1", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2f", "t2w", "pd", "dwi", "adc", "swi", "ct", "pet")
_DEEPEST = 6  # levels of folders
_LOOKED_AT = 20  # folders that tell what a source holds
Channels = dict[str, Path]


def channels_in(folder: Path) -> Channels:
    """The files `<folder>_<channel>` of a folder by channel, in lower case, with the mask; `_` may be `-`.

    Empty unless there are two or more: a mask, or sequences of MR and other channels alone. Other files that start with
    the name of their folder may be scans of their own.
    """
    form = re.compile(re.escape(same_name(folder.name)) + r"[_-]([A-Za-z][A-Za-z0-9]*)$")
    found: Channels = {}
    for file in scan_files(folder, slices=False):
        if match := form.match(same_name(stem_of(file))):
            found.setdefault(match[1].lower(), file)
    known = set(found) & set(MASKS) or set(found) <= set(_SEQUENCES)
    return found if len(found) > 1 and known else {}


def is_brats_source(root: Path, folders: list[Path]) -> bool:
    """Whether `root` is the folder of a patient, or holds such folders, as BraTS has them."""
    return bool(channels_in(root)) or any(channels_in(folder) for folder in folders[:_LOOKED_AT])


def list_brats(root: Path, where: str) -> ScanListing:
    """A case for each folder, with its channels sorted by name: `flair, t1, t1ce, t2`.

    A folder that lacks a channel which most have is a fault.
    """
    folders = [root] if channels_in(root) else subfolders(root)
    found = {folder: channels for folder in folders if (channels := channels_in(folder))}
    images = {folder: {c: path for c, path in own.items() if c not in MASKS} for folder, own in found.items()}
    often = Counter(channel for own in images.values() for channel in own)
    usual = sorted(channel for channel, count in often.items() if 2 * count > len(images))
    listing = ScanListing(f"folders of patients with the channels {enumerated(usual)}", where)
    for folder, own in images.items():
        if lacking := [channel for channel in usual if channel not in own]:
            listing.faults.append(f"{shown(str(folder))} lacks the channel {', '.join(lacking)}, which others have")
            listing.skippable.append(listing.faults[-1])
            continue
        mask = next((found[folder][name] for name in MASKS if name in found[folder]), None)
        listing.cases.append(Case(folder.name, tuple(own[channel] for channel in usual), mask))
    rare = sorted(shown(channel) for channel in often if channel not in usual)
    if rare:
        listing.warnings.append(f"{shown(where)}: channels that few folders have are not used: {first_of(rare, 3)}")
    others = [folder.name for folder in folders if folder not in found]
    if others:
        listing.warnings.append(f"{shown(where)}: folders without channels are not used: {first_of(others, 3)}")
    return listing


def list_nested(root: Path, where: str) -> ScanListing:
    """All scans below a folder, named by their path; none of them has a mask."""
    listing = ScanListing("folders of patients", where)
    for path in _below(root, _DEEPEST):
        inside = path.relative_to(root)
        name = inside if path.is_dir() else inside.with_name(stem_of(path))
        listing.cases.append(Case(name.as_posix(), (path,), None))
    folders = {case.images[0].parent for case in listing.cases}
    listing.kind += f": {counted(len(listing.cases), 'scan')} in {counted(len(folders), 'folder')}"
    return listing


def nested_scan(root: Path) -> Path | None:
    """The first scan below the subfolders of a folder, if there is one."""
    return next((path for folder in subfolders(root) for path in _below(folder, _DEEPEST - 1)), None)


def list_series(folder: Path, where: str) -> ScanListing | None:
    """A folder that is one DICOM series, as its only case; None if it is none."""
    if not is_series(folder):
        return None
    return ScanListing("DICOM series", where, [Case(folder.name or folder.absolute().name, (folder,), None)])


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """Scans at most `depth` folders below, in the order of their paths."""
    here = scan_files(folder, slices=False)
    yield from here
    for inner in subfolders(folder):
        if inner not in here and depth and not inner.is_symlink():
            yield from _below(inner, depth - 1)
