"""The cached features of all training images, as a method may look at them before the first step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureBank:
    """The features of a frozen backbone for all training images.

    Attributes:
        features: (N, D) float32, as a student sees them without augmentation.
        labeled: (n,) int64, sorted rows whose labels may be used.
        label: (n,) int64, the classes of `labeled`.
        unlabeled: (m,) int64, sorted rows of the unlabeled stream; they may include labeled ones.
        widths: the number of columns of each backbone, if there are several, side by side; () is one.
    """

    features: Tensor
    labeled: Tensor
    label: Tensor
    unlabeled: Tensor
    widths: tuple[int, ...] = ()

    @property
    def blocks(self) -> tuple[Tensor, ...]:
        """The features (N, D_i) of each backbone."""
        return torch.split(self.features, list(self.widths), dim=1) if self.widths else (self.features,)
