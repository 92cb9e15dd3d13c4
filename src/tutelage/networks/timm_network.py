"""Any image model of the timm library, selected by its name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tutelage.core.errors import ConfigError, MissingExtra, did_you_mean
from tutelage.networks.base import Network


class TimmNetwork(Network):
    """A timm model without its classifier, followed by dropout and a new linear head.

    Most of these models reduce the resolution by a factor of 32, which leaves little of images below about 96 pixels.

    Args:
        name: the model's name in timm, e.g. "resnet18"; a tag after a dot selects one of its published weights.
        image_size: side of the images in pixels; models with a fixed input size are built for it.
        pretrained: load published weights, from timm's cache or the internet. With one channel, the weights of the
            first layer are summed over colors.
        dropout: probability on the features.

    Raises:
        MissingExtra: timm is not installed.
        ConfigError: timm has no such model, its weights are not available, or it does not accept images of that size.
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
        """(B, F): the input of timm's classifier."""
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
    except Exception as error:  # timm and its hub client share no base class for download errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not pretrained:
            raise ConfigError(
                f"network.name 'timm:{name}' cannot be built for {channels} channels and {image_size} pixels: {reason}"
            ) from error
        raise ConfigError(
            f"network.pretrained: the weights of 'timm:{name}' could not be loaded, which needs an internet "
            f"connection the first time ({reason}); leave it out to start from random weights"
        ) from error


@torch.no_grad()
def _feature_count(trunk: nn.Module, name: str, channels: int, image_size: int) -> int:
    """The number of features, from a pass over a blank image. Models name it differently; some need large images."""
    trunk.eval()
    try:
        features = trunk(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"network.name 'timm:{name}' does not accept images of {image_size} pixels ({reason}); "
            "choose a larger data.image_size, or 'small'"
        ) from error
    finally:
        trunk.train()
    if features.ndim != 2:
        raise ConfigError(
            f"network.name 'timm:{name}' returns features of shape {tuple(features.shape)}, expected one row per "
            "image; choose another network"
        )
    return features.shape[1]
