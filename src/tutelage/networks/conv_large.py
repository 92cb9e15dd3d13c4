"""The 13-layer convolutional network of the consistency papers (Laine & Aila 2017, arXiv:1610.02242, table 5)."""

from __future__ import annotations

from torch import Tensor, nn

from tutelage.networks.base import InputNoise, Network, initialize


class ConvLarge(Network):
    """13 layers, 3.12 M parameters: three of 128, three of 256, then 512, 256 and 128 channels, mean, head.

    Each convolution is followed by batch norm and leaky ReLU (slope 0.1); the papers have weight norm with mean-only
    batch norm instead, whose start depends on the first batch. The first convolution of the last group is not padded,
    so that the map must be at least 3 pixels wide there, and the image 12.

    Args:
        dropout: probability after each of the two max-poolings.
        input_noise: standard deviation of the Gaussian noise on the standardized image, in training mode.
        batch_norm_momentum: share of a step in the running statistics.
    """

    smallest_image = 12

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 3,
        dropout: float = 0.5,
        input_noise: float = 0.15,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()

        def layer(width: int, out: int, kernel: int = 3, padding: int = 1) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(width, out, kernel, padding=padding, bias=False),
                nn.BatchNorm2d(out, momentum=batch_norm_momentum),
                nn.LeakyReLU(0.1, inplace=True),
            )

        self.trunk = nn.Sequential(
            InputNoise(input_noise),
            *(layer(channels, 128), layer(128, 128), layer(128, 128)),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *(layer(128, 256), layer(256, 256), layer(256, 256)),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *(layer(256, 512, padding=0), layer(512, 256, 1, 0), layer(256, 128, 1, 0)),
        )
        self.head = nn.Linear(128, num_classes)
        initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """(B, 128): the mean over the last map."""
        return self.trunk(images).mean((2, 3))
