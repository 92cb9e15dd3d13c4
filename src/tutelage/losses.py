"""Losses that more than one method uses: functions of logits, the class axis being 1.

`logits` are unnormalized, (B, K, *S); a target never gets a gradient unless a docstring says so.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def softmax_mse(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(B, *S): squared difference of the two softmaxes, averaged over classes. Softmax comes first.

    Mean Teacher's and Pi's consistency cost (arXiv:1703.01780, arXiv:1610.02242). The mean over raw logits is another
    loss: it spends its gradient on images that both networks are sure of.
    """
    difference = student_logits.softmax(1) - teacher_logits.detach().softmax(1)
    return difference.square().mean(1)


def softmax_kl(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(B, *S): KL(teacher || student) in nats, summed over classes."""
    target = teacher_logits.detach()
    divergence = F.kl_div(student_logits.log_softmax(1), target.log_softmax(1), reduction="none", log_target=True)
    return divergence.sum(1)


def logit_distance(first: Tensor, second: Tensor) -> Tensor:
    """(B, *S): squared difference of raw logits, averaged over classes; the gradient goes into both."""
    return (first - second).square().mean(1)
