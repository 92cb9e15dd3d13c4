"""Shake-shake residual networks (Gastaldi 2017, arXiv:1705.07485), as in Mean Teacher's PyTorch code."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import initialize
from tutelage.networks.staged import StagedNetwork


class ShakeShake(StagedNetwork):
    """Shake-shake 26 2xNd: three stages of four two-branch blocks; no norm before the head.

    The stages have N, 2N and 4N channels. With the second head that Mean Teacher's logit-distance cost adds, there are
    26.2 M parameters for N = 96 and 2.92 M for N = 32.

    Args:
        base: N.
        batch_norm_momentum: weight of the current batch in the running statistics.
    """

    def __init__(self, *, base: int, num_classes: int, channels: int = 3, batch_norm_momentum: float = 0.1) -> None:
        super().__init__()
        width = 16
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for stage in range(3):
            for position in range(4):
                out = base * 2**stage
                stride = 2 if stage > 0 and position == 0 else 1
                self.blocks.append(ShakeBlock(width, out, stride, batch_norm_momentum))
                width = out
        self.channels = (channels, 16, base, 2 * base, 4 * base)
        self.head = nn.Linear(width, num_classes)
        initialize(self)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The outputs of the first convolution and of each stage of four blocks."""
        maps = [self.stem(images)]
        for start in range(0, len(self.blocks), 4):
            maps.append(self.blocks[start : start + 4](maps[-1]))
        return maps


class ShakeBlock(nn.Module):
    """shortcut(x) + g first(x) + (1 - g) second(x), with g drawn by `shake`."""

    def __init__(self, channels: int, out: int, stride: int, batch_norm_momentum: float) -> None:
        super().__init__()

        def branch() -> nn.Sequential:
            return nn.Sequential(
                nn.ReLU(),  # not in place: the other branch and the shortcut need x too
                nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out, momentum=batch_norm_momentum),
                nn.ReLU(inplace=True),
                nn.Conv2d(out, out, 3, padding=1, bias=False),
                nn.BatchNorm2d(out, momentum=batch_norm_momentum),
            )

        self.first, self.second = branch(), branch()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = ShiftedHalving(channels, out, batch_norm_momentum)
        elif channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out, momentum=batch_norm_momentum)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + shake(self.first(x), self.second(x), random=self.training)


class ShiftedHalving(nn.Module):
    """Halves a map with two 1x1 convolutions: one of the pixels at even positions, one of their diagonal neighbors."""

    def __init__(self, channels: int, out: int, batch_norm_momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, out, 1, groups=2)
        self.norm = nn.BatchNorm2d(out, momentum=batch_norm_momentum)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x.relu(), (0, x.shape[3] % 2, 0, x.shape[2] % 2))  # a map of odd size lacks the last shifted pixel
        return self.norm(self.conv(torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)))


def shake(first: Tensor, second: Tensor, *, random: bool) -> Tensor:
    """g first + (1 - g) second, with g uniform in [0, 1) per row and drawn again for the gradient.

    Args:
        first, second: (B, C, H, W).
        random: draw g; otherwise it is 0.5.
    """
    if not random:
        return 0.5 * (first + second)
    gates = torch.rand(2, first.shape[0], 1, 1, 1, device=first.device, dtype=first.dtype)
    return _Shake.apply(first, second, gates[0], gates[1])


class _Shake(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, gate: Tensor, backward_gate: Tensor) -> Tensor:
        ctx.save_for_backward(backward_gate)
        return gate * first + (1.0 - gate) * second

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gate,), (gradient,) = ctx.saved_tensors, gradients
        return gate * gradient, (1.0 - gate) * gradient, None, None
