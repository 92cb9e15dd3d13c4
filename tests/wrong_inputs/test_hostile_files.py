"""Files that were made to do harm: headers that lie, links to other files, and what is no regular file at all."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from tutelage.core import memory
from tutelage.data.images.levels import to_eight_bits
from tutelage.data.images.reading import ImageFault, decode_image
from tutelage.data.images.shards import list_shards

Arrange = Callable[[Any], list[str]]
TRAIN = [
    "--method",
    "supervised",
    "--out",
    "runs/a",
    "--steps",
    "2",
    "--batch-size",
    "2",
    "--network",
    "wrn-10-1",
    "--device",
    "cpu",
]


def tar_header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    block[156:157], block[124:136], block[148:156] = kind, size, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def binary(size: int) -> bytes:
    """GNU's form of sizes that are large or negative."""
    return size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")


PAX = b"14 size=-1024\n"
LONG = tar_header("././@LongLink", octal(5), b"L") + b"aaaa".ljust(512, b"\0")
TARS = {
    "a negative size": (tar_header("a.png", binary(-512)), "an impossible size"),
    "a negative size, again and again": (tar_header("a.png", binary(-1024)) * 3, "an impossible size"),
    "a negative size in an extended header": (
        tar_header("p", octal(len(PAX)), b"x") + PAX.ljust(512, b"\0") + tar_header("a.png", octal(0)),
        "an impossible size",
    ),
    "a size of 2^80": (tar_header("a.png", binary(2**80)), r"a\.png would take"),
    "a size of 2^62": (tar_header("a.png", binary(2**62)), r"a\.png would take"),
    "a name of a gigabyte": (tar_header("././@LongLink", octal(10**9), b"L"), "a header of 1000000000 bytes"),
    "3,000 nested headers": (LONG * 3000 + tar_header("a.png", octal(0)), "lead to ever more headers"),
    "an extended header that is garbage": (
        tar_header("p", octal(512), b"x") + os.urandom(0) + b"\xff" * 512 + tar_header("a.png", octal(0)),
        "is damaged or not a tar file|a.png is empty",
    ),
}


def shard(content: bytes, name: str) -> Arrange:
    packed = gzip.compress(content + bytes(1024)) if name.endswith("gz") else content + bytes(1024)
    return lambda w: ["train", w.write(name, packed), *TRAIN]


def npz(array: str, shape: tuple[int, ...], descr: str) -> Arrange:
    """A file that claims an array of that shape."""

    def arrange(world: Any) -> list[str]:
        small, header = io.BytesIO(), io.BytesIO()
        np.save(small, np.zeros((20, 8, 8), np.uint8))
        np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(world.path("a.npz"), "w", zipfile.ZIP_DEFLATED) as file:
            if array != "x":
                file.writestr("x.npy", small.getvalue())
            file.writestr(f"{array}.npy", header.getvalue() + bytes(1000))
        return ["train", "a.npz", *TRAIN]

    return arrange


def nifti(world: Any, shape: tuple[int, int, int], **fields: float) -> list[str]:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    for name, value in fields.items():
        header[name] = value
    for number in "12":
        world.write(f"scans/{number}.nii.gz", gzip.compress(header.binaryblock + bytes(4) + bytes(min(10**6, 6**3))))
    return ["train", "scans", "--out", "runs/a"]


def hdf5(fill: Callable[[h5py.File, Path], object]) -> Arrange:
    """A scan in HDF5 that `fill` writes; `secret.bin` and `other.h5` are not its own."""

    def arrange(world: Any) -> list[str]:
        secret = world.path("secret.bin")
        secret.write_bytes(bytes(range(216)))
        with h5py.File(world.path("other.h5"), "w") as other:
            other["voxels"] = np.ones((6, 6, 6), np.uint8)
        with h5py.File(world.path("scans/a.h5"), "w") as file:
            file["label"] = np.zeros((6, 6, 6), np.uint8)
            fill(file, world.root)
        return ["train", "scans", "--out", "runs/a"]

    return arrange


