"""MixUp: new training images as weighted averages of pairs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Beta


def mix_up(images: Tensor, label: Tensor, alpha: float, draw: Literal["row", "batch"] = "row") -> tuple[Tensor, Tensor]:
    """Each image and label mixed with a random other one: s a + (1 - s) b, where a is the row itself.

    s = max(s', 1 - s') with s' ~ Beta(alpha, alpha), so that every row stays closer to its original than to the other
    (MixMatch, arXiv:1905.02249, after Zhang et al. 2018, arXiv:1710.09412).

    Args:
        images: (B, C, H, W), or features (B, D).
        label: (B, K) probabilities.
        alpha: above 0; close to 0, rows are hardly mixed; if large, s is close to 1/2.
        draw: one s per row, or one for the whole batch.
    """
    # Drawn on the CPU, so that the result is the same on every device; copied without waiting for the device.
    share = Beta(alpha, alpha).sample((len(images) if draw == "row" else 1, 1))
    share = torch.maximum(share, 1 - share).to(images, non_blocking=True)
    other = torch.randperm(len(images)).to(images.device, non_blocking=True)
    of_image = share.view(-1, *[1] * (images.ndim - 1))
    return of_image * images + (1 - of_image) * images[other], share * label + (1 - share) * label[other]
