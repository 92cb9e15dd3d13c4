"""The data module of each kind of data."""

from __future__ import annotations

from tutelage.config import RunConfig
from tutelage.data.kinds import recognize_kind
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.data_modules.scans import ScanModule

MODULES: dict[str, type[DataModule]] = {module.kind.name: module for module in (ImageModule, ScanModule)}


def module_of(cfg: RunConfig) -> type[DataModule]:
    """The data module for the data that settings name."""
    return MODULES[recognize_kind(cfg.data.path, cfg.data.labels).name]
