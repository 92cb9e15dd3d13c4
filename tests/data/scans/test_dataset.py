from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.dataset import ScanDataset, hold_out_cases, keep_cases, load_scans
from tutelage.data.scans.inventory import take_scan_inventory

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")
SHAPE = (6, 7, 8)


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, 2.0, 1.0, 1.0]) if affine is None else affine), path)


def write_cases(root: Path, count: int, labeled: int, first: int = 0) -> Path:
    for seed in range(first, first + count):
        draw = np.random.default_rng(seed)
        write(root / "images" / f"c{seed:02}.nii.gz", draw.normal(size=SHAPE).astype(np.float32))
        label = draw.choice([0, 2, 5, 9], SHAPE).astype(np.uint8)
        if seed < first + labeled:
            write(root / "labels" / f"c{seed:02}.nii.gz", label)
    return root


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return write_cases(tmp_path / "scans", 12, 10)


def load(root: Path, cache: Path, *, seed: int = 0, scan: dict[str, Any] | None = None, **data: Any) -> ScanDataset:
    settings = ScanConfig(**{"patch_size": (4,), "ignore_label": 9, **(scan or {})})
    return load_scans(DataConfig(path=str(root), **data), settings, seed=seed, cache_dir=cache)


def test_labels_become_class_indices_and_the_ignored_value_becomes_minus_1(scans: Path, tmp_path: Path) -> None:
    data = load(scans, tmp_path / "cache")
    assert data.classes == ("background", "2", "5") and data.values == (0, 2, 5)
    row = int(data.labeled_rows[0])
    file = np.asarray(nibabel.load(data.train.cases[row].label).dataobj)
    expected = np.select([file == 0, file == 2, file == 5], [0, 1, 2], -1)
    np.testing.assert_array_equal(data.train.reference(row), expected)
    np.testing.assert_array_equal(data.train.label(row), expected[::-1])  # the file's first axis runs to the left
    np.testing.assert_array_equal(data.train.placement(row).restore_mask(data.train.label(row)), expected)
    assert (data.axes, data.channels, data.patch_size) == (3, 1, (4, 4, 4))
    assert data.train.placement(row).spacing == (1.0, 2.0, 1.0)


def test_rows_of_the_streams_and_the_held_out_case_do_not_overlap(scans: Path, tmp_path: Path) -> None:
    data = load(scans, tmp_path / "cache", label_count=6)
    assert data.val is not None and len(data.val) == 1
    assert len(data.labeled_rows) == 5 and len(data.hidden_rows) == 4
    held = set(data.val.rows)
    assert not held & set(data.labeled_rows) and not held & set(data.unlabeled_rows)
    assert len(data.unlabeled_rows) == 11
    record = data.split_record()
    assert record["held_out"] == data.val.names and len(record["labeled"]) == 5
    assert record["label_values"] == [0, 2, 5]
    apart = load(scans, tmp_path / "cache", label_count=6, exclude_labeled=True)
    assert not set(apart.unlabeled_rows) & set(apart.labeled_rows) and len(apart.unlabeled_rows) == 6


def test_kept_cases_follow_from_the_seed_and_fewer_are_among_more() -> None:
    names, known = [f"case {n}" for n in range(40)], np.arange(3, 33)
    picks = [keep_cases(known, names, count=count, choice="random", seed=1) for count in (4, 8, 30)]
    assert set(picks[0]) < set(picks[1]) < set(picks[2]) == set(known)
    other = keep_cases(known, names, count=4, choice="random", seed=2)
    assert set(other) != set(picks[0])
    assert keep_cases(known, names, count=4, choice="first", seed=1).tolist() == [3, 4, 5, 6]
    with pytest.raises(DataError, match="label_count must be at most the number of labeled cases, 30, got 31"):
        keep_cases(known, names, count=31, choice="first", seed=1)


@pytest.mark.parametrize(
    ("labeled", "share", "held"), [(3, 0.5, 0), (4, 0.1, 1), (20, 0.1, 2), (4, 0.99, 3), (20, 0.0, 0)]
)
def test_a_share_of_at_least_one_case_is_held_out_of_four_or_more(labeled: int, share: float, held: int) -> None:
    names = [f"case {n}" for n in range(40)]
    assert len(hold_out_cases(np.arange(labeled), names, share=share, seed=0)) == held


