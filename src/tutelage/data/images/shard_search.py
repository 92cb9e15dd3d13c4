"""Searches a tar shard from start to end for its samples, whatever its headers claim.

What follows a damaged header cannot be found, and is never left out in silence: the shard has a fault then.
"""

from __future__ import annotations

import gzip
import tarfile
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from tutelage.core.memory import memory_fault, size_text
from tutelage.core.names import brief, shown
from tutelage.core.regular import open_regular, refuse_special
from tutelage.data.images.shard_index import ShardIndex
from tutelage.data.images.shard_members import ShardMembers

_LONGEST_LABEL = 1024  # bytes
_LONGEST_HEADER = 1 << 20  # bytes, of a name or other facts of a member
_MOST_HEADERS = 4 << 20  # bytes, of all headers of one member
_DENSE = 200  # times that a shard of images is packed at most
_SPARE = 1 << 26  # bytes of a packed shard that may be more than that, and of zeros at the end of any
_COPIES = 4  # of the bytes of an image, while it is decoded
_SPECIAL = {tarfile.FIFOTYPE: "a pipe", tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a disk"}
_END = 2 * tarfile.BLOCKSIZE  # zeros, at least, behind the last member
_NESTED = "its headers lead to ever more headers"
_REMEDY = "copy the shard again, or write it anew"


class _ShardFault(Exception):
    """A shard cannot be read on. The message says why, of a place in it."""


class _Headers:
    """What `tarfile` reads of a shard, which is headers alone: bounded, whatever they claim.

    Raises:
        _ShardFault: headers are too long, or there is no end to what the shard unpacks to.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._plain, self._present = stream, is_plain(path), path.stat().st_size
        self._read = 0  # bytes since the last seek
        self._ahead = b""  # a block that was looked at: packed shards cannot be read backwards

    def read(self, size: int) -> bytes:
        if self._ahead and size == tarfile.BLOCKSIZE:
            block, self._ahead = self._ahead, b""
            return block
        if not 0 <= size <= _LONGEST_HEADER:
            raise _ShardFault(f"it has a header of {size} bytes")
        self._read += size
        if self._read > _MOST_HEADERS:
            raise _ShardFault(_NESTED)
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        if place > (self._present if self._plain else _DENSE * self._present + _SPARE):
            said = "ends before" if self._plain else f"has {size_text(self._present)}, which are not to be unpacked to"
            raise _ShardFault(f"it {said} {size_text(place)}")
        self._read, self._ahead = 0, b""
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell() - len(self._ahead)

    def next_header(self, place: int) -> tuple[int | None, int]:
        """The place of the first block that is not of zeros, from `place` on, and the number of zeros before it.

        The place is None if there is none up to the end. The block is the next that is read.
        """
        self.seek(begin := place)
        while not (block := self._stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
            begin += len(block)
            if not block:
                return None, begin - place
            if begin - place > _SPARE:
                raise _ShardFault(f"behind byte {place:,} there are more than {size_text(_SPARE)} of zeros")
        self._ahead = block
        return begin, begin - place


def is_plain(path: Path) -> bool:
    """Whether a shard is not packed, by its name."""
    return path.name.lower().endswith(".tar")


def open_shard(path: Path) -> BinaryIO:
    """A stream of the bytes of a shard, unpacked.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    if is_plain(path):
        return open_regular(path)
    refuse_special(path)
    return cast(BinaryIO, gzip.open(path, "rb"))


def search_shard(path: Path) -> ShardIndex:
    """Read a shard from start to end; of its members, only labels are unpacked."""
    index, place = ShardIndex(), shown(str(path))
    members = ShardMembers(place)
    try:
        with open_shard(path) as stream:
            for member in _members(_Headers(stream, path)):
                if (fault := memory_fault(_COPIES * member.size, path.stat().st_size)) is not None:
                    most = path.stat().st_size if is_plain(path) else _DENSE * path.stat().st_size + _SPARE
                    damage = f": its header is damaged: {_REMEDY}" if member.size > most else ""
                    index.faults.append(f"{place}: {_name(member)} {fault}{damage}")
                    break
                if member.type in _SPECIAL:
                    members.add_special(member.name, _SPECIAL[member.type])
                elif not member.isdir():  # types that POSIX does not know are regular files
                    link = member.issym() or member.islnk()
                    span = None if link else (member.offset_data, member.size)
                    members.add(member.name, span, partial(_read_label, stream, member, place, index.faults))
    except _Truncated:
        index.faults.append(f"{place} has no end marker: it is truncated after {len(members)} samples: {_REMEDY}")
    except Exception as error:  # a damaged file makes gzip raise almost anything
        said = str(error) if isinstance(error, _ShardFault) else _cause(error)
        found = f"{len(members)} samples could be found"
        index.faults.append(f"{place} is damaged or not a tar file ({found}): {said}: {_REMEDY}")
    samples, skipped = members.samples()
    index.samples, index.warnings = samples, skipped
    index.faults += members.faults
    if not samples and not index.faults:
        index.faults.append(f"{place} holds no images")
    return index


class _Truncated(Exception):
    """A shard ends without its end marker."""


def _members(headers: _Headers) -> Iterator[tarfile.TarInfo]:
    """The members of all archives in a shard, which may be several that were joined.

    Raises:
        _ShardFault: a header is damaged.
        _Truncated: the end marker is missing.
    """
    tar = tarfile.TarFile(fileobj=cast(BinaryIO, headers), mode="w")  # "r" would read, and end at a damaged header
    place, last = 0, ""
    while True:
        begin, zeros = headers.next_header(place)
        if begin is None:
            if not zeros:
                raise _Truncated
            return
        where = f"at byte {begin:,}" + (f", behind {last}" if last else "")
        if 0 < zeros < _END:
            raise _ShardFault(f"{where}, more follows a header of zeros")
        try:
            member = tarfile.TarInfo.fromtarfile(tar)
        except Exception as error:  # damaged headers make tarfile raise almost anything
            raise _ShardFault(f"{where}, {_header_fault(error)}") from None
        if member.size < 0 or tar.offset <= begin:
            raise _ShardFault(f"{where}, {_name(member)} has an impossible size ({member.size} bytes)")
        if member.issparse():
            raise _ShardFault(f"{where}, {_name(member)} is a sparse file, which is not read (tar without --sparse)")
        yield member
        place, last = tar.offset, _name(member)
        headers.seek(place - 1)
        if place > begin + tarfile.BLOCKSIZE and not headers.read(1):
            raise _ShardFault(f"{last} is truncated: the shard ends within it")


def _name(member: tarfile.TarInfo) -> str:
    return brief(member.name)


def _header_fault(error: Exception) -> str:
    """What is wrong with a header that `tarfile` cannot read."""
    if isinstance(error, _ShardFault):
        return str(error)
    if isinstance(error, RecursionError):
        return _NESTED
    known = isinstance(error, tarfile.HeaderError) and str(error) not in ("", "invalid header")
    return f"a header is expected, and what is there is none{f' ({error})' if known else ''}"


def _cause(error: Exception) -> str:
    """What gzip or the system say of a file."""
    said = getattr(error, "strerror", None) or str(error)
    return shown(said)[:300] or type(error).__name__


def _read_label(stream: BinaryIO, member: tarfile.TarInfo, place: str, faults: list[str]) -> str | None:
    """The text of a label. Its bytes come next in the stream."""
    stream.seek(member.offset_data)
    raw = stream.read(min(member.size, _LONGEST_LABEL + 1))
    try:
        text = unicodedata.normalize("NFC", raw.decode("utf-8-sig").strip())
    except UnicodeDecodeError:
        text = ""
    long = len(raw) > _LONGEST_LABEL
    if not text or long:
        more = f": it has {size_text(member.size)}" if long else ""
        faults.append(f"{place}: {_name(member)} holds no class index and no class name{more}")
    return None if text in ("", "-1") or long else text
