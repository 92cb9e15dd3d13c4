"""Scans that cannot be trained on, and settings that mean nothing for them, through the real command line."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from tutelage import cli

SHAPE = (12, 16, 14)
BRIEF = ["--steps", "2", "--batch-size", "2", "--device", "cpu", "--workers", "0"]
BRIEF += ["--scan.patch-size", "16", "--network.width", "1", "--no-report"]
TRAIN = ["train", "scans", "--out", "runs/a", "--method", "mean-teacher", *BRIEF]


def scan(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def label(*values: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A block of each value."""
    mask = np.zeros(shape, np.uint8)
    for place, value in enumerate(values):
        mask[2 + 3 * place : 4 + 3 * place, 4:9, 4:9] = value
    return mask


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six scans, four of them labeled, in `scans` in the working folder."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        save(tmp_path / "scans" / "images" / f"c{number}.nii.gz", scan(number))
        if number < 4:
            save(tmp_path / "scans" / "labels" / f"c{number}.nii.gz", label(1))
    return tmp_path / "scans"


def truncated(root: Path) -> None:
    path = root / "images" / "c1.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])


def corrupted(root: Path) -> None:
    path = root / "images" / "c1.nii.gz"
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes())))
    content[-6] ^= 1  # of the checksum
    path.write_bytes(content)


def nan(root: Path) -> None:
    image = scan(1)
    image[3, 3, 3] = np.nan
    save(root / "images" / "c1.nii.gz", image)


def moved(root: Path) -> None:
    affine = np.eye(4)
    affine[0, 3] = 9.0
    save(root / "labels" / "c1.nii.gz", label(1), affine)


def in_two_splits(root: Path) -> None:
    (root / "train").mkdir()
    for name in ("images", "labels"):
        (root / name).rename(root / "train" / name)
        (root / "test" / name).mkdir(parents=True)
        shutil.copy(root / "train" / name / "c1.nii.gz", root / "test" / name / "other.nii.gz")


def unlabeled_test(root: Path) -> None:
    (root / "train").mkdir()
    for name in ("images", "labels"):
        (root / name).rename(root / "train" / name)
    save(root / "test" / "images" / "t.nii.gz", scan(50))


def no_labels(root: Path) -> None:
    shutil.rmtree(root / "labels")


