from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.scans.formats.common import stem_of, suffix_of
from tutelage.data.scans.formats.read import read_mask, read_volume
from tutelage.data.scans.geometry import Geometry, plain_geometry


def turned(degrees: tuple[float, float, float], spacing: tuple[float, ...]) -> np.ndarray:
    """An oblique affine, with its axes in the order y, -x, z."""
    a, b, c = np.radians(degrees)
    z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    x = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    affine = np.eye(4)
    affine[:3, :3] = z @ y @ x @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = -30.0, 12.5, 88.0
    return affine


OBLIQUE = turned((17.0, -11.0, 28.0), (0.7, 1.1, 2.5))


def scan(shape: tuple[int, ...] = (7, 6, 5)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def write_itk(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE, *, compress: bool = True) -> Path:
    """Written by SimpleITK, which knows nothing of this package; ITK's coordinates are LPS."""
    image = sitk.GetImageFromArray(array.T)
    lps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:, 3].tolist())
    sitk.WriteImage(image, str(path), compress)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_file_gives_its_voxels_and_its_affine(name: str, tmp_path: Path) -> None:
    image, geometry = read_volume(write_nifti(tmp_path / name, scan()))
    np.testing.assert_array_equal(image, scan()[None])
    np.testing.assert_allclose(geometry.affine, OBLIQUE, atol=1e-6)
    assert image.dtype == np.float32 and geometry.shape == (7, 6, 5) and geometry.stated
    assert geometry.spacing == pytest.approx((0.7, 1.1, 2.5), abs=1e-6)


@pytest.mark.parametrize(("name", "compress"), [("a.nrrd", True), ("a.nrrd", False), ("a.mha", True), ("a.mha", False)])
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.float64])
def test_nrrd_and_mha_lie_where_simpleitk_put_them(name: str, compress: bool, dtype: type, tmp_path: Path) -> None:
    values = (100 * scan()).clip(0, 255).astype(dtype)
    image, geometry = read_volume(write_itk(tmp_path / name, values, compress=compress))
    np.testing.assert_array_equal(image[0], values.astype(np.float32))
    np.testing.assert_allclose(geometry.affine, OBLIQUE, atol=1e-6)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_channels_of_nrrd_and_mha_come_first(name: str, tmp_path: Path) -> None:
    values = scan((7, 6, 5, 3))
    image = sitk.GetImageFromArray(values.transpose(2, 1, 0, 3), isVector=True)
    sitk.WriteImage(image, str(tmp_path / name))
    read, geometry = read_volume(tmp_path / name)
    np.testing.assert_array_equal(read, values.transpose(3, 0, 1, 2))
    assert geometry.shape == (7, 6, 5)


@pytest.mark.parametrize(
    ("affine", "codes"),
    [
        (np.eye(4), "RAS"),
        (np.diag([-1.0, -2.0, 3.0, 1.0]), "LPS"),
        (OBLIQUE, None),
        (turned((88, 2, 3), (1, 1, 1)), None),
    ],
)
def test_orientation_codes_are_those_of_nibabel(affine: np.ndarray, codes: str | None) -> None:
    found = Geometry((4, 4, 4), affine).codes
    assert found == "".join(nibabel.aff2axcodes(affine))
    assert codes is None or found == codes


def test_the_farthest_voxel_tells_how_far_two_grids_are_apart() -> None:
    moved = np.eye(4)
    moved[0, 0] = 1.01
    one, other = Geometry((11, 3, 3), np.eye(4)), Geometry((11, 3, 3), moved)
    assert one.distance(other) == pytest.approx(0.1)
    assert one.distance(one) == 0.0


def test_four_axes_are_refused_unless_the_last_one_is_declared_to_hold_channels(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", scan((7, 6, 5, 2)))
    with pytest.raises(DataError, match=r"a\.nii\.gz has four axes \(7 x 6 x 5 x 2\) where three are expected"):
        read_volume(path)
    image, geometry = read_volume(path, channels_last_axis=True)
    np.testing.assert_array_equal(image, scan((7, 6, 5, 2)).transpose(3, 0, 1, 2))
    assert geometry.shape == (7, 6, 5)
    assert read_volume(write_nifti(tmp_path / "b.nii", scan((7, 6, 5, 1))))[0].shape == (1, 7, 6, 5)


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "b.mha", "a.nrrd", "b.nrrd"])
def test_a_truncated_file_is_refused_by_name(name: str, keep: float, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith((".nii", ".gz")):
        write_nifti(path, scan((16, 16, 16)))
    else:
        write_itk(path, scan((16, 16, 16)), compress=name.startswith("a"))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_volume(path)


def test_the_checksum_of_gzip_is_looked_at(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", scan())
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum, behind all voxels
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.nii\.gz is damaged: CRC"):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.h5", "a.png"])
@pytest.mark.parametrize(
    "content",
    [b"", b"not a scan at all", gzip.compress(b"neither"), bytes(600)],
    ids=["empty", "text", "gzip", "zeros"],
)
def test_a_file_of_another_content_is_refused_by_name(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_volume, read_mask):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            read(tmp_path / name)


