"""WebDataset shards: tar files, plain or gzipped, in which members that share a key are one sample.

A sample is `KEY.jpg` (or another image) and, if it is labeled, `KEY.cls`: a class index, or a class name; see
`ShardMembers`.
"""

from __future__ import annotations

import gzip
import tarfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.memory import memory_fault, size_text
from tutelage.core.names import class_name_fault, counted, shown
from tutelage.core.regular import open_regular, read_regular, refuse_special
from tutelage.core.third_party import said_by
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
from tutelage.data.images.shard_index import ShardIndex, keep_index, known_index
from tutelage.data.images.shard_members import LABEL_SUFFIX, ShardMembers

SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")
CLASS_NAMES = "classes.json"
_LONGEST_LABEL = 1024  # bytes
_LONGEST_HEADER = 1 << 20  # bytes, of a name or other facts of a member
_DENSE = 200  # times that a shard of images is packed at most
_SPARE = 1 << 26  # bytes of a packed shard that may be more than that
_COPIES = 4  # of the bytes of an image, while it is decoded


class Shard(Store):
    """One tar file; keys are (offset, size) of members in the unpacked file, so that reading needs no headers."""

    def __init__(self, path: Path) -> None:
        self.path, self.streams = path, _is_plain(path)

    def read(self, keys: Sequence[tuple[int, int]]) -> Iterator[Content]:
        done = 0
        try:
            with _open(self.path) as stream:
                for offset, size in keys:
                    stream.seek(offset)
                    data = stream.read(size)
                    yield data if len(data) == size else Unreadable("is truncated: the shard ends within it")
                    done += 1
        except Exception as error:
            for _ in keys[done:]:
                yield Unreadable(f"cannot be read from its shard: {said_by(error)}")

    def stamps(self, keys: Sequence[tuple[int, int]]) -> Iterator[Stamp | None]:
        whole = Stamp.of(str(self.path.absolute()))
        return (whole._replace(part=key) for key in keys)

    def length(self, key: tuple[int, int], stamp: Stamp) -> int:
        return key[1]

    def place(self, name: str) -> str:
        return str(self.path.parent / name)


class _Headers:
    """What `tarfile` reads of a shard, which is headers alone: bounded, whatever they claim.

    Raises:
        tarfile.ReadError: a header is too long, or there is no end to what the shard unpacks to.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._plain, self._present = stream, _is_plain(path), path.stat().st_size

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        if place > (self._present if self._plain else _DENSE * self._present + _SPARE):
            said = "ends before" if self._plain else f"has {size_text(self._present)}, which are not to be unpacked to"
            raise tarfile.ReadError(f"it {said} {size_text(place)}")
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()


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
        index = _search(path)
        keep_index(path, index)
    store = Shard(path)
    listing.faults += index.faults
    listing.warnings += index.warnings
    listing.items += [
        Item(f"{path.name}/{image}", label, store, (offset, size)) for image, label, offset, size in index.samples
    ]


def _search(path: Path) -> ShardIndex:
    """Read a shard from start to end; of its members, only labels are unpacked."""
    index, place = ShardIndex(), shown(str(path))
    members = ShardMembers(place)
    try:
        with _open(path) as stream, tarfile.open(fileobj=cast(BinaryIO, _Headers(stream, path)), mode="r:") as tar:
            end = -1
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # they would take a kilobyte each
                if member.size < 0 or tar.offset <= end:
                    raise tarfile.ReadError(f"{shown(member.name)} has an impossible size ({member.size} bytes)")
                end = tar.offset
                if (fault := memory_fault(_COPIES * member.size, path.stat().st_size)) is not None:
                    raise tarfile.ReadError(f"{shown(member.name)} {fault}")
                if member.isfile() or member.issym() or member.islnk():
                    span = (member.offset_data, member.size) if member.isfile() else None
                    members.add(member.name, span, partial(_read_label, stream, member, place, index.faults))
            stream.seek(tar.offset)
            if not stream.read(1):
                index.faults.append(f"{place} has no end marker: it is truncated after {len(members)} samples")
            while stream.read(1 << 20):
                pass  # up to the end, where gzip verifies its checksum
    except Exception as error:  # damaged headers make tarfile raise almost anything
        said = "its headers lead to ever more headers" if isinstance(error, RecursionError) else said_by(error)
        index.faults.append(f"{place} is damaged or not a tar file ({len(members)} samples could be found): {said}")
    samples, skipped = members.samples()
    index.samples, index.warnings = samples, skipped
    index.faults += members.faults
    if not samples and not index.faults:
        index.faults.append(f"{place} holds no images")
    return index


def _read_label(stream: BinaryIO, member: tarfile.TarInfo, place: str, faults: list[str]) -> str | None:
    """The text of a label. Its bytes come next in the stream; tarfile seeks to the next member by itself."""
    stream.seek(member.offset_data)
    raw = stream.read(min(member.size, _LONGEST_LABEL + 1))
    try:
        text = unicodedata.normalize("NFC", raw.decode("utf-8-sig").strip())
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > _LONGEST_LABEL:
        faults.append(f"{place}: {shown(member.name)} holds no class index and no class name")
    return None if text in ("", "-1") else text


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
        f"{shown(item.place)}: label '{shown(item.label)}' is not a class: {CLASS_NAMES} names {len(names)} of them"
    )
    return Item(item.name, None, item.store, item.key)


def _is_plain(path: Path) -> bool:
    return path.name.lower().endswith(".tar")


def _open(path: Path) -> BinaryIO:
    if _is_plain(path):
        return open_regular(path)
    refuse_special(path)
    return cast(BinaryIO, gzip.open(path, "rb"))
