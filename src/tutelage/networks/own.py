"""Networks from other packages, selected by import path."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.config import options
from tutelage.config.network import OwnNetworkConfig
from tutelage.core.errors import ConfigError, is_out_of_memory
from tutelage.core.import_path import import_named
from tutelage.networks.base import Network
from tutelage.networks.dense import DenseNetwork


def own_network(path: str) -> type[Network]:
    """The network class at an import path, validated.

    Raises:
        ConfigError: there is no such class, or it is not a complete network.
    """
    network = import_named(path, "network")
    if not inspect.isclass(network) or not issubclass(network, Network):
        raise ConfigError(f"network {path} is not a subclass of tutelage.Network")
    if inspect.isabstract(network):
        raise ConfigError(f"network {path} must define {', '.join(sorted(network.__abstractmethods__))}")
    settings = getattr(network, "Config", None)
    if settings is not None and not options.is_settings(settings):
        raise ConfigError(f"network {path}: its Config must be decorated with @dataclass")
    return network


def own_settings(config: OwnNetworkConfig) -> Any:
    """The settings of the network as an instance of its `Config`; None if it has no `Config`.

    Raises:
        ConfigError: a setting is unknown, of the wrong type, or invalid; or the class cannot be imported.
    """
    settings = getattr(own_network(config.name), "Config", None)
    if settings is None and config.own:
        raise ConfigError(f"network.{next(iter(config.own))}: the network {config.name} has no settings")
    return None if settings is None else options.build(settings, config.own, "network.")


def build_own(config: OwnNetworkConfig, *, num_classes: int, channels: int, size: tuple[int, ...]) -> Network:
    """A network from another package: `Class(num_classes=..., channels=...)`, plus `cfg=` if it has a `Config`.

    The network is tried on blank images before training starts.

    Args:
        size: of the images, along two or three axes.

    Raises:
        ConfigError: a setting is unknown or invalid, the network cannot be built, or its output has the wrong shape.
    """
    make: Any = own_network(config.name)
    settings = own_settings(config)
    given = {} if settings is None else {"cfg": settings}
    try:
        network = make(num_classes=num_classes, channels=channels, **given)
        _check(network, torch.zeros(2, channels, *size), num_classes)
    except ConfigError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigError(f"network {config.name} does not work: {type(error).__name__}: {error}") from error
    return network


@torch.no_grad()
def _check(network: Network, images: Tensor, num_classes: int) -> None:
    """Raise ConfigError unless the network has a head and returns logits of the expected shape."""
    classifies = not isinstance(network, DenseNetwork)  # one prediction per image
    if classifies and not isinstance(network.head, nn.Linear):
        raise ConfigError(f"network {type(network).__name__}: head must be an nn.Linear, got {network.head}")
    sizes = (1,) if classifies else getattr(network, "divisor", None)
    if not isinstance(sizes, tuple) or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ConfigError(
            f"network {type(network).__name__}: divisor must be a tuple of whole numbers, one for each axis, such as "
            f"(8, 8, 8), got {sizes!r}"
        )
    network.eval()
    logits = network.head(network.features(images))
    network.train()
    expected = (len(images), num_classes) if classifies else (len(images), num_classes, *images.shape[2:])
    if logits.shape != expected:
        raise ConfigError(
            f"network {type(network).__name__}: expected logits of shape {expected} from head(features(images)) for "
            f"images of shape {tuple(images.shape)}, got {tuple(logits.shape)}"
        )
