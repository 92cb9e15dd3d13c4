"""Pretraining: which settings it starts from, and which methods it is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage import config
from tutelage.config import RunConfig

DEFAULT_METHOD = "moco-v2"
DEFAULT_PRESET = "small"  # of the method, where none is named


def resolve(settings: Mapping[str, Any], *, preset: str | None = None, file: str | Path | None = None) -> RunConfig:
    """The settings of a pretraining, as `config.resolve`: without a preset they start from that of the method for small
    images and machines, and without a method from that of MoCo v2.

    Raises:
        ConfigError: as `config.resolve`.
    """
    given = dict(settings)
    if preset is None:
        in_file = {} if file is None else config.read_toml(Path(file)).get("method", {})
        method = given.get("method.name") or in_file.get("name") or DEFAULT_METHOD
        given["method.name"] = method
        preset = f"{method}-{DEFAULT_PRESET}"
        preset = preset if preset in config.preset_names() else None
    return config.resolve(given, preset=preset, file=file)
