"""Any image model of the timm library, by its name there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tutelage.core.errors import ConfigError, MissingExtra, did_you_mean
from tutelage.networks.base import Network


class TimmNetwork(Network):
    """A timm model without its classifier, then dropout and a linear head of its own.

    Most of these models reduce the image 32-fold: below some 96 pixels little is left of it.

    Args:
        name: the model's name in timm, e.g. "resnet18"; a tag after a dot chooses among published weights.
        image_size: side of the images in pixels; the size for which models of fixed size are built.
        pretrained: load the published weights, from timm's cache or the network; with one channel, the first layer's
            are summed over colors.
        dropout: probability on the features.

    Raises:
        MissingExtra: timm is not installed.
        ConfigError: timm has no such model, its weights cannot be had, or it does not take images of that size.
    """

    def __init__(
        self,
        name: str,
        *,
        num_classes: int,
        channels: int = 3,
        image_size: int,
        pretrained: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = _create(name, channels, image_size, pretrained)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(_feature_count(self.trunk, name, channels, image_size), num_classes)
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        """(B, F): what timm's classifier would see."""
        return self.dropout(self.trunk(images))


def _create(name: str, channels: int, image_size: int, pretrained: bool) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise MissingExtra(f"network.name 'timm:{name}'", "timm", "timm") from error
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise ConfigError(f"network.name: timm has no model '{architecture}'{did_you_mean(name, timm.list_models())}")
    weights = timm.list_models(f"{architecture}.*", pretrained=True)
    if tag and name not in weights:
        raise ConfigError(f"network.name: timm has no weights '{name}'{did_you_mean(name, weights)}")
    if pretrained and not weights:
        raise ConfigError(f"network.pretrained: there are no published weights for 'timm:{name}'; leave it out")
    settings = timm.get_pretrained_cfg(name)
    fixed_size: dict[str, Any] = {"img_size": image_size} if settings and settings.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels, **fixed_size)
    except Exception as error:  # timm and its hub client have no common class for what goes wrong in a download
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not pretrained:
            raise ConfigError(
                f"network.name 'timm:{name}' cannot be built for {channels} channels and {image_size} pixels: {reason}"
            ) from error
        raise ConfigError(
            f"network.pretrained: the weights of 'timm:{name}' could not be had, "
            f"which needs a connection the first time ({reason}); leave it out to start from random weights"
        ) from error


@torch.no_grad()
def _feature_count(trunk: nn.Module, name: str, channels: int, image_size: int) -> int:
    """Found by a pass over one blank image: the models name it differently, and some do not take small images."""
    trunk.eval()
    try:
        features = trunk(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"network.name 'timm:{name}' does not take images of {image_size} pixels ({reason}); "
            "choose a larger data.image_size, or 'small'"
        ) from error
    finally:
        trunk.train()
    if features.ndim != 2:
        raise ConfigError(
            f"network.name 'timm:{name}' gives features of shape {tuple(features.shape)} instead of one row an image; "
            "choose another"
        )
    return features.shape[1]
