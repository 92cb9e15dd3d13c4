"""Settings that do little in a run: averages too slow for its length, and views that its method does not have."""

from __future__ import annotations

from rich.console import Console
from torch import nn

from tutelage.config import RunConfig
from tutelage.core.ema import SHORTEST_RUN, slowest_decay
from tutelage.core.wording import option
from tutelage.networks.weight_norm import WeightNormConv2d
from tutelage.run.data_modules.base import DataModule
from tutelage.training.state import Training

BATCH_NORM_MOMENTUM = 0.1  # of most networks


def warn_of_slow_averages(training: Training, cfg: RunConfig, console: Console) -> None:
    """Say so where an average would still be of values from early in the training at its end."""
    teacher, total = training.method.teacher, training.total
    better, scored = slowest_decay(total), training.method.evaluated == "teacher"
    if teacher is not None and scored and teacher.decay > better and (1.0 - teacher.decay) * total < SHORTEST_RUN:
        console.print(
            f"- method.ema_decay {teacher.decay:g} averages over {1 / (1 - teacher.decay):.0f} steps, but there "
            f"are only {total}: the teacher may lag behind the student; try {option('method.ema_decay', better)}"
        )
    kinds = (nn.BatchNorm2d, WeightNormConv2d)
    norms = [module for module in training.method.student.modules() if isinstance(module, kinds)]
    slowest = min((norm.momentum for norm in norms if norm.momentum is not None), default=1.0)
    if slowest < BATCH_NORM_MOMENTUM and slowest * total < SHORTEST_RUN and "timm:" not in cfg.network.name:
        console.print(
            f"- network.batch_norm_momentum {slowest:g} averages over {1 / slowest:.0f} steps, but there are only "
            f"{total}: scores may lag far behind what the network learns; try "
            f"{option('network.batch_norm_momentum', BATCH_NORM_MOMENTUM)}"
        )


def warn_of_unused_views(training: Training, cfg: RunConfig, module: DataModule) -> None:
    """A comparison gives its settings to methods that have no such view too, so that they are named, not refused."""
    views = {*training.method.labeled_views, *training.method.unlabeled_views}
    for view, changed in module.view_settings(cfg):
        if changed and view not in views:
            module.console.print(f"- {', '.join(changed)}: no effect, since {cfg.method} has no {view} view")
