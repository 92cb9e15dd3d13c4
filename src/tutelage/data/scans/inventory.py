"""All scan sources of a run, with everything that is wrong with them, alone and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import ConfigError
from tutelage.core.names import class_name_fault, counted, shown
from tutelage.data.scans.declared_intensity import normalized_as_declared
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.parts import ScanInventory, ScanPart
from tutelage.data.scans.scan_set import ScanLook, VolumeCache
from tutelage.data.scans.source import files_of_a_case, list_scan_splits, list_scans
from tutelage.data.scans.survey import survey_scans
from tutelage.data.scans.turned_labels import believed

ROLES = ("train", "unlabeled", "val", "test")
_THIN = 4  # voxels
_ODD_SPACING = 2.0  # times the median
_WHITE = 255  # how masks of two values are often saved, to be seen
_SHOWN = 3  # names in a sentence


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
        skipped = listing.skippable if data.skip_unreadable else []
        inventory.faults += [fault for fault in listing.faults if fault not in skipped]
        inventory.warnings += listing.warnings + [f"left out: {fault}" for fault in skipped]
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
    scan = replace(scan, channels_last_axis=channels, ignore_label=ignored)
    return scan if "train" not in listings else normalized_as_declared(scan, listings["train"])


def list_scan_parts(data: DataConfig) -> dict[str, ScanListing]:
    """The cases of each role in `data`; no voxel is read."""
    listings = list_scan_splits(data.path, data.labels)
    files = files_of_a_case(listings["train"]) if "train" in listings else None
    for role, path in (("val", data.val), ("test", data.test)):
        if path is not None:
            listings[role] = list_scans(path, role=role, channels=files)  # type: ignore[arg-type]
    if data.unlabeled is not None:
        further = list_scans(data.unlabeled, role="unlabeled", channels=files)
        before = listings.get("unlabeled")
        if before is not None:
            further.cases = before.cases + further.cases
            further.faults = before.faults + further.faults
            further.skippable = before.skippable + further.skippable
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
        elif skip:
            inventory.warnings += [f"left out: {fault}" for fault in look]
        else:
            inventory.faults += look
    slices = sum(bool(look.label_counts) for look in part.looks if look.placement.geometry.axes == 2)
    inventory.warnings += believed([look.warnings for look in part.looks], slices)
    return part


def _class_values(train: ScanPart, inventory: ScanInventory) -> dict[str, int]:
    """From the settings, else from the source, else from the labels that exist."""
    where, scan = shown(train.listing.where), inventory.scan
    values = scan.class_values() or train.listing.values
    if not values:
        seen = sorted({0, *(v for look in train.looks for v in look.label_counts)} - {scan.ignore_label})
        values = dict(zip(names_of_values(seen), seen, strict=True))
        inventory.faults += _one_class_written_twice(train, scan)
        if len(values) > 1:
            listed = ", ".join(
                f"{value}{'' if name == str(value) else f' ({name})'}{_share_of(value, train)}"
                for name, value in values.items()
            )
            inventory.warnings.append(f"{where} names no classes, so the label values are used: {listed}")
    inventory.faults += [f"{where}: {fault}" for name in values if (fault := class_name_fault(name))]
    outside = [name for name, value in values.items() if not 0 <= value <= 255]
    inventory.faults += [f"{where}: the value of class '{shown(name)}' is not in 0..255" for name in outside]
    if not train.labeled:
        inventory.faults.append(f"{where} has no labeled case: expected masks of a few scans")
    elif len(values) < 2:
        inventory.faults.append(f"{where} has only one class, the background: expected labels of something")
    return {name: value for name, value in values.items() if value != scan.ignore_label}


def _one_class_written_twice(train: ScanPart, scan: ScanConfig) -> list[str]:
    """A fault if some masks have 255 alone, and others one other value: the same class, written in two ways."""
    alone: dict[int, Path] = {}
    for case, look in train:
        found = set(look.label_counts) - {0, scan.ignore_label}
        if len(found) > 1:
            return []
        if found and case.label is not None:
            alone.setdefault(found.pop(), case.label)
    if len(alone) != 2 or _WHITE not in alone:
        return []
    other = min(alone)
    return [
        f"{shown(str(alone[_WHITE]))} has the value 255 where other masks have {other}, such as "
        f"{shown(alone[other].name)}: save all masks alike or, if these are two classes, name both: scan.classes "
        f"background,a={other},b=255"
    ]


def names_of_values(values: Sequence[int]) -> list[str]:
    """Names for classes of which only the label values are known; the first is the background."""
    return ["background", "foreground"] if len(values) == 2 else ["background", *map(str, values[1:])]


def _share_of(value: int, train: ScanPart) -> str:
    """In how many labels a value occurs, if not in all: a rare value may be a mistake."""
    having = sum(value in look.label_counts for look in train.looks)
    return "" if having == train.labeled else f" (in {having} of {train.labeled} labels)"


def check_labels(role: str, part: ScanPart, inventory: ScanInventory) -> None:
    """Label values that are not a class, labels without foreground, and validation or test cases without a label."""
    where = shown(part.listing.where)
    values, background = inventory.values, next(iter(inventory.values.values()), 0)
    known = ", ".join(f"{value} {shown(name)}" for name, value in values.items())
    empty = []
    for case, look in part:
        counts = {value: n for value, n in look.label_counts.items() if value != inventory.scan.ignore_label}
        for value in sorted(set(counts) - set(values.values())):
            inventory.faults.append(
                f"{shown(str(case.label))} holds the label value {value} in {counts[value]} voxels, which is not a "
                f"class; known: {known}; name it in scan.classes, or make it scan.ignore_label"
            )
        if case.label is not None and not set(counts) - {background}:
            empty.append(case.name)
    if empty:
        inventory.warnings.append(f"{where}: {_counted(empty, f'{role} label')} without any foreground voxel")
        if role == "train" and len(empty) == part.labeled:
            inventory.faults.append(f"{where}: no label has a foreground voxel")
    if role in ("val", "test"):
        without = len(part.cases) - part.labeled
        if not part.labeled and not part.listing.faults:
            inventory.faults.append(f"{where}: the {role} cases have no labels: expected masks")
        elif without:
            inventory.warnings.append(f"{where}: {without} {role} cases without a label are not used")


def check_grids(inventory: ScanInventory) -> None:
    """Axes, channels, spacing and size of all cases against each other, and against the patch."""
    pairs = [(case, look) for part in inventory.parts.values() for case, look in part]
    for name, number in (
        ("axes", lambda look: len(look.placement.shape)),
        ("channels", lambda look: look.channels),
    ):
        kinds = {number(look): shown(case.place) for case, look in reversed(pairs)}
        if len(kinds) > 1:
            listed = ", ".join(f"{k} in {place}" for k, place in sorted(kinds.items()))
            inventory.faults.append(f"cases have different numbers of {name}: {listed}")
            return
    axes = len(pairs[0][1].placement.shape)
    try:
        patch = inventory.scan.patch(axes) if inventory.scan.patch_size else (1,) * axes  # chosen to fit
    except ConfigError as error:
        inventory.faults.append(str(error))
        return
    spacing = np.array([look.placement.spacing for _, look in pairs])
    ratio = spacing / np.median(spacing, axis=0)
    odd = [f"{c.name} ({_times(s)} mm)" for (c, _), s, r in zip(pairs, spacing, ratio, strict=True) if _is_odd(r)]
    if odd:
        inventory.warnings.append(
            f"{_counted(odd, 'case')} with a spacing far from the median of {_times(np.median(spacing, axis=0))} mm: "
            "set scan.spacing to resample all"
        )
    places = [(case.name, look.placement) for case, look in pairs]
    silent = [name for name, place in places if not place.geometry.stated and set(place.spacing) == {1.0}]
    if silent and axes == 3 and not inventory.scan.assumed_spacing:
        inventory.warnings.append(
            f"{_counted(silent, 'case')} whose files state no spacing: taken for 1 mm; set scan.assumed_spacing"
        )
    shapes = {name: place.shape for name, place in places}
    thin = [f"{name} ({_times(shape)} voxels)" for name, shape in shapes.items() if min(shape) < _THIN]
    if thin:
        inventory.warnings.append(f"{_counted(thin, 'case')} thinner than {_THIN} voxels: are they volumes?")
    small = [
        f"{name} ({_times(shape)} voxels)"
        for name, shape in shapes.items()
        if any(s < p for s, p in zip(shape, patch, strict=True))
    ]
    if small:
        inventory.warnings.append(
            f"{_counted(small, 'case')} smaller than the patch of {_times(patch)} and padded with 0"
        )


def check_copies(inventory: ScanInventory) -> None:
    """Copies of a scan: a warning within the training cases, a fault between training and validation or test cases."""
    first: dict[str, tuple[str, Case]] = {}
    within = []
    for role, part in inventory.parts.items():
        group = "train" if role == "unlabeled" else role
        for case, look in part:
            before_group, before = first.setdefault(look.digest, (group, case))
            if before is case:
                continue
            pair = f"{shown(before.place)} = {shown(case.place)}"
            if before_group == group:
                within.append(pair)
            else:
                inventory.faults.append(f"the same scan is in {before_group} and in {group}: {pair}")
    if within:
        inventory.warnings.append(f"{_counted(within, 'pair')} of cases with the same scan")


def _is_odd(ratio: np.ndarray) -> bool:
    return bool((ratio > _ODD_SPACING).any() or (ratio < 1 / _ODD_SPACING).any())


def _times(numbers: Any) -> str:
    return " x ".join(f"{number:.3g}" if isinstance(number, float) else str(number) for number in numbers)


def _counted(names: list[str], what: str) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{counted(len(names), what)} ({', '.join(map(shown, names[:_SHOWN]))}{more})"
