"""Views of cached features: dropout in place of augmentation, since the images themselves passed the network once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutelage.augment.view import Draws, ImageShape, View
from tutelage.config.augment import FeatureViewConfig
from tutelage.core.errors import ConfigError

FEATURE_VIEWS = ("identity", "weak", "strong")


class FeatureDropout(View):
    """Sets a random share of the coordinates of each row to zero, and scales the others up by 1 / (1 - share)."""

    def __init__(self, share: float) -> None:
        self.share = share

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        """Which coordinates are kept: (rows, D) bool; `shape.channels` is D."""
        if self.share == 0.0:
            return {}
        return {"kept": torch.rand(rows, shape.channels, generator=generator) >= self.share}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """(B, D) float32 to the same shape."""
        if self.share == 0.0:
            return images
        return images * draws["kept"].to(images.device, non_blocking=True) / (1.0 - self.share)

    def describe(self, draws: Draws, row: int) -> str:
        return f"dropout {self.share:g}"


def build_feature_views(names: Sequence[str], config: FeatureViewConfig) -> tuple[View, ...]:
    """The views of those names for cached features, in that order.

    Raises:
        ConfigError: there is no view of a name.
    """
    shares = dict(zip(FEATURE_VIEWS, (0.0, config.weak_dropout, config.strong_dropout), strict=True))
    for name in names:
        if name not in shares:
            raise ConfigError(f"the features of a frozen network have no view '{name}'; they have {', '.join(shares)}")
    return tuple(FeatureDropout(shares[name]) for name in names)
