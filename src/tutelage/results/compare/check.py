"""Checks before the first run of a comparison, so that no run fails on what could be known."""

from __future__ import annotations

from rich.console import Console

from tutelage.results.compare.plan import Plan
from tutelage.run.data_modules.recognize import module_of


def check_plan(plan: Plan, console: Console) -> None:
    """Check the settings of every run, then the data with every number of labels.

    Raises:
        TutelageError: a setting is wrong, or as `DataModule.check_runs`.
    """
    configs = {one.name: plan.config_of(one) for one in plan.combinations}
    modules = {name: module_of(cfg) for name, cfg in configs.items()}
    for name, cfg in configs.items():
        modules[name].refuse(cfg)
    next(iter(modules.values())).check_runs(configs, console)
