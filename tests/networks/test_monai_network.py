"""MONAI's networks by name: sizes, strides, features and head, levels."""

from __future__ import annotations

import copy

import pytest
import torch

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.networks.build import build_network
from tutelage.networks.dense import DenseNetwork
from tutelage.networks.monai_network import halvings


def build(name: str, size: tuple[int, ...], **settings: object) -> DenseNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(name=name, width=4, **settings)  # type: ignore[arg-type]
    network = build_network(config, num_classes=3, channels=2, image_size=size)
    assert isinstance(network, DenseNetwork)
    return network


@pytest.mark.parametrize(
    ("size", "strides"),
    [
        ((64, 64, 64), [(2, 2, 2)] * 4),
        ((112, 112, 80), [(2, 2, 2)] * 4),
        ((48, 48, 6), [(2, 2, 1)] * 3),
        ((16, 12), [(2, 2), (2, 1)]),
        ((5, 7), []),
    ],
)
def test_an_axis_is_halved_while_it_stays_whole_and_four_long(
    size: tuple[int, ...], strides: list[tuple[int, ...]]
) -> None:
    assert halvings(size) == strides


@pytest.mark.parametrize("name", ["monai:unet", "monai:dynunet"])
@pytest.mark.parametrize("size", [(16, 24, 10), (32, 16)])
def test_sizes_are_kept_and_the_head_is_the_last_layer(name: str, size: tuple[int, ...]) -> None:
    network = build(name, size).eval()
    images = torch.randn(2, 2, *size)
    features = network.features(images)
    assert features.shape == (2, 4, *size)
    assert torch.equal(network.head(features), network(images)) and network(images).shape == (2, 3, *size)
    assert len(network.maps(images)) == 1


def test_deep_supervision_of_dynunet_trains_every_parameter_and_leaves_a_network_that_can_be_copied() -> None:
    network = build("monai:dynunet", (16, 16, 16), deep_supervision=True)
    images = torch.randn(2, 2, 16, 16, 16)
    maps = network.maps(images)
    assert len(maps) > 1 and {tuple(one.shape) for one in maps} == {(2, 3, 16, 16, 16)}
    torch.stack(maps).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())
    network(images)
    copy.deepcopy(network)


def test_what_the_network_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.deep_supervision is not a setting of the network 'monai:unet'"):
        build("monai:unet", (16, 16, 16), deep_supervision=True)
    with pytest.raises(ConfigError, match=r"'monai:unett' is not known; did you mean 'monai:unet'"):
        build("monai:unett", (16, 16, 16))
    with pytest.raises(ValueError, match="expects sizes that are multiples of"):
        build("monai:dynunet", (16, 16, 16))(torch.randn(1, 2, 15, 16, 16))
