"""The settings that functions of the Python API are given, as the rest of the package takes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage import config
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import import_path
from tutelage.data.images.given_labels import is_in_memory, label_file
from tutelage.data.kinds import SCANS, recognize_kind
from tutelage.methods import METHODS


@contextmanager
def settings_of(
    data: str | Path | None, flags: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """The given settings, by dotted name; labels in memory are a file while this is open.

    Args:
        flags: named as on the command line.
        settings: further ones, by dotted name.

    Raises:
        ConfigError: a setting is unknown or given twice, or labels in memory are of scans.
        DataError: labels in memory cannot be read.
    """
    labels = flags.get("labels")
    if is_in_memory(labels) and data is not None and recognize_kind(str(data)) == SCANS:
        raise ConfigError(f"labels of scans must be a folder of masks or a CSV file, got a {type(labels).__name__}")
    with label_file(labels) as table:
        yield _by_dotted_name(data, flags if table is None else {**flags, "labels": table}, settings)


def plain(name: str, value: Any) -> Any:
    """A value as it is recorded; classes and functions by their import path."""
    if isinstance(value, Path):
        return str(value)
    if inspect.isclass(value) and value in METHODS:
        return value.name
    if inspect.isclass(value) or callable(value):
        return import_path(value, name)
    return tuple(plain(name, item) for item in value) if isinstance(value, list | tuple) else value


def _by_dotted_name(
    data: str | Path | None, flags: Mapping[str, Any], settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    given: dict[str, Any] = {"data.path": str(data)} if data is not None else {}
    for name, value in flags.items():
        if name not in config.FLAGS:
            raise ConfigError(f"unknown setting {name}{did_you_mean(name, config.FLAGS)}")
        given[config.FLAGS[name]] = plain(name, value)
    twice = sorted(set(given) & set(settings or {}))
    if twice:
        raise ConfigError(f"{twice[0]} is given twice: as a keyword, and in settings")
    return given | dict(settings or {})
