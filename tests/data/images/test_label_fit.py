from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tutelage.config.data import DataConfig
from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.dataset import load_images
from tutelage.data.images.evidence import (
    LEAST_FOR_FIT,
    MOST,
    LabelFit,
    measure_label_fit,
    pixel_features,
    reached_by_chance,
)
from tutelage.results.verdict.rules import UNRELATED

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")


def fit_of(images: np.ndarray, label: np.ndarray) -> LabelFit | None:
    """Of images that are all labeled, beside as many that are not."""
    rows = np.arange(len(images)) * 2
    among, known = np.repeat(images, 2, axis=0), np.full(2 * len(images), -1)
    among[rows + 1], known[rows] = 0, label
    return measure_label_fit(among, rows, known, seed=0)


def digits(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    with np.load(DIGITS) as file:
        chosen = np.random.default_rng(seed).permutation(len(file["x"]))[:count]
        return file["x"][chosen][:, None], file["y"][chosen].astype(np.int64)


@pytest.mark.parametrize("count", [LEAST_FOR_FIT, 100, 400])
def test_right_labels_fit(count: int) -> None:
    fit = fit_of(*digits(count))
    assert fit is not None
    assert fit.z > 2 * UNRELATED
    assert fit.images == count


@pytest.mark.long
@pytest.mark.parametrize("count", [LEAST_FOR_FIT, 100, 400])
def test_shuffled_labels_do_not_fit(count: int) -> None:
    images, label = digits(count)
    rng = np.random.default_rng(1)
    fits = [fit_of(images, rng.permutation(label)) for _ in range(100)]
    scores = np.array([fit.z for fit in fits if fit is not None])
    assert (scores > UNRELATED).mean() <= 0.03
    assert abs(scores.mean()) < 0.5


def test_the_agreement_is_that_with_the_nearest_neighbor() -> None:
    images = np.repeat(np.arange(0, 240, 8, dtype=np.uint8), 2)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    label = np.arange(60) // 2 % 3  # pairs of one picture and one label
    fit = fit_of(images, label)
    assert fit is not None
    assert fit.agreement == 1.0
    assert fit.chance == pytest.approx(3 * 20 * 19 / (60 * 59))


def test_too_few_images_say_nothing_and_many_are_thinned() -> None:
    assert fit_of(*digits(LEAST_FOR_FIT - 1)) is None
    fit = fit_of(*digits(MOST + 100))
    assert fit is not None
    assert fit.images == MOST


@cache
def photos() -> tuple[np.ndarray, np.ndarray]:
    """5,000 training images of CIFAR-10 and their classes."""
    shard = DATA / "cifar10" / "train-0000.tar.gz"
    if not shard.exists():
        pytest.skip("CIFAR-10 shards are not here: set TUTELAGE_DATA to the folder that holds cifar10/")
    part = load_images(DataConfig(path=str(shard)), seed=0).train
    known = part.labels >= 0
    return part.images[known], part.labels[known]


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "count", "scored", "passing"),
    [
        ("digits", 40, 1000, 1.0),
        ("digits", 150, 1000, 1.0),
        ("digits", 900, 100, 1.0),
        ("digits", 1200, 150, 1.0),
        ("photos", 40, 3000, 0.6),
        ("photos", 100, 3000, 1.0),
    ],
)
def test_right_labels_teach_more_than_chance_and_shuffled_ones_seldom_do(
    kind: str, count: int, scored: int, passing: float
) -> None:
    images, label = digits(1797) if kind == "digits" else photos()
    features = pixel_features(images, np.arange(len(images)))
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    guess = np.bincount(label).max() / len(label)
    above: dict[str, list[bool]] = {"right": [], "shuffled": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(label))
        shown, others = order[:count], order[count : count + scored]
        for taught, labels in (("right", label[shown]), ("shuffled", rng.permutation(label[shown]))):
            learned = LogisticRegression(max_iter=200).fit(features[shown], labels)
            accuracy = (learned.predict(features[others]) == label[others]).mean()
            above[taught].append(bool(accuracy > reached_by_chance(guess, count, scored)))
    assert np.mean(above["right"]) >= passing
    assert np.mean(above["shuffled"]) <= 0.1
