from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import ConfigError
from tutelage.data.scans.check import summarize_scans
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.scans.scan_set import VolumeCache

SHAPE = (8, 9, 10)


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def write_case(root: Path, seed: int, *, labeled: bool = True, shape: tuple[int, ...] = SHAPE, **label: Any) -> None:
    draw = np.random.default_rng(seed)
    write(root / "images" / f"c{seed}.nii.gz", draw.normal(50.0, 9.0, shape).astype(np.float32))
    if labeled:
        write(root / "labels" / f"c{seed}.nii.gz", draw.integers(0, 3, shape).astype(np.uint8), **label)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for seed in range(4):
        write_case(tmp_path / "scans", seed, labeled=seed < 3)
    return tmp_path / "scans"


def take(root: Path, scan: dict[str, Any] | None = None, **data: Any) -> ScanInventory:
    return take_scan_inventory(DataConfig(path=str(root), **data), ScanConfig(**{"patch_size": (8,), **(scan or {})}))


def only(sentences: list[str]) -> str:
    assert len(sentences) == 1, sentences
    return sentences[0]


def test_good_scans_have_no_faults_and_their_classes_are_those_of_their_labels(scans: Path) -> None:
    inventory = take(scans)
    assert not inventory.faults
    assert inventory.values == {"background": 0, "1": 1, "2": 2}
    assert "names no classes, so the label values are used: 0 (background), 1, 2" in only(inventory.warnings)
    part = inventory.parts["train"]
    assert (len(part.cases), part.labeled) == (4, 3)
    assert part.looks[3].label_counts == {} and sum(part.looks[0].label_counts.values()) == 720
    named = take(scans, {"classes": ("background", "head", "body")})
    assert not named.warnings and named.classes == ("background", "head", "body")


def test_the_summary_counts_scans_labels_and_voxels(scans: Path) -> None:
    summary = summarize_scans(take(scans))["train"]
    assert (summary.scans, summary.labeled, summary.unreadable, summary.channels) == (4, 3, 0, 1)
    assert summary.labeled_in == {"background": 3, "1": 3, "2": 3} and sum(summary.voxels.values()) == 3 * 720
    assert summary.shapes == {"8 x 9 x 10": 4} and summary.orientations == {"RAS": 4}
    assert summary.spacings == {"1 x 1 x 1": 4}


def test_masks_of_0_and_255_have_one_foreground_class(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    write(tmp_path / "images" / "a.nii.gz", image)
    write(tmp_path / "labels" / "a.nii.gz", (255 * (image > 0)).astype(np.uint8))
    assert take(tmp_path).values == {"background": 0, "foreground": 255}


def test_a_label_value_that_is_no_class_is_a_fault_with_its_file_and_count(scans: Path) -> None:
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, :6] = 7
    write(scans / "labels" / "c1.nii.gz", label)
    settings = {"classes": ("background", "organ=1", "tumor=2")}
    fault = only(take(scans, settings).faults)
    assert "c1.nii.gz holds the label value 7 in 6 voxels, which is not a class" in fault
    assert "known: 0 background, 1 organ, 2 tumor" in fault
    inventory = take(scans, {**settings, "ignore_label": 7})
    assert not inventory.faults and "without any foreground voxel" in only(inventory.warnings)


@pytest.mark.parametrize("value", [300, -1])
def test_a_label_value_outside_of_a_byte_is_a_fault(scans: Path, value: int) -> None:
    write(scans / "labels" / "c1.nii.gz", np.full(SHAPE, value, np.int16))
    assert f"holds the label value {value}: expected values in 0..255" in only(take(scans).faults)


def test_image_and_label_of_different_shape_are_a_fault(scans: Path) -> None:
    write(scans / "labels" / "c0.nii.gz", np.ones((8, 10, 9), np.uint8))
    assert "differ in shape: 8 x 10 x 9 and 8 x 9 x 10" in only(take(scans).faults)


@pytest.mark.parametrize(
    ("moved", "fault"),
    [(0.0005, None), (0.1, None), (0.6, "lie up to 0.6 mm apart by their headers, axes RAS and RAS")],
)
def test_headers_may_differ_by_less_than_half_a_voxel_which_is_said(
    scans: Path, moved: float, fault: str | None
) -> None:
    affine = np.eye(4)
    affine[0, 3] = moved
    write(scans / "labels" / "c0.nii.gz", np.ones(SHAPE, np.uint8), affine)
    settings = {"classes": ("background", "1", "2")}
    inventory = take(scans, settings)
    if fault is not None:
        assert fault in only(inventory.faults)
        inventory = take(scans, {**settings, "ignore_label_header": True})
    assert not inventory.faults
    said = [w for w in inventory.warnings if "differ only in the header" in w]
    assert len(said) == (moved > 0.001)


