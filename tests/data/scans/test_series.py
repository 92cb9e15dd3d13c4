"""DICOM series, and volumes whose voxels lie beside their header, against the tools that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.data import get_testdata_file

from support.itk import itk, kept_locale, write_series
from tutelage.core.errors import DataError
from tutelage.data.scans.formats.read import read_mask, read_volume
from tutelage.data.scans.source import list_scans

VOXELS = np.random.default_rng(0).integers(-500, 500, (6, 7, 5)).astype(np.float32)
Change = Callable[[Path, "pydicom.Dataset"], None]


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "series", VOXELS)
    return tmp_path / "series"


def edited(series: Path, change: Change) -> str:
    """What is said of a series of which each file was changed."""
    for file in sorted(series.iterdir()):
        read = pydicom.dcmread(file)
        change(file, read)
        if file.exists():
            read.save_as(file)
    with pytest.raises(DataError) as caught:
        read_volume(series)
    (fault,) = caught.value.faults
    assert fault.startswith(str(series))
    return fault


def itk_affine(image: SimpleITK.Image) -> np.ndarray:
    """From voxel indices to RAS+ coordinates."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def test_a_series_is_what_simpleitk_reads_in_values_and_places(series: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    with kept_locale():
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
        image = reader.Execute()
    array, geometry = read_volume(series)
    np.testing.assert_allclose(array[0], SimpleITK.GetArrayFromImage(image).T)
    np.testing.assert_allclose(array[0], VOXELS, atol=0.5)  # rescaled
    np.testing.assert_allclose(geometry.affine, itk_affine(image), atol=1e-5)
    np.testing.assert_allclose(geometry.spacing, (1.0, 2.0, 1.5), atol=1e-5)


def test_other_files_and_names_without_suffix_do_not_matter(tmp_path: Path) -> None:
    write_series(tmp_path / "1.2.840.7", VOXELS, name="1.2.3.{}")
    (tmp_path / "1.2.840.7" / "readme.txt").write_text("not a slice")
    (case,) = list_scans(str(tmp_path / "1.2.840.7"), role="predict").cases
    assert case.name == "1.2.840.7" and read_volume(case.images[0])[0].shape == (1, 6, 7, 5)


def test_slices_that_are_missing_or_twice_or_of_two_series_are_said(series: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "other", VOXELS)
    name = sorted(series.iterdir())[1].name
    middle = series / name
    kept = middle.read_bytes()
    middle.unlink()
    with pytest.raises(DataError, match=r"lacks slices: .* and the next one are 3 mm apart, others 1\.5 mm"):
        read_volume(series)
    middle.write_bytes(kept)
    (series / "copy.dcm").write_bytes(kept)
    with pytest.raises(DataError, match="several slices at one place"):
        read_volume(series)
    (series / "copy.dcm").write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(DataError, match=r"holds 2 DICOM series .*: expected a folder for each"):
        read_volume(series)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file, one: one.pop("ImagePositionPatient"), "does not state its ImagePositionPatient"),
        (lambda file, one: one.pop("PixelSpacing"), "does not state its PixelSpacing"),
        (lambda file, one: setattr(one, "Rows", 60000), "its header claims 6 x 60000 voxels"),
        (lambda file, one: setattr(one, "NumberOfFrames", 3), "with several frames"),
        (lambda file, one: setattr(one, "PixelData", one.PixelData[:-8]), "is truncated or damaged"),
        (lambda file, one: file.name == "000.dcm" and one.pop("PixelSpacing"), "does not state its PixelSpacing"),
    ],
    ids=["position", "spacing", "rows", "frames", "truncated", "one-of-them"],
)
def test_a_damaged_series_is_one_line_that_names_it(series: Path, change: Change, words: str) -> None:
    assert words in edited(series, change)


def test_a_slice_that_is_no_dicom_file_is_named(series: Path) -> None:
    (series / "000.dcm").write_bytes(b"no DICOM at all")
    with pytest.raises(DataError, match=r"series holds 000\.dcm, which is no DICOM file"):
        read_volume(series)


def test_pydicoms_own_slice_is_in_hounsfield_units() -> None:
    file = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    one = pydicom.dcmread(file)
    array, geometry = read_volume(file)
    np.testing.assert_allclose(array[0, :, :, 0], one.pixel_array.T * one.RescaleSlope + one.RescaleIntercept)
    assert geometry.shape == (128, 128, 1) and geometry.spacing[2] == one.SliceThickness


def test_all_of_pydicoms_files_are_read_or_refused_by_name() -> None:
    read, refused = 0, 0
    for file in sorted(Path(str(get_testdata_file("CT_small.dcm", download=False))).parent.glob("*.dcm")):
        try:
            assert read_volume(file)[0].ndim == 4
            read += 1
        except DataError as error:
            assert str(error).startswith(str(file)) and "\n" not in str(error)
            refused += 1
    assert read >= 2 and refused >= 2


def test_a_mhd_file_is_read_with_the_voxels_beside_it_only(tmp_path: Path) -> None:
    for packed in (False, True):
        SimpleITK.WriteImage(itk(VOXELS), str(tmp_path / "a.mhd"), packed)
        array, geometry = read_volume(tmp_path / "a.mhd")
        np.testing.assert_array_equal(array[0], VOXELS)
        np.testing.assert_allclose(geometry.affine, itk_affine(itk(VOXELS)), atol=1e-9)
    voxels = tmp_path / "a.zraw"
    voxels.write_bytes(voxels.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.mhd is truncated"):
        read_volume(tmp_path / "a.mhd")
    voxels.rename(tmp_path.parent / "outside.zraw")
    header = (tmp_path / "a.mhd").read_text()
    for name in ("../outside.zraw", "gone.raw", "LIST", str(tmp_path.parent / "outside.zraw"), "..", ""):
        (tmp_path / "a.mhd").write_text(header.replace("a.zraw", name))
        with pytest.raises(DataError, match="which is no file beside it"):
            read_volume(tmp_path / "a.mhd")


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm2AnalyzeImage, nibabel.Nifti1Pair])
def test_analyze_is_what_nibabel_reads(kind: type[nibabel.AnalyzeImage], tmp_path: Path) -> None:
    nibabel.save(kind(VOXELS.astype(np.int16), np.diag([-1.0, 2.0, 1.5, 1.0])), tmp_path / "a.hdr")
    (tmp_path / "a.mat").unlink(missing_ok=True)
    array, geometry = read_volume(tmp_path / "a.hdr")
    image = nibabel.load(tmp_path / "a.hdr")
    np.testing.assert_array_equal(array[0], np.asarray(image.dataobj))
    np.testing.assert_allclose(geometry.affine, image.affine)
    assert geometry.stated == (kind is nibabel.Nifti1Pair)
    assert read_mask(tmp_path / "a.hdr")[0].shape == VOXELS.shape
    (tmp_path / "a.img").write_bytes(b"short")
    with pytest.raises(DataError, match=r"a\.hdr is truncated or damaged: its header claims 6 x 7 x 5 voxels"):
        read_volume(tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(DataError, match=r"a\.hdr has no a\.img beside it"):
        read_volume(tmp_path / "a.hdr")
