"""Wide residual networks (Zagoruyko & Komodakis 2016, arXiv:1605.07146), wired as in FixMatch's original code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.config.network import WiringName
from tutelage.networks.base import initialize
from tutelage.networks.staged import StagedNetwork


@dataclass(frozen=True)
class Wiring:
    """How implementations of the same network differ.

    Attributes:
        raw_start: the first unit of every group except the first applies its first convolution to the raw input,
            without the batch norm and activation that all other units begin with.
        stem_bias, unit_bias: whether the first convolution and the convolutions in the units have biases.
        unit_epsilon, last_epsilon: epsilon of the batch norms in the units, and of the last one, before pooling.
        halve_of_four: in networks with four groups, the first group also halves the resolution.
    """

    raw_start: bool = True
    stem_bias: bool = False
    unit_bias: bool = False
    unit_epsilon: float = 1e-3
    last_epsilon: float = 1e-3
    halve_of_four: bool = True


WIRINGS: Mapping[WiringName, Wiring] = MappingProxyType(
    {
        "original": Wiring(raw_start=False, halve_of_four=False),
        "fixmatch-pytorch": Wiring(unit_epsilon=1e-5, last_epsilon=1e-5),
        "torchssl": Wiring(stem_bias=True, unit_bias=True),
        "usb": Wiring(stem_bias=True, unit_epsilon=1e-5),
    }
)


class WideResNet(StagedNetwork):
    """WRN-d-k: 1,467,610 parameters as WRN-28-2 with 3 channels and 10 classes.

    A 3x3 convolution with 16 channels is followed by groups of pre-activation units with 16k, 32k, 64k (and 128k)
    channels. The first unit of each group except the first halves the resolution. Batch norm, leaky ReLU, the mean over
    the map and the head follow.

    FixMatch's TensorFlow code also has biases in its convolutions (1,469,642 parameters); they are left out here
    because batch norm follows. In widely used ports, the first convolution of the later groups takes the raw input,
    and the batch norm that belongs there has no effect; the wirings of these ports omit it. In the original, the main
    path of each unit begins with it.

    Args:
        units: per group.
        groups: 3 in the paper; 4 in FixMatch's WRN-37-2 for STL-10.
        width: channels of the first group, 16k; each further group has twice as many.
        wiring: "original", or that of the port whose weights are imported.
        dropout: probability between the two convolutions of each unit.
        batch_norm_momentum: weight of the current batch in the running statistics. FixMatch's 0.001 needs thousands of
            steps before evaluation mode is meaningful; use 0.1 for short runs.
    """

    def __init__(
        self,
        *,
        units: int,
        width: int,
        groups: int = 3,
        num_classes: int,
        channels: int = 3,
        wiring: WiringName = "original",
        dropout: float = 0.0,
        batch_norm_momentum: float = 0.001,
    ) -> None:
        super().__init__()
        wired, last = WIRINGS[wiring], 16
        self.stem = nn.Conv2d(channels, last, 3, padding=1, bias=wired.stem_bias)
        self.units = nn.Sequential()
        for group in range(groups):
            halving = group > 0 or (groups == 4 and wired.halve_of_four)
            for position in range(units):
                out = width * 2**group
                self.units.append(
                    WideUnit(
                        last,
                        out,
                        stride=2 if halving and position == 0 else 1,
                        activate_main=group == 0 or position > 0 or not wired.raw_start,
                        activate_shortcut=group == 0,
                        bias=wired.unit_bias,
                        epsilon=wired.unit_epsilon,
                        dropout=dropout,
                        batch_norm_momentum=batch_norm_momentum,
                    )
                )
                last = out
        self.units_per_group = units
        self.channels = (channels, 16, *(width * 2**group for group in range(groups)))
        self.norm = nn.BatchNorm2d(last, eps=wired.last_epsilon, momentum=batch_norm_momentum)
        self.head = nn.Linear(last, num_classes)
        initialize(self)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The outputs of the first convolution and of each group."""
        maps = [self.stem(images)]
        for start in range(0, len(self.units), self.units_per_group):
            maps.append(self.units[start : start + self.units_per_group](maps[-1]))
        return [*maps[:-1], _activate(self.norm(maps[-1]))]


class WideUnit(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), with a 1x1 convolution on the shortcut if the shape changes.

    Args:
        activate_main: the first convolution takes act(norm(x)) instead of x.
        activate_shortcut: the shortcut's convolution takes act(norm(x)) instead of x, as in the first group.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        stride: int,
        activate_main: bool,
        activate_shortcut: bool,
        bias: bool,
        epsilon: float,
        dropout: float,
        batch_norm_momentum: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels, eps=epsilon, momentum=batch_norm_momentum) if activate_main else None
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=bias)
        self.norm2 = nn.BatchNorm2d(out, eps=epsilon, momentum=batch_norm_momentum)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=bias)
        reshapes = channels != out or stride != 1
        self.shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=bias) if reshapes else nn.Identity()
        self.activate_shortcut = reshapes and activate_shortcut

    def forward(self, x: Tensor) -> Tensor:
        activated = x if self.norm1 is None else _activate(self.norm1(x))
        main = _activate(self.norm2(self.conv1(activated)))
        return self.conv2(self.dropout(main)) + self.shortcut(activated if self.activate_shortcut else x)


def _activate(normalized: Tensor) -> Tensor:
    return F.leaky_relu(normalized, 0.1, inplace=True)  # batch norm does not need its output for the backward pass
