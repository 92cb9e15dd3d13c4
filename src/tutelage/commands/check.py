"""The command check: checks data before training and reports on the screen and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from rich.console import Console
from rich.text import Text

from tutelage import config
from tutelage.config import RunConfig, options
from tutelage.core.errors import ConfigError
from tutelage.core.files import refuse_file, write_json
from tutelage.data.check import CheckReport, end_of_check
from tutelage.results.report.repeat import quoted
from tutelage.run.data_modules.recognize import data_before_settings, module_of
from tutelage.run.reads import read_by
from tutelage.run.resolve import resolve_training

_SECTIONS = ("data", "scan")
_DEFAULTS = {
    option.name: option.default
    for section in (*_SECTIONS, "train")
    for option in options.options(config.SECTIONS[section], f"{section}.")
}


def check_source(
    settings: Mapping[str, Any], *, workers: int, out: Path | None, overwrite: bool = False, console: Console
) -> None:
    """Check the data that `settings` name, print the report, and write it to `out` as JSON.

    If the data can be trained on, the last line is the command that does so.

    Args:
        settings: settings of the sections data and scan, by dotted name.

    Raises:
        ConfigError: a setting is unknown, out of range, or for another kind of data.
        DataError: gives the number of faults, if there are any, after they have been printed.
        RunError: `out` cannot be written, or exists and `overwrite` is off.
    """
    refuse_file(out, overwrite=overwrite, reads=read_by(settings), endings=(".json",))
    cfg, report = checked(settings, workers=workers)
    report.print(console)
    if out is not None:
        write_json(out, report.to_dict())
    end_of_check(cfg.data.path, report.faults)
    console.print(Text(f"Next: {training_command(settings, workers)}"), soft_wrap=True)


def checked(settings: Mapping[str, Any], *, workers: int) -> tuple[RunConfig, CheckReport]:
    """The resolved settings, and what is in the data that they name.

    Raises:
        ConfigError: a setting is unknown, out of range, or for another kind of data.
    """
    other = [name for name in settings if name.partition(".")[0] not in _SECTIONS]
    if other:
        raise ConfigError(f"{other[0]} has no effect in a check, which takes only settings of data and scan")
    cfg = resolve_training(settings)
    module = module_of(cfg)
    with data_before_settings(cfg):
        module.refuse_foreign(cfg, tuple(name for name in module.foreign if name.partition(".")[0] in _SECTIONS))
    return cfg, module.check(cfg, workers=workers)


def training_command(settings: Mapping[str, Any], workers: int) -> str:
    """`tutelage train ...` with these settings of the data and threads, quoted for the shell; defaults are left out."""
    short = {setting: flag for flag, setting in config.FLAGS.items()}
    path = str(settings["data.path"])
    words = ["tutelage", "train", quoted(f"./{path}" if path.startswith("-") else path)]
    for name, value in [*settings.items(), ("train.workers", workers)]:
        if name == "data.path" or value == _DEFAULTS.get(name):
            continue
        flag = f"--{short.get(name, name).replace('_', '-')}"
        text = str(value)
        if value is True:
            words.append(flag)
        else:
            words += [f"{flag}={quoted(text)}"] if text.startswith("-") else [flag, quoted(text)]
    return " ".join([*words, "--out", _free_folder()])


def _free_folder() -> str:
    """The first of runs/a, runs/b, ... that is not there."""
    return next((run for letter in ascii_lowercase if not Path(run := f"runs/{letter}").exists()), "runs/new")
