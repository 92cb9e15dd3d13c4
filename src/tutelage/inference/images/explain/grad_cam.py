"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) of a trained network, by captum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.core.precision import float32_by_default
from tutelage.core.wording import named
from tutelage.inference.images.explain.activation import Activation, last_activation
from tutelage.networks.base import Network
from tutelage.networks.feature_transform import FeatureTransform
from tutelage.run.pixel_graph import FrozenGraph, prepared_by

BATCH = 16  # images that pass at a time


def require_captum(what: str) -> None:
    """Check that captum is installed, which is imported only when a map is made.

    Raises:
        MissingExtra: it is not.
    """
    if find_spec("captum") is None:
        raise MissingExtra(what, "captum", "explain")


class ClassScores(nn.Module):
    """(B, K): the logits of images (B, C, S, S) in [0, 255], less their mean over classes.

    Probabilities do not change with what is added to the logits of all classes: so it is no reason for any of them.
    """

    def __init__(self, network: Network, normalization: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.prepared = prepared_by(normalization)

    def forward(self, pixels: Tensor) -> Tensor:
        logits = self.network(self.prepared(pixels)).float()
        return logits - logits.mean(1, keepdim=True)

    def activations(self, pixels: Tensor) -> list[Activation | None]:
        """The last activation of each network that sees the image: of frozen ones, those before the head."""
        if not isinstance(self.prepared, FrozenGraph):
            whole = self.network
            return [last_activation(whole, whole.features if whole.plain else whole, self.prepared(pixels))]
        parts, colors = self.prepared, pixels.expand(-1, 3, -1, -1)
        return [
            last_activation(trunk, trunk, levels(colors))
            for levels, trunk in zip(parts.levels, parts.trunks, strict=True)
        ]


class GradCam:
    """Which parts of an image speak for a class, in a trained network.

    A map is the sum of the channels of the network's last activation, each weighted by the mean slope of the score of
    the class in it, where that is positive; enlarged to the image, and divided by its largest value. Of several frozen
    networks it is the mean of their maps. Where features are scaled to a norm, that counts as a constant: otherwise
    the slope along the features themselves is 0, although that is what speaks for the class.

    Args:
        network: which takes what `normalization` returns, in evaluation mode.
        channels, size: of the images.

    Raises:
        MissingExtra: captum is not installed.
        ConfigError: the network has no activation that is a map.
    """

    def __init__(
        self,
        network: Network,
        normalization: Callable[[Tensor], Tensor],
        *,
        channels: int,
        size: int,
        device: torch.device,
    ) -> None:
        require_captum(named("explain"))
        self._scores = ClassScores(network, normalization).to(device)
        self._device = device
        noise = torch.rand((2, channels, size, size), generator=torch.Generator().manual_seed(0)) * 255
        found = self._scores.activations(noise.to(device))
        self.activations = [activation for activation in found if activation is not None]
        if len(self.activations) < len(found):
            raise ConfigError(
                f"{named('explain')} needs a network with an activation that is a map of the image, (B, C, h, w) or "
                f"(B, tokens, C), returned by a module that runs once; {type(network).__name__} has none"
            )

    def maps(self, images: NDArray[np.uint8], target: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, S, S) float32 in [0, 1] of images (n, C, S, S) uint8, for the class `target` (n,) of each.

        A map is 0 everywhere if nothing in the image speaks for the class.
        """
        parts = list(self._parts(images, target))
        size = images.shape[-1]
        return np.concatenate(parts) if parts else np.zeros((0, size, size), np.float32)

    def _parts(self, images: NDArray[np.uint8], target: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(images), BATCH):
            pixels = torch.from_numpy(images[start : start + BATCH]).to(self._device).float()
            chosen = torch.from_numpy(target[start : start + BATCH]).to(self._device)
            maps = torch.stack([self._map(activation, pixels, chosen) for activation in self.activations])
            yield _scaled(maps.mean(0)).cpu().numpy()

    @float32_by_default()
    def _map(self, activation: Activation, pixels: Tensor, target: Tensor) -> Tensor:
        from captum.attr import LayerGradCam

        with activation.tapped() as tap, _constant_norms(self._scores), torch.enable_grad():
            given = pixels.clone().requires_grad_()
            found = LayerGradCam(self._scores, tap).attribute(given, target=target, relu_attributions=True)
        assert isinstance(found, Tensor)
        size = (pixels.shape[-2], pixels.shape[-1])
        return _scaled(F.interpolate(found.detach().float(), size, mode="bilinear", align_corners=False)[:, 0])


@contextmanager
def _constant_norms(network: nn.Module) -> Iterator[None]:
    """While open, feature transforms return the same, but with gradients as if the norm of each row were a constant."""

    def through(transform: FeatureTransform, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        projected = transform.projected(*given)
        norm = projected.norm(dim=1, keepdim=True).clamp_min(torch.finfo(projected.dtype).tiny)
        return projected * (transform.dims**0.5 / norm).detach()

    transforms = [module for module in network.modules() if isinstance(module, FeatureTransform)]
    handles = [transform.register_forward_hook(through) for transform in transforms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scaled(maps: Tensor) -> Tensor:
    """Maps (n, S, S) divided by the largest value of each."""
    largest = maps.amax((1, 2), keepdim=True)
    return torch.where(largest > 0, maps / largest.clamp_min(torch.finfo(maps.dtype).tiny), 0.0).clamp(0.0, 1.0)
