"""The data module of each kind of data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tutelage.config import RunConfig
from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.data.images.source import list_image_splits
from tutelage.data.kinds import SCANS, recognize_kind
from tutelage.data.scans.source import list_scan_splits
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.data_modules.scans import ScanModule

MODULES: dict[str, type[DataModule]] = {module.kind.name: module for module in (ImageModule, ScanModule)}


def module_of(cfg: RunConfig) -> type[DataModule]:
    """The data module for the data that settings name."""
    return MODULES[recognize_kind(cfg.data.path, cfg.data.labels).name]


@contextmanager
def data_before_settings(cfg: RunConfig) -> Iterator[None]:
    """Where settings are refused and there is no data at all, say the latter: which settings fit follows from data.

    Raises:
        DataError: in place of a ConfigError that is raised while this is open, if nothing is found at the source.
    """
    try:
        yield
    except ConfigError:
        if faults := _faults_of_nothing(cfg.data):
            raise DataError(faults) from None
        raise


def _faults_of_nothing(data: DataConfig) -> list[str]:
    """Why nothing is found at the source; no faults if something is."""
    if recognize_kind(data.path, data.labels) == SCANS:
        scans = list_scan_splits(data.path, data.labels).values()
        return [] if any(listing.cases for listing in scans) else [f for listing in scans for f in listing.faults]
    images = list_image_splits(data.path, data.labels).values()
    return [] if any(listing.items for listing in images) else [f for listing in images for f in listing.faults]
