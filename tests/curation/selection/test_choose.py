"""The strategy that suits the labels, and what comes of it."""

from __future__ import annotations

import numpy as np
import pytest

from support.blobs import blobs
from tutelage.core.errors import ConfigError
from tutelage.curation.selection.choose import FEW, STRATEGIES, choose, head_probabilities, settled

CLASSES = ("cat", "dog", "owl")


def known(own: np.ndarray, each: int) -> np.ndarray:
    """The labels of the first rows of each cluster."""
    labels = np.full(len(own), -1)
    for k in np.unique(own):
        labels[np.flatnonzero(own == k)[:each]] = k
    return labels


def test_typical_images_are_chosen_with_few_labels_and_uncertain_ones_with_many() -> None:
    own = np.repeat(np.arange(3), 2 * FEW)
    assert settled("auto", known(own, 0), has_run=False)[0] == "typiclust"
    assert settled("auto", known(own, FEW - 1), has_run=True)[0] == "typiclust"
    assert settled("auto", known(own, FEW), has_run=False)[0] == "margin"


def test_many_labels_of_one_class_are_no_reason_to_ask_a_model() -> None:
    assert settled("auto", np.zeros(10 * FEW, np.int64), has_run=False)[0] == "typiclust"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_choice_follows_from_the_seed(strategy) -> None:
    features, own = blobs((40, 30, 20), spread=0.4)
    labels = known(own, 4)
    first, again, other = (
        [pick.row for pick in choose(features, labels, CLASSES, count=9, strategy=strategy, seed=seed).picks]
        for seed in (0, 0, 1)
    )
    assert first == again and len(set(first)) == 9 and (labels[first] < 0).all()
    assert strategy != "random" or first != other


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_near_duplicates_of_labeled_images_and_of_each_other_are_left_out(strategy) -> None:
    features, own = blobs((40, 30, 20), spread=0.4)
    features, own = np.concatenate([features, features[:50]]), np.concatenate([own, own[:50]])
    labels = np.concatenate([known(own[:90], 4), np.full(50, -1)])
    choice = choose(features, labels, CLASSES, count=60, strategy=strategy, alike=0.9999)
    rows = [pick.row for pick in choice.picks]
    among = features[[*rows, *np.flatnonzero(labels >= 0)]]
    assert len(rows) == 60 and choice.near_duplicates == 50
    assert (among @ among.T - np.eye(len(among)) < 0.9999).all()


def test_fewer_are_chosen_where_the_others_are_near_duplicates() -> None:
    features, _ = blobs((20, 20, 20), spread=1e-4)
    choice = choose(features, np.full(60, -1), (), count=10, alike=0.9)
    assert len(choice.picks) == 3 and choice.near_duplicates == 57


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
def test_uncertainty_needs_a_model_or_labels_of_two_classes(strategy) -> None:
    features, own = blobs((40, 30, 20))
    labels = np.where((own == 0) & (np.arange(90) < 5), 0, -1)
    with pytest.raises(ConfigError, match=r"needs a run .* or labels of two classes, got labels of 1 class"):
        choose(features, labels, CLASSES, count=5, strategy=strategy)


def test_a_head_on_the_features_is_unsure_between_the_clusters() -> None:
    features, own = blobs((50, 50, 1), spread=0.05)
    between = np.zeros((1, features.shape[1]), np.float32)
    between[0, :2] = 0.5**0.5
    features[100] = between
    probs = head_probabilities(features, known(own, 3) * (own < 2) - (own == 2), 2, seed=0)
    assert probs.sum(1) == pytest.approx(1, abs=1e-5)
    assert (probs[:100].argmax(1) == own[:100]).all() and probs.max(1).argmin() == 100
