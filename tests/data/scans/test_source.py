from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tutelage.config.data import DataConfig
from tutelage.data.scans.inventory import list_scan_parts
from tutelage.data.scans.items import ScanListing
from tutelage.data.scans.source import is_scan_source, list_scan_splits, list_scans


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write_h5(path: Path, *, label: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros((2, 2, 2), np.float32)
        if label:
            file["label"] = np.zeros((2, 2, 2), np.uint8)


def summary(listing: ScanListing) -> dict[str, tuple[list[str], str | None]]:
    return {c.name: ([path.name for path in c.images], c.label and c.label.name) for c in listing.cases}


def test_images_and_labels_are_paired_by_name_and_an_image_without_one_is_unlabeled(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "images/b.nii.gz", "images/c.nrrd", "images/.DS_Store", "labels/a.nii.gz")
    touch(tmp_path, "labels/c.mha")
    listing = list_scans(str(tmp_path))
    assert summary(listing) == {
        "a": (["a.nii.gz"], "a.nii.gz"),
        "b": (["b.nii.gz"], None),
        "c": (["c.nrrd"], "c.mha"),
    }
    assert not listing.faults and listing.kind == "images/ and labels/"
    assert is_scan_source(str(tmp_path))


def test_a_mask_without_an_image_is_a_fault(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz", "labels/b.nii.gz")
    assert "1 mask has no image of the same name in images (first: b.nii.gz)" in list_scans(str(tmp_path)).faults[0]


def test_png_images_with_png_masks_are_scans(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.png", "masks/a.png")
    assert summary(list_scans(str(tmp_path))) == {"a": (["a.jpg"], "a.png"), "b": (["b.png"], None)}
    assert is_scan_source(str(tmp_path))


def test_numbered_files_are_channels_of_one_case(tmp_path: Path) -> None:
    touch(tmp_path, *(f"imagesTr/{c}_000{n}.nii.gz" for c in "ab" for n in (0, 1)), "labelsTr/a.nii.gz")
    assert summary(list_scans(str(tmp_path))) == {
        "a": (["a_0000.nii.gz", "a_0001.nii.gz"], "a.nii.gz"),
        "b": (["b_0000.nii.gz", "b_0001.nii.gz"], None),
    }
    (tmp_path / "imagesTr" / "b_0001.nii.gz").unlink()
    assert "different numbers of channels: 1, 2" in list_scans(str(tmp_path)).faults[0]


def test_numbered_cases_are_no_channels(tmp_path: Path) -> None:
    numbers = range(20)
    touch(tmp_path / "labeled", *(f"images/scan_000{n}.nii.gz" for n in (0, 1, 2)), "labels/scan_0001.nii.gz")
    listing = list_scans(str(tmp_path / "labeled"))
    assert not listing.faults and len(listing.cases) == 3
    assert [case.name for case in listing.cases if case.label is not None] == ["scan_0001"]
    touch(tmp_path / "flat", *(f"scan_{n:04d}.nii.gz" for n in numbers))
    assert len(list_scans(str(tmp_path / "flat"), role="predict").cases) == 20


def test_numbered_files_that_are_not_as_many_as_a_case_has_are_single_scans_and_that_is_said(tmp_path: Path) -> None:
    touch(tmp_path, *(f"scan_000{n}.nii.gz" for n in range(5)))
    for channels in (1, 2, None):
        listing = list_scans(str(tmp_path), role="predict", channels=channels)
        assert [case.name for case in listing.cases] == [f"scan_000{n}" for n in range(5)] and not listing.faults
        assert (
            "5 numbered files (scan_0000.nii.gz, scan_0001.nii.gz, scan_0002.nii.gz, ...) are single scans"
            in (listing.warnings[0])
        )
    assert [len(case.images) for case in list_scans(str(tmp_path), role="predict", channels=5).cases] == [5]
    touch(tmp_path, "other_0000.nii.gz")
    listing = list_scans(str(tmp_path), role="predict", channels=1)
    assert {case.name for case in listing.cases} == {"other", *(f"scan_000{n}" for n in range(5))}


def test_unlabeled_and_test_scans_have_as_many_files_as_the_training_scans(tmp_path: Path) -> None:
    touch(tmp_path / "one", "train/images/a.nii.gz", "train/labels/a.nii.gz")
    touch(tmp_path / "one", *(f"unlabeled/v_000{n}.nii.gz" for n in range(3)))
    splits = list_scan_splits(str(tmp_path / "one"))
    assert len(splits["unlabeled"].cases) == 3 and "a case has 1 file" in splits["unlabeled"].warnings[0]
    touch(tmp_path / "two", *(f"train/images/a_000{n}.nii.gz" for n in range(2)), "train/labels/a.nii.gz")
    touch(tmp_path / "two", *(f"more/v_000{n}.nii.gz" for n in range(2)))
    data = DataConfig(path=str(tmp_path / "two" / "train"), unlabeled=str(tmp_path / "two" / "more"))
    parts = list_scan_parts(data)
    assert [len(case.images) for case in parts["unlabeled"].cases] == [2] and not parts["unlabeled"].warnings


def test_numbered_files_without_masks_are_channels_only_of_several_cases_alike(tmp_path: Path) -> None:
    touch(tmp_path / "alike", *(f"{c}_000{n}.nii.gz" for c in "ab" for n in (0, 1)))
    assert len(list_scans(str(tmp_path / "alike")).cases) == 2
    touch(tmp_path / "unlike", *(f"a_000{n}.nii.gz" for n in (0, 1)), "b_0000.nii.gz")
    listing = list_scans(str(tmp_path / "unlike"))
    assert len(listing.cases) == 3 and "no mask is named like a group of them" in listing.warnings[0]


def test_files_of_other_kinds_beside_scans_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "images/b.nhdr", "images/notes.txt", "images/.DS_Store", "labels/a.nii.gz")
    listing = list_scans(str(tmp_path))
    assert list(summary(listing)) == ["a"]
    assert [w.partition("images: ")[2] for w in listing.warnings] == ["files of other kinds are not used: b.nhdr"]


def test_the_decathlon_names_classes_channels_and_pairs(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "labelsTr/a.nii.gz", "imagesTs/c.nii.gz")
    table = {
        "modality": {"0": "T1", "1": "T2"},
        "labels": {"0": "background", "2": "tumor", "1": "edema"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}, {"image": "imagesTr/b.nii.gz"}],
        "test": ["./imagesTs/c.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    for path in (tmp_path, tmp_path / "dataset.json"):
        listing = list_scans(str(path))
        assert summary(listing) == {"a": (["a.nii.gz"], "a.nii.gz"), "b": (["b.nii.gz"], None)}
        assert list(listing.values.items()) == [("background", 0), ("edema", 1), ("tumor", 2)]
        assert listing.channels_last_axis and not listing.faults
        assert "1 test images without labels are not used" in listing.warnings[0]
        assert is_scan_source(str(path))
    table["training"] = [{"image": "imagesTr/z.nii.gz"}]
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    assert "z.nii.gz, which is not a file" in list_scans(str(tmp_path)).faults[0]
    (tmp_path / "dataset.json").write_text('{"labels": 3, "training": 1}')
    assert "is not a readable dataset.json" in list_scans(str(tmp_path)).faults[0]


def test_the_form_of_nnunet_is_known_too(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b_0000.nii.gz", "labelsTs/b.nii.gz")
    table = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    splits = list_scan_splits(str(tmp_path))
    assert summary(splits["train"]) == {"a": (["a_0000.nii.gz"], "a.nii.gz")}
    assert summary(splits["test"]) == {"b": (["b_0000.nii.gz"], "b.nii.gz")}
    assert splits["test"].values == {"background": 0, "liver": 1}


def test_a_table_of_pairs_names_images_labels_and_channels(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.nii.gz", "x/a2.nii.gz", "y/a.nii.gz", "x/b.nii.gz", "x/b2.nii.gz")
    table = tmp_path / "pairs.csv"
    table.write_text("image,label,image_2,age\nx/a.nii.gz,y/a.nii.gz,x/a2.nii.gz,40\nx/b.nii.gz,,x/b2.nii.gz,50\n")
    for listing in (list_scans(str(table)), list_scans(str(tmp_path), str(table))):
        assert summary(listing) == {
            "x/a": (["a.nii.gz", "a2.nii.gz"], "a.nii.gz"),
            "x/b": (["b.nii.gz", "b2.nii.gz"], None),
        }
    assert is_scan_source(str(table))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image;label\n", "expected a header 'image,label'"),
        ("image\nx/a.nii.gz\n", "expected a header 'image,label', got 'image'"),
        ("image,label\nx/a.nii.gz\n", "line 2: expected 2 cells as in the header, got 1"),
        ("image,label\nx/b.nii.gz,\n", "line 2: there is no file"),
        ("image,label\n,x/a.nii.gz\n", "line 2: an image is not named"),
        ("image,label\nx/a.nii.gz,\nx/a.nii.gz,\n", "line 3 names the image of line 2 again"),
        ("image,label\n", "has a header and no rows"),
        ("", "expected a header"),
    ],
)
def test_faults_of_a_table_name_their_line(text: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, "x/a.nii.gz")
    (tmp_path / "pairs.csv").write_text(text)
    faults = list_scans(str(tmp_path), str(tmp_path / "pairs.csv")).faults
    assert len(faults) == 1 and message in faults[0]


@pytest.mark.parametrize("nested", [False, True])
def test_h5_files_are_split_by_the_lists_beside_them_in_their_order(nested: bool, tmp_path: Path) -> None:
    for name in "abcde":
        write_h5(tmp_path / (f"{name}/mri_norm2.h5" if nested else f"{name}.h5"), label=name != "c")
    assert list(list_scan_splits(str(tmp_path))) == ["train"]
    (tmp_path / "train.list").write_text("d\nc\na\n")
    (tmp_path / "test.list").write_text("b\n\n")
    splits = list_scan_splits(str(tmp_path))
    assert [(case.name, case.label is not None) for case in splits["train"].cases] == [
        ("d", True),
        ("c", False),
        ("a", True),
    ]
    assert [case.name for case in splits["test"].cases] == ["b"]
    assert "1 files that no list names are not used (first: e)" in splits["train"].warnings[0]
    assert is_scan_source(str(tmp_path))
    (tmp_path / "test.list").write_text("b\nz\nd\n")
    faults = list_scan_splits(str(tmp_path))["test"].faults
    assert "'z', and there is no file of it" in faults[0] and "'d', which is listed already" in faults[1]


def test_folders_of_the_left_atrium_challenge_have_255_for_the_cavity(tmp_path: Path) -> None:
    touch(tmp_path, "Training Set/p1/lgemri.nrrd", "Training Set/p1/laendo.nrrd", "Training Set/p2/lgemri.nrrd")
    listing = list_scans(str(tmp_path))
    assert summary(listing) == {"p1": (["lgemri.nrrd"], "laendo.nrrd"), "p2": (["lgemri.nrrd"], None)}
    assert listing.values == {"background": 0, "left atrium": 255}
    assert is_scan_source(str(tmp_path)) and is_scan_source(str(tmp_path / "Training Set"))


def test_folders_named_as_splits_are_splits(tmp_path: Path) -> None:
    for split in ("train", "Validation", "test"):
        touch(tmp_path, f"{split}/images/{split}.nii.gz", f"{split}/labels/{split}.nii.gz")
    touch(tmp_path, "unlabeled/u.nii.gz", "notes/x.txt")
    splits = list_scan_splits(str(tmp_path))
    assert {split: [c.name for c in listing.cases] for split, listing in splits.items()} == {
        "train": ["train"],
        "val": ["Validation"],
        "test": ["test"],
        "unlabeled": ["u"],
    }
    assert any("skipped: notes" in w for listing in splits.values() for w in listing.warnings)
    assert is_scan_source(str(tmp_path))


def test_in_the_role_unlabeled_labels_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz")
    for role in ("unlabeled", "predict"):
        assert summary(list_scans(str(tmp_path), role=role)) == {"a": (["a.nii.gz"], None)}  # type: ignore[arg-type]


def test_one_file_and_a_flat_folder_can_be_predicted_on(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "b.mha")
    assert summary(list_scans(str(tmp_path), role="predict")) == {"a": (["a.nii.gz"], None), "b": (["b.mha"], None)}
    assert summary(list_scans(str(tmp_path / "b.mha"), role="predict")) == {"b": (["b.mha"], None)}
    masks = touch(tmp_path / "masks", "b.mha")
    assert summary(list_scans(str(tmp_path), str(masks))) == {"a": (["a.nii.gz"], None), "b": (["b.mha"], "b.mha")}


def test_a_folder_of_pngs_can_be_predicted_on_and_learned_from_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    for role in ("predict", "unlabeled"):
        assert list(summary(list_scans(str(tmp_path), role=role))) == ["a", "b"]  # type: ignore[arg-type]
    assert not is_scan_source(str(tmp_path)) and list_scans(str(tmp_path)).faults


def test_cases_of_several_splits_are_predicted_under_different_names(tmp_path: Path) -> None:
    touch(tmp_path, "train/images/a.nii.gz", "train/labels/a.nii.gz", "test/images/a.nii.gz", "test/labels/a.nii.gz")
    assert list(summary(list_scans(str(tmp_path), role="predict"))) == ["test/a", "train/a"]


def test_what_holds_no_scans_is_no_source_of_them(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.jpg", "dog/b.jpg", "labels.csv")
    (tmp_path / "labels.csv").write_text("path,label\ncat/a.jpg,cat\n")
    for path in (tmp_path, tmp_path / "labels.csv", tmp_path / "cat/a.jpg", tmp_path / "none", "digits"):
        assert not is_scan_source(str(path))
    assert not is_scan_source(str(tmp_path), str(tmp_path / "labels.csv"))
    assert is_scan_source(str(tmp_path / "cat"), str(touch(tmp_path / "masks", "a.png")))
    assert "holds no scans; expected images/ and labels/" in list_scans(str(tmp_path)).faults[0]
    assert "no such file or folder" in list_scans(str(tmp_path / "none")).faults[0]
