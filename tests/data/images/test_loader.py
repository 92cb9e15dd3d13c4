from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tutelage.data.images.loader import pixel_statistics


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (70, 3, 8, 8), (33, 1, 5, 5)])
def test_the_statistics_of_pixels_are_the_mean_and_standard_deviation_of_each_channel(
    shape: tuple[int, int, int, int],
) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 200, shape, dtype=np.uint8) + np.arange(shape[1], dtype=np.uint8)[:, None, None]
    found = pixel_statistics(images)
    values = images.astype(np.float64)
    assert found.mean == pytest.approx(values.mean((0, 2, 3)), abs=1e-4)
    assert found.std == pytest.approx(values.std((0, 2, 3)), abs=1e-4)


def test_images_of_one_gray_level_are_not_divided_by_zero() -> None:
    assert pixel_statistics(np.full((4, 1, 2, 2), 255, np.uint8)).std == (1.0,)


def test_only_so_many_evenly_spaced_images_are_counted() -> None:
    images = np.arange(101, dtype=np.uint8)[:, None, None, None]
    assert pixel_statistics(images, most=3).mean == (50.0,)
    assert pixel_statistics(images[:2], most=3).mean == (0.5,)


def test_the_statistics_take_little_memory_beside_the_images() -> None:
    images = np.zeros((400, 3, 64, 64), np.uint8)
    tracemalloc.start()
    pixel_statistics(images)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 0.5 * images.nbytes, f"{most / images.nbytes:.1f} times the images"
