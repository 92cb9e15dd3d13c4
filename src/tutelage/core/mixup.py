"""MixUp: new training rows on the lines between pairs of old ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Beta


def mix_up(images: Tensor, label: Tensor, alpha: float, draw: Literal["row", "batch"] = "row") -> tuple[Tensor, Tensor]:
    """Images and labels of each row mixed with those of a random row: s a + (1 - s) b, a being the row itself.

    s = max(s', 1 - s') with s' ~ Beta(alpha, alpha), so that a row stays nearer to itself and keeps its place
    (MixMatch, arXiv:1905.02249, after Zhang et al. 2018, arXiv:1710.09412).

    Args:
        images: (B, C, H, W).
        label: (B, K) probabilities.
        alpha: above 0; near 0 hardly mixes, large halves.
        draw: a share s for each row, or one for all.
    """
    # All drawn on the CPU, so that every device mixes alike; copied without waiting for the device.
    share = Beta(alpha, alpha).sample((len(images) if draw == "row" else 1, 1))
    share = torch.maximum(share, 1 - share).to(images, non_blocking=True)
    other = torch.randperm(len(images)).to(images.device, non_blocking=True)
    of_image = share[:, :, None, None]
    return of_image * images + (1 - of_image) * images[other], share * label + (1 - share) * label[other]
