"""A residual network small enough to train on two CPU cores: the default for small images."""

from __future__ import annotations

from torch import Tensor, nn

from tutelage.networks.base import InputNoise, initialize
from tutelage.networks.staged import StagedNetwork


class SmallResNet(StagedNetwork):
    """Three residual blocks with 32, 64 and 128 channels; 0.31 M parameters, about 14 times as fast as WRN-28-2.

    With a width of 16 it is three times faster still and has 0.08 M parameters.

    The stem halves the image as long as its side stays at least 14 pixels, and two of the blocks halve it again. For
    8x8 digits the last map is 2x2; for 32x32 and 224x224 images it is 4x4.

    Args:
        image_size: side of the training images in pixels, which sets the number of halvings. Other sizes work too.
        width: channels of the first block; the others have two and four times as many.
        dropout: probability on the features.
        input_noise: standard deviation of the Gaussian noise added to the standardized image in training mode.
        batch_norm_momentum: weight of the current batch in the running statistics.
    """

    stem_map = 14

    def __init__(
        self,
        *,
        image_size: int,
        num_classes: int,
        channels: int = 3,
        width: int = 32,
        dropout: float = 0.0,
        input_noise: float = 0.0,
        batch_norm_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        halvings, image_channels = 0, channels
        while image_size >> (halvings + 1) >= self.stem_map:
            halvings += 1

        def layer(inner: int, out: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inner, out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out, momentum=batch_norm_momentum),
            )

        self.trunk = nn.Sequential(InputNoise(input_noise))
        for halving in reversed(range(max(halvings, 1))):
            out = max(width >> halving, 8)
            self.trunk.extend([layer(channels, out, 2 if halvings else 1), nn.ReLU(inplace=True)])
            channels = out
        stem = channels
        for out, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
            self.trunk.append(SmallBlock(channels, out, stride, batch_norm_momentum))
            channels = out
        self.channels = (image_channels, stem, width, 2 * width, 4 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        initialize(self)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The outputs of the stem and of the three blocks."""
        maps = [self.trunk[:-3](images)]
        for block in self.trunk[-3:]:
            maps.append(block(maps[-1]))
        return maps

    def pooled(self, last: Tensor) -> Tensor:
        """(B, 4 width): the mean over the last map, after dropout."""
        return self.dropout(last.mean((2, 3)))


class SmallBlock(nn.Module):
    """act(shortcut(x) + norm(conv(act(norm(conv(x)))))); the shortcut pools before its 1x1 convolution."""

    def __init__(self, channels: int, out: int, stride: int, batch_norm_momentum: float) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out, momentum=batch_norm_momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out, momentum=batch_norm_momentum),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels != out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(channels, out, 1, bias=False),
                nn.BatchNorm2d(out, momentum=batch_norm_momentum),
            )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.shortcut(x) + self.main(x))
