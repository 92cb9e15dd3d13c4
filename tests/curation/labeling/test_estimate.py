"""The estimate of how many labels are right, and the images that are drawn at random for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from support.blobs import blobs
from tutelage.curation.labeling.audit import EVERY, drawn, is_due, random_order
from tutelage.curation.labeling.belief import Thinker
from tutelage.curation.labeling.estimate import Judged, confusions, estimate_accuracy, weights
from tutelage.curation.labeling.questions import Questions
from tutelage.curation.pile import Pile
from tutelage.data.images.framing import Framing
from tutelage.data.images.items import Files, Item

NAMES = [f"{number}.png" for number in range(50)]


def judged(label: np.ndarray, told: np.ndarray, sureness: float | np.ndarray = 0.9, **more: np.ndarray) -> Judged:
    own = {"said": label, "drawn": np.ones(len(label), bool)} | more
    return Judged(label, told, np.broadcast_to(np.float32(sureness), label.shape), **own)


def test_the_order_follows_from_names_and_seed_and_others_may_join() -> None:
    order = random_order(NAMES, 0)
    assert sorted(order.tolist()) == list(range(50)) and order.tolist() != list(range(50))
    assert random_order(NAMES, 1).tolist() != order.tolist()
    assert [NAMES[row] for row in random_order(NAMES[:20], 0)] == [NAMES[row] for row in order if row < 20]


def test_images_are_equally_often_among_the_first() -> None:
    first = np.bincount([row for seed in range(400) for row in random_order(NAMES, seed)[:10]], minlength=50)
    assert stats.chisquare(first).pvalue > 0.001 and first.sum() == 4000


def test_the_first_images_of_the_order_count_as_drawn_up_to_one_without_an_answer() -> None:
    order, answered = np.array([3, 1, 4, 0, 2]), np.array([True, True, False, True, False])
    assert drawn(order, answered).tolist() == [3, 1]
    answered[4] = True  # it was next; image 0 had an answer already
    assert drawn(order, answered).tolist() == [3, 1, 4, 0]
    assert drawn(order, np.ones(5, bool)).tolist() == order.tolist()


def test_every_fifth_question_is_about_an_image_drawn_at_random() -> None:
    questions = Questions(((5, "a"), (6, "b"), (7, "c")), "", drawn=(6, 9))
    assert [is_due(count) for count in range(EVERY)] == [False] * (EVERY - 1) + [True]
    assert questions.following(0, None, waiting=False) == (5, "a")
    assert questions.following(0, 5, waiting=True) == questions.following(1, 5, waiting=False) == (6, "b")
    assert questions.following(0, 7, waiting=True) == questions.following(0, 8, waiting=True) == (5, "a")
    for count, after, waiting in ((4, None, False), (4, 5, False), (3, 5, True), (3, 8, True)):
        found = questions.following(count, after, waiting=waiting)
        assert found is not None and found[0] == 6 and "at random" in found[1]
    skipped = questions.following(3, 6, waiting=True)
    assert skipped is not None and skipped[0] == 9
    assert questions.following(4, 6, waiting=True) == (7, "c")
    assert Questions((), "").following(4, None, waiting=False) is None


def test_the_interval_is_that_of_what_is_drawn_from_the_share() -> None:
    told = np.array([0] * 8 + [1] * 12)
    label = np.where(np.arange(20) == 3, 1, told)
    found = estimate_accuracy(judged(label, told), np.full(50, 0.9, np.float32))
    assert found is not None and found.labels == 20 and found.accuracy == pytest.approx(0.95)
    assert found.low == stats.betabinom.ppf(0.025, 50, 19.5, 1.5) / 50
    assert found.high == 1.0  # one label may be a slip of a finger
    label[:4] = 1
    found = estimate_accuracy(judged(label, told), np.full(50, 0.9, np.float32))
    assert found is not None and found.accuracy == pytest.approx(0.8)
    assert found.high == stats.betabinom.ppf(0.975, 50, 17.5, 3.5) / 50


def test_labels_that_the_model_contradicts_though_it_learned_them_raise_the_upper_end_only() -> None:
    told = np.array([0, 1] * 10)
    label = np.where(np.arange(20) < 6, 1 - told, told)
    sure = np.full(200, 0.9, np.float32)
    fitted, contradicted = (estimate_accuracy(judged(label, told, said=said), sure) for said in (label, told))
    assert fitted is not None and contradicted is not None
    assert (fitted.accuracy, fitted.low) == (contradicted.accuracy, contradicted.low)
    assert fitted.high < 0.95 and contradicted.high == 1.0


def test_only_images_drawn_at_random_count() -> None:
    label = np.array([0, 1] * 20)
    told = np.where(np.arange(40) < 20, label, 1 - label)
    found = estimate_accuracy(judged(label, told, drawn=np.arange(40) < 20), np.full(50, 0.9, np.float32))
    assert found is not None and found.accuracy == 1.0 and found.labels == 20


def test_the_interval_is_wide_with_few_labels_and_with_few_images() -> None:
    label = np.array([0, 1] * 50)
    widths = []
    for count, images in ((5, 1000), (20, 1000), (100, 1000), (20, 5)):
        found = estimate_accuracy(judged(label[:count], label[:count]), np.full(images, 0.9, np.float32))
        assert found is not None and found.high == 1.0
        widths.append(found.high - found.low)
    assert widths[0] > 0.35 and widths[0] > 2 * widths[1] > 4 * widths[2] and widths[3] > 1.5 * widths[1]


def test_labels_stand_for_images_that_the_model_is_as_sure_of() -> None:
    # 10 labels at 0.5, half of them right, and 10 at 0.9, all right; one image in five is like the first
    sureness = np.array([0.5] * 10 + [0.9] * 10, np.float32)
    label, told = np.array([0, 1] * 10), np.array([0, 0] * 5 + [0, 1] * 5)
    rest = np.array([0.5] * 20 + [0.95] * 80, np.float32)
    found = estimate_accuracy(judged(label, told, sureness), rest)
    assert weights(sureness, rest).tolist() == [2.0] * 10 + [8.0] * 10
    effective = 100**2 / (10 * 4 + 10 * 64)
    assert found is not None and found.accuracy == pytest.approx(0.9)
    assert found.low == stats.betabinom.ppf(0.025, 100, 0.9 * effective + 0.5, 0.1 * effective + 0.5) / 100


def test_a_bin_with_few_labels_is_joined_with_its_neighbor() -> None:
    sureness = np.array([0.2] * 3 + [0.5] * 4 + [0.9] * 20, np.float32)
    rest = np.concatenate([np.full(40, 0.3), np.full(60, 0.95)]).astype(np.float32)
    found = weights(sureness, rest)
    assert found.sum() == pytest.approx(100) and len(set(found[:7])) == 1 and found[0] > found[-1]


def test_there_is_no_estimate_of_fewer_than_five_labels_or_of_nothing() -> None:
    label, rest = np.array([0, 0, 0, 1, 1]), np.full(3, 0.9, np.float32)
    assert estimate_accuracy(judged(label[:4], label[:4]), rest) is None
    assert estimate_accuracy(judged(label, label, drawn=np.arange(5) > 0), rest) is None
    assert estimate_accuracy(judged(label, label), rest[:0]) is None
    assert estimate_accuracy(judged(label, label), rest) is not None


def test_confused_classes_are_counted_in_pairs() -> None:
    assert confusions(np.array([0, 1, 2, 2, 1]), np.array([1, 0, 2, 1, 1])) == [(0, 1, 2), (1, 2, 1)]
    assert confusions(np.array([0, 1]), np.array([0, 1])) == []


def test_the_interval_holds_the_truth_in_most_piles() -> None:
    held, width = [], []
    for seed in range(20):
        features, own = blobs((150, 100, 50), spread=0.5, seed=seed)
        items = [Item(name, None, Files(Path()), name) for name in map(str, range(len(own)))]
        thinker = Thinker(Pile(items, (), own, features, "", 8, 3, Framing(), 2.0), seed=seed)
        order = random_order([item.name for item in items], seed)
        answered = np.zeros(len(own), bool)
        answered[order[:12]] = answered[::10] = True  # some at random, and some that were not
        belief = thinker.think(np.where(answered, own, -1), answered, ["a", "b", "c"], [])
        assert belief.estimate is not None and belief.estimate.labels >= 12
        truth = (belief.guess == own)[~answered].mean()
        held.append(belief.estimate.low <= truth <= belief.estimate.high)
        width.append(belief.estimate.high - belief.estimate.low)
    assert np.mean(held) >= 0.9 and np.mean(width) < 0.7
