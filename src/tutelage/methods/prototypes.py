"""Class means, refined on the unlabeled images, then a linear classifier of the classes that they assign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F

from tutelage.config.settings import require
from tutelage.core.class_means import mean_probs, refined_means
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.neighbors import knn_scores
from tutelage.methods.soft_targets import SoftTargets


class Prototypes(SoftTargets):
    """Prototypes: Snell et al. 2017 (arXiv:1703.05175), as in SimpleShot (arXiv:1911.04623), refined by soft k-means.

    Features are centered and have unit norm; the soft k-means is that of Ren et al. 2018 (arXiv:1803.00676).

    loss = mean H(q(u), p(u)), with q = softmax_k(cos(f(u), c_k) / T) of unlabeled images and the labels, one-hot, of
    labeled ones. c_k is the mean of the unit features of class k; in each round, of these and of all q_k(u) f(u).
    With `neighbor_share` s, q is (1 - s) q + s v, v the votes of the k nearest labeled images, weighted by
    exp(cos / T). Where the unlabeled stream has no labeled images, these are learned by their labels: with n labeled
    and m unlabeled images, loss = (m mean H(q(u), p(u)) + n mean H(y, p(x))) / (m + n).

    Deviations: cosine, not squared distance; more than one round of k-means (Ren et al.: one); a linear head learns q,
    so that the run holds the same kind of classifier as that of every other head. Nothing is learned of the features.
    """

    name = "prototypes"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `prototypes`."""

        temperature: Annotated[float, "T, by which cosines are divided"] = 0.1
        rounds: Annotated[
            int, "rounds of soft k-means on the unlabeled images; 0: means of the labeled images alone"
        ] = 10
        neighbor_share: Annotated[float, "s, weight of the votes of the nearest labeled images in q"] = 0.0
        neighbors: Annotated[int, "k, number of nearest labeled images that vote"] = 5

        def __post_init__(self) -> None:
            require(self.temperature >= 0.02, "method.temperature", "at least 0.02", self.temperature)
            require(self.rounds >= 0, "method.rounds", "at least 0", self.rounds)
            require(0.0 <= self.neighbor_share <= 1.0, "method.neighbor_share", "in [0, 1]", self.neighbor_share)
            require(self.neighbors >= 1, "method.neighbors", "at least 1", self.neighbors)

    cfg: Config

    def prepare(self, bank: FeatureBank) -> None:
        """Assign classes to the rows of both streams."""
        cfg, classes = self.cfg, self.problem.num_classes
        rows = self.rows_of(bank)
        features, labeled = bank.features[rows], bank.features[bank.labeled]
        unlabeled = bank.features[rows[~torch.isin(rows, bank.labeled)]]
        means = refined_means(labeled, bank.label, unlabeled, classes, temperature=cfg.temperature, rounds=cfg.rounds)
        soft = mean_probs(features, means, temperature=cfg.temperature)
        if cfg.neighbor_share:
            votes = knn_scores(features, labeled, bank.label, classes, k=cfg.neighbors, temperature=cfg.temperature)
            soft = torch.lerp(soft, votes / votes.sum(1, keepdim=True), cfg.neighbor_share)
        self.assign(bank, rows, soft)
        self.soft[bank.labeled] = F.one_hot(bank.label, classes).to(self.soft)
