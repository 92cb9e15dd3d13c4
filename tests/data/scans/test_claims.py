"""Headers that claim more voxels than there are bytes, and files that unpack to more than they claim."""

from __future__ import annotations

import bz2
import gzip
import resource
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest

from tutelage.core import memory
from tutelage.core.errors import DataError
from tutelage.data.scans.formats import claims
from tutelage.data.scans.formats.read import read_mask, read_volume

SIDE = 30_000  # 27 TB of one byte each


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Any attempt to take four gigabytes more than are in use fails, so that no test can fill the machine."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def nifti_bytes(shape: tuple[int, ...], content: bytes) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4) + content


def meta_bytes(shape: tuple[int, ...], content: bytes, *, packed: bool) -> bytes:
    lines = ["ObjectType = Image", f"NDims = {len(shape)}", "BinaryData = True", f"CompressedData = {packed}"]
    lines += [f"DimSize = {' '.join(map(str, shape))}", "ElementType = MET_UCHAR", "ElementDataFile = LOCAL"]
    return "\n".join(lines).encode() + b"\n" + (zlib.compress(content) if packed else content)


def nrrd_bytes(shape: tuple[int, ...], content: bytes, encoding: str) -> bytes:
    lines = ["NRRD0004", "type: uchar", f"dimension: {len(shape)}", f"sizes: {' '.join(map(str, shape))}"]
    packed = {"gzip": gzip.compress, "bzip2": bz2.compress}.get(encoding, bytes)(content)
    return "\n".join([*lines, "endian: little", f"encoding: {encoding}"]).encode() + b"\n\n" + packed


def claiming(name: str, path: Path, shape: tuple[int, ...], content: bytes) -> Path:
    """A file whose header claims a shape and whose voxels are `content`."""
    file = path / name.replace(":", "-")
    kind, _, way = name.partition(":")
    if kind.endswith(".nii"):
        file = path / "a.nii"
        file.write_bytes(nifti_bytes(shape, content))
    elif kind.endswith(".nii.gz"):
        file.write_bytes(gzip.compress(nifti_bytes(shape, content)))
    elif kind.endswith(".mha"):
        file = path / "a.mha"
        file.write_bytes(meta_bytes(shape, content, packed=way == "zlib"))
    else:
        file = path / "a.nrrd"
        file.write_bytes(nrrd_bytes(shape, content, way))
    return file


WAYS = ("a.nii", "a.nii.gz", "a.mha:raw", "a.mha:zlib", "a.nrrd:raw", "a.nrrd:gzip", "a.nrrd:bzip2", "a.nrrd:ascii")


@pytest.mark.parametrize("name", WAYS)
def test_a_header_that_claims_terabytes_is_refused_by_name_before_memory_is_taken(name: str, tmp_path: Path) -> None:
    file = claiming(name, tmp_path, (SIDE, SIDE, SIDE), bytes(1000))
    for read in (read_volume, read_mask):
        with pytest.raises(DataError, match=rf"{file.name} is truncated or damaged: .*30000 x 30000 x 30000 voxels"):
            read(file)


@pytest.mark.parametrize("name", [way for way in WAYS if not way.endswith("ascii")])
def test_what_is_claimed_and_there_is_read(name: str, tmp_path: Path) -> None:
    content = np.arange(60, dtype=np.uint8)
    image, _ = read_volume(claiming(name, tmp_path, (5, 4, 3), content.tobytes()))
    np.testing.assert_array_equal(image[0], content.reshape(3, 4, 5).T)


