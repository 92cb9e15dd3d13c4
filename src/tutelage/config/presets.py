"""Presets: the settings of published results, and those that we recommend, as TOML files of the package."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from tutelage.core.errors import ConfigError, did_you_mean


def preset_names() -> list[str]:
    """The presets in the package, sorted."""
    folder = resources.files("tutelage.config") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """The settings of a preset, without its description.

    Raises:
        ConfigError: there is none of that name.
    """
    return {key: value for key, value in preset_table(name).items() if key != "preset"}


def preset_table(name: str) -> dict[str, Any]:
    """A preset's whole TOML table, `[preset]` (description, source) included."""
    if name not in preset_names():
        raise ConfigError(f"unknown preset '{name}'{did_you_mean(name, preset_names())}")
    text = (resources.files("tutelage.config") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def base_preset(method: str) -> str:
    """The preset that a method for scans starts from."""
    return f"{method}-scan-cpu"
