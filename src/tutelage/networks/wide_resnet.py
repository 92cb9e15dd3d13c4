"""Wide residual networks (Zagoruyko & Komodakis 2016, arXiv:1605.07146), wired as in FixMatch's original code."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import Network, initialize


class WideResNet(Network):
    """WRN-d-k: 1,467,610 parameters as WRN-28-2 with 3 channels and 10 classes.

    A 3x3 convolution to 16 channels, then groups of pre-activation units of 16k, 32k, 64k (and 128k) channels, the
    first unit of each group but the first halving the resolution; batch norm, leaky ReLU, mean over the map, head.

    FixMatch's TensorFlow code has biases in its convolutions besides (1,469,642 parameters): batch norm follows, so
    they are left out. Widely used ports feed the raw input to the first convolution of groups 2 and 3 and so have a
    batch norm without effect there; here, as in the original, the main path of each unit begins with it.

    Args:
        units: per group.
        groups: 3 in the paper; FixMatch's WRN-37-2 for STL-10 has 4.
        widening: k.
        dropout: probability between the two convolutions of each unit.
        batch_norm_momentum: share of a step in the running statistics. FixMatch's 0.001 needs thousands of steps
            before evaluation mode means anything; short runs take 0.1.
    """

    def __init__(
        self,
        *,
        units: int,
        widening: int,
        groups: int = 3,
        num_classes: int,
        channels: int = 3,
        dropout: float = 0.0,
        batch_norm_momentum: float = 0.001,
    ) -> None:
        super().__init__()
        width = 16
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.units = nn.Sequential()
        for group in range(groups):
            for position in range(units):
                stride = 2 if group > 0 and position == 0 else 1
                out = 16 * widening * 2**group
                self.units.append(
                    WideUnit(
                        width,
                        out,
                        stride=stride,
                        activate_shortcut=group == 0,
                        dropout=dropout,
                        batch_norm_momentum=batch_norm_momentum,
                    )
                )
                width = out
        self.norm = nn.BatchNorm2d(width, eps=1e-3, momentum=batch_norm_momentum)
        self.head = nn.Linear(width, num_classes)
        initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """(B, F): the mean over the last map."""
        return _activate(self.norm(self.units(self.stem(images)))).mean((2, 3))


class WideUnit(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))))), with a 1x1 convolution on the shortcut where the shape changes.

    Args:
        activate_shortcut: that convolution sees act(norm(x)), as in the first group, instead of x.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        stride: int,
        activate_shortcut: bool,
        dropout: float,
        batch_norm_momentum: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels, eps=1e-3, momentum=batch_norm_momentum)
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out, eps=1e-3, momentum=batch_norm_momentum)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        reshapes = channels != out or stride != 1
        self.shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=False) if reshapes else nn.Identity()
        self.activate_shortcut = reshapes and activate_shortcut

    def forward(self, x: Tensor) -> Tensor:
        activated = _activate(self.norm1(x))
        main = _activate(self.norm2(self.conv1(activated)))
        return self.conv2(self.dropout(main)) + self.shortcut(activated if self.activate_shortcut else x)


def _activate(normalized: Tensor) -> Tensor:
    return F.leaky_relu(normalized, 0.1, inplace=True)  # batch norm does not need its output for the backward pass
