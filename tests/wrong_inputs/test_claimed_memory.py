"""Small files that would take much memory are refused by the size that they claim, before they are decoded."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.core import memory
from tutelage.core.errors import DataError
from tutelage.data.images.reading import ImageFault, decode_image
from tutelage.data.scans.formats.read import read_mask, read_volume

NRRD = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 6 7 5\nendian: little\nencoding: raw\n"
VOXELS = np.arange(210, dtype=np.int16).reshape(6, 7, 5)
SIDE = 9000


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "")


def png(depth: int, color: int) -> bytes:
    """The header of a PNG file, and next to nothing behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def gif() -> bytes:
    stream = io.BytesIO()
    Image.new("P", (8, 8)).save(stream, "GIF")
    content = bytearray(stream.getvalue())
    content[6:10] = struct.pack("<HH", SIDE, SIDE)
    return bytes(content)


IMAGES = {
    "colors": png(8, 2),
    "colors of 16 bits": png(16, 2),
    "colors and alpha": png(8, 6),
    "colors and alpha of 16 bits": png(16, 6),
    "gray and alpha": png(8, 4),
    "an animation": gif(),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_small_image_of_many_pixels_is_refused_before_it_is_decoded(name: str) -> None:
    begun = time.process_time()
    with pytest.raises(ImageFault, match=r"has 9000 x 9000 pixels and would take .* though it has .* --memory-limit"):
        decode_image(IMAGES[name], at_least=8)
    assert time.process_time() - begun < 1.0


def test_a_gray_image_of_as_many_pixels_is_decoded() -> None:
    with pytest.raises(ImageFault, match="cannot be decoded"):  # it is cut off
        decode_image(png(8, 0), at_least=8)


def test_a_limit_that_is_given_counts_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "20GB")
    with pytest.raises(ImageFault, match="cannot be decoded"):
        decode_image(png(8, 2)[:60], at_least=8)


@pytest.mark.long
def test_webp_images_are_refused_as_well() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (5600, 5600)).save(stream, "WEBP", method=0)
    with pytest.raises(ImageFault, match=r"has 5600 x 5600 pixels and would take 533 MB of memory, though it has"):
        decode_image(stream.getvalue(), at_least=8)


def test_masks_may_be_packed_more_densely_than_scans(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(16, 0))
    with pytest.raises(DataError, match=r"a.png has 9000 x 9000 pixels and would take "):
        read_volume(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png is not a readable image"):
        read_mask(tmp_path / "a.png")


SKIPS = {
    "lines without end": b"line skip: 999999999",
    "lines without end and bytes backwards": b"byte skip: -99999999\nline skip: 999999999",
    "bytes backwards": b"byteskip: -2",
    "bytes behind the end": b"byte skip: 99999999",
    "lines backwards": b"lineskip: -1",
}


@pytest.mark.parametrize("name", SKIPS)
def test_an_nrrd_file_skips_no_more_than_is_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(NRRD + SKIPS[name] + b"\n\n" + VOXELS.tobytes(order="F"))
    begun = time.process_time()
    with pytest.raises(
        DataError, match=r"a.nrrd has a header that skips -?\d+ lines and -?\d+ bytes, and the file has"
    ):
        read_volume(tmp_path / "a.nrrd")
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("fields", "before"),
    [
        (b"# nothing", b""),
        (b"byte skip: -1", b"junk"),
        (b"line skip: 2", b"a\nb\n"),
        (b"line skip: 1\nbyte skip: 3", b"a\nxyz"),
    ],
)
def test_what_an_nrrd_file_skips_is_skipped(fields: bytes, before: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(NRRD + fields + b"\n\n" + before + VOXELS.tobytes(order="F"))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nrrd")[0][0], VOXELS)


HEADERS = {
    "a line of megabytes": (NRRD + b"x:" + b"y" * (2 << 20), "has a header of 1.05 MB or more"),
    "a number of 5,000 digits": (
        NRRD + b"line skip: " + b"9" * 5000,
        "has an NRRD header with a value that is no number",
    ),
    "a number that is none": (NRRD + b"line skip: 1e9", "has an NRRD header with a value that is no number"),
    "60,000 axes": (
        NRRD.replace(b"6 7 5", b"1 " * 60_000),
        "has a header that claims 60000 axes of up to 1 voxels: it is damaged",
    ),
    "nothing": (b"", r"is empty \(0 bytes\)"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_nrrd_header_is_bounded(name: str, tmp_path: Path) -> None:
    content, message = HEADERS[name]
    (tmp_path / "a.nrrd").write_bytes(content + (b"\n\n" + bytes(420) if content else b""))
    with pytest.raises(DataError, match=f"a.nrrd {message}"):
        read_volume(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("HeaderSize = " + "9" * 5000, r"with HeaderSize 9{60}\.\.\. \(5,000 characters\): expected a number of bytes"),
        ("DimSize = " + "9" * 5000 + " 7 5", "lacks or garbles one of DimSize"),
        ("DimSize = " + "9" * 400 + " 7 5", "claims 3 axes of up to very many voxels"),
        ("DimSize = " + "1 " * 100, "with NDims 3 and 100 numbers in DimSize"),
        ("DimSize = 6 -7 5", "claims 6 x -7 x 5 voxels"),
        ("ElementNumberOfChannels = " + "9" * 400, "lacks or garbles 'ElementNumberOfChannels'"),
        ("ElementSpacing = a b c", "lacks or garbles one of DimSize"),
    ],
)
def test_a_metaimage_header_is_bounded(field: str, message: str, tmp_path: Path) -> None:
    fields = {"ObjectType": "Image", "NDims": "3", "DimSize": "6 7 5", "ElementType": "MET_SHORT"}
    name, _, value = field.partition(" = ")
    lines = [f"{key} = {word}\n" for key, word in (fields | {name: value, "ElementDataFile": "a.raw"}).items()]
    (tmp_path / "a.mhd").write_text("".join(lines))
    (tmp_path / "a.raw").write_bytes(VOXELS.tobytes())
    with pytest.raises(DataError, match=f"a.mhd has a .*{message}"):
        read_volume(tmp_path / "a.mhd")
