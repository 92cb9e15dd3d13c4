"""Scans in memory: the same masks as of their files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

import tutelage
from tutelage.core.errors import DataError
from tutelage.data.scans.given import list_given


@pytest.fixture(scope="module")
def model(make: Any, finished: Path) -> tutelage.ScanModel:
    made = tutelage.load(finished, device="cpu")
    assert isinstance(made, tutelage.ScanModel)
    return made


@pytest.fixture(scope="module")
def file(scans: Path) -> Path:
    return scans / "test" / "images" / "c20.nii.gz"


def probs(model: tutelage.ScanModel, scan: Any, **more: Any) -> np.ndarray:
    made = model.predict(scan, probabilities=True, **more)
    assert made.errors == [""] and made.masks[0] is not None and made.probabilities[0] is not None
    np.testing.assert_array_equal(made.masks[0], made.probabilities[0].argmax(0))
    return made.probabilities[0]


def test_every_form_of_a_scan_has_the_same_probabilities(model: tutelage.ScanModel, file: Path, tmp_path: Path) -> None:
    model.predict(file, out=tmp_path / "masks", probabilities=True)
    expected = np.moveaxis(np.asarray(nibabel.load(tmp_path / "masks" / "c20.probs.nii.gz").dataobj), -1, 0)
    assert expected.std() > 0.01
    image = nibabel.load(file)
    array = np.asarray(image.dataobj)
    for scan, more in (
        (file, {}),
        ([file], {}),
        (image, {}),
        ([image], {}),
        (array, {"affine": image.affine}),
        (array[None, None], {"affine": image.affine}),
        (torch.from_numpy(array)[None], {"affine": image.affine}),
    ):
        np.testing.assert_array_equal(probs(model, scan, **more), expected)  # type: ignore[arg-type]
    assert not np.array_equal(probs(model, array, spacing=1.0), expected)


def test_the_spacing_of_an_array_counts(model: tutelage.ScanModel, file: Path, make: Any, tmp_path: Path) -> None:
    array = np.asarray(nibabel.load(file).dataobj)
    straight = np.diag([1.0, 2.0, 1.5, 1.0])
    make.save(tmp_path / "a.nii.gz", array, straight)
    spaced = probs(model, array, spacing=(1.0, 2.0, 1.5))
    np.testing.assert_array_equal(spaced, probs(model, tmp_path / "a.nii.gz"))
    made = model.predict(array, spacing=(1.0, 2.0, 1.5))
    row = made.to_frame().iloc[0]
    assert row["ml_2"] == pytest.approx(row["voxels_2"] * 3.0 / 1000.0) and row["voxels_2"] > 0
    assert row["voxels_2"] == int((made.masks[0] == 2).sum())


def test_several_scans_keep_their_order_and_one_that_fails_is_named(model: tutelage.ScanModel, file: Path) -> None:
    array = np.asarray(nibabel.load(file).dataobj)
    made = model.predict([array, file, np.zeros_like(array)], spacing=1.0, probabilities=True)
    assert made.names == ["scan 0", "c20", "scan 2"] and len(made) == 3
    assert made.masks[2] is None and "all intensities of channel 1 are 0" in made.errors[2]
    assert made.probabilities[0] is not None and made.probabilities[0].shape == (3, *array.shape)
    batch = model.predict(np.stack([array, array + 1])[:, None], spacing=1.0)
    assert batch.names == ["scan 0", "scan 1"]
    np.testing.assert_array_equal(batch.masks[0], made.masks[0])
    lines = repr(made).splitlines()
    assert (
        lines[0] == "Segmentations of 3 scans, 3 classes" and lines[1].startswith("  scan 0: 1 ") and " ml" in lines[1]
    )


def test_masks_of_arrays_are_written_too(model: tutelage.ScanModel, file: Path, tmp_path: Path) -> None:
    image = nibabel.load(file)
    array = np.asarray(image.dataobj)
    made = model.predict(array, affine=image.affine, out=tmp_path / "masks")
    written = nibabel.load(tmp_path / "masks" / made.to_frame()["mask"][0])
    np.testing.assert_array_equal(np.asarray(written.dataobj), model.predict(file).masks[0])
    np.testing.assert_allclose(written.affine, image.affine)
    assert made.masks == []


def test_a_model_is_shown_in_a_line(model: tutelage.ScanModel) -> None:
    assert repr(model) == "<tutelage.ScanModel: classes background, 1, 2; patches of 16 x 16 x 16; step 4; cpu>"


CUBE = np.zeros((4, 5, 6), np.float32)


@pytest.mark.parametrize(
    ("scans", "more", "message"),
    [
        (CUBE, {}, r"scan 0 is an array, which knows no distances: give spacing=\.\.\. in mm"),
        (CUBE, {"spacing": 1.0, "affine": np.eye(4)}, "give spacing=... or affine=..., not both"),
        (CUBE, {"spacing": (1.0, 2.0)}, "spacing must be one number above 0, or one for each of 3 axes"),
        (CUBE, {"spacing": 0.0}, "spacing must be one number above 0"),
        (CUBE, {"affine": np.zeros((4, 4))}, "affine must be an invertible matrix"),
        (CUBE[0], {"spacing": 1.0}, r"the shape \(5, 6\): expected \(X, Y, Z\), \(C, X, Y, Z\) or \(N, C, X, Y, Z\)"),
        (np.stack([CUBE, CUBE]), {"spacing": 1.0}, r"the shape \(2, 4, 5, 6\): .* with C = 1"),
        (np.full((4, 5, 6), "a"), {"spacing": 1.0}, "of type <U1: expected numbers"),
        ([], {}, "the list is empty"),
        ([3], {}, "scan 0 is of type int"),
        (3, {}, "scans of type int cannot be read"),
    ],
)
def test_what_cannot_be_a_scan_is_refused(scans: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_given(scans, channels=1, axes=3, **{"spacing": None, "affine": None} | more)
