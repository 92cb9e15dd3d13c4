"""The size of patches that nobody gave."""

from __future__ import annotations

import math

import pytest

from tutelage.data.scans.patch_choice import choose_patch, choose_spacing

ATRIUM, HIPPOCAMPUS, PROSTATE = (190, 142, 88), (35, 50, 36), (320, 320, 20)
ROUND, THICK = (1.0, 1.0, 1.0), (0.6, 0.6, 4.0)


@pytest.mark.parametrize(
    ("shape", "spacing", "voxels", "patch"),
    [
        (ATRIUM, ROUND, 32**3, (32, 32, 32)),
        (ATRIUM, ROUND, 4 * 32**3, (48, 48, 48)),
        (ATRIUM, ROUND, 96**3, (96, 96, 96)),
        (ATRIUM, ROUND, 2**40, (192, 144, 96)),  # a whole scan, and no more
        (HIPPOCAMPUS, ROUND, 32**3, (32, 32, 32)),
        (HIPPOCAMPUS, ROUND, 2**40, (48, 64, 48)),
        (PROSTATE, THICK, 32**3, (48, 32, 16)),  # thick slices: few of them
        (PROSTATE, THICK, 2**18, (112, 112, 16)),
        ((256, 256), (1.0, 1.0), 32**3, (176, 176)),
        (ATRIUM, ROUND, 7, (16, 16, 16)),
    ],
)
def test_a_patch_is_as_long_in_mm_along_all_axes_and_no_longer_than_a_scan(
    shape: tuple[int, ...], spacing: tuple[float, ...], voxels: int, patch: tuple[int, ...]
) -> None:
    assert choose_patch([shape], [spacing], voxels) == patch
    assert math.prod(patch) <= max(voxels, 16 ** len(patch))


def test_the_median_scan_counts() -> None:
    shapes = [(16, 16, 16), (40, 40, 40), (500, 500, 500)]
    assert choose_patch(shapes, [ROUND] * 3, 2**40) == (48, 48, 48)


@pytest.mark.parametrize(
    ("shape", "spacing", "voxels", "coarsest", "chosen"),
    [
        ((100, 100, 100), ROUND, 125_000, 99.0, (2.0, 2.0, 2.0)),
        ((100, 100, 100), ROUND, 2_000_000, 99.0, ()),  # few enough
        ((100, 100, 100), ROUND, 900_000, 99.0, ()),  # nearly few enough
        ((100, 100, 100), ROUND, 125_000, 1.5, (1.5, 1.5, 1.5)),  # a small class would vanish
        ((100, 100, 100), ROUND, 125_000, 1.1, ()),
        ((320, 320, 20), THICK, 128_000, 99.0, (2.4, 2.4, 4.0)),  # thick slices are left as they are
        ((320, 320, 20), THICK, 12_000, 99.0, (6.27, 6.27, 6.27)),
        ((512, 512), (0.5, 0.5), 128**2, 99.0, (2.0, 2.0)),
    ],
)
def test_scans_of_many_voxels_get_a_coarser_spacing(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    voxels: int,
    coarsest: float,
    chosen: tuple[float, ...],
) -> None:
    assert choose_spacing(shape, spacing, voxels, coarsest) == pytest.approx(chosen, rel=1e-2)
