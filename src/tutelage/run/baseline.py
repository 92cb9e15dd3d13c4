"""The supervised twin of a run: the same network, images, labels and seed, without the unlabeled images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import BASELINE_SHARE, TrainConfig, seconds
from tutelage.core.errors import ConfigError
from tutelage.run.build import method_class

FOLDER = "baseline"  # in the run
TWIN = "supervised"


def check_baseline(cfg: RunConfig) -> None:
    """Check that a twin can be trained, where the settings ask for one; of a method that is still to be chosen, again.

    Raises:
        ConfigError: the run is supervised itself; or it has a number of steps, which the twin has too, and a share of
            the budget was given; or several processes train.
    """
    if not cfg.train.baseline:
        return
    if cfg.method != AUTO and not method_class(cfg.method).unlabeled_views:
        raise ConfigError(f"train.baseline: {cfg.method} learns from no unlabeled images, so it has no supervised twin")
    if cfg.train.steps is not None and cfg.train.baseline_share != BASELINE_SHARE:
        raise ConfigError("train.baseline_share is of train.budget; with train.steps the twin takes as many steps")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("train.baseline is for one process; under torchrun train --method supervised by itself")


def check_scored(train: TrainConfig, scored: bool, items: str) -> None:
    """Check that something tells which of a run and its twin is better, where the settings ask for a twin.

    Args:
        scored: whether there are labeled items to score on.
        items: what they are, in the plural.

    Raises:
        ConfigError: there are none.
    """
    if train.baseline and not scored:
        raise ConfigError(
            f"train.baseline: no labeled {items} are left to score on, so nothing could tell whether unlabeled {items} "
            "help; give labeled ones with --test, or leave --baseline out"
        )


def own_budget(train: TrainConfig) -> float:
    """Seconds of `train.budget` that are the run's own; the rest is the twin's."""
    total = seconds(str(train.budget))
    return total * (1.0 - train.baseline_share) if train.baseline else total


def twin_of(recorded: Mapping[str, Any]) -> RunConfig:
    """The settings of the twin of a run, from its config.json: its own share of the budget, or as many steps."""
    cfg, budget = RunConfig.from_dict(recorded["settings"]), recorded["plan"].get("budget")
    known = {field.name for field in dataclasses.fields(method_class(TWIN).Config)}
    train = dataclasses.replace(cfg.train, baseline=False, baseline_share=BASELINE_SHARE)
    if budget is not None:
        train = dataclasses.replace(train, steps=None, budget=f"{seconds(budget) * cfg.train.baseline_share:g}s")
    return dataclasses.replace(
        cfg,
        method=TWIN,
        method_settings={name: value for name, value in cfg.method_values.items() if name in known},
        train=train,
    )
