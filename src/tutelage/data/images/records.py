"""Images and labels in Parquet files and in folders that `save_to_disk` of Hugging Face datasets wrote."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage.core.names import class_name_fault, counted, first_of, shown
from tutelage.data.images.items import Content, ImageListing, Item, Stamp, Store, Unreadable, sort_classes
from tutelage.data.images.record_file import EXTRA, MissingReader, RecordFile

IMAGE_NAMES = ("image", "img", "picture")
LABEL_NAMES = ("label", "labels", "class", "class_name", "category", "target")
_LONGEST = 300  # characters of what a library says


class RecordFault(Exception):
    """What is wrong with a file of records; it completes a sentence that starts with its name."""


class RecordImages(Store):
    """The images of a file; keys are numbers of records."""

    def __init__(self, root: Path, file: Path, column: str) -> None:
        self.root, self.file, self.column = root, file, column

    def read(self, keys: Sequence[int]) -> Iterator[Content]:
        done = 0
        try:
            for first, values in RecordFile(self.file).blocks(self.column, keys):
                while done < len(keys) and first <= keys[done] < first + len(values):
                    yield _content(values[keys[done] - first], self.file)
                    done += 1
            reason = "is not in the file any more"
        except Exception as error:  # damaged bytes make the package raise almost anything
            reason = f"cannot be read: {_said(error)}"
        for _ in keys[done:]:
            yield Unreadable(reason)

    def stamps(self, keys: Sequence[int]) -> Iterator[Stamp | None]:
        whole = Stamp.of(str(self.file.absolute()))
        return (whole._replace(part=(self.column, key)) for key in keys)

    def place(self, name: str) -> str:
        return str(self.root / name)


def list_records(root: Path, files: Sequence[Path], where: str, kind: str) -> ImageListing:
    """The images of some files, which have the same columns.

    The image is the column of that type, or the one named image; the label is the column of classes, or the one named
    label, of text or whole numbers. An empty label and -1 are unlabeled.

    Args:
        root: the folder that the names of images start from.
    """
    listing = ImageListing(kind, where)
    names: tuple[str, ...] | None = None
    for number, file in enumerate(files):
        try:
            found = _list_file(root, file, listing)
        except MissingReader:
            needs = "needs the package 'pyarrow' to be read: pip install"
            listing.faults.append(f"{shown(where)} {needs} 'tutelage[{EXTRA}]'")
            return listing
        except RecordFault as fault:
            listing.faults.append(f"{shown(str(file))} {fault}")
            continue
        except Exception as error:  # as above
            listing.faults.append(f"{shown(str(file))} is not a readable file of records: {_said(error)}")
            continue
        if number and found != names:
            listing.faults.append(f"{shown(str(file))} has other classes than {shown(str(files[0]))}")
        names = found
    present = {item.label for item in listing.items if item.label is not None}
    listing.classes = sort_classes(present) if names is None else tuple(name for name in names if name in present)
    listing.faults += [
        f"{shown(where)}: {said}" for name in listing.classes if (said := class_name_fault(name)) is not None
    ]
    if not present and not listing.no_labels:
        listing.no_labels = "the column of labels is empty"
    return listing


def _list_file(root: Path, file: Path, listing: ImageListing) -> tuple[str, ...] | None:
    """Add the images of a file; returns the names of its classes, if it has such."""
    records = RecordFile(file)
    schema, features = records.schema(), records.features()
    image = _image_column(schema, features)
    label = _label_column(schema, features, image)
    names = _names(features.get(label, {})) if label is not None else None
    if label is None:
        listing.no_labels = f"there is no column of labels: expected one of {', '.join(LABEL_NAMES)}"
    elif label not in ("label", "labels"):
        listing.warnings.append(f"{shown(str(file))}: the labels are those of the column '{shown(label)}'")
    store, name = RecordImages(root, file, image), file.relative_to(root).as_posix()
    counted_by = label or next((name for name in schema.names if name != image), image)
    for first, values in records.blocks(counted_by):
        labels = [None] * len(values) if label is None else [_label(value, names) for value in values]
        listing.items += [
            Item(f"{name} row {first + place}", found, store, first + place) for place, found in enumerate(labels)
        ]
    return names


def _image_column(schema: Any, features: Mapping[str, Any]) -> str:
    columns = [name for name in schema.names if features.get(name, {}).get("_type") == "Image"]
    columns = columns or [field.name for field in schema if _holds_images(field.type)]
    named = [name for name in columns if name.lower() in IMAGE_NAMES]
    chosen = columns if len(columns) == 1 else named
    if len(chosen) != 1:
        got = f"got {first_of(schema.names)}" if not columns else f"several do: {first_of(columns)}"
        raise RecordFault(f"has no single column of images: expected one that holds bytes, named image; {got}")
    return str(chosen[0])


def _holds_images(kind: Any) -> bool:
    """Whether a column is of bytes, or of bytes and path, as Hugging Face datasets stores images."""
    if str(kind) in ("binary", "large_binary"):
        return True
    fields = {field.name: str(field.type) for field in kind} if str(kind).startswith("struct<") else {}
    return fields.get("bytes") in ("binary", "large_binary")


def _label_column(schema: Any, features: Mapping[str, Any], image: str) -> str | None:
    classes = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    named = [name for known in LABEL_NAMES for name in schema.names if name.lower() == known and name != image]
    chosen = classes if len(classes) == 1 else [name for name in named if not classes or name in classes]
    if len(classes) > 1 and not chosen:
        raise RecordFault(f"has several columns of classes: {first_of(classes)}; name one of them label")
    return chosen[0] if chosen else None


def _names(feature: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if len(set(names)) < len(names):
        raise RecordFault("has a class twice among its names")
    return tuple(unicodedata.normalize("NFC", name) for name in names)


def _label(value: Any, names: tuple[str, ...] | None) -> str | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise RecordFault(f"has the label {shown(repr(value))[:_LONGEST]}: expected text or a whole number")
    number = int(value)
    if number == -1:
        return None
    if number < 0 or (names is not None and number >= len(names)):
        known = "0 or more" if names is None else f"below {counted(len(names), 'class', 'classes')}"
        raise RecordFault(f"has the label {number}: expected {known}, or -1 for unlabeled")
    return str(number) if names is None else names[number]


def _content(value: Any, file: Path) -> Content:
    data, path = value, None
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
    if isinstance(data, bytes):
        return data
    if not isinstance(path, str) or not path:
        return Unreadable("is empty: there are no bytes")
    found = file.parent / path
    return found if found.is_file() else Unreadable(f"names the file '{shown(path)}', which is not there")


def _said(error: Exception) -> str:
    return " ".join(shown(str(error)).split())[:_LONGEST] or type(error).__name__
