"""Folders of patients, nnU-Net's regions, `ignore` and CT, and the lists of SSL4MIS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest

from support.itk import write_series
from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.data.kinds import IMAGES, SCANS, recognize_kind
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.scans.source import list_scan_splits, list_scans

SHAPE = (8, 7, 6)


def save(path: Path, seed: int = 0, label: np.ndarray | None = None) -> Path:
    """A scan, or the mask `label`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).normal(100, 20, SHAPE).astype(np.float32) if label is None else label
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    return path


def box(value: int = 1) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[2:6, 2:5, 2:5] = value
    return found


def inventory(source: Path, **settings: Any) -> ScanInventory:
    return take_scan_inventory(DataConfig(path=str(source)), ScanConfig(patch_size=(4,), **settings))


def brats(folder: Path, *channels: str, between: str = "_") -> Path:
    for number, channel in enumerate(channels):
        label = box() if channel == "seg" else None
        save(folder / f"{folder.name}{between}{channel}.nii.gz", number, label)
    return folder


ALL = ("t2", "flair", "t1ce", "t1", "seg")


@pytest.mark.parametrize("between", ["_", "-"])
def test_channels_of_a_patient_are_in_the_same_order_in_all_folders(tmp_path: Path, between: str) -> None:
    brats(tmp_path / "P1", *ALL, between=between)
    brats(tmp_path / "P2", *reversed(ALL), between=between)
    brats(tmp_path / "P3", *ALL[:4], between=between)
    listing = list_scan_splits(str(tmp_path))["train"]
    for case, labeled in zip(listing.cases, (True, True, False), strict=True):
        assert [path.name.removeprefix(case.name)[1:] for path in case.images] == [
            f"{channel}.nii.gz" for channel in ("flair", "t1", "t1ce", "t2")
        ]
        assert (case.label is not None) == labeled
    alone = list_scans(str(tmp_path / "P3"), role="predict")  # a single patient
    assert [len(case.images) for case in alone.cases] == [4]


def test_a_folder_that_lacks_a_channel_is_a_fault_that_can_be_skipped(tmp_path: Path) -> None:
    for name in ("P1", "P2", "P3"):
        brats(tmp_path / name, *(ALL if name != "P2" else ALL[1:]), *(["extra"] if name == "P1" else []))
    (tmp_path / "notes").mkdir()
    listing = list_scan_splits(str(tmp_path))["train"]
    assert [case.name for case in listing.cases] == ["P1", "P3"]
    assert listing.faults == listing.skippable and "P2 lacks the channel t2" in listing.faults[0]
    assert any("extra" in line for line in listing.warnings) and any("notes" in line for line in listing.warnings)


def test_scans_named_like_their_folder_are_no_channels(tmp_path: Path) -> None:
    for name in ("before", "after"):
        save(tmp_path / "scan" / f"scan_{name}.nii.gz")
    assert len(list_scans(str(tmp_path / "scan"), role="predict").cases) == 2


def test_scans_of_nested_patient_folders_are_predicted_and_named_by_their_path(tmp_path: Path) -> None:
    save(tmp_path / "anna" / "2024" / "head.nii.gz")
    save(tmp_path / "anna" / "2025" / "head.nii.gz")
    write_series(tmp_path / "bob" / "study" / "1.2.3", np.random.default_rng(0).normal(size=SHAPE))
    assert recognize_kind(str(tmp_path)) is SCANS
    listing = list_scans(str(tmp_path), role="predict")
    assert [case.name for case in listing.cases] == ["anna/2024/head", "anna/2025/head", "bob/study/1.2.3"]
    assert not listing.faults and "3 scans in 3 folders" in listing.kind
    assert list_scan_splits(str(tmp_path))["train"].faults  # nothing is labeled


def test_series_and_masks_of_the_same_names_are_pairs(tmp_path: Path) -> None:
    for number in range(2):
        write_series(tmp_path / "scans" / f"1.2.{number}", np.random.default_rng(number).normal(size=SHAPE))
        save(tmp_path / "masks" / f"1.2.{number}.nii.gz", label=box())
    (listing,) = list_scan_splits(str(tmp_path / "scans"), str(tmp_path / "masks")).values()
    assert not listing.faults and not listing.warnings
    assert [(case.name, case.label and case.label.name) for case in listing.cases] == [
        (f"1.2.{n}", f"1.2.{n}.nii.gz") for n in range(2)
    ]


