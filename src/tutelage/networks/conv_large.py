"""The 13-layer convolutional network of the consistency papers (Laine & Aila 2017, arXiv:1610.02242, table 5)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from tutelage.networks.base import InputNoise, initialize
from tutelage.networks.staged import StagedNetwork
from tutelage.networks.weight_norm import WeightNormConv2d

DIRECTION_SPREAD = 0.05  # initial std of V in weight norm; it affects only how fast the direction of V changes


class ConvLarge(StagedNetwork):
    """13 layers, 3.12 M parameters: 3 x 128, 3 x 256, then 512, 256 and 128 channels, global mean, head.

    Each convolution is followed by batch norm and leaky ReLU (slope 0.1). With "mean-only" it has weight norm and
    mean-only batch norm instead, as in the papers. The first convolution of the last group is not padded, so its input
    must be at least 3 pixels wide, and the image at least 12.

    The papers normalize the head as well; here it is a plain linear layer, which methods may replace.

    Args:
        normalization: "batch", or "mean-only" for weight norm with mean-only batch norm. The initial scale of the
            latter depends on images: see `start_from`.
        dropout: probability after each of the two max-pooling layers.
        input_noise: standard deviation of the Gaussian noise added to the standardized image in training mode.
        batch_norm_momentum: weight of the current batch in the running statistics. None is 0.1 for "batch". For
            "mean-only" it is 0.001, as in the papers, and `start_from` sets the initial running means.
    """

    smallest_image = 12
    decoder_layers = 3

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 3,
        normalization: Literal["batch", "mean-only"] = "batch",
        dropout: float = 0.5,
        input_noise: float = 0.15,
        batch_norm_momentum: float | None = None,
    ) -> None:
        super().__init__()
        default = {"batch": 0.1, "mean-only": 0.001}[normalization]
        momentum = default if batch_norm_momentum is None else batch_norm_momentum

        def layer(width: int, out: int, kernel: int = 3, padding: int = 1) -> nn.Sequential:
            activation = nn.LeakyReLU(0.1, inplace=True)
            if normalization == "mean-only":
                convolution = WeightNormConv2d(width, out, kernel, padding=padding, momentum=momentum)
                return nn.Sequential(convolution, activation)
            plain = nn.Conv2d(width, out, kernel, padding=padding, bias=False)
            return nn.Sequential(plain, nn.BatchNorm2d(out, momentum=momentum), activation)

        self.trunk = nn.Sequential(
            InputNoise(input_noise),
            *(layer(channels, 128), layer(128, 128), layer(128, 128)),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *(layer(128, 256), layer(256, 256), layer(256, 256)),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *(layer(256, 512, padding=0), layer(512, 256, 1, 0), layer(256, 128, 1, 0)),
        )
        self.channels = (channels, 128, 128, 256, 128)
        self.head = nn.Linear(128, num_classes)
        initialize(self)
        for module in self.modules():
            if isinstance(module, WeightNormConv2d):
                nn.init.normal_(module.weight, std=DIRECTION_SPREAD)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The outputs of the first layer, and of each group before pooling."""
        first = self.trunk[:2](images)
        one = self.trunk[2:4](first)
        two = self.trunk[4:9](one)
        return [first, one, two, self.trunk[9:](two)]

    @torch.no_grad()
    def start_from(self, images: Tensor) -> None:
        """With weight norm, scale each layer so that its outputs for `images` have mean 0 and standard deviation 1.

        Dropout and noise are active, as in training, because they increase the variance: without them the initial
        logits would be five times too large. Without weight norm, this does nothing.
        """
        layers = list(self.trunk.modules())
        if not any(isinstance(module, WeightNormConv2d) for module in layers):
            return
        outputs = images
        for module in layers:
            if isinstance(module, WeightNormConv2d):
                outputs = module.start_from(outputs)
            elif not list(module.children()):
                outputs = module(outputs)
