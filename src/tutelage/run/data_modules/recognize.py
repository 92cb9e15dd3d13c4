"""Which kind of data a run is on."""

from __future__ import annotations

from tutelage.config import RunConfig
from tutelage.data.scans.source import is_scan_source
from tutelage.run.data_modules.base import Material
from tutelage.run.data_modules.images import Images
from tutelage.run.data_modules.scans import Scans

KINDS: tuple[type[Material], ...] = (Images, Scans)


def kind_of(cfg: RunConfig) -> type[Material]:
    """Recognize the data that settings name."""
    data = cfg.data
    return Scans if is_scan_source(data.path, data.labels) else Images


def type_of(kind: str) -> type[Material]:
    """The kind of data that config.json names."""
    return next(material for material in KINDS if material.kind == kind)
