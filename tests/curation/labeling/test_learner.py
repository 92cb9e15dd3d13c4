"""The model that learns again after each answer, and what is derived from it."""

from __future__ import annotations

import numpy as np
import pytest

from support.blobs import blobs, unit
from tutelage.curation.labeling.learner import folds, learn
from tutelage.curation.labeling.nearest import NearestLabels
from tutelage.curation.labeling.questions import Asker
from tutelage.curation.selection.clusters import fit_clusters, fit_clusters_quickly


def some_labels(own: np.ndarray, each: int) -> np.ndarray:
    labels = np.full(len(own), -1)
    for k in np.unique(own):
        labels[np.flatnonzero(own == k)[:each]] = k
    return labels


def test_one_label_of_each_cluster_is_enough() -> None:
    features, own = blobs((80, 60, 40), spread=0.15)
    found = learn(features, some_labels(own, 1), 3, seed=0)
    assert found is not None
    assert found.probs.sum(1) == pytest.approx(1, abs=1e-5) and (found.probs.argmax(1) == own).mean() > 0.98


def test_images_without_a_label_teach_the_model() -> None:
    features, own = blobs((300, 300), spread=0.3)
    draw = np.random.default_rng(0)
    with_others, alone = [], []
    for seed in range(5):
        labels = np.full(len(own), -1)
        for k in (0, 1):
            labels[draw.choice(np.flatnonzero(own == k))] = k
        rows = np.flatnonzero(labels >= 0)
        found = learn(features, labels, 2, seed=seed)
        assert found is not None
        with_others.append((found.probs.argmax(1) == own).mean())
        alone.append((labels[rows][(features @ features[rows].T).argmax(1)] == own).mean())
    assert np.mean(with_others) > np.mean(alone) + 0.02


def test_a_class_without_a_label_has_no_probability_and_one_class_makes_no_model() -> None:
    features, own = blobs((30, 30, 30))
    labels = some_labels(own, 2)
    labels[labels == 1] = -1
    found = learn(features, labels, 5, seed=0)
    assert found is not None
    assert found.probs.shape == (90, 5) and not found.probs[:, [1, 3, 4]].any() and set(found.told) <= {0, 2}
    labels[labels == 2] = -1
    assert learn(features, labels, 5, seed=0) is None


def test_what_is_learned_depends_on_labels_and_seed_only() -> None:
    features, own = blobs((50, 50), spread=0.3)
    labels = some_labels(own, 3)
    first, again, other = (learn(features, labels, 2, seed=seed) for seed in (0, 0, 1))
    assert first is not None and again is not None and other is not None
    assert (first.probs == again.probs).all() and (first.probs != other.probs).any()


def test_a_label_is_judged_by_a_model_that_did_not_see_it() -> None:
    features, own = blobs((60, 60), spread=0.1)
    labels = some_labels(own, 15)
    wrong = np.flatnonzero(labels == 0)[:2]
    labels[wrong] = 1
    found = learn(features, labels, 2, seed=0)
    assert found is not None
    rows = np.flatnonzero(labels >= 0)
    assert rows[found.told != labels[rows]].tolist() == wrong.tolist()


def test_learning_goes_on_when_all_images_have_a_label_or_there_are_many() -> None:
    features, own = blobs((400, 400), spread=0.2)
    found = learn(features, own, 2, seed=0)
    assert found is not None and (found.probs.argmax(1) == own).mean() > 0.99


def test_folds_are_even_over_classes() -> None:
    label = np.array([0] * 10 + [1] * 5 + [2])
    fold = folds(label)
    assert np.bincount(fold[label == 0]).tolist() == [2] * 5 and sorted(fold[label == 1]) == [0, 1, 2, 3, 4]


def test_nearest_labels_are_those_of_all_pairs_after_any_changes() -> None:
    draw = np.random.default_rng(0)
    features = unit(draw.normal(size=(200, 6)))
    nearest, labeled = NearestLabels(features), np.zeros(200, bool)
    nearest.update(labeled)
    assert (nearest.near == -1).all() and (nearest.cosine == -np.inf).all()
    for _ in range(12):
        labeled[draw.choice(200, 15)] ^= True
        nearest.update(labeled)
        rows = np.flatnonzero(labeled)
        cosine = features @ features[rows].T
        assert (nearest.near == rows[cosine.argmax(1)]).all()
        assert nearest.cosine == pytest.approx(cosine.max(1), abs=1e-6)


