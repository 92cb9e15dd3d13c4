"""All scan sources of a run, with everything that is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tutelage.config.scan import ScanConfig
from tutelage.config.settings import DataConfig
from tutelage.core.names import class_name_fault, shown
from tutelage.data.scans.cache import ScanLook, VolumeCache
from tutelage.data.scans.consistency import check_copies, check_grids, check_labels
from tutelage.data.scans.items import ScanListing
from tutelage.data.scans.parts import ScanInventory, ScanPart
from tutelage.data.scans.source import list_scan_splits, list_scans
from tutelage.data.scans.survey import survey_scans

ROLES = ("train", "unlabeled", "val", "test")


def take_scan_inventory(
    data: DataConfig, scan: ScanConfig, *, workers: int = 1, cache_dir: Path | None = None
) -> ScanInventory:
    """List all sources of `data`, read every case once, and collect all faults and warnings.

    Args:
        cache_dir: where the prepared volumes are kept, so that `load_scans` does not read them again.
    """
    listings = list_scan_parts(data)
    inventory = ScanInventory(_as_declared(scan, listings))
    cache = None if cache_dir is None else VolumeCache(cache_dir)
    for role, listing in listings.items():
        inventory.faults += listing.faults
        inventory.warnings += listing.warnings
        inventory.parts[role] = _look(listing, data.skip_unreadable, inventory, cache, workers)
    train = inventory.parts.get("train")
    if train is None:
        inventory.faults.append(f"{shown(data.path)} has no training cases: expected a folder 'train'")
    elif train.cases:
        inventory.values = _class_values(train, inventory)
        for role, part in inventory.parts.items():
            check_labels(role, part, inventory)
        check_grids(inventory)
    elif not inventory.faults:
        inventory.faults.append(f"{shown(train.listing.where)} has no case that can be read")
    check_copies(inventory)
    return inventory


def _as_declared(scan: ScanConfig, listings: dict[str, ScanListing]) -> ScanConfig:
    """The settings with what the sources declare; if the settings name classes, labels are not up to the sources."""
    channels = scan.channels_last_axis or any(listing.channels_last_axis for listing in listings.values())
    ignored = None if "train" not in listings else listings["train"].ignore_label
    if scan.ignore_label is not None or scan.classes:
        ignored = scan.ignore_label
    return replace(scan, channels_last_axis=channels, ignore_label=ignored)


def list_scan_parts(data: DataConfig) -> dict[str, ScanListing]:
    """The cases of each role in `data`; no voxel is read."""
    listings = list_scan_splits(data.path, data.labels)
    for role, path in (("val", data.val), ("test", data.test)):
        if path is not None:
            listings[role] = list_scans(path, role=role)  # type: ignore[arg-type]
    if data.unlabeled is not None:
        further = list_scans(data.unlabeled, role="unlabeled")
        before = listings.get("unlabeled")
        if before is not None:
            further.cases = before.cases + further.cases
            further.faults = before.faults + further.faults
            further.warnings = before.warnings + further.warnings
        listings["unlabeled"] = further
    return {role: listings[role] for role in ROLES if role in listings}


def _look(
    listing: ScanListing, skip: bool, inventory: ScanInventory, cache: VolumeCache | None, workers: int
) -> ScanPart:
    part = ScanPart(listing, [], [])
    for case, look in zip(
        listing.cases, survey_scans(listing.cases, inventory.scan, cache=cache, workers=workers), strict=True
    ):
        if isinstance(look, ScanLook):
            part.cases.append(case)
            part.looks.append(look)
            inventory.warnings += look.warnings
        elif skip:
            inventory.warnings += [f"left out: {fault}" for fault in look]
        else:
            inventory.faults += look
    return part


def _class_values(train: ScanPart, inventory: ScanInventory) -> dict[str, int]:
    """From the settings, else from the source, else from the labels that exist."""
    where, scan = shown(train.listing.where), inventory.scan
    values = scan.class_values() or train.listing.values
    if not values:
        seen = sorted({0, *(v for look in train.looks for v in look.label_counts)} - {scan.ignore_label})
        names = ["background", "foreground"] if len(seen) == 2 else ["background", *map(str, seen[1:])]
        values = dict(zip(names, seen, strict=True))
        if len(values) > 1:
            listed = ", ".join(f"{value} {name}{_share_of(value, train)}" for name, value in values.items())
            inventory.warnings.append(f"{where} names no classes; taken from its labels: {listed}")
    inventory.faults += [f"{where}: {fault}" for name in values if (fault := class_name_fault(name))]
    outside = [name for name, value in values.items() if not 0 <= value <= 255]
    inventory.faults += [f"{where}: the value of class '{shown(name)}' is not in 0..255" for name in outside]
    if not train.labeled:
        inventory.faults.append(f"{where} has no labeled case: expected masks of a few scans")
    elif len(values) < 2:
        inventory.faults.append(f"{where} has only one class, the background: expected labels of something")
    return {name: value for name, value in values.items() if value != scan.ignore_label}


def _share_of(value: int, train: ScanPart) -> str:
    """In how many labels a value occurs, if not in all: a rare value may be a mistake."""
    having = sum(value in look.label_counts for look in train.looks)
    return "" if having == train.labeled else f" (in {having} of {train.labeled} labels)"
