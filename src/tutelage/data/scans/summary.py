"""The results of a check of scans in numbers, for JSON and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tutelage.data.scans.parts import ScanInventory, ScanPart


@dataclass(frozen=True)
class ScanSummary:
    """One source in its role.

    Attributes:
        scans: readable scans; `unreadable` ones are not included.
        labeled_in: labeled scans in which each class occurs.
        voxels: voxels of each class, over all labels.
        shapes, spacings: of the prepared scans, the most frequent first, e.g. `{"36 x 52 x 38": 3}`, in mm.
        orientations: of the files, e.g. `{"RAS": 200}`.
        intensities: lowest and highest of all files.
    """

    source: str
    kind: str
    scans: int
    labeled: int
    unreadable: int
    channels: int
    labeled_in: dict[str, int]
    voxels: dict[str, int]
    shapes: dict[str, int]
    spacings: dict[str, int]
    orientations: dict[str, int]
    intensities: tuple[float, float] | None


def summarize_scans(inventory: ScanInventory) -> dict[str, ScanSummary]:
    """A summary of each part, by role."""
    return {role: _summary(part, inventory.values) for role, part in inventory.parts.items()}


def _summary(part: ScanPart, values: dict[str, int]) -> ScanSummary:
    looks = part.looks
    return ScanSummary(
        source=part.listing.where,
        kind=part.listing.kind,
        scans=len(part.cases),
        labeled=part.labeled,
        unreadable=len(part.listing.cases) - len(part.cases),
        channels=looks[0].channels if looks else 0,
        labeled_in={name: sum(value in look.label_counts for look in looks) for name, value in values.items()},
        voxels={name: sum(look.label_counts.get(value, 0) for look in looks) for name, value in values.items()},
        shapes=_counted(" x ".join(map(str, look.placement.shape)) for look in looks),
        spacings=_counted(" x ".join(f"{step:.3g}" for step in look.placement.spacing) for look in looks),
        orientations=_counted(look.placement.geometry.codes or "none" for look in looks),
        intensities=(min(look.low for look in looks), max(look.high for look in looks)) if looks else None,
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