def test_a_file_of_several_gzip_streams_and_with_bytes_behind_the_voxels_is_read(tmp_path: Path) -> None:
    content = nifti_bytes((5, 4, 3), bytes(range(60)) + b"behind")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:380]) + gzip.compress(content[380:]))
    assert read_volume(tmp_path / "a.nii.gz")[0].max() == 59


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha:zlib", "a.nrrd:gzip", "a.nrrd:bzip2"])
def test_what_unpacks_to_more_than_it_claims_takes_no_more_memory_than_that(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_SPARE", 1 << 20)
    file = claiming(name, tmp_path, (5, 4, 3), bytes(60) + bytes(40 << 20))
    more = r"unpacks to more than 1\.05 MB, and its header claims 60 bytes"
    with pytest.raises(DataError, match="more than 4,096 bytes follow" if name == "a.nii.gz" else more):
        read_volume(file)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("behind", [4096, 4097, 10 << 20])
def test_whole_blocks_may_follow_the_voxels_of_nifti_and_more_may_not(name: str, behind: int, tmp_path: Path) -> None:
    file = claiming(name, tmp_path, (5, 4, 3), bytes(60) + bytes(behind))
    if behind <= 4096:
        assert read_volume(file)[0].shape == (1, 5, 4, 3)
        return
    with pytest.raises(DataError, match=r"more than 4,096 bytes follow the 5 x 4 x 3 voxels that its header claims"):
        read_volume(file)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NDims = 99999999999", "NDims 99999999999 and 3 numbers in DimSize"),
        ("NDims = 2", "NDims 2 and 3 numbers in DimSize"),
        ("NDims = many", "NDims many: expected a number of axes"),
        ("CompressedDataSize = 99999999999999999999999", "CompressedDataSize 9+: expected a number of bytes"),
        ("CompressedDataSize = 500", "CompressedDataSize is 500, and [0-9]+ bytes are there"),
        ("CompressedDataSize = 5", "its packed voxels end early"),
        ("HeaderSize = 99999", "HeaderSize 99999, and its voxels begin at byte"),
        ("BinaryData = False", "BinaryData False: expected True"),
    ],
)
def test_a_metaimage_header_that_contradicts_the_bytes_is_refused(
    line: str, said: str, packed: bool, tmp_path: Path
) -> None:
    file, content = tmp_path / "a.mha", np.arange(60, dtype=np.uint8).tobytes()
    file.write_bytes(line.encode() + b"\n" + without_key(meta_bytes((5, 4, 3), content, packed=packed), line))
    if line.startswith("Compressed") and not packed:
        assert read_volume(file)[0].shape == (1, 5, 4, 3)
        return
    with pytest.raises(DataError, match=said):
        read_volume(file)


def without_key(content: bytes, line: str) -> bytes:
    """A file of MetaImage without the line of the header that has the key of `line`."""
    key = line.partition(" ")[0].encode()
    return b"\n".join(one for one in content.split(b"\n") if not one.startswith(key + b" ="))


@pytest.mark.parametrize("packed", [False, True])
def test_a_metaimage_header_that_states_all_sizes_is_read(packed: bool, tmp_path: Path) -> None:
    content = meta_bytes((5, 4, 3), bytes(range(60)), packed=packed)
    start = content.index(b"LOCAL\n") + len(b"LOCAL\n")
    size = len(content) - start
    lines = f"CompressedDataSize = {size}\n".encode() * packed
    lines += b"HeaderSize = "
    whole = lines + str(start + len(lines) + len("123\n")).encode() + b"\n" + content
    (tmp_path / "a.mha").write_bytes(whole)
    assert whole[: int(whole.partition(b"HeaderSize = ")[2].split()[0])].endswith(b"LOCAL\n")
    assert read_volume(tmp_path / "a.mha")[0].max() == 59


def test_a_dataset_that_was_never_written_is_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", (SIDE, SIDE, SIDE), np.uint8, chunks=(64, 64, 64), compression="gzip")
        file.create_dataset("label", data=np.zeros((5, 4, 3), np.uint8), chunks=(5, 4, 3), compression="gzip")
    with pytest.raises(DataError, match=r"a\.h5 is truncated or damaged: .*30000 x 30000 x 30000 voxels"):
        read_volume(tmp_path / "a.h5")
    assert read_mask(tmp_path / "a.h5")[0].shape == (5, 4, 3)


@pytest.mark.parametrize("shape", [(0, 4, 3), (-5, -4, 3)])
def test_axes_without_length_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(meta_bytes(shape, bytes(60), packed=False))
    (tmp_path / "a.nrrd").write_bytes(nrrd_bytes(shape, bytes(60), "raw"))
    for name in ("a.mha", "a.nrrd"):
        with pytest.raises(DataError, match=rf"{name} "):
            read_volume(tmp_path / name)


def test_more_voxels_than_the_machine_has_memory_are_a_fault_of_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), np.arange(6000, dtype=np.uint8).reshape(20, 20, 15))
    monkeypatch.setattr(memory, "machine_memory", lambda: 5000)
    with pytest.raises(
        DataError,
        match=r"a\.nrrd has 20 x 20 x 15 voxels and would take 54 kB of memory, more than this machine has \(5 kB\)",
    ):
        read_volume(tmp_path / "a.nrrd")
