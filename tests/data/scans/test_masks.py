from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.scans.formats.read import read_mask, read_volume
from tutelage.data.scans.masks import mask_suffix, write_label_names, write_mask, write_probabilities

SHAPE, MARKED = (7, 6, 5), (5, 1, 3)
CLASSES, VALUES = ("background", "left ventricle", "scar"), (0, 2, 7)


def affine(kind: str) -> np.ndarray:
    """From voxels to RAS, mm: plain, turned to LPI, or oblique."""
    matrix = np.diag([0.7, 1.1, 2.5, 1.0])
    if kind == "flipped":
        matrix[:3, :3] = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]]) @ matrix[:3, :3]
    elif kind == "oblique":
        left, _, right = np.linalg.svd(np.array([[2.0, 1, 0.5], [-1, 2, 0.3], [0.2, -0.4, 2]]))
        matrix[:3, :3] = left @ right @ matrix[:3, :3]
    matrix[:3, 3] = 10.25, -40.5, 77.125
    return matrix


def write_scan(path: Path, kind: str) -> Path:
    """A NIfTI file by nibabel, or one of another format by SimpleITK."""
    values, matrix = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), affine(kind)
    if ".nii" in path.name:
        image = nibabel.Nifti1Image(values, None)
        image.header.set_xyzt_units("mm")
        image.set_sform(matrix, code="scanner")
        image.set_qform(matrix, code="aligned")
        nibabel.save(image, path)
        return path
    lps = np.diag([-1.0, -1.0, 1.0]) @ matrix[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    itk = sitk.GetImageFromArray(values.T)
    itk.SetSpacing(spacing.tolist())
    itk.SetDirection((lps[:, :3] / spacing).ravel().tolist())
    itk.SetOrigin(lps[:, 3].tolist())
    sitk.WriteImage(itk, str(path), True)
    return path


def marked() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[MARKED] = 7
    return mask


def world(image: sitk.Image, voxel: tuple[int, ...]) -> tuple[float, ...]:
    return image.TransformIndexToPhysicalPoint([int(v) for v in voxel])


@pytest.mark.parametrize("kind", ["plain", "flipped", "oblique"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_masks_lie_on_their_scan_voxel_for_voxel_in_simpleitk(name: str, kind: str, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / name, kind)
    path = write_mask(tmp_path, "mask", marked(), read_volume(scan)[1], like=scan, classes=CLASSES, values=VALUES)
    assert path == tmp_path / f"mask{mask_suffix(scan)}"
    before, after = sitk.ReadImage(str(scan)), sitk.ReadImage(str(path))
    assert after.GetSize() == SHAPE and after.GetPixelID() == sitk.sitkUInt8
    found = np.argwhere(sitk.GetArrayFromImage(after).T == 7)
    assert found.tolist() == [list(MARKED)]
    for voxel in (MARKED, (0, 0, 0), tuple(n - 1 for n in SHAPE)):
        np.testing.assert_allclose(world(after, voxel), world(before, voxel), atol=1e-4)
    np.testing.assert_array_equal(read_mask(path)[0], marked())


@pytest.mark.parametrize("kind", ["plain", "flipped", "oblique"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_masks_have_the_affine_of_their_scan_to_the_last_bit_in_nibabel(
    name: str, kind: str, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / name, kind)
    before = nibabel.load(scan)
    after = nibabel.load(write_mask(tmp_path, "mask", marked(), read_volume(scan)[1], like=scan))
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(after.get_qform(), before.get_qform())
    assert (after.header["sform_code"], after.header["qform_code"]) == (1, 2)
    assert after.get_data_dtype() == np.uint8 and after.header.get_intent()[0] == "label"
    np.testing.assert_array_equal(np.asarray(after.dataobj), marked())


def test_a_scaled_scan_does_not_scale_its_mask(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(210, dtype=np.int16).reshape(SHAPE), affine("oblique"))
    image.header.set_slope_inter(0.25, -7.0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    scan, geometry = read_volume(tmp_path / "a.nii.gz")
    assert scan.min() == pytest.approx(nibabel.load(tmp_path / "a.nii.gz").get_fdata().min())
    path = write_mask(tmp_path, "mask", marked(), geometry, like=tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(nibabel.load(path).get_fdata(), marked())


def test_a_mask_of_a_file_without_geometry_has_the_assumed_spacing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.zeros(SHAPE, np.float32)
    geometry = read_volume(tmp_path / "a.h5", assumed_spacing=(0.625,))[1]
    path = write_mask(tmp_path, "mask", marked(), geometry, like=tmp_path / "a.h5")
    assert path.name == "mask.nii.gz"
    np.testing.assert_array_equal(nibabel.load(path).affine, np.diag([0.625, 0.625, 0.625, 1.0]))


def test_a_mask_of_a_png_is_a_png(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((7, 6), np.uint8)).save(tmp_path / "a.png")
    path = write_mask(tmp_path, "mask", marked()[:, :, 3], read_volume(tmp_path / "a.png")[1], like=tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), marked()[:, :, 3])


def test_a_mask_of_an_nrrd_or_mha_without_place_is_read_where_its_scan_is(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    nrrd.write(str(tmp_path / "a.nrrd"), values, {"spacings": [0.7, 1.1, 2.5]})
    header = f"ObjectType = Image\nNDims = 3\nDimSize = {' '.join(map(str, SHAPE))}\nElementType = MET_FLOAT\n"
    data = (header + "ElementDataFile = LOCAL\n").encode() + values.tobytes(order="F")
    (tmp_path / "b.mha").write_bytes(data)
    for name in ("a.nrrd", "b.mha"):
        image, geometry = read_volume(tmp_path / name)
        np.testing.assert_array_equal(image[0], values)
        assert not geometry.stated
        path = write_mask(tmp_path, "mask", marked(), geometry, like=tmp_path / name)
        before, after = sitk.ReadImage(str(tmp_path / name)), sitk.ReadImage(str(path))
        np.testing.assert_allclose(world(after, MARKED), world(before, MARKED))
        assert after[MARKED] == 7


def test_nrrd_masks_name_their_segments(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nrrd", "oblique")
    path = write_mask(tmp_path, "mask", marked(), read_volume(scan)[1], like=scan, classes=CLASSES, values=VALUES)
    image = sitk.ReadImage(str(path))
    named = {image.GetMetaData(f"Segment{n}_Name"): image.GetMetaData(f"Segment{n}_LabelValue") for n in (0, 1)}
    assert named == {"left ventricle": "2", "scar": "7"}
    assert "Segment2_Name" not in image.GetMetaDataKeys()


def test_label_names_stand_beside_the_masks(tmp_path: Path) -> None:
    write_label_names(tmp_path, CLASSES, VALUES)
    assert json.loads((tmp_path / "labels.json").read_text()) == dict(zip("027", CLASSES, strict=True))
    lines = (tmp_path / "labels.txt").read_text().splitlines()[1:]
    assert [(line.split()[0], line.split('"')[1]) for line in lines] == list(zip("027", CLASSES, strict=True))
    assert all(len(line.split('"')[0].split()) == 7 for line in lines)  # as ITK-SNAP reads them


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_probabilities_lie_on_their_scan_with_the_classes_last(name: str, tmp_path: Path) -> None:
    scan = write_scan(tmp_path / name, "oblique")
    probs = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32)
    path = write_probabilities(tmp_path, "case", probs, read_volume(scan)[1], like=scan)
    image = nibabel.load(path)
    np.testing.assert_allclose(image.affine, affine("oblique"), atol=1e-5)
    np.testing.assert_array_equal(np.asarray(image.dataobj), probs.transpose(1, 2, 3, 0))


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    scan = write_scan(tmp_path / "a.nii.gz", "plain")
    geometry = read_volume(scan)[1]
    with pytest.raises(DataError, match=r"the mask of .*a\.nii\.gz has the shape \(6, 7, 5\), its scan \(7, 6, 5\)"):
        write_mask(tmp_path, "mask", marked().transpose(1, 0, 2), geometry, like=scan)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz"]
