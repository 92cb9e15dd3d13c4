"""The probes of one encoder, which are trained on some labeled images and scored on others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tutelage.core.neighbors import knn_scores
from tutelage.inference.images.probe.data import LabeledFeatures
from tutelage.inference.images.probe.linear import fit_linear
from tutelage.inference.images.probe.logistic import fit_logistic

Rows = NDArray[np.int64]
View = Callable[[int, Rows, int], Tensor]  # epoch, rows, seed: features of augmented images


@dataclass(frozen=True)
class Bench:
    """Probes that are trained on the images of `learn` and scored on those of `scored`.

    Attributes:
        number: index of the encoder among those whose features were computed.
        view: computes features of newly augmented rows of `learn`; None trains the linear probe without augmentation.
        standardize: whether logistic regression standardizes each feature.
    """

    learn: LabeledFeatures
    scored: LabeledFeatures
    number: int
    classes: Sequence[str]
    view: View | None = None
    standardize: bool = True

    def right(self, kind: str, rows: Rows, seed: int) -> int:
        """Number of scored images that a probe trained on `rows` classifies correctly."""
        return int((self._predict(kind, rows, seed) == self.scored.label).sum())

    def part(self, learn: Rows, scored: Rows) -> Bench:
        """The same probes trained on some rows of `learn` and scored on others."""
        whole = self.view
        view = None if whole is None else lambda epoch, rows, seed: whole(epoch, learn[rows], seed)
        return replace(self, learn=self.learn.rows(learn), scored=self.learn.rows(scored), view=view)

    def _predict(self, kind: str, rows: Rows, seed: int) -> Rows:
        features, label = self.learn.features[self.number][rows], self.learn.label[rows]
        queries = self.scored.features[self.number]
        if kind == "knn":
            found = knn_scores(queries, features, torch.from_numpy(label), len(self.classes)).argmax(1).numpy()
        elif kind == "linear":
            view = self.view
            weight, bias = fit_linear(
                lambda epoch, few: features[few] if view is None else view(epoch, rows[few.numpy()], seed),
                torch.from_numpy(label),
                len(self.classes),
                seed=seed,
            )
            found = F.linear(queries, weight, bias).argmax(1).numpy()
        else:
            model = fit_logistic(features.numpy(), label, seed=seed, standardize=self.standardize)
            found = model.predict(queries.numpy())
        answer: Rows = found
        return answer
