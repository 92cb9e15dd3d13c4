from __future__ import annotations

import numpy as np
import pytest

from tutelage.curation.cleaning import wrong_labels
from tutelage.curation.cleaning.wrong_labels import confident_joint, find_wrong_labels, out_of_fold_probs, suspects


def clusters(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    rows = np.eye(8)[labels] * 2.0 + draw.normal(scale=0.4, size=(count, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int64)


def naive_joint(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The equations, one image and one class at a time."""
    classes = probs.shape[1]
    threshold = [np.mean([p[k] for p, y in zip(probs, labels, strict=True) if y == k]) for k in range(classes)]
    counts = np.zeros((classes, classes))
    for p, y in zip(probs, labels, strict=True):
        able = [k for k in range(classes) if p[k] >= threshold[k]]
        if able:
            counts[y, max(able, key=lambda k: p[k])] += 1
    return np.stack([counts[k] / max(counts[k].sum(), 1) * (labels == k).sum() for k in range(classes)])


def test_the_confident_joint_is_that_of_the_equations() -> None:
    draw = np.random.default_rng(0)
    probs = draw.dirichlet(np.ones(4), 200).astype(np.float32)
    labels = draw.integers(0, 4, 200)
    np.testing.assert_allclose(confident_joint(probs, labels), naive_joint(probs, labels), rtol=1e-6)


def test_a_class_without_labels_has_an_empty_row_and_column() -> None:
    probs = np.full((6, 3), 1 / 3, np.float32)
    joint = confident_joint(probs, np.array([0, 0, 0, 2, 2, 2]))
    assert not joint[1].any() and not joint[:, 1].any()


def test_suspects_are_as_many_as_the_joint_says_and_the_surest_first() -> None:
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.05, 0.95], [0.1, 0.9], [0.15, 0.85]], np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1])
    found = suspects(probs, labels)
    assert found.rows.tolist() == [3, 2][: len(found.rows)] and len(found.rows) >= 1
    assert found.suggested.tolist() == [1] * len(found.rows)
    np.testing.assert_allclose(found.margin[0], 0.9, atol=1e-6)


def test_planted_wrong_labels_are_found_with_the_right_one() -> None:
    features, truth = clusters(300, 3)
    wrong = np.random.default_rng(1).choice(300, 30, replace=False)
    labels = truth.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    found = find_wrong_labels(features, labels)
    assert len(set(found.rows) & set(wrong)) >= 27
    assert len(set(found.rows) - set(wrong)) <= 1
    np.testing.assert_array_equal(found.suggested, truth[found.rows])
    assert (np.diff(found.margin) <= 0).all()


def test_right_labels_are_left_alone_and_so_are_unlabeled_images() -> None:
    features, labels = clusters(120, 3)
    assert not len(find_wrong_labels(features, labels).rows)
    labels[::2] = -1
    labels[1] = (labels[1] + 1) % 3
    assert find_wrong_labels(features, labels).rows.tolist() == [1]


def test_a_class_of_two_labels_is_not_judged() -> None:
    features, labels = clusters(60, 3)
    labels[labels == 2] = -1
    labels[[2, 5]] = 2
    found = find_wrong_labels(features, labels)
    assert not {2, 5} & set(found.rows)
    assert not len(find_wrong_labels(features[:4], np.array([0, 0, 1, 1])).rows)
    assert not len(find_wrong_labels(features[:4], np.full(4, -1)).rows)


def test_a_row_is_judged_by_the_other_folds() -> None:
    features, labels = clusters(60, 3)
    before = out_of_fold_probs(features, labels, 3)
    changed = labels.copy()
    changed[7] = (changed[7] + 1) % 3
    assert out_of_fold_probs(features, changed, 3, seed=0)[7].argmax() == labels[7] == before[7].argmax()


def test_copies_lie_in_one_fold() -> None:
    labels = np.arange(40) % 2
    groups = np.arange(40)
    groups[[2, 10, 30]] = 2
    fold = wrong_labels._folds(labels, groups, 0)
    assert len(set(fold[[2, 10, 30]])) == 1
    alone = wrong_labels._folds(labels, np.arange(40), 0)
    assert [np.bincount(alone[labels == k]).tolist() for k in (0, 1)] == [[4] * 5] * 2


@pytest.mark.parametrize("vouched", [False, True])
def test_a_copy_does_not_vouch_for_a_wrong_label(vouched: bool) -> None:
    features, labels = clusters(90, 3)
    copies = np.flatnonzero(labels == 0)[:8]
    features[copies] = features[copies[0]]
    labels[copies] = 1
    groups = np.arange(90)
    groups[copies] = copies[0]
    probs = out_of_fold_probs(features, labels, 3, groups=None if vouched else groups)
    assert (probs[copies, 0] > 0.8).all() != vouched
