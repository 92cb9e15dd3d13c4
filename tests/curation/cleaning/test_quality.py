from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from tutelage.curation.cleaning.quality import (
    BLURRED,
    Measures,
    blur,
    is_bright,
    is_dark,
    is_empty,
    measure,
    odd_sizes,
)


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), np.uint8)


def test_the_measures_are_those_of_their_definitions() -> None:
    images = noise(3)
    found = measure(images)
    for row, image in enumerate(images):
        gray = image.mean(axis=0)
        inner = (
            gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4.0 * gray[1:-1, 1:-1]
        )  # scipy reflects at the borders, which is left out here
        assert found.sharpness[row] == pytest.approx(inner.var(), rel=0.2)
        assert found.deviation[row] == pytest.approx(max(color.std() for color in image), rel=1e-5)
        np.testing.assert_allclose([found.low[row], found.high[row]], np.quantile(gray, (0.05, 0.95)), rtol=1e-4)


def test_planted_faults_are_found_and_nothing_else() -> None:
    images = noise(60)
    images[3] = 77
    images[10] //= 12
    images[20] = 255 - images[20] // 12
    images[30] = scipy.ndimage.gaussian_filter(images[30].astype(float), (0, 4, 4)).astype(np.uint8)
    found = Measures.joined([measure(images[:25]), measure(images[25:])])
    assert np.flatnonzero(is_empty(found)).tolist() == [3]
    assert np.flatnonzero(is_dark(found)).tolist() == [10]
    assert np.flatnonzero(is_bright(found)).tolist() == [20]
    assert 30 in np.flatnonzero(blur(found) > BLURRED)
    assert not set(np.flatnonzero(blur(found) > BLURRED)) - {10, 20, 30}  # a dark image has weak edges, too


def test_what_most_images_have_in_common_is_no_fault() -> None:
    assert not is_dark(measure(noise(30) // 12)).any()
    assert not is_bright(measure(255 - noise(30) // 12)).any()


def test_of_few_images_nothing_is_blurred_or_of_odd_size() -> None:
    assert not blur(measure(noise(5))).any()
    assert odd_sizes([(10, 10), (1000, 1000)]) == [None, None]
    assert Measures.joined([]).low.shape == (0,)


def test_odd_sizes_are_relative_to_the_set() -> None:
    sizes = [(100, 80)] * 30 + [(20, 15), (900, 800), (80, 400), (120, 100)]
    found = odd_sizes(sizes)
    assert found[:30] == [None] * 30 and found[33] is None
    assert found[30] == "20 x 15 pixels, where the short side usually has 80"
    assert found[31] is not None and "900 x 800" in found[31]
    assert found[32] == "80 x 400 pixels, a ratio of 5.0 where 1.2 is usual"
