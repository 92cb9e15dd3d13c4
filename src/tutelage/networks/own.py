"""Networks of other packages, named by their import path."""

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
    """The network class that an import path names, checked.

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
    """The network's own settings as its `Config`, or None where it has none.

    Raises:
        ConfigError: one is unknown, of a wrong type or refused; or the class cannot be imported.
    """
    settings = getattr(own_network(config.name), "Config", None)
    if settings is None and config.own:
        raise ConfigError(f"network.{next(iter(config.own))}: the network {config.name} has no settings")
    return None if settings is None else options.build(settings, config.own, "network.")


def build_own(config: OwnNetworkConfig, *, num_classes: int, channels: int, size: tuple[int, ...]) -> Network:
    """The network of another package: `Class(num_classes=..., channels=...)`, with `cfg=` where it has a `Config`.

    It is tried on blank images before anything is trained.

    Args:
        size: of the images, two or three axes.

    Raises:
        ConfigError: a setting is unknown or refused, or the network cannot be built or does not answer as expected.
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
    """Raise unless the network has a head and gives logits of the expected shape."""
    whole = not isinstance(network, DenseNetwork)  # one answer for each image
    if whole and not isinstance(network.head, nn.Linear):
        raise ConfigError(f"network {type(network).__name__}: head must be an nn.Linear, got {network.head}")
    network.eval()
    logits = network.head(network.features(images))
    network.train()
    expected = (len(images), num_classes) if whole else (len(images), num_classes, *images.shape[2:])
    if logits.shape != expected:
        raise ConfigError(
            f"network {type(network).__name__}: expected logits of shape {expected} from head(features(images)) for "
            f"images of shape {tuple(images.shape)}, got {tuple(logits.shape)}"
        )
