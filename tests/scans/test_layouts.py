"""Layouts of scans as other tools write them: each is checked, and trained on for two steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK

import tutelage
from support.itk import itk, write_series
from tutelage import cli

Array = np.ndarray
SHAPE, COUNT, LABELED = (18, 12, 17), 4, 3
AFFINE = np.diag([1.0, 2.0, 1.5, 1.0])


def case(seed: int, shape: tuple[int, ...] = SHAPE) -> tuple[Array, Array]:
    """An image (*shape) float32 in about -300..600, and a label (*shape) uint8 with the values 0, 1 and 2."""
    draw = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    distance = np.linalg.norm(places - [n / 2 for n in shape], axis=-1)
    label = ((distance < 5).astype(np.uint8) + (distance < 2.5)).astype(np.uint8)
    return (200 * label + draw.normal(0, 40, shape)).astype(np.float32), label


def write_itk(path: Path, array: Array, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(itk(array), str(path), packed)


def write_nifti(path: Path, array: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)


def write_hdf5(path: Path, image: Array, label: Array | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=image, compression="gzip")
        if label is not None:
            file.create_dataset("label", data=label, compression="gzip")


def pairs(image: Callable[[Path, Array], Any], suffix: str, mask: str = "") -> Callable[[Path], Path]:
    """A writer of `images/` and `labels/`."""

    def write(root: Path) -> Path:
        for number in range(COUNT):
            voxels, label = case(number)
            image(root / "images" / f"c{number}{suffix}", voxels)
            if number < LABELED:
                writer = write_itk if mask else image
                writer(root / "labels" / f"c{number}{mask or suffix}", label)
        return root

    return write


def analyze(path: Path, array: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.AnalyzeImage(array, np.diag([-1.0, 2.0, 1.5, 1.0])), path)


def packed_mhd(path: Path, array: Array) -> None:
    write_itk(path, array, packed=True)


def brats(root: Path, between: str = "_") -> Path:
    for number in range(COUNT):
        image, label = case(number)
        folder = root / f"BraTS20_{number:03}"
        for channel in ("flair", "t1", "t1ce", "t2"):
            write_nifti(folder / f"{folder.name}{between}{channel}.nii.gz", image)
        if number < LABELED:
            write_nifti(folder / f"{folder.name}{between}seg.nii.gz", np.where(label == 2, 4, label).astype(np.uint8))
    return root


def nnunet(root: Path, channels: dict[str, str], labels: dict[str, Any], more: int = 0) -> Path:
    for number in range(COUNT):
        image, label = case(number)
        for channel in channels:
            write_itk(root / "imagesTr" / f"c_{number:03}_{int(channel):04}.nii.gz", image)
        if number < LABELED:
            label[0] = more
            write_itk(root / "labelsTr" / f"c_{number:03}.nii.gz", label)
    write_itk(root / "imagesTs" / "c_009_0000.nii.gz", case(9)[0])
    about = {"channel_names": channels, "labels": labels, "numTraining": LABELED, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(about))
    return root


def decathlon(root: Path) -> Path:
    for number in range(COUNT):
        image, label = case(number)
        write_itk(root / "imagesTr" / f"c{number}.nii.gz", image)
        write_itk(root / "labelsTr" / f"c{number}.nii.gz", label)
    entries = [{"image": f"./imagesTr/c{n}.nii.gz", "label": f"./labelsTr/c{n}.nii.gz"} for n in range(COUNT)]
    labels = {"0": "background", "1": "rim", "2": "core"}
    about = {"modality": {"0": "MRI"}, "labels": labels, "training": entries, "test": []}
    (root / "dataset.json").write_text(json.dumps(about))
    return root


def ssl4mis_volumes(root: Path) -> Path:
    for number in range(COUNT):
        write_hdf5(root / "data" / f"patient{number:03}_frame01.h5", *case(number))
        for place in range(3):
            name = f"patient{number:03}_frame01_slice_{place}.h5"
            write_hdf5(root / "data" / "slices" / name, *(part[:, :, 8 + place] for part in case(number)))
    slices = [f"patient{n:03}_frame01_slice_{place}" for n in range(3) for place in range(3)]
    (root / "train_slices.list").write_text("\n".join(slices))
    (root / "val.list").write_text("patient003_frame01\n")
    return root


def ssl4mis_brats(root: Path) -> Path:
    for number in range(COUNT):
        write_hdf5(root / "data" / f"BraTS19_{number}.h5", *case(number))
    (root / "train.txt").write_text("".join(f"BraTS19_{number},{number}\n" for number in range(3)))
    (root / "val.txt").write_text("BraTS19_3\n")
    return root


def uamt(root: Path) -> Path:
    for number in range(COUNT):
        write_hdf5(root / f"id{number}" / "mri_norm2.h5", *case(number))
    (root / "train.list").write_text("id0\nid1\nid2\n")
    (root / "test.list").write_text("id3\n")
    return root


def atria(root: Path) -> Path:
    for number in range(COUNT):
        image, label = case(number)
        write_itk(root / f"A{number}" / "lgemri.nrrd", image)
        write_itk(root / f"A{number}" / "laendo.nrrd", (255 * (label > 0)).astype(np.uint8))
    return root


def table(root: Path) -> Path:
    pairs(write_itk, ".nrrd")(root)
    lines = [f"images/c{n}.nrrd,{f'labels/c{n}.nrrd' if n < LABELED else ''}" for n in range(COUNT)]
    (root / "pairs.csv").write_text("\n".join(["image,label", *lines]))
    return root / "pairs.csv"


REGIONS = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "NIfTI": pairs(write_nifti, ".nii.gz"),
    "NRRD": pairs(write_itk, ".nrrd"),
    "MetaImage": pairs(write_itk, ".mha"),
    "MetaImage with raw": pairs(write_itk, ".mhd"),
    "MetaImage with zraw": pairs(packed_mhd, ".mhd"),
    "Analyze": pairs(analyze, ".hdr"),
    "DICOM series": pairs(write_series, "", ".nii.gz"),
    "BraTS": brats,
    "BraTS 2023": lambda root: brats(root, "-"),
    "Decathlon": decathlon,
    "nnU-Net, CT": lambda root: nnunet(root, {"0": "CT"}, {"background": 0, "rim": 1, "core": 2}),
    "nnU-Net, regions": lambda root: nnunet(root, {"0": "T1", "1": "T2"}, REGIONS, more=3),
    "SSL4MIS volumes": ssl4mis_volumes,
    "SSL4MIS slices": lambda root: ssl4mis_volumes(root) / "data" / "slices",
    "SSL4MIS BraTS": ssl4mis_brats,
    "UA-MT": uamt,
    "Left Atrium 2018": atria,
    "table": table,
}
SMALL = ["--scan.patch-size", "16", "--network.width", "1", "--batch-size", "2", "--workers", "0", "--no-report"]


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_checked_and_trained_on(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = LAYOUTS[layout](tmp_path / "scans")
    assert cli.run(["check", str(source)]) == 0, capsys.readouterr()
    out = tmp_path / "run"
    words = ["train", str(source), "--out", str(out), "--method", "mean-teacher", "--steps", "2", *SMALL]
    assert cli.run(words) == 0, capsys.readouterr()
    split = json.loads((out / "split.json").read_text())
    slices = layout == "SSL4MIS slices"
    assert split["train_images"] == (
        12 if slices else 3 if (tmp_path / "scans" / "val.list").exists() else split["train_images"]
    )
    assert len(split["labeled"]) >= 2 and split["train_images"] >= 3
    assert len(tutelage.load(out).classes) == (2 if layout == "Left Atrium 2018" else 3)


@pytest.mark.long
def test_series_in_folders_of_patients_get_masks_in_their_place(tmp_path: Path) -> None:
    source = LAYOUTS["DICOM series"](tmp_path / "scans")
    out = tmp_path / "run"
    assert cli.run(["train", str(source), "--out", str(out), "--method", "supervised", "--steps", "2", *SMALL]) == 0
    for patient in ("anna", "bob"):
        write_series(tmp_path / "new" / patient / "study" / "series", case(7)[0])
    masks = tmp_path / "masks"
    assert cli.run(["predict", str(out), str(tmp_path / "new"), "--out", str(masks)]) == 0
    expected = nibabel.load(source / "labels" / "c0.nii.gz")  # as SimpleITK placed it
    for patient in ("anna", "bob"):
        mask = nibabel.load(masks / f"{patient}_study_series.nii.gz")
        assert mask.shape == SHAPE
        np.testing.assert_allclose(mask.affine, expected.affine, atol=1e-4)
