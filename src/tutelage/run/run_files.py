"""Reading the files of a run folder: what they must hold, and what is said of one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import read_json
from tutelage.core.regular import read_regular
from tutelage.core.sealed import read_sealed, unsealed
from tutelage.data.kinds import IMAGES, KINDS, kind_of

FORMAT = 1
_CONFIG: dict[str, tuple[str, ...]] = {  # what config.json must hold
    "settings": (),
    "plan": ("steps",),
    "data": ("classes", "channels", "fingerprint"),
    "environment": ("tutelage",),
}
_SPLIT = ("labeled", "held_out", "unlabeled_images")

Rows = list[dict[str, Any]]


def read_config(path: Path) -> dict[str, Any]:
    """config.json of the run folder `path`: resolved settings, plan, data facts and versions.

    Raises:
        RunError: this is not a run folder, or one of a newer format, or the file is damaged.
    """
    file = path / "config.json"
    if not path.is_dir():
        raise RunError(f"{path} is not a run folder: there is no such folder")
    if not file.exists():
        raise RunError(f"{path} is not a run folder: it has no config.json")
    config = read_json(file)
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise RunError(f"{file} is damaged: its keys are not those of a run")
    if config["format"] > FORMAT:
        raise RunError(f"{path} was written by tutelage {config.get('version')}; this version cannot read it")
    config = unsealed(file, config)
    for section, names in _CONFIG.items():
        if not isinstance(config.get(section), dict):
            raise RunError(f"{file} is damaged: it has no {section}")
        if missing := [name for name in names if name not in config[section]]:
            raise RunError(f"{file} is damaged: its {section} lack {missing[0]}")
    if config["data"].get("kind", IMAGES.name) not in KINDS:
        raise RunError(
            f"{file} is damaged, or was written by another version of tutelage: its data is of an unknown kind, "
            f"expected {' or '.join(KINDS)}"
        )
    if missing := [name for name in kind_of(config["data"]).facts if name not in config["data"]]:
        raise RunError(f"{file} is damaged: its data has no {missing[0]}")
    try:
        RunConfig.from_dict(config["settings"])
    except ConfigError as error:
        raise RunError(f"{file} is damaged, or was written by another version of tutelage: {error}") from None
    return config


def is_run(path: Path) -> bool:
    """Whether a folder is a run, as far as its config.json tells; a damaged one counts if there are checkpoints."""
    try:
        config = json.loads(read_regular(path / "config.json"))
    except OSError:
        return False
    except (ValueError, RecursionError):
        return (path / "checkpoints" / "manifest.json").is_file()
    return isinstance(config, dict) and {"format", "settings"} <= set(config)


def read_split(path: Path) -> dict[str, Any]:
    """split.json of the run folder `path`: which items are labeled, held out and unlabeled.

    Raises:
        RunError: the file is missing or damaged.
    """
    split = read_sealed(path / "split.json")
    if not set(_SPLIT) <= set(split):
        raise RunError(f"{path / 'split.json'} is damaged: its keys are not those of a run")
    return split


def read_rows(path: Path, *, damaged: bool = False) -> Rows:
    """The complete lines of a `.jsonl` file: an incomplete last line is left out, and a missing file has no lines.

    Args:
        damaged: leave out lines that are no table of values.

    Raises:
        RunError: a line is not a table of values.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(read_regular(path).split(b"\n")[:-1], start=1):
        try:
            row, fault = json.loads(line), "expected a table of values"
        except (ValueError, RecursionError) as error:
            row, fault = None, str(error)
        if isinstance(row, dict):
            rows.append(row)
        elif not damaged:
            raise RunError(f"{path} line {number} is damaged: {fault}")
    return rows
