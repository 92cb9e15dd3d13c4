"""Files that tell the labels of images: tables, and exports of Label Studio and CVAT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tutelage.core.names import shown
from tutelage.data.images.cvat_tags import read_cvat
from tutelage.data.images.label_json import read_label_json
from tutelage.data.images.metadata import LINES, columns_of, read_metadata_lines
from tutelage.data.images.tables import Row, read_table

OWN_NAMES = ("metadata.csv", "train.csv")  # of tables whose columns have other names
EXPORTS = {".json": read_label_json, ".xml": read_cvat}
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of a file that is uploaded


def is_export(file: Path) -> bool:
    """Whether a file is an export of another tool by its ending, and no table."""
    return file.suffix.lower() in EXPORTS


def read_labels(file: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file of labels, and its faults.

    `.xml` is an export of CVAT, `.json` what `read_label_json` reads, `.jsonl` has an object per line, all else is a
    table.
    """
    suffix = file.suffix.lower()
    if suffix == LINES and file.is_file():
        return read_metadata_lines(file)
    if is_export(file) and file.is_file():
        return EXPORTS[suffix](file)
    columns = columns_of(file) if file.name in OWN_NAMES and file.is_file() else None
    return read_table(file, columns=columns)


def placed(rows: Iterable[Row], images: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows, those of exports with the path of the image that is meant, and faults, each naming its place.

    Other tools have folders of their own before or in place of those here. An image is meant if its path agrees in the
    most last parts, the name at least. Names that Label Studio gave to uploaded files are taken without what it put
    before them. Where no image is meant, the path stays.
    """
    by_name: dict[str, list[str]] = {}
    for image in images:
        by_name.setdefault(image.rpartition("/")[2], []).append(image)
    found: list[Row] = []
    faults: list[str] = []
    for row in rows:
        meant = _meant(row.path, by_name) if row.imported else [row.path]
        if len(meant) > 1:
            some = " or ".join(f"'{shown(path)}'" for path in meant[:2])
            faults.append(f"{row.spot}: '{shown(row.path)}' may be {some}: name the folder that it lies in")
        else:
            found.append(replace(row, path=meant[0]) if meant else row)
    return found, faults


def _meant(path: str, by_name: dict[str, list[str]]) -> list[str]:
    folder, slash, name = path.rpartition("/")
    if name not in by_name and _UPLOADED.match(name):
        name = name[9:]
    own = [*folder.split("/"), name] if slash else [name]
    like = {image: _agreement(image.split("/"), own) for image in by_name.get(name, ())}
    return [image for image, rank in like.items() if rank == max(like.values())]


def _agreement(image: list[str], own: list[str]) -> tuple[int, bool, bool]:
    """The number of last parts in which two paths agree; whether that is all of the first, and all of both."""
    pairs = zip(reversed(image), reversed(own), strict=False)
    count = next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(image), len(own)))
    return count, count == len(image), image == own
