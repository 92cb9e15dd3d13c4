"""What is wrong with an image, and the table of all faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tutelage.core.names import shown, to_cell
from tutelage.core.tables import csv_bytes

COLUMNS = ("path", "fault", "other", "score", "suggestion")


class Kind(StrEnum):
    """The kinds of faults, in the order in which they are listed."""

    UNREADABLE = "cannot be read"
    EXACT = "exact copy"
    PIXELS = "same pixels"
    RESAVED = "re-saved copy"
    MIRRORED = "mirrored copy"
    CROPPED = "cropped copy"
    DISPUTED = "copies with different labels"
    WRONG_LABEL = "wrong label"
    NO_CLASS = "of no class"
    UNLIKE_CLASS = "unlike its class"
    UNLIKE_ALL = "unlike all others"
    EMPTY = "empty"
    DARK = "dark"
    BRIGHT = "too bright"
    BLURRED = "blurred"
    ODD_SIZE = "odd size"


COPIES = (Kind.EXACT, Kind.PIXELS, Kind.RESAVED, Kind.MIRRORED, Kind.CROPPED)
MEANS = {
    Kind.UNREADABLE: "The file is damaged or of an unknown format.",
    Kind.EXACT: "The files are equal, byte by byte.",
    Kind.PIXELS: "The files differ, but all pixels are equal.",
    Kind.RESAVED: "The same picture, saved again in another quality, size, or format.",
    Kind.MIRRORED: "The same picture, mirrored from left to right.",
    Kind.CROPPED: "One picture is found inside the other.",
    Kind.DISPUTED: "The same picture has several labels, so at least one is wrong.",
    Kind.WRONG_LABEL: "A classifier that has not seen this label takes another one for more probable.",
    Kind.NO_CLASS: "No label, and far from all labeled images.",
    Kind.UNLIKE_CLASS: "Far from most other images of its class.",
    Kind.UNLIKE_ALL: "Far from all other images.",
    Kind.EMPTY: "All pixels have the same color.",
    Kind.DARK: "Almost all pixels are nearly black.",
    Kind.BRIGHT: "Almost all pixels are nearly white.",
    Kind.BLURRED: "Much less sharp than most images of the set.",
    Kind.ODD_SIZE: "Much smaller, larger, or longer than most images of the set.",
}


@dataclass(frozen=True)
class Fault:
    """One fault of one image.

    Attributes:
        path: of the image, relative to the source.
        other: the path of the image that it is a copy of, or "".
        split: of that other image, "test" or "val", if it is another one than that of this image; else "".
        score: how sure it is; larger is surer, but only within a kind. See docs/clean.md for each.
        suggestion: what to do, in words.
        label: what the label should probably be, or "".
    """

    path: str
    kind: Kind
    other: str = ""
    split: str = ""
    score: float = 1.0
    suggestion: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{self.kind} of a {_SPLITS[self.split]} image" if self.split else str(self.kind)


_SPLITS = {"test": "test", "val": "validation"}


def fault_table(faults: Sequence[Fault]) -> bytes:
    """All faults as CSV with the columns of `COLUMNS`."""
    return csv_bytes(
        [
            {
                "path": to_cell(fault.path),
                "fault": fault.name,
                "other": to_cell(fault.other),
                "score": f"{fault.score:.3f}",
                "suggestion": fault.suggestion,
            }
            for fault in faults
        ],
        COLUMNS,
    )


def ranked(faults: Sequence[Fault]) -> list[Fault]:
    """Copies of test and validation images first, then in the order of the kinds, and the surest of each first."""
    order = {kind: place for place, kind in enumerate(Kind)}
    return sorted(faults, key=lambda fault: (not fault.split, fault.split, order[fault.kind], -fault.score))


def by_name(faults: Sequence[Fault]) -> dict[str, list[Fault]]:
    """The faults of each name, in the order in which the first of each comes."""
    groups: dict[str, list[Fault]] = {}
    for fault in faults:
        groups.setdefault(fault.name, []).append(fault)
    return groups


def summary(faults: Sequence[Fault]) -> list[str]:
    """One line for each kind of fault: how many images, and the first of them."""
    lines = []
    for name, own in by_name(faults).items():
        first = own[0]
        example = f"{shown(first.path)} = {shown(first.other)}" if first.other else shown(first.path)
        hint = f", {first.suggestion}" if first.kind == Kind.WRONG_LABEL else ""
        lines.append(f"{name}: {len(own)} (first: {example}{hint})")
    return lines
