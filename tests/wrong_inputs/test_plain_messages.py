"""What libraries say of odd files is never all that a user reads: the message says what is wrong, and the way out."""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.images.reading import ImageFault, decode_image, quiet_pillow
from tutelage.data.images.shards import list_shards
from tutelage.data.scans.formats.read import read_volume
from tutelage.results.mask_scores.pairs import pair_masks


def nifti_content(values: np.ndarray) -> bytearray:
    return bytearray(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())


@pytest.mark.parametrize("offset", ["nan", "inf", "-inf", "1e+30"])
def test_an_offset_that_is_no_number_of_bytes_is_named(offset: str, tmp_path: Path) -> None:
    content = nifti_content(np.zeros((4, 4, 4), np.uint8))
    content[108:112] = struct.pack("<f", float(offset))
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(
        DataError, match=rf"a\.nii has a header with vox_offset {re.escape(offset)}: expected a number of bytes"
    ):
        read_volume(tmp_path / "a.nii")


def test_complex_voxels_are_said_not_to_be_supported(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti_content(np.zeros((4, 4, 4), np.complex64)))
    with pytest.raises(DataError, match=r"a\.nii holds complex64 voxels, and complex ones are not supported: save"):
        read_volume(tmp_path / "a.nii")


def test_packed_voxels_that_are_missing_are_counted(tmp_path: Path) -> None:
    content = nifti_content(np.zeros((30, 30, 30), np.uint8))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:9352]))
    with pytest.raises(DataError, match=r"truncated or damaged: 27,000 bytes of voxels are expected, it has 9,000$"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("field", ["type", "dimension", "sizes", "encoding"])
def test_a_field_that_a_header_of_nrrd_lacks_is_named(field: str, tmp_path: Path) -> None:
    lines = ["NRRD0004", "type: uchar", "dimension: 3", "sizes: 2 2 2", "endian: little", "encoding: raw"]
    kept = [line for line in lines if not line.startswith(field)]
    (tmp_path / "a.nrrd").write_bytes("\n".join(kept).encode() + b"\n\n" + bytes(8))
    with pytest.raises(DataError, match=rf"a\.nrrd has an NRRD header without the field '{field}'$"):
        read_volume(tmp_path / "a.nrrd")


def test_a_group_in_the_place_of_a_dataset_is_called_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("image")
    with pytest.raises(DataError, match=r"a\.h5 has a group 'image': expected a dataset of that name$"):
        read_volume(tmp_path / "a.h5")


@pytest.mark.parametrize("side", [9500, 20_000, 100_000, 200_000])
def test_too_many_pixels_are_refused_in_the_same_words_however_many(side: int, tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    with quiet_pillow(), pytest.raises(ImageFault, match=r"pixels, more than 89478485 are refused") as caught:
        decode_image(content, at_least=1)
    (tmp_path / "slice.png").write_bytes(content)
    with (
        quiet_pillow(),
        pytest.raises(DataError, match=r"slice\.png has [0-9 x]+ pixels, more than 89478485 are refused$"),
    ):
        read_volume(tmp_path / "slice.png")
    remedy = re.search(r"data\.max_pixels'?: (\d+)", str(caught.value))
    assert (int(remedy[1]) if remedy else None) == (side**2 if side**2 <= 2**34 else None)


@pytest.mark.parametrize("packed", [False, True])
def test_a_member_that_cannot_be_so_large_has_a_damaged_header(packed: bool, tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.png")
    info.size = 2**80
    content = info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    file = tmp_path / ("a.tar.gz" if packed else "a.tar")
    file.write_bytes(gzip.compress(content) if packed else content)
    [fault] = list_shards([file], "shards").faults
    assert re.search(r"a\.png would take .* TB of memory, .*: its header is damaged: copy the shard again", fault)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_in_the_place_of_masks_is_called_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    with pytest.raises(DataError, match=r"p is a pipe; expected a folder of masks"):
        pair_masks([tmp_path], tmp_path / "p")


def damaged_tiff() -> bytes:
    """A TIFF file whose packed pixels are damaged."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "TIFF", compression="tiff_adobe_deflate")
    content = bytearray(stream.getvalue())
    content[200:600] = bytes(byte ^ 0x5A for byte in content[200:600])
    return bytes(content)


def test_what_libtiff_says_is_part_of_the_fault_and_not_of_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tif").write_bytes(damaged_tiff())
    with pytest.raises(ImageFault, match=r"cannot be decoded: .*; .*ZIPDecode: Decoding error at scanline 0"):
        decode_image(damaged_tiff(), at_least=1)
    with pytest.raises(DataError, match=r"a\.tif is not a readable image: .*; .*ZIPDecode: Decoding error at scanline"):
        read_volume(tmp_path / "a.tif")
    assert "".join(capfd.readouterr()) == ""


def test_threads_hear_what_libtiff_says_of_their_own_files(capfd: pytest.CaptureFixture[str]) -> None:
    sound, bad = io.BytesIO(), damaged_tiff()
    Image.new("L", (64, 64)).save(sound, "TIFF", compression="tiff_adobe_deflate")

    def fault(content: bytes) -> str:
        try:
            decode_image(content, at_least=1)
        except ImageFault as said:
            return str(said)
        return ""

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fault, [sound.getvalue(), bad] * 20))
    assert found == ["", fault(bad)] * 20 and "ZIPDecode" in found[1]
    assert capfd.readouterr().err == ""


def test_elsewhere_libtiff_speaks_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageFault):
        decode_image(damaged_tiff(), at_least=1)
    with pytest.raises(OSError), Image.open(io.BytesIO(damaged_tiff())) as image:
        image.load()
    assert "ZIPDecode: Decoding error" in capfd.readouterr().err


def nrrd_file(file: Path, **fields: str) -> Path:
    known = {"type": "uchar", "dimension": "3", "sizes": "2 2 2", "endian": "little", "encoding": "raw"} | fields
    lines = [f"{key.replace('_', ' ')}: {value}" for key, value in known.items()]
    file.write_bytes("\n".join(["NRRD0004", *lines]).encode() + b"\n\n" + bytes(8))
    return file


@pytest.mark.parametrize("size", ["1e400", "nan", "1e30", "9" * 20])
def test_numbers_that_do_not_fit_into_a_header_of_nrrd_are_its_fault_and_no_warning(size: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nrrd has an NRRD header with a value that is no number, or too large"):
        read_volume(nrrd_file(tmp_path / "a.nrrd", sizes=f"{size} 2 2"))


def test_voxels_of_endless_size_are_a_fault_and_no_warning(tmp_path: Path) -> None:
    steps = "(1e300,0,0) (0,1e300,0) (0,0,1e300)"
    file = nrrd_file(tmp_path / "a.nrrd", space="left-posterior-superior", space_directions=steps)
    with pytest.raises(DataError, match=r"a\.nrrd states a geometry in which voxels have no size: repair its header"):
        read_volume(file)
