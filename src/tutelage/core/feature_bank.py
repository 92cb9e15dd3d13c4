"""The cached features of all training images, as a method may look at them before the first step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FeatureBank:
    """The features of a frozen backbone for all training images.

    Attributes:
        features: (N, D) float32, as a student sees them without augmentation.
        labeled: (n,) int64, sorted rows whose labels may be used.
        label: (n,) int64, the classes of `labeled`.
        unlabeled: (m,) int64, sorted rows of the unlabeled stream; they may include labeled ones.
    """

    features: Tensor
    labeled: Tensor
    label: Tensor
    unlabeled: Tensor