def test_a_table_may_name_a_series(tmp_path: Path) -> None:
    write_series(tmp_path / "dicom" / "1.2.3", np.random.default_rng(0).normal(size=SHAPE))
    save(tmp_path / "a.nii.gz", label=box())
    (tmp_path / "pairs.csv").write_text("image,label\ndicom/1.2.3,a.nii.gz\ndicom/4.5.6,\n")
    (listing,) = list_scan_splits(str(tmp_path / "pairs.csv")).values()
    assert [(case.name, case.label) for case in listing.cases] == [("dicom/1.2.3", tmp_path / "a.nii.gz")]
    assert len(listing.faults) == 1 and "line 3: there is no file" in listing.faults[0]


def test_photos_are_not_taken_for_scans(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for name in ("a.jpg", "LICENSE", "sky.hdr"):
        (tmp_path / "photos" / "cat" / name).write_bytes(b"\xff\xd8\xff" + bytes(200))
        (tmp_path / "photos" / name).write_bytes(bytes(200))
    assert recognize_kind(str(tmp_path / "photos")) is IMAGES


def nnunet(root: Path, channels: dict[str, str], labels: dict[str, Any], values: tuple[int, ...], **more: Any) -> Path:
    for number, value in enumerate(values):
        for channel in channels:
            save(root / "imagesTr" / f"c{number}_{int(channel):04}.nii.gz", number)
        save(root / "labelsTr" / f"c{number}.nii.gz", label=box(value))
    (root / "dataset.json").write_text(json.dumps({"channel_names": channels, "labels": labels, **more}))
    return root


def test_regions_become_classes_named_by_the_smallest_region_and_ignored_voxels_stay_so(tmp_path: Path) -> None:
    labels = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing": 3, "ignore": 4}
    found = inventory(nnunet(tmp_path, {"0": "T1"}, labels, (1, 2, 3, 4), regions_class_order=[1, 2, 3]))
    assert not found.faults
    assert found.values == {"background": 0, "whole tumor": 1, "tumor core": 2, "enhancing": 3}
    assert found.scan.ignore_label == 4 and found.scan.intensity == "zscore"
    assert any("regions of several values: each value is a class of its own" in line for line in found.warnings)


def test_two_values_of_one_region_are_told_apart(tmp_path: Path) -> None:
    found = inventory(nnunet(tmp_path, {"0": "T1"}, {"background": 0, "organ": [5, 7]}, (5, 7)))
    assert found.values == {"background": 0, "organ": 5, "organ (7)": 7} and not found.faults


def test_ct_is_clipped_to_the_percentiles_of_the_labeled_voxels(tmp_path: Path) -> None:
    found = inventory(nnunet(tmp_path, {"0": "CT"}, {"background": 0, "organ": 1}, (1, 1, 1)))
    inside = [np.random.default_rng(n).normal(100, 20, SHAPE).astype(np.float32)[box() > 0] for n in range(3)]
    assert found.scan.intensity == "ct"
    np.testing.assert_allclose(found.scan.window, np.percentile(np.concatenate(inside), (0.5, 99.5)), atol=1e-3)
    assert inventory(tmp_path, intensity="zscore").scan.intensity == "zscore"  # what is given wins
    assert inventory(tmp_path, intensity="ct").scan.window == ScanConfig().window
    both = nnunet(tmp_path / "both", {"0": "CT", "1": "PET"}, {"background": 0, "organ": 1}, (1, 1))
    assert inventory(both).scan.intensity == "zscore"


def test_cases_that_nnunets_dataset_lists_are_taken_from_there(tmp_path: Path) -> None:
    listed = {"one": {"images": ["imagesTr/c1_0000.nii.gz"], "label": "labelsTr/c1.nii.gz"}}
    nnunet(tmp_path, {"0": "T1"}, {"background": 0, "organ": 1}, (1, 1), dataset=listed)
    (case,) = list_scan_splits(str(tmp_path))["train"].cases
    assert case.name == "one" and case.label == tmp_path / "labelsTr" / "c1.nii.gz"


def hdf5(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["image"], file["label"] = np.random.default_rng(0).normal(size=SHAPE), box()


def test_lists_of_slices_name_the_volumes_of_ssl4mis(tmp_path: Path) -> None:
    for number in range(3):
        hdf5(tmp_path / "data" / f"p{number}.h5")
        hdf5(tmp_path / "data" / "slices" / f"p{number}_slice_0.h5")
    (tmp_path / "train_slices.list").write_text("p0_slice_0\np0_slice_1\np1_slice_3\n")
    (tmp_path / "test.list").write_text("p2,7\n")
    splits = list_scan_splits(str(tmp_path))
    assert {name: [case.name for case in one.cases] for name, one in splits.items()} == {
        "train": ["p0", "p1"],
        "test": ["p2"],
    }
    assert not any(one.faults for one in splits.values())
