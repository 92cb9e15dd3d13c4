from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.prepare import place, prepare, resample, resample_mask, standardize
from tutelage.data.scans.reading import RawCase

PLAIN = ScanConfig(intensity="none")


def raw(shape: tuple[int, ...] = (5, 6, 7), affine: np.ndarray | None = None) -> RawCase:
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    label = (np.arange(np.prod(shape)) % 3).astype(np.uint8).reshape(shape)
    return RawCase(image, Geometry(shape, np.eye(4) if affine is None else affine), label, None, [])


def axis_affines() -> list[np.ndarray]:
    """All 48 ways in which axes can lie along the world's, with different spacing."""
    found = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = (np.eye(3)[:, order] * signs) @ np.diag([1.0, 2.0, 3.0])
        found.append(affine)
    return found


def test_prepared_axes_point_to_right_anterior_and_superior_from_every_orientation() -> None:
    # a volume in which every voxel holds its world position along one axis
    for affine in axis_affines():
        case = raw(affine=affine)
        index = np.stack(np.meshgrid(*map(np.arange, case.geometry.shape), indexing="ij"), -1)
        world = index @ affine[:3, :3].T
        for axis in range(3):
            moved = replace(case, image=world[None, ..., axis].astype(np.float32))
            placement = place(moved, PLAIN)
            image, _ = prepare(moved, placement, PLAIN)
            steps = np.diff(image[0], axis=axis)
            np.testing.assert_allclose(steps, placement.spacing[axis])
            assert (steps > 0).all()
            others = [a for a in range(3) if a != axis]
            assert all(not np.diff(image[0], axis=a).any() for a in others)


@pytest.mark.parametrize("settings", [{}, {"canonical": False}, {"crop": "body", "body_threshold": 20.0}])
def test_what_is_prepared_goes_back_exactly_where_it_came_from(settings: dict[str, Any]) -> None:
    cfg = replace(PLAIN, **settings)
    for affine in axis_affines():
        case = raw(affine=affine)
        placement = place(case, cfg)
        image, label = prepare(case, placement, cfg)
        assert label is not None and case.label is not None
        inside = placement.restore_mask(np.ones(placement.shape, np.uint8)).astype(bool)
        np.testing.assert_array_equal(placement.restore_mask(label)[inside], case.label[inside])
        probs = placement.restore_probabilities(np.stack([image[0] * 0, image[0]]))
        np.testing.assert_array_equal(probs[1][inside], case.image[0][inside])
        np.testing.assert_array_equal(probs[:, ~inside].T, np.tile([1.0, 0.0], (int((~inside).sum()), 1)))
        again = type(placement).from_dict(placement.to_dict())
        np.testing.assert_array_equal(again.restore_mask(label), placement.restore_mask(label))


def test_the_crop_is_the_box_around_the_body_and_its_margin() -> None:
    case = raw((8, 9, 10))
    case.image[:] = -5.0
    case.image[0, 2:5, 3:4, 6:10] = 1.0
    assert place(case, replace(PLAIN, crop="body")).box == ((2, 5), (3, 4), (6, 10))
    assert place(case, replace(PLAIN, crop="body", crop_margin=2)).box == ((0, 7), (1, 6), (4, 10))
    with pytest.raises(DataError, match="no intensity is above 7"):
        place(case, replace(PLAIN, crop="body", body_threshold=7.0))


def test_the_crop_to_a_mask_is_its_box() -> None:
    case = raw((8, 9, 10))
    case.crop = np.zeros((8, 9, 10), bool)
    case.crop[3, 4, 5] = True
    cfg = replace(PLAIN, crop="mask", crop_masks="masks", crop_margin=1)
    assert place(case, cfg).box == ((2, 5), (3, 6), (4, 7))


def test_intensities_are_standardized_before_the_crop() -> None:
    case = raw((8, 9, 10))
    cfg = ScanConfig(crop="body", body_threshold=400.0)
    image, _ = prepare(case, place(case, cfg), cfg)
    expected = (case.image - case.image.mean()) / case.image.std()
    assert image.shape[1:] != case.image.shape[1:]
    assert image.max() == pytest.approx(expected.max())