def virtual(file: h5py.File, root: Path) -> None:
    layout = h5py.VirtualLayout((6, 6, 6), np.uint8)
    layout[:] = h5py.VirtualSource(str(root / "other.h5"), "voxels", (6, 6, 6))
    file.create_virtual_dataset("image", layout)


HDF5: dict[str, Callable[[h5py.File, Path], object]] = {
    "an external link": lambda f, root: f.__setitem__("image", h5py.ExternalLink(str(root / "other.h5"), "/voxels")),
    "a soft link": lambda f, root: f.__setitem__("image", h5py.SoftLink("/label")),
    "external storage": lambda f, root: f.create_dataset(
        "image", (6, 6, 6), np.uint8, external=[(str(root / "secret.bin"), 0, 216)]
    ),
    "a virtual dataset": virtual,
}


def pipe(world: Any, name: str) -> str:
    os.mkfifo(world.path(name))
    return name


def listening(world: Any, name: str) -> str:
    here = Path.cwd()
    world.path(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(Path(name)) if len(str(here / name)) > 100 else str(here / name))
    return name


def device(world: Any, name: str) -> str:
    world.path(name).symlink_to("/dev/zero")
    return name


NONE = r"is not a file in|is no regular file|is a file of another kind"
SPECIAL: dict[str, tuple[Callable[[Any, str], str], str]] = {
    "a pipe": (pipe, f"is a pipe|{NONE}"),
    "a socket": (listening, f"is a socket|{NONE}"),
    "a device": (device, f"is a device|{NONE}"),
}
USES: dict[str, tuple[str, Callable[[Any, str], list[str]]]] = {
    "labels": ("l.csv", lambda w, name: ["train", w.photos(), "--labels", name, *TRAIN]),
    "a config": ("c.toml", lambda w, name: ["train", w.photos(), "--config", name, *TRAIN]),
    "arrays": ("a.npz", lambda w, name: ["train", name, *TRAIN]),
    "a shard": ("a.tar", lambda w, name: ["train", name, *TRAIN]),
    "a packed shard": ("a.tar.gz", lambda w, name: ["train", name, *TRAIN]),
    "weights": ("w.pt", lambda w, name: ["import-weights", name, "--out", "runs/a"]),
    "a list of images": ("list.txt", lambda w, name: ["predict", w.run(), name, "--out", "p.csv"]),
    "exported labels": ("l.json", lambda w, name: ["train", w.photos(), "--labels", name, *TRAIN]),
    "tags": ("l.xml", lambda w, name: ["train", w.photos(), "--labels", name, *TRAIN]),
    "an image of a table": (
        "photos/z.png",
        lambda w, name: w.table("path,label\na.png,cat\nb.png,dog\nz.png,cat\n"),
    ),
}

CASES: dict[str, tuple[Arrange, str]] = {
    **{
        f"a shard with {name}{suffix}": (shard(content, f"a{suffix}"), message)
        for name, (content, message) in TARS.items()
        for suffix in (".tar", ".tar.gz")
    },
    "arrays that claim 300 million images": (npz("x", (300_000_000, 8, 8), "|u1"), "a.npz.*'x' claims the shape"),
    "arrays that claim 300 million labels": (npz("y", (300_000_000,), "<i8"), "a.npz.*'y' claims the shape"),
    "arrays that claim a gigabyte of names": (npz("classes", (2,), "<U250000000"), "a.npz.*'classes' claims"),
    "arrays of a negative shape": (npz("x", (-5, 8, 8), "|u1"), "a.npz"),
    "a scan whose voxels begin at 10^30": (lambda w: nifti(w, (6, 6, 6), vox_offset=1e30), r"1\.nii\.gz "),
    "a scan whose voxels begin nowhere": (lambda w: nifti(w, (6, 6, 6), vox_offset=np.nan), r"1\.nii\.gz "),
    "a scan whose voxels begin at infinity": (lambda w: nifti(w, (6, 6, 6), vox_offset=np.inf), r"1\.nii\.gz "),
    "a scan of 27 TB": (lambda w: nifti(w, (30_000, 30_000, 30_000)), r"1\.nii\.gz is truncated or damaged"),
    **{f"a scan behind {name}": (hdf5(fill), r"a\.h5 keeps ") for name, fill in HDF5.items()},
    **{
        f"{what} as {use}": (
            lambda w, use=use, make=make: (name := USES[use][0], make(w, name), USES[use][1](w, name))[2],
            said,
        )
        for what, (make, said) in SPECIAL.items()
        for use in USES
    },
}


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "")  # and restore it, since the flag sets it


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_one_line(name: str, world: Any, refused: Any) -> None:
    arrange, message = CASES[name]
    begun = time.monotonic()
    refused(arrange(world), message)
    assert time.monotonic() - begun < 60


