"""Checks of several runs on scans before the first is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from rich.console import Console

from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.core.wording import option
from tutelage.data.check import check_for_training
from tutelage.data.kinds import SCANS
from tutelage.data.scans.check import check_scans
from tutelage.data.scans.dataset import hold_out_cases, keep_cases
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.split import leave_out
from tutelage.run.batches import fit_batches


def check_scan_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
    """See `DataModule.check_runs`; the data is prepared as the first run prepares it."""
    first = next(iter(configs.values()))
    report = check_scans(dataclasses.replace(first.data, label_count=None), first.scan, workers=first.train.workers)
    check_for_training(report, console)
    for name, cfg in configs.items():
        try:
            _check_run(cfg, report.inventory)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None


def _check_run(cfg: RunConfig, inventory: ScanInventory) -> None:
    cases = [case for role in ("train", "unlabeled") if role in inventory.parts for case in inventory.parts[role].cases]
    names, data = [case.name for case in cases], cfg.data
    known = np.array([row for row, case in enumerate(cases) if case.label is not None], np.int64)
    kept = keep_cases(known, names, count=data.label_count, choice=cfg.scan.labeled, seed=cfg.train.seed)
    held = kept[:0]
    if "val" not in inventory.parts:
        held = hold_out_cases(kept, names, share=data.val_share, seed=cfg.train.seed)
    if not len(held) and not {"val", "test"} & set(inventory.parts):
        raise ConfigError(
            f"{shown(data.path)} has no test cases, and none of the {len(kept)} labeled ones is held out: nothing "
            f"could be scored; give labeled scans with {option('test')}"
        )
    stream = np.setdiff1d(np.arange(len(cases)), held)
    if data.exclude_labeled:
        looks = [
            look for role in ("train", "unlabeled") if role in inventory.parts for look in inventory.parts[role].looks
        ]
        stream = leave_out(stream, kept, [look.digest.encode() for look in looks], [])
    fit_batches(cfg, stream, SCANS.name)
