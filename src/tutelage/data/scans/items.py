"""The content of a source of scans before any voxel is read: cases, labels and faults."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tutelage.data.scans.formats.common import stem_of


@dataclass(frozen=True, slots=True)
class Case:
    """One scan.

    Attributes:
        name: shown to the user: its file or folder, relative to the source and without suffix.
        images: one file, or one per channel.
        label: the file of its mask, or None. An `.h5` file contains its own.
    """

    name: str
    images: tuple[Path, ...]
    label: Path | None

    @property
    def place(self) -> str:
        """Its location, for messages."""
        return str(self.images[0])


@dataclass
class ScanListing:
    """All cases of one source, or of one split of it.

    Attributes:
        kind: what was recognized, in words.
        where: the source as the user named it.
        cases: in the order of the source's list, or else by name.
        values: label value of each class, in the order of the class indices; empty where the source names none.
        ignore_label: value of voxels that the source leaves unlabeled.
        intensity: how the source asks for intensities to be normalized, as `scan.intensity`; "" if it does not.
        channels_last_axis: whether the source declares that a fourth axis of its files holds channels.
        faults, warnings: one sentence each, safe to print; faults make the source unusable.
        skippable: those of the faults that concern one case, which `data.skip_unreadable` leaves out.
    """

    kind: str
    where: str
    cases: list[Case] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    ignore_label: int | None = None
    intensity: Literal["", "ct", "none"] = ""
    channels_last_axis: bool = False
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    skippable: list[str] = field(default_factory=list)


def names_apart(cases: Sequence[Case]) -> list[Case]:
    """The cases, with names that tell them apart.

    Names that occur once stay. The others become the paths of their files from the folder that they have in common:
    without suffix if that suffices, else with it, and with a number if a file is named twice.
    """
    counts = Counter(case.name for case in cases)
    twice = [case for case in cases if counts[case.name] > 1]
    if not twice:
        return list(cases)
    common = Path(os.path.commonpath([case.images[0].absolute().parent for case in twice]))
    whole = [case.images[0].absolute().relative_to(common) for case in twice]
    bare = [path.with_name(stem_of(path)).as_posix() for path in whole]
    others = {name for name, count in counts.items() if count == 1}
    found = bare if _apart(bare, others) else [path.as_posix() for path in whole]
    taken: Counter[str] = Counter(others)
    names = []
    for name in found:
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name} ({taken[name]})")
    fresh = iter(names)
    return [replace(case, name=next(fresh)) if counts[case.name] > 1 else case for case in cases]


def _apart(names: Sequence[str], others: set[str]) -> bool:
    return len(set(names)) == len(names) and not others & set(names)
