"""Label propagation over a graph of nearest neighbors, then a linear classifier of the propagated labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch

from tutelage.config.settings import require
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.label_graph import neighbor_graph, propagate
from tutelage.methods.soft_targets import SoftTargets


class LabelPropagation(SoftTargets):
    """Label propagation: Zhou et al. 2003 (Learning with local and global consistency), as pseudo-labels.

    Their use as pseudo-labels is that of Iscen et al. 2019 (arXiv:1904.04717).

    loss = mean H(q(u), p(u)) with q = normalized Z, (I - alpha S) Z = Y, S = D^-1/2 A D^-1/2, A the symmetric graph of
    the k nearest neighbors by cosine, weighted by cosine^gamma, and Y the labels, one-hot. Each row of Z is made to sum
    to 1. With `class_mass` its columns are first: that is what balanced classes would give (Zhu et al. 2003). Where the
    unlabeled stream has no labeled images, these are learned by their labels: with n labeled and m unlabeled images,
    loss = (m mean H(q(u), p(u)) + n mean H(y, p(x))) / (m + n).

    Deviations: the classifier is linear, and learns all soft labels alike, where Iscen et al. weight them by their
    entropy; they propagate anew in each epoch, which frozen features do not need.
    """

    name = "label-propagation"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `label-propagation`."""

        neighbors: Annotated[int, "k, the neighbors of each image in the graph"] = 10
        alpha: Annotated[float, "share of an image's label that comes from its neighbors"] = 0.99
        gamma: Annotated[float, "exponent of the cosine similarity"] = 3.0
        class_mass: Annotated[
            Literal["none", "uniform"], "uniform: assume that the unlabeled images are balanced over classes"
        ] = "none"

        def __post_init__(self) -> None:
            require(self.neighbors >= 1, "method.neighbors", "at least 1", self.neighbors)
            require(0.0 < self.alpha < 1.0, "method.alpha", "in (0, 1)", self.alpha)
            require(self.gamma > 0.0, "method.gamma", "above 0", self.gamma)

    cfg: Config

    def prepare(self, bank: FeatureBank) -> None:
        """Propagate the labels to the rows of both streams."""
        cfg = self.cfg
        rows = self.rows_of(bank)
        graph = neighbor_graph(bank.features[rows], k=cfg.neighbors, gamma=cfg.gamma)
        place = torch.searchsorted(rows, bank.labeled)
        soft = propagate(
            graph,
            place.cpu(),
            bank.label.cpu(),
            self.problem.num_classes,
            alpha=cfg.alpha,
            uniform_mass=cfg.class_mass == "uniform",
        )
        self.assign(bank, rows, soft)
