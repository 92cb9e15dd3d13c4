"""The last map of a network is found by what its modules return: in convolutional networks and in transformers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tutelage.config.network import NetworkConfig
from tutelage.inference.images.explain.activation import last_activation
from tutelage.networks.build import build_network
from tutelage.networks.timm_network import TimmNetwork


def found(network: nn.Module, size: int) -> tuple[str, str, int, int] | None:
    names = {module: name for name, module in network.named_modules()}
    network.eval()
    run = network.features if hasattr(network, "features") else network
    activation = last_activation(network, run, torch.rand(2, 3, size, size))
    if activation is None:
        return None
    return names[activation.module], activation.layout, activation.side, activation.prefix


def test_of_a_convolutional_network_it_is_what_is_pooled() -> None:
    wide = build_network(NetworkConfig(name="wrn-10-1"), num_classes=2, channels=3, image_size=32)
    assert found(wide, 32) == ("norm", "first", 8, 0)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 64, ("trunk.layer4", "first", 2, 0)),
        ("efficientnet_lite0", 96, ("trunk.bn2", "first", 3, 0)),
        ("vit_tiny_patch16_224", 224, ("trunk.blocks.11.norm1", "tokens", 14, 1)),
        ("deit_tiny_distilled_patch16_224", 224, ("trunk.blocks.11.norm1", "tokens", 14, 2)),
        ("swin_tiny_patch4_window7_224", 224, ("trunk.norm", "last", 7, 0)),
        ("mixer_s32_224", 224, ("trunk.norm", "tokens", 7, 0)),
    ],
)
@pytest.mark.long
def test_of_networks_of_timm_it_is_the_last_that_the_features_look_at(
    name: str, size: int, expected: tuple[str, str, int, int]
) -> None:
    assert found(TimmNetwork(name, num_classes=2, image_size=size), size) == expected


class Shared(nn.Module):
    """One convolution that runs three times, and is pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.first(images)
        for _ in range(3):
            x = self.again(x).relu()
        return x.mean((2, 3))


def test_a_module_that_runs_more_than_once_is_passed_over() -> None:
    assert found(Shared(), 8) == ("first", "first", 8, 0)


def test_a_network_without_a_map_has_none() -> None:
    assert found(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 8), nn.ReLU()), 8) is None


def test_what_is_tapped_is_the_map_and_the_result_stays() -> None:
    tokens = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), Transposed(), nn.LayerNorm(8))
    network = nn.Sequential(tokens, Mean())
    images = torch.rand(2, 3, 16, 16)
    activation = last_activation(network, network, images)
    assert activation is not None and activation.layout == "tokens" and activation.side == 4
    before, maps = network(images), list[Tensor]()
    with activation.tapped() as tap:
        tap.register_forward_hook(lambda module, given, output: maps.append(output))
        torch.testing.assert_close(network(images), before)
    torch.testing.assert_close(maps[0].flatten(2).transpose(1, 2), tokens(images))
    network(images)
    assert len(maps) == 1


class Transposed(nn.Module):
    """(B, C, N) to (B, N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Mean(nn.Module):
    """The mean over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)
