"""Checks before the first run of a comparison, so that no run fails on what could be known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from tutelage.config import RunConfig
from tutelage.core.inputs import paths_in, refuse_inputs
from tutelage.data.kinds import IMAGES
from tutelage.results.compare.plan import FILE, Plan
from tutelage.run.data_modules.recognize import data_before_settings, module_of
from tutelage.run.feasible import check_budgets
from tutelage.run.reads import read_by, refuse_among_images

WRITTEN = (FILE, "results.csv", "results.md", "results.tex", "report.html")  # into the folder of a comparison


def check_plan(plan: Plan, out: Path, console: Console, *, budgets: bool = True) -> None:
    """Check the settings of every run, then the data with every number of labels, then the budget of each method.

    Raises:
        TutelageError: a setting is wrong, a file of `out` is read, or as `DataModule.check_runs` and `check_budgets`.
    """
    read = paths_in([*read_by(plan.settings), plan.config_file])
    refuse_inputs([out / name for name in WRITTEN], [one for one in read if one.is_file()])  # a rerun goes on in `out`
    configs = {one.name: plan.config_of(one) for one in plan.combinations}
    modules = {name: module_of(cfg) for name, cfg in configs.items()}
    for name, cfg in configs.items():
        with data_before_settings(cfg):
            modules[name].refuse(cfg)
        if modules[name].kind == IMAGES:
            refuse_among_images(cfg.data, out)
    next(iter(modules.values())).check_runs(configs, console)
    if budgets:
        check_budgets(_unfinished(configs, out), console)


def _unfinished(configs: Mapping[str, RunConfig], out: Path) -> dict[str, RunConfig]:
    """Those that have not been planned yet."""
    return {name: cfg for name, cfg in configs.items() if not (out / name / "config.json").exists()}