def test_a_missing_file_and_an_unknown_suffix_are_said(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a.nrrd", "a.mha", "a.h5", "a.png"):
        with pytest.raises(DataError, match="does not exist"):
            read_volume(tmp_path / name)
    with pytest.raises(DataError, match=r"of no known format: expected one of \.nii"):
        read_volume(tmp_path / "a.xyz")


def test_an_h5_file_holds_image_and_label_and_no_geometry(tmp_path: Path) -> None:
    label = (scan() > 0).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"], file["label"] = scan(), label
    image, geometry = read_volume(tmp_path / "a.h5", assumed_spacing=(0.625,))
    np.testing.assert_array_equal(image[0], scan())
    assert geometry.spacing == (0.625,) * 3 and not geometry.stated
    np.testing.assert_array_equal(read_mask(tmp_path / "a.h5")[0], label)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["image"] = scan()
    with pytest.raises(DataError, match=r"b\.h5 has no dataset 'label'; it has image"):
        read_mask(tmp_path / "b.h5")


def test_png_images_are_volumes_of_two_axes(tmp_path: Path) -> None:
    gray, color = np.arange(42, dtype=np.uint8).reshape(7, 6), np.arange(126, dtype=np.uint8).reshape(7, 6, 3)
    deep = (1000 * np.arange(42, dtype=np.uint16)).reshape(7, 6)
    for name, pixels, expected in (
        ("gray", gray, gray[None]),
        ("color", color, color.transpose(2, 0, 1)),
        ("deep", deep, deep[None]),
    ):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        image, geometry = read_volume(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(image, expected)
        assert geometry.shape == (7, 6) and geometry.spacing == (1.0, 1.0) and geometry.codes == ""


def test_masks_may_be_gray_or_palette_but_not_colors_or_jpeg(tmp_path: Path) -> None:
    values = np.arange(42, dtype=np.uint8).reshape(7, 6) % 3
    Image.fromarray(values).save(tmp_path / "gray.png")
    palette = Image.fromarray(values, "L").convert("P")
    palette.putdata(values.ravel().tolist())
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    for name in ("gray", "palette"):
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png")[0], values)
    Image.fromarray(np.zeros((7, 6, 3), np.uint8)).save(tmp_path / "color.png")
    with pytest.raises(DataError, match=r"color\.png is a mask in colors"):
        read_mask(tmp_path / "color.png")
    with pytest.raises(DataError, match="is a JPEG, which changes label values"):
        read_mask(tmp_path / "a.jpg")


def test_whole_numbers_stored_as_floats_are_labels_and_others_are_not(tmp_path: Path) -> None:
    label = (scan() > 0).astype(np.float32)
    assert read_mask(write_nifti(tmp_path / "a.nii.gz", label))[0].dtype == np.int32
    label[0, 0, 0] = 0.5
    for broken in (label, np.where(label == 0.5, np.nan, label)):
        with pytest.raises(DataError, match="not whole numbers"):
            read_mask(write_nifti(tmp_path / "b.nii.gz", broken.astype(np.float32)))


def test_a_geometry_without_size_is_refused(tmp_path: Path) -> None:
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    image = nibabel.Nifti1Image(scan(), None)
    image.header.set_sform(flat, code=1)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(DataError, match="voxels have no size"):
        read_volume(tmp_path / "a.nii")


def test_the_suffix_of_two_words_is_one() -> None:
    assert (suffix_of("A.NII.GZ"), stem_of("A.NII.GZ")) == (".nii.gz", "A")
    assert (suffix_of("a.b.nii"), stem_of("a.b.nii")) == (".nii", "a.b")
    assert plain_geometry((3, 4), (2.0,)).spacing == (2.0, 2.0)


def test_a_header_that_keeps_its_voxels_elsewhere_is_refused(tmp_path: Path) -> None:
    import nrrd

    nrrd.write(str(tmp_path / "a.nhdr"), np.zeros((3, 4, 5), np.float32))
    (tmp_path / "a.nhdr").rename(tmp_path / "a.nrrd")
    with pytest.raises(DataError, match=r"a.nrrd keeps its voxels in 'a.raw.gz': expected them in the file itself"):
        read_volume(tmp_path / "a.nrrd")


def test_intensities_beyond_single_precision_become_infinite_without_a_word(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.array([[[1.0, 1e300]]])
    assert read_volume(tmp_path / "a.h5")[0].tolist() == [[[[1.0, np.inf]]]]
