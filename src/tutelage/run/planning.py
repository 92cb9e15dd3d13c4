"""The length of a new run, which fills its budget if it has one, and what follows from it."""

from __future__ import annotations

import dataclasses
from typing import Any

from tutelage.config import RunConfig
from tutelage.core.names import counted
from tutelage.run.budget import Deadline
from tutelage.run.build import set_length, with_decay
from tutelage.run.session import Session
from tutelage.training.state import Training


def plan_run(session: Session, training: Training, cfg: RunConfig, *, report: bool) -> tuple[RunConfig, dict[str, Any]]:
    """The settings with the number of steps and the decay of the teacher's average, and what config.json records.

    Args:
        training: gets that length, if there is a budget.
        report: whether the caller writes a report within the budget.

    Raises:
        ConfigError: fewer than ten steps fit the budget.
    """
    given = _decay(cfg)
    plan: dict[str, Any] = {"steps": cfg.train.steps, "budget": cfg.train.budget}
    if session.module.deadline is not None:
        cfg, found = _fill_budget(session, training, cfg, session.module.deadline, report=report)
        plan |= found
    cfg = with_decay(cfg, training.total)
    if given is None and (decay := _decay(cfg)) is not None:
        plan["ema_decay"] = decay
        steps = counted(round(1 / (1 - decay)), "step")
        session.console.print(f"- the teacher averages over {steps} (method.ema_decay {decay:g})")
    return cfg, plan


def _fill_budget(
    session: Session, training: Training, cfg: RunConfig, deadline: Deadline, *, report: bool
) -> tuple[RunConfig, dict[str, Any]]:
    """The settings with the number of steps that fits, of the baseline too, and the entries of the plan."""
    cfg = session.fit_scores(training, cfg, deadline)
    own, other, kept = session.plan(training, cfg, deadline, report=report)
    plan: dict[str, Any] = {"steps": own.steps, "report": report}
    eval_every, baseline_steps = own.eval_every or cfg.train.eval_every, cfg.train.baseline_steps
    if other is not None:
        plan["baseline_eval_every"] = other.eval_every or cfg.train.eval_every
        plan |= {"baseline_seconds": round(other.seconds, 1), "kept_seconds": round(kept, 1)}
        baseline_steps = other.steps
    train = dataclasses.replace(
        cfg.train, steps=own.steps, budget=None, eval_every=eval_every, baseline_steps=baseline_steps
    )
    cfg = dataclasses.replace(cfg, train=train)
    set_length(training, cfg, own.steps)
    return cfg, plan


def _decay(cfg: RunConfig) -> float | None:
    """The decay of the teacher's average, if there is one and its decay is known."""
    decay: float | None = cfg.method_values.get("ema_decay")
    return decay
