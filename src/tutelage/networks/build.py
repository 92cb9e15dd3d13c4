"""From settings to a network."""

from __future__ import annotations

from tutelage.errors import ConfigError
from tutelage.networks.base import Network
from tutelage.networks.conv_large import ConvLarge
from tutelage.networks.settings import NetworkConfig, NetworkName
from tutelage.networks.shake_shake import ShakeShake
from tutelage.networks.small import SmallResNet
from tutelage.networks.timm_network import TimmNetwork
from tutelage.networks.wide_resnet import WideResNet


def build_network(config: NetworkConfig, *, num_classes: int, channels: int, image_size: int) -> Network:
    """The network that `config` names, its weights drawn from torch's global generator, in training mode.

    Args:
        channels: of the images, 1 or 3.
        image_size: side of the training images in pixels.

    Raises:
        ConfigError: the network cannot be had, or does not take images of that size.
        MissingExtra: it needs a package that is not installed.
    """
    name, given = NetworkName.parse(config.name), config.given()
    if name.family == "timm":
        return TimmNetwork(
            name.timm,
            num_classes=num_classes,
            channels=channels,
            image_size=image_size,
            pretrained=config.pretrained,
            dropout=config.dropout or 0.0,
        )
    if name.family == "wrn":
        (groups, units), (_, width) = name.wide_shape, name.numbers
        return WideResNet(units=units, width=width, groups=groups, num_classes=num_classes, channels=channels, **given)
    if name.family == "shake-shake":
        return ShakeShake(base=name.numbers[0], num_classes=num_classes, channels=channels, **given)
    if name.family == "conv-large":
        if image_size < ConvLarge.smallest_image:
            raise ConfigError(
                f"network.name 'conv-large' takes images of at least {ConvLarge.smallest_image} pixels, these have "
                f"{image_size}; choose 'small', or a larger data.image_size"
            )
        return ConvLarge(num_classes=num_classes, channels=channels, **given)
    return SmallResNet(image_size=image_size, num_classes=num_classes, channels=channels, **given)
