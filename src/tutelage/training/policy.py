"""Updates CTAugment's learned policy during training."""

from __future__ import annotations

import torch
from torch import nn

from tutelage.augment.ct_augment import CTAugment
from tutelage.core.batch import Batch, Samples
from tutelage.core.distributed import rows_of_all_ranks
from tutelage.tasks.base import Task
from tutelage.training.state import Training


def learn_policy(training: Training, batch: Batch) -> None:
    """Update the policy of the method's strong view, if it is CTAugment; does nothing otherwise."""
    method = training.method
    if isinstance(method.policy, CTAugment) and batch.labeled is not None:
        with training.autocast():
            update_rates(method.policy, method.task, method.predictor, batch.labeled)


@torch.no_grad()
def update_rates(policy: CTAugment, task: Task, network: nn.Module, labeled: Samples) -> None:
    """Tell `policy` how well `network`, the one that is evaluated, still recognizes the probes of a step.

    The paper's omega = 1 - sum |p - onehot(y)| / 2 is the probability of the true class. Every rank learns from the
    probes of all ranks, so that all have the same rates.
    """
    assert labeled.label is not None
    probs = task.predict(network, labeled.extra["probe"])
    proximity = probs.gather(1, labeled.label[:, None]).squeeze(1)
    op, level = labeled.extra["probe_op"], labeled.extra["probe_level"]
    policy.update(rows_of_all_ranks(op), rows_of_all_ranks(level), rows_of_all_ranks(proximity))
