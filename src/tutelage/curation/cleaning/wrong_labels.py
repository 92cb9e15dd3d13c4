"""Labels that are probably wrong, by confident learning (Northcutt et al. 2021, arXiv:1911.00068)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.core.logistic import fit_logistic

FOLDS = 5
L2 = 0.1  # a strong penalty, so that wrong labels are not learned; docs/clean.md says how it was chosen
LEAST = 3  # labels of a class that can be judged
Labels = NDArray[np.int64]
Probs = NDArray[np.float32]


@dataclass(frozen=True)
class Suspects:
    """Labels that are probably wrong, the surest first.

    Attributes:
        rows: (n,) int64.
        suggested: (n,) int64, the class that is probable instead.
        margin: (n,) in (0, 1], the probability of that class minus that of the label.
    """

    rows: NDArray[np.int64]
    suggested: Labels
    margin: NDArray[np.float32]


def out_of_fold_probs(
    features: NDArray[np.float32],
    labels: Labels,
    num_classes: int,
    *,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Probs:
    """(N, K) float32: class probabilities of each row by logistic regression on the rows of the other four folds.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,) in 0..K-1, with at least `LEAST` of each class that occurs.
        groups: (N,) equal for copies of an image, which lie in one fold, or else a copy would vouch for a wrong label.
    """
    rows = torch.from_numpy(features * np.float32(features.shape[1] ** 0.5))  # a coordinate is 1 on average
    fold = _folds(labels, np.arange(len(labels)) if groups is None else groups, seed)
    probs = np.zeros((len(labels), num_classes), np.float32)
    for number in np.unique(fold):
        learned, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        weight, bias = fit_logistic(rows[learned], torch.from_numpy(labels[learned]), num_classes, l2=L2)
        probs[held] = torch.softmax(rows[held] @ weight.T + bias, dim=1).numpy()
    return probs


def confident_joint(probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """(K, K): how many images with label i are of class j, estimated; the rows sum to the number of labels of i.

    C[i, j] counts images with label i whose class is confidently j: among the classes k with p_k >= t_k, the mean of
    p_k over the images with label k, it is the most probable. The rows of C are then scaled to the number of labels,
    since not every image is confident (equations 1 to 3).

    Args:
        probs: (N, K), out of fold.
        labels: (N,); a class without a label gets an empty row and column.
    """
    num_classes, counts = probs.shape[1], np.bincount(labels, minlength=probs.shape[1])
    threshold = np.full(num_classes, np.inf)
    for number in np.flatnonzero(counts):
        threshold[number] = probs[labels == number, number].mean()
    confident = probs >= threshold
    some = confident.any(axis=1)
    found = np.where(confident, probs, -1.0).argmax(axis=1)
    joint = np.zeros((num_classes, num_classes))
    np.add.at(joint, (labels[some], found[some]), 1.0)
    scaled: NDArray[np.float64] = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1.0) * counts[:, None]
    return scaled


def suspects(probs: Probs, labels: Labels) -> Suspects:
    """The labels that confident learning takes for wrong, pruned by noise rate (section 3.2).

    Of the images with label i, as many as the joint says are of class j are suspects: those with the largest
    p_j - p_i, as far as it is positive. They are ranked by this margin, with the class j that is most probable.

    Args:
        probs: (N, K), out of fold.
        labels: (N,) in 0..K-1.
    """
    joint, suspect = confident_joint(probs, labels), np.zeros(len(labels), bool)
    for given in range(len(joint)):
        own = np.flatnonzero(labels == given)
        for other in np.flatnonzero(np.rint(joint[given]) > 0):
            if other == given:
                continue
            margin = probs[own, other] - probs[own, given]
            first = np.argsort(-margin, kind="stable")[: int(np.rint(joint[given, other]))]
            suspect[own[first[margin[first] > 0.0]]] = True
    rows = np.flatnonzero(suspect)
    rivals = probs[rows].copy()
    rivals[np.arange(len(rows)), labels[rows]] = -1.0
    suggested = rivals.argmax(axis=1).astype(np.int64)
    margin = rivals.max(axis=1, initial=-1.0) - probs[rows, labels[rows]]
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows[order], suggested[order], margin[order])


def find_wrong_labels(
    features: NDArray[np.float32], labels: Labels, *, groups: NDArray[np.int64] | None = None, seed: int = 0
) -> Suspects:
    """Suspects among rows with a label; labels of classes with fewer than `LEAST` are not judged.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,) int64, -1 where unknown.
        groups: (N,) equal for copies of an image.
    """
    counts = np.bincount(labels[labels >= 0], minlength=1)
    known = np.flatnonzero(counts >= LEAST)
    rows = np.flatnonzero(np.isin(labels, known))
    if len(known) < 2:
        return Suspects(rows[:0], labels[:0], np.zeros(0, np.float32))
    own = np.searchsorted(known, labels[rows])
    held = None if groups is None else groups[rows]
    found = suspects(out_of_fold_probs(features[rows], own, len(known), groups=held, seed=seed), own)
    return Suspects(rows[found.rows], known[found.suggested].astype(np.int64), found.margin)


def _folds(labels: Labels, groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each row: each class is spread evenly, and rows of a group are together."""
    first, inverse = np.unique(groups, return_index=True, return_inverse=True)[1:]
    lead = labels[first]
    order = np.random.default_rng(seed).permutation(len(lead))
    order = order[np.argsort(lead[order], kind="stable")]
    fold = np.empty(len(lead), np.int64)
    fold[order] = np.arange(len(lead)) % FOLDS
    return fold[inverse.ravel()]
