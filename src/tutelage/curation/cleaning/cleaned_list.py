"""The label table of a cleaned set: what `train` takes, with the images that it leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from tutelage.core.names import to_cell
from tutelage.core.tables import csv_bytes
from tutelage.curation.cleaning.faults import COPIES, Fault, Kind
from tutelage.curation.cleaning.pictures import Pictures
from tutelage.data.images.tables import LEAVE_OUT

COLUMNS = ("path", "label", LEAVE_OUT, "note")
LEFT_OUT = (Kind.UNREADABLE, *COPIES, Kind.NO_CLASS, Kind.EMPTY)
UNLABELED = (Kind.DISPUTED, Kind.WRONG_LABEL)


def cleaned_list(pictures: Pictures, faults: Sequence[Fault]) -> bytes:
    """CSV with the columns of `COLUMNS` and a row for each image file of the source.

    Faults of the kinds `LEFT_OUT` leave an image out, those of `UNLABELED` take its label away; all others change
    nothing. Images that score are listed as they are.
    """
    known = {path: place for place, path in enumerate(pictures.paths)}
    removed: dict[str, str] = {}
    doubted: dict[str, str] = {}
    for fault in faults:
        if fault.path in known and pictures.splits[known[fault.path]]:
            continue
        if fault.kind in LEFT_OUT:
            removed.setdefault(fault.path, fault.name + (f": {fault.other}" if fault.other else ""))
        elif fault.kind in UNLABELED:
            for path in (fault.path, fault.other):
                if path and not pictures.splits[known[path]]:
                    doubted.setdefault(path, f"{fault.name}: {fault.suggestion}")
    rows = [
        {
            "path": to_cell(path),
            "label": None if path in doubted or path in removed else item.label,
            LEAVE_OUT: to_cell(removed[path]) if path in removed else None,
            "note": f"was {item.label}; {doubted[path]}" if path in doubted else None,
        }
        for path, item in zip(pictures.paths, pictures.items, strict=True)
        if path in pictures.below
    ]
    rows += [
        {"path": to_cell(path), LEAVE_OUT: "cannot be read"}
        for path, _ in pictures.unreadable
        if path in pictures.below
    ]
    return csv_bytes(sorted(rows, key=lambda row: str(row["path"])), COLUMNS)
