"""Presets: the settings of published results and those that we recommend, from the TOML files of the package.

`presets/shared.toml` explains the form of the files.
"""

from __future__ import annotations

import copy
import functools
import tomllib
from importlib import resources
from typing import Any

from tutelage.config.dotted import lay
from tutelage.core.errors import ConfigError, did_you_mean

TEXTS = ("description", "source", "published", "measured", "deviations")
_RESULTS = ("published", "measured")  # hold for one preset alone: never inherited
_INHERITED = "..."  # at the start of a text: the inherited one, which it continues


def preset_names() -> list[str]:
    """The presets in the package, sorted."""
    return sorted(name for name, table in _tables().items() if not table["base"])


def base_preset(method: str) -> str:
    """The preset that a method for scans starts from."""
    return f"{method}-scan-cpu"


def read_preset(name: str) -> dict[str, Any]:
    """The settings of a preset, without its description.

    Raises:
        ConfigError: there is none of that name.
    """
    return {key: value for key, value in preset_table(name).items() if key != "preset"}


def preset_table(name: str) -> dict[str, Any]:
    """All settings of a preset by section, and its texts (`TEXTS`) in the section "preset".

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in preset_names():
        raise ConfigError(f"unknown preset '{name}'{did_you_mean(name, preset_names())}")
    return copy.deepcopy(_complete(name))  # lists come from the cache


def _complete(name: str) -> dict[str, Any]:
    """A table with what it extends laid below it, from left to right."""
    table = _tables()[name]
    below = [_complete(other) for other in table["extends"]]
    inherited: dict[str, str] = {}
    for other in below:
        inherited |= {key: text for key, text in other.pop("preset").items() if key not in _RESULTS}
    texts = {
        key: inherited[key] + text.removeprefix(_INHERITED) if text.startswith(_INHERITED) else text
        for key, text in table["texts"].items()
    }
    return {"preset": inherited | texts, **lay([*below, table["settings"]])}


@functools.cache
def _tables() -> dict[str, dict[str, Any]]:
    """All tables of all files by name: whether it is a base, what it extends, its texts and its settings."""
    tables: dict[str, dict[str, Any]] = {}
    for entry in (resources.files("tutelage.config") / "presets").iterdir():
        if entry.name.endswith(".toml"):
            content = tomllib.loads(entry.read_text(encoding="utf-8"))
            bases = content.pop("base", {})
            for name, table in (content | bases).items():
                if name in tables or (name in content and name in bases):
                    raise ValueError(f"{entry.name}: there are two presets or bases named {name}")
                tables[name] = {
                    "base": name in bases,
                    "extends": table.pop("extends", []),
                    "texts": {key: table.pop(key) for key in TEXTS if key in table},
                    "settings": table,
                }
    return tables
