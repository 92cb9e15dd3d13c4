"""Builds a network from its settings."""

from __future__ import annotations

from pathlib import Path

from tutelage.config.network import NetworkConfig, OwnNetworkConfig
from tutelage.config.network_name import EFFICIENTNET_LITE, JOINED, NetworkName
from tutelage.core.errors import ConfigError
from tutelage.networks.base import Network
from tutelage.networks.conv_large import ConvLarge
from tutelage.networks.dense import DenseNetwork
from tutelage.networks.joined import JoinedNetwork
from tutelage.networks.monai_network import MonaiName, MonaiNetwork
from tutelage.networks.own import build_own, own_network
from tutelage.networks.published import WHEELS, wheel_file
from tutelage.networks.resnet import ResNet
from tutelage.networks.shake_shake import ShakeShake
from tutelage.networks.small import SmallResNet
from tutelage.networks.split_batch_norm import split_batch_norm
from tutelage.networks.timm_network import TimmNetwork, preparation
from tutelage.networks.vnet import VNet
from tutelage.networks.wide_resnet import WideResNet


def build_network(
    config: NetworkConfig,
    *,
    num_classes: int,
    channels: int,
    image_size: int | tuple[int, ...],
    published: bool = True,
) -> Network:
    """The network that `config` names, in training mode, with weights drawn from torch's global generator.

    Args:
        channels: number of image channels; 1 or 3 for photos.
        image_size: side of the training images in pixels; for segmentation, the size of the training patches along two
            or three axes.

    Raises:
        ConfigError: the network is not available, is for another task, or does not accept images of that size.
        MissingExtra: the network needs a package that is not installed.
    """
    if isinstance(image_size, tuple):
        return _segmenter(config, num_classes=num_classes, channels=channels, patch_size=image_size)
    network = _classifier(
        config, num_classes=num_classes, channels=channels, image_size=image_size, published=published
    )
    if config.bn_splits is not None:
        split_batch_norm(network, config.bn_splits)
    return network


def timm_name(config: NetworkConfig) -> str:
    """The name in timm of the network that `config` names, which is not joined."""
    name = NetworkName.parse(config.name)
    return WHEELS[config.name].architecture if name.family == EFFICIENTNET_LITE else name.timm


def weights_of(config: NetworkConfig) -> Path | None:
    """The file of weights that training starts from; None if there is none, or if timm finds it.

    Raises:
        MissingExtra: it comes with a package that is not installed.
    """
    if config.weights is not None:
        return Path(config.weights)
    return wheel_file(config.name) if config.name in WHEELS else None


def require_weights(config: NetworkConfig) -> None:
    """Check that the weights that training starts from are there, as far as that is quick, before data are read.

    Raises:
        ConfigError: there is no such network in timm, or no such file.
        MissingExtra: they come with a package that is not installed.
    """
    if not config.starts_pretrained:
        return
    for part in config.parts:
        file = weights_of(part)
        preparation(timm_name(part))
        if file is not None and not file.is_file():
            raise ConfigError(f"network.weights: there is no file {file}")


def is_dense(config: NetworkConfig) -> bool:
    """Whether the network predicts a class per pixel or voxel, not one per image.

    Raises:
        ConfigError: the network is from another package and cannot be imported.
    """
    if isinstance(config, OwnNetworkConfig):
        return issubclass(own_network(config.name), DenseNetwork)
    return NetworkName.parse(config.name).dense


def _classifier(config: NetworkConfig, *, num_classes: int, channels: int, image_size: int, published: bool) -> Network:
    name, given = NetworkName.parse(config.name), config.given()
    if is_dense(config):
        raise ConfigError(f"network.name '{config.name}' is for segmentation; these images have one class each")
    if isinstance(config, OwnNetworkConfig):
        return build_own(config, num_classes=num_classes, channels=channels, size=(image_size, image_size))
    shape = {"num_classes": num_classes, "channels": channels, "image_size": image_size}
    if name.family == JOINED:
        trunks = [_classifier(part, **shape, published=published) for part in config.parts]
        return JoinedNetwork(trunks, num_classes)
    if name.family in ("timm", EFFICIENTNET_LITE):
        return TimmNetwork(
            timm_name(config),
            num_classes=num_classes,
            channels=channels,
            image_size=image_size,
            pretrained=config.from_hub and published,
            weights=weights_of(config) if published else None,
            dropout=config.dropout or 0.0,
            feature_dims=config.feature_dims,
        )
    if name.family == "wrn":
        (groups, units), (_, width) = name.wide_shape, name.numbers
        return WideResNet(units=units, width=width, groups=groups, num_classes=num_classes, channels=channels, **given)
    if name.family == "shake-shake":
        return ShakeShake(base=name.numbers[0], num_classes=num_classes, channels=channels, **given)
    if name.family == "resnet":
        depth = name.numbers[0]
        return ResNet(depth=depth, image_size=image_size, num_classes=num_classes, channels=channels, **given)
    if name.family == "conv-large":
        if image_size < ConvLarge.smallest_image:
            raise ConfigError(
                f"network.name 'conv-large' needs images of at least {ConvLarge.smallest_image} pixels, got "
                f"{image_size}; choose 'small', or a larger data.image_size"
            )
        return ConvLarge(num_classes=num_classes, channels=channels, **given)
    return SmallResNet(image_size=image_size, num_classes=num_classes, channels=channels, **given)


def _segmenter(config: NetworkConfig, *, num_classes: int, channels: int, patch_size: tuple[int, ...]) -> DenseNetwork:
    name, given = NetworkName.parse(config.name), config.given()
    network: DenseNetwork
    if not is_dense(config):
        raise ConfigError(
            f"network.name '{config.name}' predicts one class per image; for segmentation choose vnet, vnet-laseg, "
            "monai:unet or monai:dynunet"
        )
    if isinstance(config, OwnNetworkConfig):
        own = build_own(config, num_classes=num_classes, channels=channels, size=patch_size)
        assert isinstance(own, DenseNetwork)
        return own
    if name.form == "laseg" and len(patch_size) != 3:
        raise ConfigError(f"network.name 'vnet-laseg' is for volumes with three axes, got {len(patch_size)}")
    if name.family == "vnet":
        dims = len(patch_size)
        network = VNet(num_classes=num_classes, channels=channels, spatial_dims=dims, form=name.form, **given)
    else:
        kind: MonaiName = "unet" if name.family == "monai-unet" else "dynunet"
        network = MonaiNetwork(kind, num_classes=num_classes, channels=channels, patch_size=patch_size, **given)
    if fault := network.size_fault(patch_size):
        raise ConfigError(f"the patch size does not fit: network.name '{config.name}' {fault}")
    return network
