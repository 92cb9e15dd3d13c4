from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.class_shares import class_weights
from tutelage.data.images.evidence import LEAST_FOR_GAP, measure_gap, measure_label_fit, pixel_features


def digits() -> np.ndarray:
    with np.load(DIGITS) as file:
        pixels: np.ndarray = file["x"][:, None]
    return pixels if pixels.dtype == np.uint8 else np.round(255 * pixels).astype(np.uint8)


@pytest.mark.parametrize("labeled", [LEAST_FOR_GAP, 40, 400])
@pytest.mark.parametrize("seed", range(3))
def test_images_of_one_kind_show_no_gap(labeled: int, seed: int) -> None:
    images = digits()
    order = np.random.default_rng(seed).permutation(len(images))
    gap = measure_gap(images, order[:labeled], order[labeled:], seed=0)
    assert gap is not None
    assert gap.auc < gap.limit
    assert gap.labeled == labeled


@pytest.mark.parametrize("change", [lambda x: 255 - x, lambda x: x // 2, lambda x: np.roll(x, 2, axis=3)])
def test_images_of_another_kind_show_a_gap(change) -> None:  # type: ignore[no-untyped-def]
    images = digits()
    images[200:] = change(images[200:])
    gap = measure_gap(images, np.arange(200), np.arange(len(images)), seed=0)
    assert gap is not None
    assert gap.auc > gap.limit
    assert gap.unlabeled == 1000


def shares_apart(ratio: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of labeled digits, most of them 0 and 1, of others, of which few are; and all labels."""
    with np.load(DIGITS) as file:
        label = file["y"].astype(np.int64)
    draw, first = np.random.default_rng(seed), label < 2
    weight = np.where(first, 1.0, 1 / ratio)
    labeled = draw.choice(len(label), 200, replace=False, p=weight / weight.sum())
    rest = np.setdiff1d(np.arange(len(label)), labeled)
    weight = np.where(first[rest], 1 / ratio, 1.0)
    return labeled, draw.choice(rest, 700, replace=False, p=weight / weight.sum()), label


@pytest.mark.parametrize("ratio", [10, 100])
@pytest.mark.parametrize("seed", range(2))
def test_other_shares_of_the_classes_are_no_other_kind_of_images(ratio: float, seed: int) -> None:
    labeled, unlabeled, label = shares_apart(ratio, seed)
    gap = measure_gap(digits(), labeled, unlabeled, seed=0, label=label)
    assert gap is not None and gap.auc > gap.limit and gap.by_shares
    gap = measure_gap(digits(), labeled, unlabeled, seed=0)
    assert gap is not None and not gap.by_shares


@pytest.mark.parametrize("change", [lambda x: 255 - x, lambda x: x // 2, lambda x: np.roll(x, 2, axis=3)])
def test_other_shares_of_the_classes_do_not_hide_another_kind(change) -> None:  # type: ignore[no-untyped-def]
    labeled, unlabeled, label = shares_apart(10, 0)
    images = digits()
    images[unlabeled] = change(images[unlabeled])
    gap = measure_gap(images, labeled, unlabeled, seed=0, label=label)
    assert gap is not None and gap.auc > gap.limit and not gap.by_shares


def test_weights_of_classes_follow_the_mean_of_other_images() -> None:
    draw = np.random.default_rng(0)
    label = np.repeat([3, 5, 9], [60, 30, 10])
    centers = np.eye(3)[[0, 1, 2]]
    features = centers[np.searchsorted([3, 5, 9], label)] + 0.01 * draw.normal(size=(100, 3))
    others = centers[np.repeat([0, 2], [20, 80])]
    weight = class_weights(features, label, others)
    assert weight.sum() == pytest.approx(1.0)
    assert [weight[label == name].sum() for name in (3, 5, 9)] == pytest.approx([0.2, 0.0, 0.8], abs=0.02)


def test_too_few_images_say_nothing() -> None:
    images = digits()
    assert measure_gap(images, np.arange(LEAST_FOR_GAP - 1), np.arange(100, 200), seed=0) is None
    assert measure_gap(images, np.arange(100), np.arange(100), seed=0) is None


def test_each_image_is_judged_by_a_classifier_that_has_not_seen_it() -> None:
    images = digits()[:40]
    x, side = pixel_features(images, np.arange(len(images))), np.repeat([0.0, 1.0], [10, 30])
    weight = np.where(side == 1, 1 / 60, 1 / 20) * 10
    mean = np.average(x, axis=0, weights=weight)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    x = np.c_[(x - mean) / np.maximum(spread, 1e-9), np.ones(40)]
    scores = []
    for row in range(40):
        others = np.arange(40) != row
        ridge = Ridge(alpha=1.0, fit_intercept=False).fit(x[others], 2 * side[others] - 1, sample_weight=weight[others])
        scores.append(ridge.predict(x[row : row + 1])[0])
    gap = measure_gap(images, np.arange(10), np.arange(10, 40), seed=0)
    assert gap is not None
    assert gap.auc == pytest.approx(roc_auc_score(side, scores), abs=1e-9)


def test_the_features_are_statistics_of_each_channel() -> None:
    images = np.zeros((1, 2, 8, 8), np.uint8)
    images[:, 1, :4] = 255
    features = pixel_features(images, np.arange(len(images)))
    assert features.shape == (1, 46)
    assert features[0, :4].tolist() == [0.0, 0.5, 0.0, 0.5]  # means, spreads
    assert features[0, -32:][1::2].tolist() == [1.0] * 8 + [0.0] * 8  # the coarse picture of the second channel


def test_statistics_take_no_more_memory_than_some_images(tmp_path: Path) -> None:
    """Of 4,000 images that lie in a file, all labeled or not: never a copy of all of them."""
    images = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4000, 3, 64, 64))
    images[:] = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    rows = np.arange(4000)
    tracemalloc.start()
    measure_gap(images, rows[:2000], rows[2000:], seed=0)
    measure_label_fit(images, rows, rows % 7, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < images.nbytes / 2
