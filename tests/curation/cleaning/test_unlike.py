from __future__ import annotations

import numpy as np
import pytest

from tutelage.curation.cleaning import unlike


def cluster(center: int, count: int, seed: int, spread: float = 0.15) -> np.ndarray:
    rows = np.eye(16)[center] + np.random.default_rng(seed).normal(scale=spread, size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_distances_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlike, "_BLOCK", 7)
    rows, bank = cluster(0, 20, 0), cluster(1, 30, 1)
    naive = [sorted(1.0 - row @ other for other in bank)[2] for row in rows]
    np.testing.assert_allclose(unlike.nearest_distances(rows, bank, k=3), naive, atol=1e-6)
    alone = [sorted(1.0 - row @ other for j, other in enumerate(rows) if j != i)[4] for i, row in enumerate(rows)]
    np.testing.assert_allclose(unlike.nearest_distances(rows, rows, k=5, own=np.arange(20)), alone, atol=1e-6)
    assert not unlike.nearest_distances(rows[:1], rows[:1], k=5, own=np.arange(1)).any()


def test_an_image_unlike_all_others_is_found() -> None:
    rows = np.concatenate([cluster(0, 60, 0), cluster(5, 1, 1), cluster(1, 60, 2)])
    found, score = unlike.far_from_all(rows)
    assert found[0] == 60 and score[0] > 5.0
    assert len(found) <= 3
    assert not len(unlike.far_from_all(rows[:10])[0])


def test_foreign_images_with_a_label_are_found_even_if_they_are_many() -> None:
    rows = np.concatenate([cluster(0, 60, 0), cluster(1, 60, 1), cluster(5, 10, 2)])
    labels = np.repeat([0, 1, 0, 1], [60, 60, 5, 5])
    found, _ = unlike.far_from_own_class(rows, labels)
    assert set(range(120, 130)) <= set(found)
    assert len(found) <= 14


def test_an_unlabeled_image_of_no_class_is_found_even_if_it_has_likes() -> None:
    rows = np.concatenate([cluster(0, 40, 0), cluster(1, 40, 1), cluster(5, 30, 2), cluster(1, 30, 3)])
    labels = np.repeat([0, 1, -1, -1], [40, 40, 30, 30])
    found, score = unlike.of_no_class(rows, labels)
    assert set(range(80, 110)) <= set(found)
    assert len(found) <= 33
    assert (np.diff(score) <= 0).all()


def test_without_enough_labels_nothing_is_judged_by_them() -> None:
    rows, labels = cluster(0, 60, 0), np.full(60, -1)
    labels[:10] = 0
    assert not len(unlike.of_no_class(rows, labels)[0])
    assert not len(unlike.far_from_own_class(rows, labels)[0])
    assert not len(unlike.of_no_class(rows, np.zeros(60, np.int64))[0])


def test_deviations_are_robust() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(5.0, 2.0, 10_000), np.full(500, 1e6)]).astype(np.float32)
    assert unlike.deviations(np.float32([11.0]), values)[0] == pytest.approx(3.0, abs=0.3)
    assert np.isfinite(unlike.deviations(np.float32([1.0]), np.zeros(5, np.float32))).all()
