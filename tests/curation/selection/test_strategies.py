"""Each strategy on features of planted clusters, and against a version written from the paper."""

from __future__ import annotations

import numpy as np
import pytest

from reference import selection as naive
from support.blobs import blobs, unit
from tutelage.curation.selection.clusters import fit_clusters, visit_clusters
from tutelage.curation.selection.core_set import core_set
from tutelage.curation.selection.medoids import medoids
from tutelage.curation.selection.near_duplicates import distinct_rows
from tutelage.curation.selection.random_choice import random_choice
from tutelage.curation.selection.typiclust import typicality, typiclust
from tutelage.curation.selection.uncertain import uncertain, uncertainty

SIZES = (40, 30, 20, 10)


def none_of(features: np.ndarray) -> np.ndarray:
    return np.zeros(len(features), bool)


def noise(rows: int, width: int = 6, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(rows, width)))


def test_typicality_is_as_the_paper_says() -> None:
    features, cluster = noise(70), np.arange(70) % 3
    cluster[:2] = [3, 4]  # alone in their clusters
    cluster[2:5] = 5
    assert typicality(features, cluster) == pytest.approx(naive.typicality(features, cluster), rel=1e-3)
    assert typicality(features, cluster)[0] == 0.0


@pytest.mark.parametrize("count", [1, 4, 9, 40])
def test_clusters_are_visited_as_in_the_naive_version(count: int) -> None:
    draw = np.random.default_rng(count)
    cluster, score, labeled = draw.integers(0, 9, 60), draw.normal(size=60), draw.random(60) < 0.3
    found = visit_clusters(cluster, score, labeled, count)
    assert [visit.row for visit in found] == naive.visits(cluster, score, labeled, count)


def test_each_visit_tells_the_size_of_its_cluster_and_the_labels_before_it() -> None:
    cluster, labeled = np.repeat([0, 1], [10, 8]), np.zeros(18, bool)
    labeled[0] = True
    found = visit_clusters(cluster, np.arange(18.0), labeled, 4)
    assert [(v.size, v.labels, v.chosen) for v in found] == [(8, 0, 0), (10, 1, 0), (8, 0, 1), (10, 1, 1)]
    assert [v.row for v in found] == [17, 9, 16, 8]


@pytest.mark.parametrize("strategy", [typiclust, medoids])
def test_every_planted_cluster_gets_a_label_and_the_largest_comes_first(strategy) -> None:
    features, own = blobs(SIZES)
    picks = strategy(features, none_of(features), 4, seed=0)
    assert [own[pick.row] for pick in picks] == [0, 1, 2, 3]
    assert [f"{size} images without a label" in pick.reason for size, pick in zip(SIZES, picks, strict=True)] == [
        True
    ] * 4


def test_the_most_typical_row_of_a_cluster_is_chosen_and_not_an_outlier() -> None:
    features, own = blobs(SIZES)
    for pick in typiclust(features, none_of(features), 4, seed=0):
        mine = np.flatnonzero(own == own[pick.row])
        assert pick.row == mine[np.argmax(typicality(features, own)[mine])]


def test_a_medoid_is_the_row_nearest_to_the_mean_of_its_cluster() -> None:
    features, own = blobs(SIZES)
    for pick in medoids(features, none_of(features), 4, seed=0):
        mine = np.flatnonzero(own == own[pick.row])
        assert pick.row == mine[np.linalg.norm(features[mine] - features[mine].mean(0), axis=1).argmin()]


@pytest.mark.parametrize("strategy", [typiclust, medoids])
def test_clusters_with_labels_come_last(strategy) -> None:
    features, own = blobs(SIZES)
    labeled = none_of(features)
    labeled[[0, 45]] = True  # in the two largest clusters
    picks = strategy(features, labeled, 2, seed=0)
    assert [own[pick.row] for pick in picks] == [2, 3]
    assert not labeled[[pick.row for pick in picks]].any()


@pytest.mark.parametrize("strategy", [typiclust, medoids])
def test_all_unlabeled_rows_can_be_chosen(strategy) -> None:
    features, _ = blobs((7, 3, 1))
    labeled = none_of(features)
    labeled[2] = True
    picks = strategy(features, labeled, 10, seed=0)
    assert sorted(pick.row for pick in picks) == [0, 1, *range(3, 11)]