def test_what_a_packed_file_unpacks_to_is_bounded(world: Any, refused: Any) -> None:
    content = tar_header("a.png", octal(40 << 20)) + bytes(40 << 20) + bytes(1024)
    refused(
        ["train", world.write("a.tar.gz", gzip.compress(content)), *TRAIN, "--memory-limit", "100MB"],
        "more than the --mem",
    )


def test_a_packed_shard_that_goes_on_for_ever_is_not_searched_to_its_end(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        for number in range(2):
            stream.write(tar_header(f"{number}.bin", octal(60 << 20)))
            stream.write(bytes(60 << 20))
    [fault] = list_shards([tmp_path / "a.tar.gz"], "a").faults
    assert "which are not to be unpacked to" in fault


def test_scaling_a_deep_image_takes_little_more_than_its_pixels() -> None:
    values = np.arange(4_000_000, dtype=np.int32).reshape(2000, 2000) % 65536
    tracemalloc.start()
    pixels = to_eight_bits(values, "I", None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * pixels.nbytes


@pytest.mark.parametrize("text", ["", "lots", "5", "-5GB", "1e99GB", "0GB", "nanGB"])
def test_a_limit_that_is_no_size_is_refused(text: str, refused: Any) -> None:
    refused(["train", "digits", *TRAIN, f"--memory-limit={text}"], r"--memory-limit (must be a size|needs a size)")


def test_a_limit_holds_for_every_file(world: Any, refused: Any) -> None:
    world.write("scans/1.h5", b"")
    with h5py.File(world.path("scans/1.h5"), "w") as file:
        file["image"] = np.zeros((80, 80, 80), np.uint8)
        file["label"] = np.zeros((80, 80, 80), np.uint8)
    refused(
        ["train", "scans", "--out", "runs/a", "--memory-limit", "2MB"],
        r"1\.h5 has 80 x 80 x 80 voxels and would take 4\.61 MB",
    )


def test_a_small_tiff_that_claims_many_channels_takes_no_memory_for_them() -> None:
    stream = io.BytesIO()
    imwrite(stream, np.zeros((8, 8, 16)), planarconfig="contig", photometric="minisblack")
    content = bytearray(stream.getvalue())
    for tag in (256, 257, 278):  # width, height and rows per strip become 9,000
        place = content.index(tag.to_bytes(2, "little"), content.index(b"\x00\x01"))
        content[place + 2 : place + 12] = (
            (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + (9000).to_bytes(4, "little")
        )
    with pytest.raises(ImageFault, match=r"would take 20\.7 GB of memory, though it has"):
        decode_image(bytes(content), at_least=4)


def test_png_of_sixteen_bits_is_read_as_before() -> None:
    values = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    expected = np.rint(np.clip(values.astype(np.float64) * (255.0 / 65535.0), 0, 255)).astype(np.uint8)
    np.testing.assert_array_equal(to_eight_bits(np.array(Image.open(stream)), "I;16", None), expected)
