"""Sources that people really have: each is read as it is meant, or refused with words that say what is wrong."""

from __future__ import annotations

import json
import unicodedata
from itertools import permutations, product
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.dataset import load_scans
from tutelage.data.scans.formats.read import read_mask
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.items import Case
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.scans.reading import crop_mask, read_case

AFFINE = np.array([[-1.0, 0.1, 0.0, 3.0], [0.1, 2.0, 0.0, 5.0], [0.0, 0.0, 1.5, -7.0], [0.0, 0.0, 0.0, 1.0]])
SHAPE = (9, 8, 7)


def scan(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def label(value: float = 1, dtype: Any = np.uint8) -> np.ndarray:
    """A box that touches no border in the same way twice, so that every flip shows."""
    mask = np.zeros(SHAPE, dtype)
    mask[1:4, 3:6, 0:4] = value
    return mask


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four scans, three of them labeled."""
    for number in range(4):
        save(tmp_path / "images" / f"c{number}.nii.gz", scan(number))
        if number < 3:
            save(tmp_path / "labels" / f"c{number}.nii.gz", label())
    return tmp_path


def inventory(source: Path, *, skip: bool = False, classes: tuple[str, ...] = ()) -> ScanInventory:
    cfg = ScanConfig(patch_size=(4,), classes=classes)
    return take_scan_inventory(DataConfig(path=str(source), skip_unreadable=skip), cfg)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"background": 0, "whole": [1, "x"]}, "the label 'whole' has the value x: expected a whole number"),
        ({"background": 0, "tumor": "two"}, "the label 'tumor' has the value two: expected a whole number"),
        ({"background": 0, "tumor": True}, "the label 'tumor' has the value True: expected a whole number"),
        ({"background": 0, "tumor": None}, "the label 'tumor' has the value None: expected a whole number"),
    ],
)
def test_labels_of_a_dataset_json_that_are_no_numbers_are_named(source: Path, labels: Any, words: str) -> None:
    (source / "images").rename(source / "imagesTr")
    (source / "labels").rename(source / "labelsTr")
    (source / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1"}, "labels": labels}))
    (fault,) = inventory(source).faults
    assert words in fault and "int()" not in fault


def test_two_files_of_one_image_are_both_named(source: Path) -> None:
    save(source / "images" / "c0.nii", scan(7))
    assert "images: c0.nii and c0.nii.gz both belong to the mask c0.nii.gz: keep one" in inventory(source).faults[0]


def test_a_file_and_a_folder_of_one_hdf5_case_are_both_named(tmp_path: Path) -> None:
    for path in (tmp_path / "p1.h5", tmp_path / "p1" / "mri_norm2.h5"):
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file["image"], file["label"] = scan(0), label()
    fault = inventory(tmp_path).faults[0]
    assert "p1.h5 and " in fault and "p1/mri_norm2.h5 are two files of one case: keep one" in fault


@pytest.mark.parametrize("value", [0.9999, 1.00004])
def test_labels_that_are_whole_but_for_rounding_are_labels(value: float, tmp_path: Path) -> None:
    values, _ = read_mask(save(tmp_path / "a.nii.gz", label(value, np.float32)))
    np.testing.assert_array_equal(values, label())


def test_labels_with_a_scale_are_labels(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(label(1000, np.int16), AFFINE)
    image.header.set_slope_inter(0.001, 0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nii.gz")[0], label())


def test_a_value_between_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nii\.gz holds values that are not whole numbers, such as 0\.49"):
        read_mask(save(tmp_path / "a.nii.gz", label(0.49, np.float32)))


def test_names_that_look_the_same_are_the_same(source: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "sch\u00e4del") for form in ("NFC", "NFD"))
    assert composed != apart
    save(source / "images" / f"{composed}.nii.gz", scan(8))
    mask = save(source / "labels" / f"{apart}.nii.gz", label())
    found = inventory(source)
    assert not found.faults
    assert {case.name: case.label for case in found.parts["train"].cases}[composed] == mask
    case = Case(composed, (source / "images" / f"{composed}.nii.gz",), None)
    assert crop_mask(case, ScanConfig(crop="mask", crop_masks=str(source / "labels"))) == mask
    table = source / "pairs.csv"
    table.write_text(
        f"image,label\nimages/{apart}.nii.gz,labels/{composed}.nii.gz\nimages/c0.nii.gz,labels/c0.nii.gz\n"
    )
    assert not inventory(table).faults


def test_masks_without_an_image_are_left_out_where_that_is_asked_for(source: Path) -> None:
    save(source / "labels" / "c9.nii.gz", label())
    assert len(inventory(source).faults) == 1
    found = inventory(source, skip=True)
    assert not found.faults and found.parts["train"].labeled == 3
    assert any("left out: " in warning and "c9.nii.gz" in warning for warning in found.warnings)
    table = source / "pairs.csv"
    rows = "".join(f"images/c{number}.nii.gz,labels/c{number}.nii.gz\n" for number in (0, 1, 3))
    table.write_text(f"image,label\n{rows}")
    assert "there is no file" in inventory(table).faults[0]
    assert not inventory(table, skip=True).faults


def test_scans_one_level_deeper_are_found_in_words(source: Path, tmp_path: Path) -> None:
    (tmp_path / "patients" / "p1").mkdir(parents=True)
    (tmp_path / "study").mkdir()
    for name in ("images", "labels"):
        (source / name).rename(tmp_path / "study" / name)
    save(tmp_path / "patients" / "p1" / "t1.nii.gz", scan(0))
    assert (
        f"patients holds no scans, but {tmp_path}/patients/p1 does (t1.nii.gz): name that folder"
        in (inventory(tmp_path / "patients").faults[0])
    )
    (tmp_path / "patients" / "p1" / "t1.nii.gz").unlink()
    assert f"holds no scans, but {tmp_path}/study does: name that folder" in inventory(tmp_path).faults[0]


def test_one_class_that_is_written_as_1_and_as_255_is_no_third_class(source: Path) -> None:
    save(source / "labels" / "c2.nii.gz", label(255))
    (fault,) = inventory(source).faults
    assert "c2.nii.gz has the value 255 where other masks have 1, such as c0.nii.gz: save all masks alike" in fault
    assert not inventory(source, classes=("background", "a=1", "b=255")).faults
    both = label()
    both[6:8, 6:8, 5:7] = 255
    save(source / "labels" / "c0.nii.gz", both)  # two classes of one mask are two classes
    assert not inventory(source).faults


@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_mask_along_other_axes_in_the_same_place_is_turned(
    order: tuple[int, ...], signs: tuple[int, ...], tmp_path: Path
) -> None:
    image = save(tmp_path / "image.nii.gz", scan(0))
    turned = nibabel.orientations.apply_orientation(label(), np.array([*zip(order, signs, strict=True)]))
    back = nibabel.orientations.inv_ornt_aff(np.array([*zip(order, signs, strict=True)]), SHAPE)
    mask = save(tmp_path / "mask.nii.gz", np.ascontiguousarray(turned), AFFINE @ back)
    raw = read_case(Case("a", (image,), mask), ScanConfig())
    assert raw.label is not None
    np.testing.assert_array_equal(raw.label, label())
    alike = order == (0, 1, 2) and signs == (1, 1, 1)
    assert [w.endswith("lies in the same place: turned") for w in raw.warnings] == ([] if alike else [True])


def test_a_mask_that_simpleitk_flipped_is_turned_and_scored_so(source: Path) -> None:
    path = source / "labels" / "c1.nii.gz"
    straight = np.diag([-1.0, 2.0, 1.5, 1.0])
    save(source / "images" / "c1.nii.gz", scan(1), straight)
    save(path, label(), straight)
    sitk.WriteImage(sitk.Flip(sitk.ReadImage(str(path)), (True, False, True)), str(path))
    assert not np.array_equal(read_mask(path)[0], label())
    data = load_scans(DataConfig(path=str(source)), ScanConfig(patch_size=(4,)), seed=0, cache_dir=source / "cache")
    row = data.train.names.index("c1")
    np.testing.assert_array_equal(data.train.reference(row), label())
    assert data.train.looks[row].label_counts == {0: label().size - int(label().sum()), 1: int(label().sum())}


def test_a_mask_elsewhere_is_still_refused(source: Path) -> None:
    moved = AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])  # flipped, and not moved back
    save(source / "labels" / "c1.nii.gz", label(), moved)
    assert "apart by their headers" in inventory(source).faults[0]
