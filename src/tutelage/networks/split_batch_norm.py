"""Batch norm over parts of a batch: what several GPUs do to it, on one device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.core.errors import ConfigError


class SplitBatchNorm(nn.BatchNorm2d):
    """Batch norm whose training statistics are those of one of `splits` groups of the batch.

    Row n belongs to group n mod `splits`, as the rows of a global batch belong to the processes under torchrun: so one
    device with S splits computes what S processes with ordinary batch norm do (MoCo's authors do so in their
    demonstration on CIFAR-10). The running statistics take the mean over the groups; evaluation mode is ordinary batch
    norm.

    Takes (B, C, H, W) in any memory format and gives it back in that. Groups lie together in memory where the channels
    come first; channels last costs a copy there and back.

    Raises:
        ConfigError: in training mode, `splits` does not divide the number of rows.
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
            raise ConfigError(f"network.bn_splits {splits} does not divide a batch of {rows} rows (of each process)")
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
    """Replace every batch norm of `network` by one of `splits` groups, in place; weights keep their names."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d) and not isinstance(child, SplitBatchNorm):
                setattr(module, name, SplitBatchNorm.like(child, splits))
