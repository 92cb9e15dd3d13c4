"""WebDataset shards: tar files, plain or gzipped, in which members that share a key are one sample.

A sample is `KEY.jpg` (or another image) and, if it is labeled, `KEY.cls`: a class index, or a class name; see
`ShardMembers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import brief, class_name_fault, counted, shown
from tutelage.core.regular import read_regular
from tutelage.data.images.items import (
    Content,
    ImageListing,
    Item,
    Stamp,
    Store,
    Unreadable,
    sort_classes,
)
from tutelage.data.images.row_labels import whole_numbers
from tutelage.data.images.shard_index import keep_index, known_index
from tutelage.data.images.shard_members import LABEL_SUFFIX
from tutelage.data.images.shard_search import is_plain, open_shard, search_shard

SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")
CLASS_NAMES = "classes.json"


class Shard(Store):
    """One tar file; keys are (offset, size) of members in the unpacked file, so that reading needs no headers."""

    def __init__(self, path: Path) -> None:
        self.path, self.streams = path, is_plain(path)

    def read(self, keys: Sequence[tuple[int, int]]) -> Iterator[Content]:
        done = 0
        try:
            with open_shard(self.path) as stream:
                for offset, size in keys:
                    stream.seek(offset)
                    data = stream.read(size)
                    yield data if len(data) == size else Unreadable("is truncated: the shard ends within it")
                    done += 1
        except Exception as error:
            for _ in keys[done:]:
                yield Unreadable(f"cannot be read from its shard: {shown(str(error))}")

    def stamps(self, keys: Sequence[tuple[int, int]]) -> Iterator[Stamp | None]:
        whole = Stamp.of(str(self.path.absolute()))
        return (whole._replace(part=key) for key in keys)

    def length(self, key: tuple[int, int], stamp: Stamp) -> int:
        return key[1]

    def place(self, name: str) -> str:
        return str(self.path.parent / name)


def is_shard(path: Path) -> bool:
    """Whether the file name is that of a shard."""
    return path.name.lower().endswith(SHARD_SUFFIXES)


def list_shards(paths: Sequence[Path], where: str) -> ImageListing:
    """The samples of the shards of one folder, in order. `classes.json` in that folder names the classes.

    Labels are read and images are not, but a gzipped shard is unpacked once to find them.
    """
    listing = ImageListing(f"{len(paths)} tar shard{'s' if len(paths) > 1 else ''}", where)
    names = _read_class_names(paths[0].parent / CLASS_NAMES, listing) if paths else None
    for path in paths:
        _list_shard(path, listing)
    listing.no_labels = _why_unlabeled(listing)
    if names is None:
        _take_whole_numbers(listing)
        listing.classes = sort_classes({item.label for item in listing.items if item.label is not None})
    else:
        listing.classes = names
        listing.items = [_named(item, names, listing) for item in listing.items]
    listing.faults += [f"{shown(where)}: {fault}" for name in listing.classes if (fault := class_name_fault(name))]
    return listing


def _take_whole_numbers(listing: ImageListing) -> None:
    """Take labels such as `1.0` as `1`, and say so; see `whole_numbers`."""
    same = whole_numbers({item.label for item in listing.items if item.label is not None})
    points = [item for item in listing.items if item.label in same]
    if points:
        label = str(points[0].label)
        such = f"{counted(len(points), 'label')} such as '{label}' taken as '{same[label]}'"
        listing.warnings.append(f"{shown(listing.where)}: {such} (first: {shown(points[0].place)})")
        listing.items = [replace(item, label=same.get(str(item.label), item.label)) for item in listing.items]


def _why_unlabeled(listing: ImageListing) -> str:
    """Where labels may be meant to be, if there are none."""
    if any(item.label is not None for item in listing.items):
        return ""
    folders = sorted({folder for item in listing.items for folder in item.name.split("/")[1:-1][-1:]})
    if len(folders) > 1:
        names = ", ".join(f"'{shown(name)}'" for name in folders[:3]) + (", ..." if len(folders) > 3 else "")
        inside = f"the folders inside the shards ({names}) are no labels"
        return f"{inside}: unpack them, or add KEY{LABEL_SUFFIX} to each image"
    return f"the label of KEY.jpg in a shard is KEY{LABEL_SUFFIX}"


def _list_shard(path: Path, listing: ImageListing) -> None:
    index = known_index(path)
    if index is None:
        index = search_shard(path)
        keep_index(path, index)
    store = Shard(path)
    listing.faults += index.faults
    listing.warnings += index.warnings
    listing.items += [
        Item(f"{path.name}/{image}", label, store, (offset, size)) for image, label, offset, size in index.samples
    ]


def _read_class_names(file: Path, listing: ImageListing) -> tuple[str, ...] | None:
    if not file.exists():
        return None
    try:
        names = parse_json(read_regular(file))
    except OSError as error:
        listing.faults.append(f"{shown(str(file))} cannot be read: {error.strerror}")
        return None
    except JsonFault as fault:
        listing.faults.append(f"{shown(str(file))} is not readable JSON: {fault}")
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        listing.faults.append(f"{shown(str(file))} must be a list of class names, in the order of their indices")
        return None
    if len(set(names)) < len(names):
        listing.faults.append(f"{shown(str(file))} lists a class twice")
    return tuple(names)


def _named(item: Item, names: tuple[str, ...], listing: ImageListing) -> Item:
    if item.label is None or item.label in names:
        return item
    if item.label.isdecimal() and int(item.label) < len(names):
        return Item(item.name, names[int(item.label)], item.store, item.key)
    listing.faults.append(
        f"{shown(item.place)}: label '{brief(item.label)}' is not a class: {CLASS_NAMES} names {len(names)} of them"
    )
    return Item(item.name, None, item.store, item.key)
