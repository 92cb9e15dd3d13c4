"""The command check: checks data before training and reports on the screen and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage.core.errors import ConfigError
from tutelage.core.files import refuse_file, write_json
from tutelage.data.check import end_of_check
from tutelage.run.data_modules.recognize import module_of
from tutelage.run.resolve import resolve_training

_SECTIONS = ("data", "scan")


def check_source(
    settings: Mapping[str, Any], *, workers: int, out: Path | None, overwrite: bool = False, console: Console
) -> None:
    """Check the data that `settings` name, print the report, and write it to `out` as JSON.

    Args:
        settings: settings of the sections data and scan, by dotted name.

    Raises:
        ConfigError: a setting is unknown, out of range, or for another kind of data.
        DataError: gives the number of faults, if there are any, after they have been printed.
        RunError: `out` cannot be written, or exists and `overwrite` is off.
    """
    other = [name for name in settings if name.partition(".")[0] not in _SECTIONS]
    if other:
        raise ConfigError(f"{other[0]} has no effect in a check, which takes only settings of data and scan")
    cfg = resolve_training(settings)
    module = module_of(cfg)
    module.refuse_foreign(cfg, ("scan",))
    refuse_file(out, overwrite=overwrite, endings=(".json",))
    report = module.check(cfg, workers=workers)
    report.print(console)
    if out is not None:
        write_json(out, report.to_dict())
    end_of_check(cfg.data.path, report.faults)
