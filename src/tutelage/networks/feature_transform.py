"""The transform of pooled features that a linear head is trained on."""

from __future__ import annotations

import scipy.linalg
import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURE_DIMS = 256
_MOST_ROWS = 20_000  # for the covariance
_SMOOTH = 0.01  # of the slope of the square root, which is infinite at 0


class FeatureTransform(nn.Module):
    """Signed square root, centering, principal components, and a norm of sqrt(D) per row.

    The square root tames the long tail of pooled activations. With this norm, a coordinate is 1 on average.

    Args:
        features: F, the number of features of the backbone.
        dims: D, the number of principal components.
    """

    center: Tensor
    components: Tensor

    def __init__(self, features: int, dims: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("components", torch.zeros(features, dims))

    @staticmethod
    def fit(features: Tensor, dims: int = FEATURE_DIMS) -> FeatureTransform:
        """The transform for features (N, F): at most `dims` components, in the order of their variance.

        Needs no labels. Above 20,000 rows, evenly spaced ones are used.
        """
        rows = torch.linspace(0, len(features) - 1, min(len(features), _MOST_ROWS)).long()
        rooted = _signed_root(features[rows].double())
        center = rooted.mean(0)
        centered = rooted - center
        transform = FeatureTransform(features.shape[1], min(dims, features.shape[1], max(len(rows) - 1, 2)))
        width, dims = transform.components.shape
        covariance = (centered.T @ centered).numpy()
        # torch.linalg.eigh computes all vectors, and may fail where rows are few and many eigenvalues are 0
        _, found = scipy.linalg.eigh(covariance, subset_by_index=(width - dims, width - 1))
        vectors = torch.from_numpy(found).flip(1)
        vectors *= vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()  # the sign is arbitrary: fix it
        transform.center.copy_(center)
        transform.components.copy_(vectors)
        return transform

    @property
    def dims(self) -> int:
        """D, the number of coordinates that a head sees."""
        return self.components.shape[1]

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) to (B, D)."""
        return F.normalize(self.projected(features), dim=1) * self.dims**0.5

    def projected(self, features: Tensor) -> Tensor:
        """(B, D) of features (B, F), before rows are scaled to their norm."""
        return (_signed_root(features) - self.center) @ self.components


def _signed_root(features: Tensor) -> Tensor:
    """The root itself, with the gradient of f / sqrt(|f| + 0.01): pooled activations are often 0."""
    root = features.sign() * features.abs().sqrt()
    if not features.requires_grad:
        return root
    smooth = features / (features.abs() + _SMOOTH).sqrt()
    return smooth + (root - smooth).detach()