def test_copies_of_a_held_out_scan_are_in_no_stream(scans: Path, tmp_path: Path) -> None:
    held = load(scans, tmp_path / "cache").val
    assert held is not None
    name = held.names[0]
    (scans / "images" / "copy.nii.gz").write_bytes((scans / "images" / f"{name}.nii.gz").read_bytes())
    data = load(scans, tmp_path / "cache")
    assert data.val is not None and data.val.names == [name]
    assert data.train.names.index("copy") not in data.unlabeled_rows


def test_given_splits_are_used_and_the_test_part_waits(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        write_cases(tmp_path / "all" / split, count, count, first={"train": 0, "val": 20, "test": 40}[split])
    data = load(tmp_path / "all", tmp_path / "cache")
    assert data.val is not None and data.val.names == ["c20", "c21"] and len(data.labeled_rows) == 5
    assert data.has_test and data.test_count == 3
    test = data.load_test()
    assert test.names == ["c40", "c41", "c42"] and test.scans.image(0).shape == (1, *SHAPE)
    assert set(data.facts) == {"train", "val", "test"} and data.facts["test"]["images"] == 3


def test_an_inventory_without_a_cache_is_filled_when_it_is_loaded(scans: Path, tmp_path: Path) -> None:
    config, scan = DataConfig(path=str(scans)), ScanConfig(patch_size=(4,), ignore_label=9)
    inventory = take_scan_inventory(config, scan)
    data = load_scans(config, scan, seed=0, cache_dir=tmp_path / "cache", inventory=inventory)
    direct = load_scans(config, scan, seed=0, cache_dir=tmp_path / "other")
    assert data.fingerprint == direct.fingerprint
    for row in range(len(data.train)):
        np.testing.assert_array_equal(data.train.image(row), direct.train.image(row))


def test_faults_stop_the_loading_with_all_of_them(scans: Path, tmp_path: Path) -> None:
    for name in ("c00", "c01"):
        (scans / "images" / f"{name}.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        load(scans, tmp_path / "cache")
    assert len(caught.value.faults) == 2


def test_the_notes_say_what_was_found_and_decided(scans: Path, tmp_path: Path) -> None:
    notes = "\n".join(load(scans, tmp_path / "cache", label_count=3).notes)
    assert "12 scans, 10 labeled" in notes and "3 of 10 labels are used (drawn by the seed)" in notes
    assert "3 labeled ones are too few to hold one out" in notes
    assert "prepared scans have 6 x 7 x 8 voxels of 1 x 2 x 1 mm (median), patches 4 x 4 x 4" in notes


def test_the_left_atrium_files_load_as_they_are_listed(tmp_path: Path) -> None:
    source = DATA / "left_atrium"
    if not source.is_dir():
        pytest.skip("the left atrium scans are not here: set TUTELAGE_DATA to the folder that holds left_atrium/")
    few = tmp_path / "few"
    few.mkdir()
    names = (source / "train.list").read_text().split()[:3]
    for name in names:
        (few / f"{name}.h5").symlink_to(source / f"{name}.h5")
    (few / "train.list").write_text("\n".join(reversed(names[:2])))
    (few / "test.list").write_text(names[2])
    settings = {"intensity": "none", "assumed_spacing": (0.625,), "spacing": (1.25,), "labeled": "first"}
    data = load(few, tmp_path / "cache", scan=settings, label_count=1)
    assert data.split_record()["labeled"] == [names[1]] and data.test_count == 1
    assert data.train.placement(0).shape[2] == 44
    full = data.train.reference(0)
    back = data.train.placement(0).restore_mask(data.train.label(0).astype(np.uint8))
    overlap = 2 * ((full == 1) & (back == 1)).sum() / ((full == 1).sum() + (back == 1).sum())
    assert overlap > 0.97


def test_the_hippocampus_folders_load_with_both_parts_as_classes(tmp_path: Path) -> None:
    source = DATA / "hippocampus"
    if not source.is_dir():
        pytest.skip("the hippocampus scans are not here: set TUTELAGE_DATA to the folder that holds hippocampus/")
    for part in ("images", "labels"):
        (tmp_path / "few" / part).mkdir(parents=True)
        for path in sorted((source / part).iterdir())[:6]:
            (tmp_path / "few" / part / path.name).symlink_to(path)
    data = load(tmp_path / "few", tmp_path / "cache", scan={"classes": ("background", "anterior", "posterior")})
    assert len(data.train) == 6 and data.val is not None
    for row in range(6):
        assert data.train.image(row).mean() == pytest.approx(0.0, abs=1e-4)
        assert np.unique(data.train.label(row)).tolist() == [0, 1, 2]
