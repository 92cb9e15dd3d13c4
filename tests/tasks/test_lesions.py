"""Lesions that two masks have in common, and surfaces within a tolerance, against naive versions and MONAI."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tutelage.tasks.lesions import Lesions, match_lesions
from tutelage.tasks.overlap import class_scores
from tutelage.tasks.surface_distances import surface_distances, surface_points

DATA = Path(os.environ.get("TUTELAGE_DATA", Path(__file__).parents[3] / "shared" / "data"))
Mask = np.ndarray


def naive_nsd(prediction: Mask, reference: Mask, spacing: tuple[float, ...], tolerance: float) -> float:
    """By the formula, from all pairs of surface voxels."""
    first, second = (surface_points(mask) * np.array(spacing) for mask in (prediction, reference))
    apart = np.linalg.norm(first[:, None] - second[None], axis=-1)
    near = (apart.min(1) <= tolerance).sum() + (apart.min(0) <= tolerance).sum()
    return float(near / (len(first) + len(second)))


def monai_nsd(prediction: Mask, reference: Mask, spacing: tuple[float, ...], tolerance: float) -> float:
    from monai.metrics import compute_surface_dice

    first, second = (torch.from_numpy(np.stack([~mask, mask])[None]).float() for mask in (prediction, reference))
    return float(compute_surface_dice(first, second, [tolerance], spacing=spacing)[0, 0])


def blobs(seed: int) -> tuple[Mask, Mask]:
    from scipy import ndimage

    draw = np.random.default_rng(seed)
    return tuple(ndimage.gaussian_filter(draw.standard_normal((16, 14, 12)), 2) > 0.03 for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 2.0, 1.25)])
def test_surface_dice_is_that_of_the_formula(spacing: tuple[float, ...]) -> None:
    for seed, tolerance in itertools.product(range(3), (0.0, 1.0, 2.5)):
        first, second = blobs(seed)
        found = surface_distances(first, second, spacing).within(tolerance)
        assert found == pytest.approx(naive_nsd(first, second, spacing, tolerance), abs=1e-12)
        assert class_scores(first, second, spacing, tolerance=tolerance)["nsd"] == found


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # MONAI's own, of its own old arguments
def test_surface_dice_is_that_of_monai() -> None:
    for seed, tolerance in itertools.product(range(3), (0.0, 1.0, 2.5)):
        pair = [np.pad(mask, 1) for mask in blobs(seed)]  # MONAI's surface has no voxels at the border
        for spacing in ((1.0, 1.0, 1.0), (0.5, 2.0, 1.25)):
            found = surface_distances(*pair, spacing).within(tolerance)
            assert found == pytest.approx(monai_nsd(*pair, spacing, tolerance), abs=1e-6)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_surface_dice_of_real_masks_is_that_of_monai() -> None:
    nibabel, folder = pytest.importorskip("nibabel"), DATA / "hippocampus" / "labels"
    if not folder.is_dir():
        pytest.skip("the hippocampus scans are not here: set TUTELAGE_DATA to the folder that holds hippocampus/")
    files = sorted(folder.glob("*.nii.gz"))[:12]
    masks = [np.asarray(nibabel.load(file).dataobj) > 0 for file in files]
    for first, second in itertools.pairwise(masks):
        shape = np.minimum(first.shape, second.shape)
        pair = [np.pad(mask[tuple(slice(n) for n in shape)], 1) for mask in (first, second)]
        for tolerance in (1.0, 2.0):
            found = surface_distances(*pair, (1.0, 1.0, 1.0)).within(tolerance)
            assert found == pytest.approx(monai_nsd(*pair, (1.0, 1.0, 1.0), tolerance), abs=1e-6)
            assert found == pytest.approx(naive_nsd(*pair, (1.0, 1.0, 1.0), tolerance), abs=1e-12)


def test_lesions_are_counted_by_the_components_that_touch() -> None:
    reference, prediction = np.zeros((2, 20, 5, 5), bool)
    reference[0:3], reference[6:8], reference[12:14] = True, True, True  # three lesions
    prediction[2:7] = True  # hits two of them at once
    prediction[17, 0, 0] = prediction[18, 1, 1] = True  # one beside all, whose voxels touch at a corner
    assert match_lesions(prediction, reference) == Lesions(found=2, missed=1, false=1)
    assert Lesions(2, 1, 1).f1 == pytest.approx(4 / 6) and Lesions(0, 0, 0).f1 is None
    assert match_lesions(reference, reference) == Lesions(3, 0, 0)
    assert match_lesions(prediction[..., 0], reference[..., 0]).found == 2  # two axes
