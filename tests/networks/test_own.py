from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tutelage.config.network import OwnNetworkConfig
from tutelage.core.errors import ConfigError
from tutelage.networks.build import build_network
from tutelage.networks.dense import DenseNetwork


class Voxelwise(DenseNetwork):
    """Importable: a 1x1x1 convolution of each voxel."""

    divisor: Any = (1, 1, 1)

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.head = nn.Conv3d(channels, num_classes, 1)

    def features(self, images: Tensor) -> Tensor:
        return images


@pytest.mark.parametrize("divisor", [None, 8, (8.0, 8, 8), (0, 1, 1), [1, 1, 1]])
def test_a_wrong_divisor_is_refused_with_what_to_write(divisor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = OwnNetworkConfig(name=f"{__name__}:Voxelwise")
    monkeypatch.setattr(Voxelwise, "divisor", divisor)
    with pytest.raises(ConfigError, match=r"divisor must be a tuple of whole numbers.* such as \(8, 8, 8\), got"):
        build_network(config, num_classes=2, channels=1, image_size=(4, 4, 4))
    monkeypatch.setattr(Voxelwise, "divisor", (1, 1, 1))
    network = build_network(config, num_classes=2, channels=1, image_size=(4, 4, 4))
    assert network(torch.zeros(1, 1, 4, 4, 4)).shape == (1, 2, 4, 4, 4)
