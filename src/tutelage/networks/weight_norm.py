"""Weight normalization with mean-only batch normalization (Salimans & Kingma 2016, arXiv:1602.07868)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_SPREAD = 1e-6  # lower bound of a channel's standard deviation, for channels that are constant


class WeightNormConv2d(nn.Conv2d):
    """A convolution with the kernel g V / |V|, minus its mean over the batch, plus b.

    The mean and |V| are computed per output channel. In training mode the mean is taken over the batch and all pixels;
    in evaluation mode it is a moving average. Parameters: `weight` V, `gain` g and `bias` b; buffer: `running_mean`.

    Args:
        momentum: weight of the current batch in the running mean.
    """

    bias: nn.Parameter
    running_mean: Tensor

    def __init__(self, channels: int, out: int, kernel: int, *, padding: int = 0, momentum: float = 0.001) -> None:
        super().__init__(channels, out, kernel, padding=padding)
        self.momentum = momentum
        self.gain = nn.Parameter(torch.ones(out))
        self.register_buffer("running_mean", torch.zeros(out))

    def forward(self, input: Tensor) -> Tensor:
        mapped = F.conv2d(input, self.kernel, padding=self.padding)
        if self.training:
            mean = mapped.mean((0, 2, 3), dtype=torch.promote_types(mapped.dtype, torch.float32))
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
        else:
            mean = self.running_mean
        return mapped + (self.bias - mean).to(mapped.dtype).view(1, -1, 1, 1)

    @property
    def kernel(self) -> Tensor:
        """(C_out, C_in, k, k): g V / |V|."""
        return self.weight * (self.gain / self.weight.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)

    @torch.no_grad()
    def start_from(self, input: Tensor) -> Tensor:
        """Scale g so that each channel's outputs for `input` (B, C, H, W) have standard deviation 1; return them.

        The running mean is set to their mean before centering, and b to 0.
        """
        mapped = F.conv2d(input, self.kernel, padding=self.padding)
        spread, mean = torch.std_mean(mapped, (0, 2, 3), correction=0)
        scale = 1.0 / spread.clamp(min=LEAST_SPREAD)
        self.gain.mul_(scale)
        self.running_mean.copy_(mean * scale)
        self.bias.zero_()
        return (mapped - mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1)
