from __future__ import annotations

import numpy as np
import pytest

from tutelage.data.arrays import DIGITS
from tutelage.verdict.diagnosis import UNRELATED
from tutelage.verdict.label_fit import LEAST, MOST, measure_label_fit


def digits(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    with np.load(DIGITS) as file:
        chosen = np.random.default_rng(seed).permutation(len(file["x"]))[:count]
        return file["x"][chosen][:, None], file["y"][chosen].astype(np.int64)


@pytest.mark.parametrize("count", [LEAST, 100, 400])
def test_right_labels_fit(count: int) -> None:
    fit = measure_label_fit(*digits(count), seed=0)
    assert fit is not None
    assert fit.z > 2 * UNRELATED
    assert fit.images == count


@pytest.mark.parametrize("count", [LEAST, 100, 400])
def test_shuffled_labels_do_not_fit(count: int) -> None:
    images, label = digits(count)
    rng = np.random.default_rng(1)
    fits = [measure_label_fit(images, rng.permutation(label), seed=0) for _ in range(100)]
    scores = np.array([fit.z for fit in fits if fit is not None])
    assert (scores > UNRELATED).mean() <= 0.03
    assert abs(scores.mean()) < 0.5


def test_the_agreement_is_that_with_the_nearest_neighbor() -> None:
    images = np.repeat(np.arange(0, 240, 8, dtype=np.uint8), 2)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    label = np.arange(60) // 2 % 3  # pairs of one picture and one label
    fit = measure_label_fit(images, label, seed=0)
    assert fit is not None
    assert fit.agreement == 1.0
    assert fit.chance == pytest.approx(3 * 20 * 19 / (60 * 59))


def test_too_few_images_say_nothing_and_many_are_thinned() -> None:
    assert measure_label_fit(*digits(LEAST - 1), seed=0) is None
    fit = measure_label_fit(*digits(MOST + 100), seed=0)
    assert fit is not None
    assert fit.images == MOST
