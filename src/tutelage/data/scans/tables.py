"""Lists of scans: the `dataset.json` of the Decathlon and of nnU-Net, and CSV files of pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.core.wording import option
from tutelage.data.csv_rows import TableFault, read_rows
from tutelage.data.images.tables import is_image_column
from tutelage.data.scans.declared_intensity import declared_intensity
from tutelage.data.scans.folders import find_folder, list_pairs
from tutelage.data.scans.formats.common import SLICE_SUFFIXES, VOLUME_SUFFIXES, existing, near_file, stem_of, suffix_of
from tutelage.data.scans.formats.files import is_there
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.regions import classes_of_regions, label_value, said_of_regions

_LOOKED_AT = 50  # lines that tell what a table is of
_HINTS = 20  # faults that say which file may be meant


def list_dataset_file(path: Path, where: str) -> dict[str, ScanListing]:
    """The cases of a `dataset.json`, with the class names and channels that it states.

    The Decathlon lists pairs in `training` and images in `test`; nnU-Net names channels, and its files are in
    `imagesTr` and `labelsTr`.
    """
    train = ScanListing("dataset.json of the Decathlon", where)
    try:
        table = parse_json(read_regular(path))
        if not isinstance(table, dict) or not isinstance(table.get("labels"), dict):
            raise JsonFault("expected an object with 'labels', an object of class names and values")
        named = dict(table["labels"])
        if "channel_names" in table:
            ignored = named.pop("ignore", None)  # nnU-Net's own key, not a class
            train.ignore_label = None if ignored is None else label_value("ignore", ignored)
            train.intensity = declared_intensity(table["channel_names"])
        if any(isinstance(value, list) for value in named.values()):
            named = classes_of_regions(named)
            train.warnings.append(f"{shown(str(path))} has regions of several values: {said_of_regions(named)}")
        train.values = _values(named)
    except TableFault as fault:
        train.faults.append(f"{shown(str(path))}: {fault}")
        return {"train": train}
    except OSError as error:
        train.faults.append(f"{shown(str(path))} cannot be read: {error.strerror}")
        return {"train": train}
    except (JsonFault, ValueError, KeyError, TypeError, AttributeError) as error:
        said = str(error) if isinstance(error, JsonFault) else "its values are not those of the Decathlon or of nnU-Net"
        train.faults.append(f"{shown(str(path))} is not a readable dataset.json: {said}")
        return {"train": train}
    root = path.parent
    modalities = table.get("modality", table.get("channel_names", {}))
    files = len(table["channel_names"]) if isinstance(table.get("channel_names"), dict | list) else None
    train.channels_last_axis = isinstance(modalities, dict | list) and len(modalities) > 1
    if isinstance(table.get("training"), list):
        train.cases = [case for entry in table["training"] if (case := _entry(entry, root, path, train)) is not None]
        if not train.cases and not train.faults:
            train.faults.append(f"{shown(str(path))} lists no cases in 'training'")
    elif isinstance(table.get("dataset"), dict):
        entries = [_nnunet_entry(name, entry) for name, entry in table["dataset"].items()]
        train.cases = [case for entry in entries if (case := _entry(entry, root, path, train)) is not None]
        train.kind = "dataset.json of nnU-Net"
    elif (root / "imagesTr").is_dir():
        labels = find_folder(root, ["labelsTr"])
        pairs = list_pairs(root / "imagesTr", labels, where, kind="dataset.json of nnU-Net", channels=files)
        train = replace(
            pairs,
            values=train.values,
            ignore_label=train.ignore_label,
            intensity=train.intensity,
            warnings=train.warnings + pairs.warnings,
        )
    else:
        train.faults.append(f"{shown(str(path))} lists no 'training', and there is no folder imagesTr beside it")
    listings = {"train": train}
    tests = root / "labelsTs"
    if tests.is_dir() and (root / "imagesTs").is_dir():
        listings["test"] = replace(
            list_pairs(root / "imagesTs", tests, where, kind="imagesTs/ and labelsTs/", channels=files),
            values=train.values,
            channels_last_axis=train.channels_last_axis,
        )
    elif isinstance(table.get("test"), list) and table["test"]:
        train.warnings.append(
            f"{shown(str(path))}: {len(table['test'])} test images without labels are not used; to learn from them "
            f"name their folder with {option('unlabeled')}"
        )
    return listings


def is_pair_table(path: Path, root: Path | None = None) -> bool:
    """Whether it is a CSV file of scans with their masks rather than of photos with their classes.

    A table with a column `path` is one of photos. Of others that name an `image`, the first cells tell: an image is a
    volume, or a label is a file. If they tell nothing, it is taken for one of scans.

    Args:
        root: folder that paths are relative to; None is that of the table.
    """
    root, first = root or path.parent, list[list[str]]()
    try:
        for _, cells in islice(read_rows(path), _LOOKED_AT):
            first.append(cells)
    except TableFault:  # in a row, which is reported when all are read
        pass
    header = _names(first)
    if "path" in header or not any(is_image_column(name) for name in header):
        return False
    rows = [row for row in first[1:] if len(row) == len(header)]
    if not rows:
        return True
    if any(suffix_of(row[column].strip()) in VOLUME_SUFFIXES for row in rows for column in _channels(header, rows)):
        return True
    labels = [row[header.index("label")].strip() for row in rows] if "label" in header else []
    return any(_is_file(label, root) for label in labels if label)


def list_pair_table(path: Path, where: str, *, root: Path | None = None) -> ScanListing:
    """The cases of a CSV file with the columns `image,label`; an empty label means unlabeled.

    More columns that start with `image_` and name files (`image_2`) are more channels. Paths are relative to `root`, or
    else to the folder of the table.
    """
    listing = ScanListing("table of pairs", where)
    root = root or path.parent
    try:
        rows = [(line, cells) for line, cells in read_rows(path) if cells]
    except TableFault as fault:
        listing.faults.append(f"{shown(str(path))} {fault}")
        return listing
    header = _names([cells for _, cells in rows])
    channels = _channels(header, [cells for _, cells in rows[1:] if len(cells) == len(header)])
    if not channels or header.count("label") != 1:
        listing.faults.append(
            f"{shown(str(path))} line 1: expected a header 'image,label', got '{shown(','.join(header))}'"
        )
        return listing
    places: dict[Path, int] = {}
    for line, row in rows[1:]:
        place = f"{shown(str(path))} line {line}"
        if len(row) != len(header):
            listing.faults.append(f"{place}: expected {len(header)} cells as in the header, got {len(row)}")
            continue
        images = tuple(existing(root / row[column].strip()) for column in channels if row[column].strip())
        label = row[header.index("label")].strip()
        mask = existing(root / label) if label else None
        missing = [file for file in (*images, *([mask] if mask else [])) if not is_there(file)]
        few = len(listing.faults) < _HINTS
        lost = [
            f"{place}: there is no file {shown(str(file))}{near_file(file, root) if few else ''}" for file in missing
        ]
        listing.faults += lost
        listing.skippable += lost
        if len(images) != len(channels):
            listing.faults.append(f"{place}: an image is not named")
        elif images[0] in places:
            listing.faults.append(f"{place} names the image of line {places[images[0]]} again")
        elif not missing:
            places[images[0]] = line
            listing.cases.append(Case(_case_name(images[0], root), images, mask))
    if not listing.cases and not listing.faults:
        listing.faults.append(f"{shown(str(path))} has a header and no rows: expected one image and one label per line")
    return listing


def _names(rows: list[list[str]]) -> list[str]:
    """The names of columns, in lower case."""
    return [cell.strip().lower() for cell in rows[0]] if rows else []


def _channels(header: list[str], rows: list[list[str]]) -> list[int]:
    """The columns of images: of those like `image_id`, only if a cell has the suffix of a file."""
    return [
        column
        for column, name in enumerate(header)
        if name == "image" or (is_image_column(name) and any(_has_suffix(row[column]) for row in rows))
    ]


def _has_suffix(cell: str) -> bool:
    return suffix_of(cell.strip()).lower() in (*VOLUME_SUFFIXES, *SLICE_SUFFIXES)


def _is_file(label: str, root: Path) -> bool:
    """Whether a label is a mask, by its suffix or since it is there."""
    return _has_suffix(label) or ("/" in label and (root / label).is_file())


def _case_name(image: Path, root: Path) -> str:
    """Its path relative to the folder of the table, without suffix; the full path if the file is elsewhere."""
    path = image.relative_to(root) if image.is_relative_to(root) else image
    return path.with_name(stem_of(path)).as_posix()


def _values(labels: dict[str, Any]) -> dict[str, int]:
    """Value of each class by its name, from `{"0": "background"}` or `{"background": 0}`, in the order of values."""
    turned = all(str(key).isdecimal() for key in labels)
    pairs = [(str(name), value) for value, name in labels.items()] if turned else list(labels.items())
    return dict(sorted(((name, label_value(name, value)) for name, value in pairs), key=lambda pair: pair[1]))


def _nnunet_entry(name: str, entry: Any) -> Any:
    """An entry of `dataset` as one of `training`."""
    own = entry if isinstance(entry, dict) else {}
    return {"name": name, "image": own.get("images"), "label": own.get("label")}


def _entry(entry: Any, root: Path, path: Path, listing: ScanListing) -> Case | None:
    pair = entry if isinstance(entry, dict) else {"image": entry}
    images = pair.get("image")
    images = images if isinstance(images, list) else [images]
    if not images or not all(isinstance(image, str) for image in images):
        listing.faults.append(f"{shown(str(path))}: an entry of 'training' names no image: {shown(str(entry))}")
        return None
    label = pair.get("label")
    files = [existing(root / name) for name in (*images, *([label] if isinstance(label, str) else []))]
    missing = [file for file in files if not is_there(file)]
    if missing:
        few = len(listing.faults) < _HINTS
        lost = [
            f"{shown(str(path))} names {shown(str(file))}, which is not a file{near_file(file, root) if few else ''}"
            for file in missing
        ]
        listing.faults += lost
        listing.skippable += lost
        return None
    name = pair.get("name")
    own = name if isinstance(name, str) and name else stem_of(images[0])
    return Case(own, tuple(files[: len(images)]), files[-1] if isinstance(label, str) else None)