def put(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda root: save(root / name, array)


WRONG_DATA: dict[str, tuple[Callable[[Path], None], str]] = {
    "a truncated gzip": (truncated, r"images/c1\.nii\.gz is truncated"),
    "a damaged gzip": (corrupted, r"images/c1\.nii\.gz is damaged: .*CRC"),
    "a file of four axes": (
        put("images/c1.nii.gz", scan(1, (*SHAPE, 3))),
        r"images/c1\.nii\.gz has four axes \(12 x 16 x 14 x 3\) where three are expected",
    ),
    "NaN": (nan, r"images/c1\.nii\.gz holds 1 intensities that are NaN or infinite"),
    "a constant volume": (put("images/c1.nii.gz", np.ones(SHAPE, np.float32)), "all intensities of channel 1 are 1"),
    "a label of another shape": (
        put("labels/c1.nii.gz", label(1, shape=(12, 16, 13))),
        "differ in shape: 12 x 16 x 13 and 12 x 16 x 14",
    ),
    "a label that lies elsewhere": (moved, r"labels/c1\.nii\.gz and its image .* lie up to 9 mm apart"),
    "labels without foreground": (
        lambda root: [put(f"labels/c{n}.nii.gz", label())(root) for n in range(4)],  # type: ignore[func-returns-value,return-value]
        "only one class, the background",
    ),
    "no labels": (no_labels, "has no labeled case: expected masks of a few scans"),
    "a label without an image": (
        put("labels/c9.nii.gz", label(1)),
        "1 mask has no image of the same name in images .first: c9",
    ),
    "the same scan in two splits": (in_two_splits, "the same scan is in train and in test"),
    "test scans without labels": (unlabeled_test, "the test cases have no labels: expected masks"),
}


@pytest.mark.parametrize("case", WRONG_DATA)
def test_scans_that_cannot_be_trained_on_are_refused(scans: Path, refused: Any, case: str) -> None:
    change, message = WRONG_DATA[case]
    change(scans)
    refused(TRAIN, message)
    report = refused(
        ["check", "scans", "--workers", "0"], r"cannot be trained on: (1 problem|\d+ problems), listed above"
    )
    assert "error: " in report


def test_a_label_value_that_is_no_class_is_refused_until_it_is_named(scans: Path, refused: Any) -> None:
    save(scans / "labels" / "c1.nii.gz", label(1, 7))
    named = ["--scan.classes", "background,organ"]
    refused(
        [*TRAIN, *named], r"labels/c1\.nii\.gz holds the label value 7 in 50 voxels, which is not a class; known: 0 ba"
    )
    assert cli.run(["check", "scans", "--scan.classes", "background,organ,tumor=7"]) == 0
    assert cli.run(["check", "scans", *named, "--scan.ignore-label", "7"]) == 0


def test_a_thin_volume_is_padded_and_said(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(scans / "images" / "thin.nii.gz", scan(60, (12, 16, 2)))
    assert cli.run(["check", "scans", "--scan.patch-size", "16"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "thin (12 x 16 x 2 voxels)) thinner than 4 voxels" in said and "padded with 0" in said


WRONG_SETTINGS: dict[str, tuple[list[str], str]] = {
    "a method for images": (
        ["train", "scans", "--out", "r", "--method", "fixmatch", *BRIEF],
        "fixmatch predicts one class per image; for scans, choose supervised, mean-teacher, ua-mt",
    ),
    "a preset for images": (
        ["train", "scans", "--out", "r", "--preset", "mean-teacher-digits", "--steps", "2"],
        "--network 'small' makes one prediction per image; for scans, choose vnet",
    ),
    "a size of images": ([*TRAIN, "--image-size", "32"], r"--image-size is for images with one class each"),
    "padding of images": ([*TRAIN, "--resize", "pad"], r"--resize is for images with one class each"),
    "squashing of images in a check": (
        ["check", "scans", "--data.resize", "squash"],
        r"--resize is for images with one class each",
    ),
    "a crop share": ([*TRAIN, "--data.crop-share", "0.9"], r"--data.crop-share is for images with one class each"),
    "a filter of images": ([*TRAIN, "--data.interpolation", "bilinear"], r"--data.interpolation is for images"),
    "augmentation of images": ([*TRAIN, "--augment.weak.flip", "false"], r"--augment.weak.flip is for images"),
    "a network for images": (
        [*TRAIN, "--network", "wrn-10-1"],
        "--network.width is not a setting|makes one prediction per image",
    ),
    "a patch that the network cannot halve": (
        [*TRAIN[:-5], "--scan.patch-size", "20"],
        r"the patch size does not fit: .* multiples of \(16, 16, 16\), got \(20, 20, 20\)",
    ),
    "a patch of four axes": ([*TRAIN[:-5], "--scan.patch-size", "16,16,16,16"], r"--scan.patch-size must be up to 3"),
    "more labels than there are": (
        [*TRAIN, "--label-count", "5"],
        "--label-count must be at most the number of labeled cases, 4, got 5",
    ),
    "one voxel for batch norm": (
        [*TRAIN, "--train.unlabeled-ratio", "0.5"],
        r"--scan.patch-size 16 x 16 x 16 leaves one voxel at the coarsest level of 'vnet'",
    ),
    "pretraining": (["pretrain", "scans", "--out", "r", "--steps", "2"], "pretrains on images; scans are segmented"),
    "a sheet of views": (["show", "scans", "--out", "v.png"], "holds scans, and show draws images"),
    "a check of what is no data": (
        ["check", "scans", "--train.steps", "3"],
        r"--steps has no effect in a check",
    ),
    "urpc with a network of one level": (
        ["train", "scans", "--out", "r", "--method", "urpc", "--network.deep-supervision", "false", *BRIEF],
        r"set --network.deep-supervision",
    ),
    "supervised with deep supervision in mean-teacher": (
        [*TRAIN, "--network.deep-supervision", "true"],
        r"--network.deep-supervision does nothing in mean-teacher",
    ),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_settings_that_do_not_go_with_scans_are_refused(scans: Path, refused: Any, case: str) -> None:
    command, message = WRONG_SETTINGS[case]
    refused(command, message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scan.patch-size", "16"], r"--scan.patch-size is for scans to segment; digits holds images with one class"),
        (["--segmentation.flips", "true"], r"--segmentation.flips is for scans to segment"),
        (["--method", "ua-mt"], "ua-mt is for segmentation; these images have one class each"),
        (["--network", "vnet"], "--network 'vnet' is for segmentation"),
    ],
)
def test_settings_of_scans_are_refused_for_images(
    words: list[str], message: str, refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    method = [] if "--method" in words else ["--method", "supervised"]
    refused(["train", "digits", "--out", "r", "--steps", "2", "--no-report", *method, *words], message)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on scans, two steps long."""
    root = tmp_path_factory.mktemp("trained")
    for number in range(2):
        save(root / "scans" / "images" / f"c{number}.nii.gz", scan(number))
        save(root / "scans" / "labels" / f"c{number}.nii.gz", label(1))
    words = ["train", str(root / "scans"), "--out", str(root / "run"), "--method", "supervised", *BRIEF]
    assert cli.run(words) == 0
    return root / "run"


def test_what_cannot_be_done_with_a_run_on_scans_is_refused(trained: Path, scans: Path, refused: Any) -> None:
    run = str(trained)
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    refused(
        ["predict", run, "scans", "--out", "full"],
        "full is not empty, and holds no cases.csv of earlier masks",
    )
    refused(["predict", run, "scans", "--out", "full/mine.txt"], "is a file: give a folder for the masks")
    refused(["predict", run, "nowhere", "--out", "masks"], "no such file or folder")
    Path("pictures").mkdir()
    for number in range(2):
        Image.new("L", (8, 8)).save(f"pictures/{number}.png")
    refused(
        ["predict", run, "pictures", "--out", "masks"], r"pictures holds pictures, such as 0.png; the model segments"
    )
    Path("r.html").write_text("mine")
    refused(["predict", run, "scans", "--out", "m", "--report", "r.html"], r"r\.html exists; name another file")
    refused(["evaluate", run, "scans", "--report", "r.html"], r"r\.html exists; name another file")
    refused(["evaluate", run, "scans/images"], "has no labeled scans")
    save(scans / "labels" / "c1.nii.gz", label(1, 7))
    refused(
        ["evaluate", run, "scans"], r"labels/c1\.nii\.gz contains the label value 7, which is not a class of the model"
    )
    refused(["embed", run, "digits", "--out", "e.csv"], "segments scans")
    refused(["train", "digits", "--out", "r", "--method", "supervised", "--init-from", run], "trained on scans")


def test_a_start_that_fails_leaves_the_earlier_run_alone(trained: Path, scans: Path, refused: Any) -> None:
    shutil.copytree(trained, "runs/a")
    refused(
        [*TRAIN, "--overwrite", "--label-count", "5"],
        "--label-count must be at most the number of labeled cases, 4, got 5",
    )


def test_flags_of_scans_are_refused_for_a_run_on_images(world: Any, refused: Any) -> None:
    run = world.run()
    refused(["predict", run, "data", "--out", "m", "--probabilities"], "--probabilities is for runs on scans")
    refused(["evaluate", run, "data", "--csv", "c.csv"], "--csv is for runs on scans")
