"""Whether the scans of a run fit together; each function adds faults and warnings to an inventory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.data.scans.items import Case
from tutelage.data.scans.parts import ScanInventory, ScanPart

_THIN = 4  # voxels
_ODD_SPACING = 2.0  # times the median
_SHOWN = 3  # names in a sentence


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
        patch = inventory.scan.patch(axes)
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
        inventory.warnings.append(f"{_counted(small, 'case')} smaller than the patch of {_times(patch)}: padded with 0")


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
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''} ({', '.join(map(shown, names[:_SHOWN]))}{more})"
