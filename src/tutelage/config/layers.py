"""Settings from several sources, laid over each other: a preset, a TOML file and flags, in this order."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage.config import options
from tutelage.config.dotted import lay, merge, nested
from tutelage.config.network import takes
from tutelage.config.network_name import is_own_network
from tutelage.config.presets import read_preset
from tutelage.config.run_config import AUTO, DEFAULT_BUDGET, DEFAULT_METHOD, NO_PRESET, SECTIONS, RunConfig
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.regular import read_regular


def resolve(
    settings: Mapping[str, Any],
    *,
    preset: str | None = None,
    file: str | Path | None = None,
    base: Mapping[str, Any] | None = None,
) -> RunConfig:
    """The settings of a run: defaults, then the preset, then the TOML file, then `settings` by dotted name.

    What a preset sets for its network and the chosen network does not have is left out. Without steps and without a
    budget, the budget is 30 minutes.

    Args:
        preset: its name; "none" is no preset, and says that none is to be recommended for the data either.
        base: nested settings that take the place of the preset where none is named; `run/resolve.py` finds them by
            the kind of data.

    Raises:
        ConfigError: as `RunConfig.from_dict`; or the preset or the file is missing or not valid TOML; or the preset
            has settings of another method; or it is "none" and no method is named.
    """
    given = given_settings(settings, file)
    named = preset if preset != NO_PRESET else None
    start = (base or {}) if named is None else read_preset(named)
    merged = lay([_fitting(start, given), given])
    method = merged.get("method", {}).get("name", DEFAULT_METHOD)
    if named is not None:
        _refuse_preset(named, method)
        given = merged
    elif preset == NO_PRESET and method == AUTO:
        raise ConfigError("preset none starts from the defaults, which no method is chosen for: name a method as well")
    if merged.get("train", {}).get("steps") is None and merged.get("train", {}).get("budget") is None:
        merge(merged, {"train": {"budget": DEFAULT_BUDGET}})
    return dataclasses.replace(RunConfig.from_dict(merged), given=given, preset=preset)


def given_settings(settings: Mapping[str, Any], file: str | Path | None = None) -> dict[str, Any]:
    """What a user gave, nested: the TOML file, then `settings` by dotted name.

    Raises:
        ConfigError: as `read_toml` and `nested`.
    """
    over = nested(settings)
    network = over.get("network", {}).get("name")
    return lay([*([] if file is None else [read_toml(Path(file), network=network)]), over])


def _fitting(preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A preset without the settings of its network that the network named in `given` does not have."""
    chosen = given.get("network", {}).get("name")
    if not isinstance(chosen, str) or "network" not in preset:
        return dict(preset)
    kept = {name: value for name, value in preset["network"].items() if name == "name" or takes(chosen, name)}
    return {**preset, "network": kept}


def _refuse_preset(preset: str, method: object) -> None:
    """Raise if the preset has settings of another method; a preset without method settings goes with every method."""
    own = read_preset(preset).get("method", {})
    name = own.get("name", DEFAULT_METHOD)
    if method != name and set(own) != {"name"}:
        raise ConfigError(
            f"the preset {preset} is for the method {name}, not {method}: leave one of them out, or choose a preset of "
            f"{method}"
        )


def read_toml(path: Path, *, network: object = None) -> dict[str, Any]:
    """The settings in a TOML file.

    Args:
        network: the name that takes the place of the file's `network.name`; None keeps that.

    Raises:
        ConfigError: it is missing, not readable, or not valid TOML (the message names the line); or a section, a
            setting or the type of a value is wrong.
    """
    try:
        table = tomllib.loads(read_regular(path).decode("utf-8-sig"))
        _refuse_long_numbers(table)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of deep nesting
        raise ConfigError(f"{path} is not valid TOML: {_said(error)}") from None
    for section, values in table.items():
        try:
            _check_section(section, values, network)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return table


def _refuse_long_numbers(table: Mapping[str, Any]) -> None:
    """Raise ValueError for a whole number that no message could show: hexadecimal ones are read at any length."""
    waiting: list[Any] = [table]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int):
            str(value)
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, tomllib.TOMLDecodeError):
        return str(error)
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "it has a number of more than 4,300 digits"


def _check_section(section: str, values: Any, network: object) -> None:
    """Check the names and types in a section; those of a method or an own network are checked later, with its class."""
    if not isinstance(values, Mapping):
        word = section.replace("-", "_")
        homes = [name for name, cls in SECTIONS.items() if word in {field.name for field in dataclasses.fields(cls)}]
        where = f"; put it below [{homes[0]}]" if homes else ""
        raise ConfigError(f"{section} = {values!r} is outside of any section{where}")
    if section not in (*SECTIONS, "method"):
        raise ConfigError(f"unknown section {section}{did_you_mean(section, [*SECTIONS, 'method'])}")
    own_network = section == "network" and is_own_network(values.get("name") if network is None else network)
    if section != "method" and not own_network:
        options.typed(SECTIONS[section], values, f"{section}.")
