"""Shards that are damaged or odd inside, and why they cannot be trained on: a part of the catalogue of wrong inputs."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from typing import Any

from support.users_files import Case, png

HALF = 6  # samples
END = bytes(2 * tarfile.BLOCKSIZE)


def archive(numbers: range, **kind: Any) -> bytes:
    """A tar file of those samples, in the order image, label, without its end marker."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **kind) as tar:
        for number in numbers:
            for name, content in ((f"{number}.png", png(str(number))), (f"{number}.cls", b"%d" % (number % 2))):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        end = tar.offset
    return stream.getvalue()[:end]


FIRST, SECOND = archive(range(HALF)), archive(range(HALF, 2 * HALF))
LABEL = len(FIRST) - 2 * tarfile.BLOCKSIZE  # where the header of the last label of the first half begins


def changed(place: int, content: bytes) -> bytes:
    """The whole shard with other bytes from `place` on."""
    whole = bytearray(FIRST + SECOND + END)
    whole[place : place + len(content)] = content
    return bytes(whole)


def pax(keyword: str, value: str, name: str = "x.png") -> bytes:
    """A member with an extended header."""
    info = tarfile.TarInfo(name)
    info.pax_headers = {keyword: value}
    return info.tobuf(tarfile.PAX_FORMAT)


def sparse() -> bytes:
    """A member in the old form of GNU tar for files with holes."""
    block = bytearray(tarfile.TarInfo("x.png").tobuf(tarfile.GNU_FORMAT))
    block[156:157], block[148:156] = b"S", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


BETWEEN = {
    "a member of 10^30 bytes": (pax("size", "1" + "0" * 30), r"x.png would take"),
    "a member whose size is a word": (pax("size", "many"), r"x.png is empty"),
    "a sparse member": (sparse(), r"at byte 12,\d+, behind 5.cls, x.png is a sparse file, which is not read"),
    "a sparse member with a garbled map": (
        pax("GNU.sparse.map", "1,2,x"),
        r"at byte 12,\d+, behind 5.cls, (x.png is a sparse file|a header is expected, and what is there is none: copy)",
    ),
}

SHARDS: dict[str, tuple[bytes, str]] = {
    "a flipped bit in a header": (
        changed(len(FIRST) + 3, b"\x04"),
        rf"\(6 samples could be found\): at byte {len(FIRST):,}, behind 5.cls, a header is expected, and what is there "
        r"is none \(bad checksum\): copy the shard again, or write it anew",
    ),
    "a flipped bit in a size": (changed(len(FIRST) + 130, b"7"), r"behind 5.cls, .*\(bad checksum\)"),
    "a header of zeros": (
        changed(len(FIRST), bytes(tarfile.BLOCKSIZE)),
        r"\(6 samples could be found\): at byte [\d,]+, behind 5.cls, more follows a header of zeros: copy",
    ),
    "a header of a label of zeros": (
        changed(LABEL, bytes(tarfile.BLOCKSIZE)),
        r"behind 5.png, more follows a header of zeros",
    ),
    "an empty block between two halves": (
        FIRST + bytes(tarfile.BLOCKSIZE) + SECOND + END,
        r"behind 5.cls, more follows a header of zeros",
    ),
    "a page of text behind its end": (
        FIRST + SECOND + END + b"text" * 200,
        r"\(12 samples could be found\): at byte [\d,]+, behind 11.cls, a header is expected",
    ),
    "a start of zeros": (bytes(tarfile.BLOCKSIZE) + FIRST + END, r"at byte 512, more follows a header of zeros"),
    "no end": (FIRST, r"has no end marker: it is truncated after 6 samples: copy the shard again"),
    "an end within a header": (FIRST + SECOND[:200], r"behind 5.cls, a header is expected, .*\(truncated header\)"),
    "an end within a member": (FIRST + SECOND[:600], r"6.png is truncated: the shard ends within it"),
} | {f"{name} between two halves": (FIRST + content + SECOND + END, said) for name, (content, said) in BETWEEN.items()}


def placed(content: bytes, name: str) -> Callable[[Any], list[str]]:
    packed = gzip.compress(content) if name.endswith("gz") else content
    return lambda w: ["train", w.write(name, packed), *w.train[2:]]


PACKED = ("a flipped bit in a header", "a header of zeros", "an end within a member")
DAMAGED_SHARDS: dict[str, Case] = {
    f"a shard with {name}": (placed(content, "photos.tar"), message) for name, (content, message) in SHARDS.items()
} | {f"a packed shard with {name}": (placed(SHARDS[name][0], "photos.tar.gz"), SHARDS[name][1]) for name in PACKED}
