"""The V-Net of the originals, by its numbers of parameters, its sizes and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tutelage.config.network import NetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.networks.build import build_network
from tutelage.networks.vnet import VNet


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_parameters_are_those_of_the_originals() -> None:
    network = VNet(num_classes=2)
    assert parameters(network) == 9_448_866
    assert (len(list(network.parameters())), len(list(network.buffers()))) == (118, 87)
    assert sum(isinstance(module, nn.BatchNorm3d) for module in network.modules()) == 29
    assert parameters(VNet(num_classes=2, form="laseg")) == 9_186_722


@pytest.mark.parametrize(
    ("form", "size"),
    [("ua-mt", (16, 32, 16)), ("ua-mt", (48, 16, 16)), ("laseg", (16, 16, 8)), ("laseg", (32, 16, 24))],
)
def test_sizes_are_kept_and_the_head_is_the_last_layer(form: str, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = VNet(num_classes=3, channels=2, width=2, form=form).eval()  # type: ignore[arg-type]
    images = torch.randn(1, 2, *size)
    features = network.features(images)
    assert features.shape == (1, 2, *size)
    assert torch.equal(network.head(features), network(images)) and network(images).shape == (1, 3, *size)


def test_slices_of_two_axes_go_through_the_same_stages() -> None:
    network = VNet(num_classes=3, width=2, spatial_dims=2)
    assert network(torch.randn(2, 1, 16, 32)).shape == (2, 3, 16, 32)
    assert {type(m) for m in network.modules()} & {nn.Conv3d, nn.BatchNorm3d, nn.Dropout3d} == set()


def test_skips_are_added_at_each_level() -> None:
    torch.manual_seed(0)
    network = VNet(num_classes=2, width=2, dropout=0.0).eval()
    images = torch.randn(1, 1, 16, 16, 16)
    nn.init.zeros_(network.ups[0][0].weight)  # the bottom stage reaches the output no more, the skips do
    before = network(images)
    for level in range(4):
        kept = network.down_stages[level][0].weight.detach().clone()
        with torch.no_grad():
            network.down_stages[level][0].weight.mul_(-1.0)
        assert not torch.equal(network(images), before), level
        with torch.no_grad():
            network.down_stages[level][0].weight.copy_(kept)
    with torch.no_grad():
        network.down_stages[4][0].weight.mul_(-1.0)
    assert torch.equal(network(images), before)


def test_dropout_drops_whole_channels_at_the_bottom_and_before_the_head() -> None:
    torch.manual_seed(0)
    network = VNet(num_classes=2, width=8).train()
    features = network.features(torch.randn(2, 1, 16, 16, 16))
    dropped = (features == 0).flatten(2).all(2).float().mean()
    assert 0.1 < float(dropped) < 0.9
    plain = VNet(num_classes=2, width=8, dropout=0.0).train()
    assert float((plain.features(torch.randn(2, 1, 16, 16, 16)) == 0).flatten(2).all(2).float().mean()) < 0.1


def test_deep_supervision_gives_a_map_of_each_level_at_full_size_and_trains_every_parameter() -> None:
    torch.manual_seed(0)
    network = VNet(num_classes=2, width=2, deep_supervision=True)
    maps = network.maps(torch.randn(2, 1, 16, 16, 16))
    assert [tuple(one.shape) for one in maps] == [(2, 2, 16, 16, 16)] * 4
    torch.stack(maps).square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())
    plain = VNet(num_classes=2, width=2)
    assert len(plain.maps(torch.randn(2, 1, 16, 16, 16))) == 1 and not plain.deep_supervision


def test_a_size_that_does_not_halve_is_refused_with_the_nearest_that_does() -> None:
    with pytest.raises(
        ValueError, match=r"multiples of \(16, 16, 16\), got \(50, 64, 40\); the nearest is \(48, 64, 32\)"
    ):
        VNet(num_classes=2, width=2)(torch.randn(1, 1, 50, 64, 40))
    with pytest.raises(ConfigError, match=r"'vnet' expects sizes that are multiples of .*nearest is \(48, 64, 32\)"):
        build_network(NetworkConfig(name="vnet", width=2), num_classes=2, channels=1, image_size=(50, 64, 40))
    laseg = NetworkConfig(name="vnet-laseg", width=2)
    assert build_network(laseg, num_classes=2, channels=1, image_size=(48, 64, 40))
    with pytest.raises(ConfigError, match="is for volumes with three axes"):
        build_network(laseg, num_classes=2, channels=1, image_size=(48, 64))


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("vnet", 32, "'vnet' is for segmentation"),
        ("small", (32, 32), "'small' predicts one class per image; for segmentation choose vnet"),
        ("vnett", (32, 32), "'vnett' is not known; did you mean 'vnet'"),
    ],
)
def test_a_network_of_another_task_is_refused(name: str, size: int | tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(NetworkConfig(name=name), num_classes=2, channels=1, image_size=size)


def test_settings_reach_the_network() -> None:
    config = NetworkConfig(name="vnet", width=2, dropout=0.25, deep_supervision=True)
    network = build_network(config, num_classes=2, channels=1, image_size=(16, 16, 16))
    assert isinstance(network, VNet) and network.deep_supervision and network.dropout.p == 0.25
    assert network.head.in_channels == 2
    with pytest.raises(ConfigError, match=r"network\.width is not a setting of the network 'conv-large'"):
        NetworkConfig(name="conv-large", width=2)
    with pytest.raises(ConfigError, match=r"network.width must be in \[1, 1024\]"):
        NetworkConfig(name="vnet", width=0)