@pytest.mark.parametrize("labels", [0, 5])
def test_core_set_is_the_greedy_k_center(labels: int) -> None:
    features, labeled = noise(60), np.arange(60) < labels
    assert [pick.row for pick in core_set(features, labeled, 12)] == naive.k_center(features, labeled, 12)


def test_core_set_goes_to_the_clusters_without_a_label() -> None:
    features, own = blobs(SIZES)
    labeled = none_of(features)
    labeled[[0, 45]] = True
    assert {own[pick.row] for pick in core_set(features, labeled, 2)} == {2, 3}


def test_random_rows_follow_from_the_seed_and_have_no_label() -> None:
    labeled = np.arange(30) % 2 == 0
    first = [pick.row for pick in random_choice(labeled, 10, seed=1)]
    assert first == [pick.row for pick in random_choice(labeled, 10, seed=1)]
    assert first != [pick.row for pick in random_choice(labeled, 10, seed=2)]
    assert len(set(first)) == 10 and not labeled[first].any()


def test_uncertainty_is_as_the_formulas_say() -> None:
    probs = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1]], np.float32)
    assert uncertainty(probs, "margin") == pytest.approx(naive.margin(probs), abs=1e-6)
    assert uncertainty(probs, "entropy") == pytest.approx(naive.entropy(probs), abs=1e-6)
    assert uncertainty(probs, "margin")[:2] == pytest.approx([0, 1]) and uncertainty(probs, "entropy")[
        2
    ] == pytest.approx(1)


def test_uncertain_rows_are_chosen_from_different_clusters() -> None:
    features, own = blobs((100, 100, 100, 100), spread=0.05)
    sure = np.array([[0.98, 0.02]], np.float32).repeat(400, 0)
    unsure = np.concatenate([np.flatnonzero(own == k)[:10] for k in range(4)])
    sure[unsure] = [0.51, 0.49]
    picks = uncertain(features, none_of(features), 4, sure, ("cat", "dog"), seed=0)
    assert {own[pick.row] for pick in picks} == {0, 1, 2, 3} and {pick.row for pick in picks} <= set(unsure.tolist())
    assert {pick.reason for pick in picks} == {"the model wavers between cat (51%) and dog (49%)"}


def test_uncertain_rows_come_in_the_order_of_their_uncertainty_and_have_no_label() -> None:
    features, probs = noise(200), np.random.default_rng(1).dirichlet([1, 1, 1], 200).astype(np.float32)
    labeled = np.arange(200) < 50
    picks = uncertain(features, labeled, 12, probs, "abc", measure="entropy", seed=0)
    scores = uncertainty(probs, "entropy")[[pick.row for pick in picks]]
    assert len({pick.row for pick in picks}) == 12 and min(pick.row for pick in picks) >= 50
    assert list(scores) == sorted(scores, reverse=True)


@pytest.mark.parametrize("rows", [50, 2500])  # of one block, and of several
def test_near_duplicates_are_left_out_as_in_the_naive_version(rows: int) -> None:
    features = noise(rows, 4, seed=rows)
    labeled = np.random.default_rng(0).random(rows) < 0.1
    labeled[-1] = True
    assert distinct_rows(features, labeled, 0.97).tolist() == naive.distinct(features, labeled, 0.97)


def test_of_a_group_of_near_duplicates_the_first_is_kept_or_none_if_one_has_a_label() -> None:
    features = unit(np.repeat(np.eye(3), 3, axis=0) + 0.001 * np.random.default_rng(0).normal(size=(9, 3)))
    labeled = np.arange(9) == 5
    assert np.flatnonzero(distinct_rows(features, labeled, 0.99)).tolist() == [0, 5, 6]


def test_mini_batches_find_planted_clusters_above_fifty() -> None:
    features, own = blobs((12,) * 60, spread=0.01)
    cluster, centers = fit_clusters(features, 60, seed=0)
    assert centers.shape == (60, features.shape[1])
    pure = [len(set(own[cluster == k])) == 1 for k in np.unique(cluster)]
    assert np.mean(pure) > 0.8
