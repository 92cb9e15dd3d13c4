"""The supervised baseline of a run: same network, images, labels and seed, but no unlabeled images."""

from __future__ import annotations

import dataclasses
import os

from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import BASELINE_SHARE, TrainConfig, seconds
from tutelage.core.errors import ConfigError
from tutelage.run.build import method_class

SUPERVISED = "supervised"


def check_baseline(cfg: RunConfig) -> None:
    """Check that a baseline can be trained, if the settings ask for one. Called again once an "auto" method is chosen.

    Raises:
        ConfigError: the run is supervised itself; or a share of the budget is given with a number of steps, which the
            baseline takes too; or several processes train.
    """
    if not cfg.train.baseline:
        return
    if cfg.method != AUTO and not method_class(cfg.method).unlabeled_views:
        raise ConfigError(
            f"train.baseline: {cfg.method} learns from no unlabeled images, so it has no supervised baseline"
        )
    if cfg.train.steps is not None and cfg.train.baseline_share != BASELINE_SHARE:
        raise ConfigError("train.baseline_share is of train.budget; with train.steps the baseline takes as many steps")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("train.baseline is for one process; under torchrun train --method supervised by itself")


def check_scored(train: TrainConfig, scored: bool, items: str) -> None:
    """Check that a run and its baseline can be scored, if the settings ask for a baseline.

    Args:
        scored: whether there are labeled items to score on.
        items: what they are, in the plural.

    Raises:
        ConfigError: there are none.
    """
    if train.baseline and not scored:
        raise ConfigError(
            f"train.baseline: no labeled {items} are left to score on, so there would be no way to tell whether "
            f"unlabeled {items} help; specify labeled ones with --test, or omit --baseline"
        )


def own_budget(train: TrainConfig) -> float:
    """Seconds of `train.budget` that are the run's own; the rest is the baseline's."""
    total = seconds(str(train.budget))
    return total * (1.0 - train.baseline_share) if train.baseline else total


def baseline_config(cfg: RunConfig, budget: str | None) -> RunConfig:
    """The settings of a run's baseline.

    Args:
        cfg: the settings of the run.
        budget: what the run was planned from; the baseline gets its share of it. Without it, it gets
            `train.baseline_steps`, or as many steps as the run.
    """
    known = {field.name for field in dataclasses.fields(method_class(SUPERVISED).Config)}
    steps = cfg.train.baseline_steps or cfg.train.steps
    train = dataclasses.replace(
        cfg.train, baseline=False, baseline_share=BASELINE_SHARE, baseline_steps=None, steps=steps
    )
    if budget is not None:
        train = dataclasses.replace(train, steps=None, budget=f"{seconds(budget) * cfg.train.baseline_share:g}s")
    return dataclasses.replace(
        cfg,
        method=SUPERVISED,
        method_settings={name: value for name, value in cfg.method_values.items() if name in known},
        train=train,
    )
