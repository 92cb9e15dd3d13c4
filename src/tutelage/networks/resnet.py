"""The residual networks of He et al. 2016 (arXiv:1512.03385), as implemented in torchvision: MoCo's encoders."""

from __future__ import annotations

from typing import Any, Literal, cast

from torch import Tensor, nn

from tutelage.networks.base import initialize
from tutelage.networks.staged import StagedNetwork

SMALL_IMAGE = 64  # pixels; up to this size the stem keeps the resolution
WIDTHS = {18: (64, 128, 256, 512), 50: (256, 512, 1024, 2048)}  # channels of the four groups


class ResNet(StagedNetwork):
    """ResNet-18 (11.2 M parameters, 512 features) or ResNet-50 (23.5 M, 2048), counted without the classifier.

    The trunk has torchvision's names and shapes, so that published weights fit (`trunk.layer1.0.conv1.weight`).

    Args:
        image_size: side of the training images in pixels.
        stem: "large" is a 7x7 convolution and max-pooling, which reduce the resolution by a factor of 4. "small" is a
            3x3 convolution that keeps the resolution, as is usual on CIFAR-10. None is "small" up to 64 pixels.
        batch_norm_momentum: weight of the current batch in the running statistics.
    """

    def __init__(
        self,
        *,
        depth: int,
        image_size: int,
        num_classes: int,
        channels: int = 3,
        stem: Literal["small", "large"] | None = None,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        from torchvision import models  # slow to import

        trunk = cast(Any, {18: models.resnet18, 50: models.resnet50}[depth](weights=None))
        widths = WIDTHS[depth]
        trunk.fc, trunk.avgpool = nn.Identity(), nn.Identity()
        if (stem or ("small" if image_size <= SMALL_IMAGE else "large")) == "small":
            trunk.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            trunk.maxpool = nn.Identity()
        elif channels != 3:
            trunk.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        for module in trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = batch_norm_momentum
        self.trunk = trunk
        self.channels = (channels, 64, *widths)
        self.head = nn.Linear(widths[-1], num_classes)
        initialize(self)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The outputs of the stem and of the four groups."""
        trunk = self.trunk
        maps = [trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(images))))]
        for group in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
            maps.append(group(maps[-1]))
        return maps
