"""The commands that repeat a run, from what it recorded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from tutelage import config, pretraining
from tutelage.build import learns_from_labels, resolved
from tutelage.config import RunConfig
from tutelage.data.names import shown
from tutelage.report.record import Record

_ALONE = ("data.exclude_labeled", "data.skip_unreadable", "train.compile", "train.baseline")  # flags without a value


def train_command(record: Record) -> str:
    """`tutelage train ...` (or `pretrain`) with every setting that is not the default: it starts the same run again.

    A run planned from a budget is repeated by its planned steps, since the clock would plan others.
    """
    short = {setting: flag for flag, setting in config.FLAGS.items()}
    verb = "pretrain" if record.pretrained else "train"
    words = [[f"tutelage {verb}", quoted(record.cfg.data.path)], ["--out", quoted(f"runs/{record.name}")]]
    for name, (value, default) in changed_settings(record.cfg, scans=record.scans).items():
        if name in ("data.path", "train.budget", "train.baseline_share"):  # the first is there; the steps are planned
            continue
        flag = f"--{short.get(name, name).replace('_', '-')}"
        text = _text(value)
        if name in _ALONE and default is False:
            words.append([flag])
        else:
            words.append([f"{flag}={quoted(text)}"] if text.startswith("-") else [flag, quoted(text)])
    processes = record.config["environment"].get("processes", 1)
    if processes > 1:
        words[0][0] = f"torchrun --nproc-per-node {processes} --no-python {words[0][0]}"
    return " \\\n  ".join(" ".join(word) for word in words)


def changed_settings(cfg: RunConfig, *, scans: bool = False) -> dict[str, tuple[Any, Any]]:
    """The settings that are not the default, by dotted name: value and default; method and steps are always there.

    Args:
        scans: whether the data are: what is not given is then as in a preset.
    """
    given = {"method.name": cfg.method, "data.path": cfg.data.path}
    if scans:
        plain = config.resolve(given, preset=config.base_preset(cfg.method))
    elif learns_from_labels(cfg.method):
        plain = config.resolve(given)
    else:
        plain = pretraining.resolve(given)
    defaults = flat(resolved(plain).to_dict())
    changed = {name: (value, defaults.get(name)) for name, value in flat(cfg.to_dict()).items()}
    kept = ("method.name", "train.steps")
    return {name: pair for name, pair in changed.items() if name in kept or _text(pair[0]) != _text(pair[1])}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _text(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def quoted(text: str) -> str:
    """A word as a shell takes it; control characters as `$'...'`, which a person can copy."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + shown(text).replace("'", "\\'") + "'"