def test_a_flipped_label_is_a_fault_that_names_both_orientations(scans: Path) -> None:
    write(scans / "labels" / "c0.nii.gz", np.ones(SHAPE, np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert "axes LPS and RAS" in only(take(scans).faults)


def test_broken_intensities_are_faults(scans: Path) -> None:
    image = np.random.default_rng(9).normal(size=SHAPE).astype(np.float32)
    image[0, 0, :3] = np.nan, np.inf, -np.inf
    write(scans / "images" / "c0.nii.gz", image)
    write(scans / "images" / "c1.nii.gz", np.full(SHAPE, 3.0, np.float32))
    content = (scans / "images" / "c2.nii.gz").read_bytes()
    (scans / "images" / "c2.nii.gz").write_bytes(content[: len(content) // 2])
    write(scans / "images" / "c3.nii.gz", np.zeros((8, 9, 10, 4), np.float32))
    faults = take(scans).faults
    assert len(faults) == 4
    for fault, message in zip(
        faults,
        (
            "c0.nii.gz holds 3 intensities that are NaN or infinite",
            "c1.nii.gz: all intensities of channel 1 are 3",
            "c2.nii.gz is truncated: its gzip stream ends early",
            "c3.nii.gz has four axes (8 x 9 x 10 x 4)",
        ),
        strict=True,
    ):
        assert message in fault
    skipped = take(scans, skip_unreadable=True)
    assert sum(w.startswith("left out: ") for w in skipped.warnings) == 4
    assert "has no case that can be read" in only(skipped.faults)


def test_the_same_scan_in_two_splits_is_a_fault_however_it_is_compressed(tmp_path: Path) -> None:
    for split, seeds in (("train", (0, 1)), ("test", (2, 3))):
        for seed in seeds:
            write_case(tmp_path / split, seed)
    copied = nibabel.load(tmp_path / "train" / "images" / "c0.nii.gz")
    nibabel.save(nibabel.Nifti1Image(copied.get_fdata(dtype=np.float32), np.eye(4)), tmp_path / "test/images/c3.nii.gz")
    assert "the same scan is in train and in test: " in only(take(tmp_path).faults)


def test_the_same_scan_twice_in_the_training_cases_is_said(scans: Path) -> None:
    (scans / "images" / "again.nii.gz").write_bytes((scans / "images" / "c0.nii.gz").read_bytes())
    inventory = take(scans)
    assert not inventory.faults
    assert any("1 pair (" in w and "of cases with the same scan" in w for w in inventory.warnings)


def test_small_thin_and_oddly_spaced_volumes_are_said(scans: Path) -> None:
    write_case(scans, 7, shape=(9, 9, 2))
    write(scans / "images" / "c8.nii.gz", np.random.default_rng(8).normal(size=SHAPE), np.diag([1.0, 1.0, 3.0, 1.0]))
    text = "\n".join(take(scans, {"classes": ("background", "1", "2")}).warnings)
    assert "1 case (c8 (1 x 1 x 3 mm)) with a spacing far from the median of 1 x 1 x 1 mm: set scan.spacing" in text
    assert "1 case (c7 (9 x 9 x 2 voxels)) thinner than 4 voxels" in text
    assert "1 case (c7 (9 x 9 x 2 voxels)) smaller than the patch of 8 x 8 x 8 and padded with 0" in text


def test_cases_of_other_axes_or_channels_do_not_go_together(scans: Path) -> None:
    write(scans / "images" / "flat.nii.gz", np.random.default_rng(8).normal(size=(8, 9)))
    assert "cases have different numbers of axes: 2 in" in only(take(scans).faults)


def test_a_patch_of_other_axes_is_a_fault(scans: Path) -> None:
    assert "scan.patch_size must be 1 or 3 numbers" in only(take(scans, {"patch_size": (8, 8)}).faults)


def test_labels_without_foreground_stop_only_where_all_are_so(scans: Path) -> None:
    write(scans / "labels" / "c0.nii.gz", np.zeros(SHAPE, np.uint8))
    inventory = take(scans)
    assert not inventory.faults and any("1 train label (c0) without any foreground" in w for w in inventory.warnings)
    for seed in (1, 2):
        write(scans / "labels" / f"c{seed}.nii.gz", np.zeros(SHAPE, np.uint8))
    assert any("only one class" in f for f in take(scans).faults)
    assert any("no label has a foreground voxel" in f for f in take(scans, {"classes": ("b", "x")}).faults)


def test_scans_without_any_label_and_unlabeled_test_cases_are_faults(tmp_path: Path) -> None:
    write_case(tmp_path / "a", 0, labeled=False)
    assert any("no labeled case: expected masks of a few scans" in f for f in take(tmp_path / "a").faults)
    write_case(tmp_path / "b", 1)
    faults = take(tmp_path / "b", test=str(tmp_path / "a")).faults
    assert "the test cases have no labels: expected masks" in only(faults)


def test_a_crop_without_its_mask_is_a_fault(scans: Path, tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / "boxes" / f"c{seed}.nii.gz", np.ones(SHAPE, np.uint8))
    settings = {"crop": "mask", "crop_masks": str(tmp_path / "boxes")}
    assert "has no mask for" in only(take(scans, settings).faults)
    with pytest.raises(ConfigError, match="go together"):
        ScanConfig(crop="mask")


def test_what_was_prepared_is_taken_from_the_cache_until_file_or_settings_change(scans: Path, tmp_path: Path) -> None:
    data, cache = DataConfig(path=str(scans)), tmp_path / "cache"
    first = take_scan_inventory(data, ScanConfig(patch_size=(8,)), cache_dir=cache)
    times = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(times) == 4 + 4 + 3
    again = take_scan_inventory(data, ScanConfig(patch_size=(4,)), cache_dir=cache)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == times
    assert again.fingerprint() == first.fingerprint() and again.facts() == first.facts()
    assert again.warnings == first.warnings
    take_scan_inventory(data, ScanConfig(patch_size=(8,), intensity="none"), cache_dir=cache)
    assert len(list(cache.iterdir())) == 2 * len(times)
    write_case(scans, 0)
    write(scans / "labels" / "c0.nii.gz", np.ones(SHAPE, np.uint8))
    changed = take_scan_inventory(data, ScanConfig(patch_size=(8,)), cache_dir=cache)
    assert changed.fingerprint() != first.fingerprint()
    assert changed.facts()["train"]["contents"] == first.facts()["train"]["contents"]
    assert changed.facts()["train"]["labels"] != first.facts()["train"]["labels"]


def test_half_precision_halves_the_cache(scans: Path, tmp_path: Path) -> None:
    for precision, size in (("float32", 4), ("float16", 2)):
        scan = ScanConfig(patch_size=(8,), cache_precision=precision)  # type: ignore[arg-type]
        look = take_scan_inventory(DataConfig(path=str(scans)), scan, cache_dir=tmp_path / precision).parts["train"]
        image = VolumeCache(tmp_path / precision).image(look.looks[0].key)
        assert image.dtype.itemsize == size and isinstance(image, np.memmap)


def test_the_number_of_workers_changes_nothing(scans: Path, tmp_path: Path) -> None:
    scan, data = ScanConfig(patch_size=(8,)), DataConfig(path=str(scans))
    found = [take_scan_inventory(data, scan, workers=n, cache_dir=tmp_path / str(n)) for n in (1, 3)]
    assert found[0].fingerprint() == found[1].fingerprint()
    assert [look.key for look in found[0].parts["train"].looks] == [look.key for look in found[1].parts["train"].looks]


def test_a_damaged_h5_file_is_one_fault_and_can_be_left_out(tmp_path: Path) -> None:
    for name in "abc":
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["image"] = np.random.default_rng(ord(name)).normal(size=SHAPE)
            file["label"] = np.ones(SHAPE, np.uint8)
    (tmp_path / "b.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:900])
    assert "b.h5 is not a readable HDF5 file" in only(take(tmp_path).faults)
    inventory = take(tmp_path, skip_unreadable=True)
    assert not inventory.faults and len(inventory.parts["train"].cases) == 2


def test_files_without_a_spacing_are_taken_for_1_mm_which_is_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"], file["label"] = np.random.default_rng(0).normal(size=SHAPE), np.ones(SHAPE, np.uint8)
    classes = {"classes": ("background", "organ")}
    assert "1 case (a) whose files state no spacing: taken for 1 mm" in only(take(tmp_path, classes).warnings)
    assert not take(tmp_path, {**classes, "assumed_spacing": (1.0,)}).warnings


def test_a_value_in_few_labels_is_said_to_be_so(scans: Path) -> None:
    label = np.ones(SHAPE, np.uint8)
    label[0], label[1], label[2] = 7, 0, 2
    write(scans / "labels" / "c1.nii.gz", label)
    assert "0 (background), 1, 2, 7 (in 1 of 3 labels)" in only(take(scans).warnings)


def test_percentiles_that_leave_one_intensity_are_a_fault(scans: Path, tmp_path: Path) -> None:
    image = np.zeros(SHAPE, np.float32)
    image[0, 0, 0] = 5.0
    write(scans / "images" / "c0.nii.gz", image)
    scan = ScanConfig(patch_size=(8,), intensity="percentile")
    inventory = take_scan_inventory(DataConfig(path=str(scans)), scan, cache_dir=tmp_path / "cache")
    assert "c0.nii.gz has a single intensity between the percentiles (0.5, 99.5)" in only(inventory.faults)


def test_a_volume_that_left_the_cache_is_prepared_again(scans: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    look = take_scan_inventory(DataConfig(path=str(scans)), ScanConfig(patch_size=(8,)), cache_dir=cache).parts["train"]
    for suffix in (".npy", "-label.npy"):
        (cache / f"{look.looks[0].key}{suffix}").unlink()
        assert VolumeCache(cache).look(look.looks[0].key) is None
        take_scan_inventory(DataConfig(path=str(scans)), ScanConfig(patch_size=(8,)), cache_dir=cache)
        assert (cache / f"{look.looks[0].key}{suffix}").is_file()


def test_the_ignore_label_of_nnunet_is_no_class(scans: Path) -> None:
    for name, new in (("images", "imagesTr"), ("labels", "labelsTr")):
        (scans / name).rename(scans / new)
    table = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "organ": 1, "ignore": 2}}
    (scans / "dataset.json").write_text(json.dumps(table))
    inventory = take(scans)
    assert not inventory.faults and inventory.values == {"background": 0, "organ": 1}
    assert inventory.scan.ignore_label == 2
