"""Which kind of data a run is on: nothing else decides it."""

from __future__ import annotations

from tutelage.config import RunConfig
from tutelage.data.scans.source import is_scan_source
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.data_modules.scans import ScanModule

KINDS: tuple[type[DataModule], ...] = (ImageModule, ScanModule)


def module_of(cfg: RunConfig) -> type[DataModule]:
    """The data module for the data that settings name."""
    data = cfg.data
    return ScanModule if is_scan_source(data.path, data.labels) else ImageModule


def module_named(kind: str) -> type[DataModule]:
    """The data module of the kind that config.json names."""
    return next(module for module in KINDS if module.kind == kind)