@pytest.mark.parametrize(
    ("affine_spacing", "target", "shape"), [((1.0, 1.0, 1.0), 2.0, (4, 4, 4)), ((0.5, 1.0, 4.0), 1.0, (4, 8, 32))]
)
def test_resampling_keeps_the_extent_and_linear_intensities(
    affine_spacing: tuple[float, ...], target: float, shape: tuple[int, ...]
) -> None:
    case = raw((8, 8, 8), np.diag([*affine_spacing, 1.0]))
    position = (np.arange(8) + 0.5) * affine_spacing[0]  # mm from the edge of the volume
    case.image[:] = position[:, None, None]
    placement = place(case, replace(PLAIN, spacing=(target,)))
    assert placement.shape == shape and placement.spacing == (target,) * 3
    image, _ = prepare(case, placement, PLAIN)
    centers = (np.arange(shape[0]) + 0.5) * target
    inside = (centers >= position[0]) & (centers <= position[-1])
    np.testing.assert_allclose(image[0, inside, 0, 0], centers[inside], rtol=1e-6)


def test_a_resampled_mask_does_not_move_against_its_image() -> None:
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[4:12, 4:12, 4:12] = 3
    half = resample_mask(mask, (8, 8, 8))
    assert np.unique(half).tolist() == [0, 3]
    for axis in range(3):
        places = np.argwhere(half == 3)[:, axis]
        assert 2 * (places.mean() + 0.5) == pytest.approx(8.0)  # the middle of the cube, in voxels from the edge
    assert (resample_mask(half, (16, 16, 16)) != mask).sum() == 8  # the corners, of which three eighths are inside
    assert resample_mask(np.full((4, 4), 7, np.uint8), (3, 5)).tolist() == [[7] * 5] * 3


def test_restored_probabilities_still_sum_to_one() -> None:
    case = raw((9, 10, 11), np.diag([1.0, 1.0, 2.0, 1.0]))
    placement = place(case, replace(PLAIN, spacing=(1.7,), crop="body", body_threshold=200.0))
    probs = np.random.default_rng(0).dirichlet([1, 1, 1], placement.shape).astype(np.float32)
    back = placement.restore_probabilities(np.moveaxis(probs, -1, 0))
    assert back.shape == (3, 9, 10, 11)
    np.testing.assert_allclose(back.sum(0), 1.0, atol=1e-6)


def test_slices_of_two_axes_are_prepared_by_the_same_code() -> None:
    case = raw((9, 12))
    placement = place(case, replace(PLAIN, spacing=(1.5,)))
    image, label = prepare(case, placement, PLAIN)
    assert image.shape == (1, 6, 8) and label is not None and label.shape == (6, 8)
    assert placement.order == (0, 1) and placement.restore_mask(label).shape == (9, 12)


def test_zscore_has_mean_0_and_population_deviation_1_in_each_channel() -> None:
    image = np.random.default_rng(0).gamma(2.0, 1000.0, (2, 5, 6, 7)).astype(np.float32)
    image[1] += 1e6
    found = standardize(image, ScanConfig()).astype(np.float64)
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0.0, atol=1e-4)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1.0, atol=1e-4)


def test_zscore_of_nonzero_voxels_leaves_the_zeros() -> None:
    image = np.random.default_rng(0).normal(5.0, 2.0, (1, 6, 6, 6)).astype(np.float32)
    image[0, :3] = 0.0
    found = standardize(image, ScanConfig(intensity="zscore-nonzero"))
    assert not found[0, :3].any()
    assert found[0, 3:].mean() == pytest.approx(0.0, abs=1e-5) and found[0, 3:].std() == pytest.approx(1.0, abs=1e-5)


def test_percentiles_clip_before_the_zscore() -> None:
    image = np.arange(1001, dtype=np.float32).reshape(1, 7, 11, 13)
    found = standardize(image, ScanConfig(intensity="percentile", percentiles=(10.0, 90.0)))
    clipped = image.clip(100, 900)
    np.testing.assert_allclose(found, (clipped - clipped.mean()) / clipped.std(), rtol=1e-5)


def test_a_ct_window_is_mapped_to_minus_1_and_1() -> None:
    image = np.array([-1000.0, -160.0, 40.0, 240.0, 3000.0], np.float32).reshape(1, 1, 5)
    assert standardize(image, ScanConfig(intensity="ct")).ravel().tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]


def test_a_spacing_of_other_axes_is_refused() -> None:
    with pytest.raises(DataError, match=r"scan\.spacing has 2 numbers, and the scans have 3 axes"):
        place(raw(), replace(PLAIN, spacing=(1.0, 1.0)))


def test_nothing_is_resampled_where_the_shape_stays() -> None:
    image = raw().image
    assert resample(image, (5, 6, 7)) is image