def asker_of(features: np.ndarray, *, alike: float) -> Asker:
    return Asker(features, np.random.default_rng(1).permutation(len(features)), alike=alike, seed=0)


def asked(asker: Asker, features: np.ndarray, labels: np.ndarray, probs: np.ndarray | None) -> list[int]:
    nearest = NearestLabels(features)
    nearest.update(labels >= 0)
    return [
        row
        for row, why in asker.choose(labels, labels >= 0, nearest, probs, ["a", "b"]).queue
        if "at random" not in why
    ]


def test_first_questions_reach_every_cluster() -> None:
    features, own = blobs((50, 40, 30, 20, 20, 20, 20, 20), spread=0.02)
    asker = asker_of(features, alike=0.99999)
    rows = asked(asker, features, np.full(len(own), -1), None)
    assert set(own[rows]) == set(range(8)) and len(set(rows)) == len(rows)
    labels = np.where(own == 0, 0, -1)
    assert 0 not in own[asked(asker, features, labels, None)]


def test_clusters_of_a_large_pile_are_those_of_its_images_though_few_of_them_are_fitted() -> None:
    features, own = blobs((4000, 3000, 2000, 1000), spread=0.05)
    cluster = fit_clusters_quickly(features, 4, seed=0)
    assert len(cluster) == 10_000 and len({(k, c) for k, c in zip(own.tolist(), cluster.tolist(), strict=True)}) == 4
    few = features[::10]
    assert (fit_clusters_quickly(few, 4, seed=0) == fit_clusters(few, 4, seed=0)[0]).all()


def test_questions_go_on_to_finer_clusters_as_labels_need_them() -> None:
    features, own = blobs((60,) * 40, spread=0.02)
    asker, labels = asker_of(features, alike=0.99999), np.full(len(own), -1)
    reached = set()
    for _ in range(4):
        rows = asked(asker, features, labels, None)
        assert len(rows) == 20 and not (labels[rows] >= 0).any()
        labels[rows] = 0
        reached |= set(own[rows].tolist())
    assert len(reached) > 30


@pytest.mark.parametrize("count", [1, 3, 12, 40])
def test_small_piles_and_piles_of_copies_are_asked_about(count: int) -> None:
    features = np.tile(unit(np.ones((1, 4))), (count, 1))
    labels = np.full(count, -1)
    rows = asked(asker_of(features, alike=0.9), features, labels, None)
    assert rows and rows == asked(asker_of(features, alike=0.9), features, labels, None)
    labels[0] = 0
    assert asked(asker_of(features, alike=0.9), features, labels, None) or count == 1


def test_later_questions_are_about_different_images_that_the_model_is_unsure_of() -> None:
    features, own = blobs((60, 60, 10), spread=0.05)
    labels = np.where(own < 2, own, -1)
    labels[own < 2] = np.where(np.arange(120) % 2, labels[own < 2], -1)
    probs = np.full((len(own), 2), 0.5)
    probs[own < 2, 0] = np.where(own[own < 2] == 0, 0.99, 0.01)
    probs[0] = 0.5, 0.5
    probs[:, 1] = 1 - probs[:, 0]
    rows = asked(asker_of(features, alike=1.1), features, labels, probs)
    assert {own[rows[0]], own[rows[1]]} == {0, 2}  # two kinds of unsure images, before the second of a kind


def test_near_duplicates_of_labeled_images_come_last() -> None:
    features, _ = blobs((30, 30), spread=0.2)
    features = np.concatenate([features, features[:5]])
    labels = np.full(65, -1)
    labels[:5], labels[30:45] = 0, 1
    asker = asker_of(features, alike=0.9999)
    probs = np.tile([0.9, 0.1], (65, 1))
    probs[60:] = 0.5  # the most uncertain ones
    assert not set(asked(asker, features, labels, probs)) & set(range(60, 65))
    labels[5:30], labels[45:60] = 0, 1
    assert set(asked(asker, features, labels, probs)) == set(range(60, 65))
