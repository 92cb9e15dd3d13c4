"""Batch norm over parts of a batch: computes on one device what several GPUs would."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.core.errors import ConfigError


class SplitBatchNorm(nn.BatchNorm2d):
    """Batch norm that computes its training statistics separately in each of `splits` groups of the batch.

    Row n belongs to group n mod `splits`, just as torchrun distributes the rows of a global batch over processes. One
    device with S splits therefore computes the same as S processes with ordinary batch norm; MoCo's authors do this in
    their CIFAR-10 demo. The running statistics are averaged over the groups. In evaluation mode this is ordinary batch
    norm.

    Accepts (B, C, H, W) in any memory format and returns the same format. With channels first, the groups are
    contiguous; with channels last, the input and the output are copied.

    Raises:
        ConfigError: in training mode, the number of rows is not a multiple of `splits`.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, splits: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.splits, self.share = splits, momentum

    @classmethod
    def like(cls, norm: nn.BatchNorm2d, splits: int) -> SplitBatchNorm:
        """A layer with the settings, weights and statistics of `norm`."""
        made = cls(norm.num_features, splits, eps=norm.eps, momentum=float(norm.momentum or 0.0))
        made.load_state_dict(norm.state_dict())
        return made

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.splits == 1:
            return super().forward(input)
        rows, splits = len(input), self.splits
        if rows % splits:
            raise ConfigError(f"network.bn_splits {splits} does not divide a batch of {rows} rows (per process)")
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
        mean, var = self.running_mean.repeat(splits), self.running_var.repeat(splits)
        groups = input.reshape(rows // splits, splits * input.shape[1], *input.shape[2:])
        weight, bias = self.weight.repeat(splits), self.bias.repeat(splits)
        normal = F.batch_norm(groups, mean, var, weight, bias, True, self.share, self.eps).view(input.shape)
        with torch.no_grad():
            self.running_mean.copy_(mean.view(splits, -1).mean(0))
            self.running_var.copy_(var.view(splits, -1).mean(0))
        channels_last = input.is_contiguous(memory_format=torch.channels_last) and not input.is_contiguous()
        return normal.contiguous(memory_format=torch.channels_last) if channels_last else normal

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, splits={self.splits}"


def split_batch_norm(network: nn.Module, splits: int) -> None:
    """Replace every batch norm of `network` in place by one with `splits` groups; weights keep their names."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d) and not isinstance(child, SplitBatchNorm):
                setattr(module, name, SplitBatchNorm.like(child, splits))
