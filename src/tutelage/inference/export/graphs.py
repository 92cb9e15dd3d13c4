"""A trained network with what comes before and after it, as one module that other runtimes take."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tutelage.networks.base import Network
from tutelage.run.pixel_graph import prepared_by


class ImageGraph(nn.Module):
    """Class probabilities (B, K), or features (B, F) of an encoder, from images (B, S, S, C) uint8.

    Args:
        network: the trained network, which takes what `normalization` returns.
        classifies: whether it predicts classes.
    """

    def __init__(self, network: Network, normalization: Callable[[Tensor], Tensor], classifies: bool) -> None:
        super().__init__()
        self.classifies = classifies
        self.network = network
        self.prepared = prepared_by(normalization)

    def forward(self, images: Tensor) -> Tensor:
        prepared = self.prepared(images.permute(0, 3, 1, 2).float())
        if self.classifies:
            return self.network(prepared).softmax(1)
        return self.network.features(prepared)


class WindowGraph(nn.Module):
    """Class probabilities (B, K, *S) of windows (B, C, *S) float32, which are standardized as the run says."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, window: Tensor) -> Tensor:
        logits: Tensor = self.network(window)
        return logits.softmax(1)
