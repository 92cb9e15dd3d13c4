"""The supervised baseline of a run: same network, images, labels and seed, but no unlabeled images."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import BASELINE_SHARE, TrainConfig, seconds
from tutelage.core.errors import ConfigError
from tutelage.core.wording import named, option
from tutelage.run.method_by_name import method_class

SUPERVISED = "supervised"
_LATEST = 1.5  # times the planned seconds of training


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
        raise ConfigError(
            "train.baseline_share divides train.budget; with train.steps, the baseline takes as many steps as the run"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"train.baseline needs a single process; under torchrun, train {option('method', 'supervised')} separately"
        )


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
            f"unlabeled {items} help; specify labeled ones with {option('test')}, or omit {named('baseline')}"
        )


def baseline_config(cfg: RunConfig, plan: Mapping[str, Any] = MappingProxyType({})) -> RunConfig:
    """The settings of a run's baseline, with `train.baseline_steps`, or else as many steps as the run.

    Args:
        cfg: the settings of the run, with its number of steps.
        plan: what config.json records of it; what was not given but follows from the number of steps is left open.
    """
    known = {field.name for field in dataclasses.fields(method_class(SUPERVISED).Config)}
    derived = {"ema_decay"} if plan.get("ema_decay") is not None else set()
    train = dataclasses.replace(
        cfg.train,
        baseline=False,
        finetune=False,
        baseline_share=BASELINE_SHARE,
        baseline_steps=None,
        steps=cfg.train.baseline_steps or cfg.train.steps,
        eval_every=plan.get("baseline_eval_every", cfg.train.eval_every),
    )
    return dataclasses.replace(
        cfg,
        method=SUPERVISED,
        method_settings={name: value for name, value in cfg.method_values.items() if name in known - derived},
        train=train,
    )


def end_of_training(plan: Mapping[str, Any], begun: float) -> float | None:
    """When a baseline that begins now must stop training, in seconds of `time.monotonic`; None without a budget.

    Its scores and the report still fit the budget then. A baseline that is behind on a machine that became slow has at
    least half as long again as planned, since a shorter one would make the unlabeled images look better than they are.

    Args:
        plan: what config.json records of the run's.
        begun: when the command began.
    """
    if plan.get("baseline_seconds") is None:
        return None
    in_time = begun + seconds(plan["budget"]) - plan["kept_seconds"]
    return float(max(in_time, time.monotonic() + _LATEST * plan["baseline_seconds"]))
