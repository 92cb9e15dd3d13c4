"""The content of a source of scans before any voxel is read: cases, labels and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


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
        channels_last_axis: whether the source declares that a fourth axis of its files holds channels.
        faults, warnings: one sentence each, safe to print; faults make the source unusable.
    """

    kind: str
    where: str
    cases: list[Case] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    ignore_label: int | None = None
    channels_last_axis: bool = False
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
