"""The check of any source: images or scans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage.core.errors import ConfigError
from tutelage.data.scans.source import is_scan_source
from tutelage.run.data_modules.foreign import refuse_foreign
from tutelage.run.resolve import resolve_training

_SECTIONS = ("data", "scan")


def check_source(
    settings: Mapping[str, Any], *, workers: int, out: Path | None, overwrite: bool, console: Console
) -> None:
    """Check the data that `settings` name, print the report, and write it to `out` as JSON.

    Args:
        settings: of the data and of scans, by dotted name.

    Raises:
        ConfigError: a setting is unknown, out of range, or for other data.
        DataError: with the number of faults, if there are any; they are printed by then.
        RunError: `out` cannot be written, or is there and `overwrite` is off.
    """
    other = [name for name in settings if name.partition(".")[0] not in _SECTIONS]
    if other:
        raise ConfigError(f"{other[0]} changes nothing in a check: it takes settings of data and scan")
    cfg = resolve_training(settings)
    if is_scan_source(cfg.data.path, cfg.data.labels):
        from tutelage.data.scans.check import check_scans_and_print

        check_scans_and_print(cfg.data, cfg.scan, workers=workers, out=out, overwrite=overwrite, console=console)
    else:
        from tutelage.data.images.check import check_and_print

        refuse_foreign(cfg, ("scan",), "scans to segment", "images with one class each")
        check_and_print(cfg.data, workers=workers, out=out, overwrite=overwrite, console=console)
