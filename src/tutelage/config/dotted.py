"""Settings by dotted name and as nested groups, and groups laid over each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tutelage.config.run_config import FLAGS
from tutelage.core.errors import ConfigError, did_you_mean


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train.steps": 5}` as `{"train": {"steps": 5}}`."""
    tree: dict[str, Any] = {}
    for name, value in settings.items():
        parts = name.replace("-", "_").split(".")
        if len(parts) < 2 or not all(parts):
            raise ConfigError(f"unknown setting {name}{did_you_mean(name, FLAGS.values())}")
        merge(tree, _path(parts, value))
    return tree


def _path(parts: list[str], value: Any) -> dict[str, Any]:
    return {parts[0]: value if len(parts) == 1 else _path(parts[1:], value)}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"train": {"steps": 5}}` as `{"train.steps": 5}`: the inverse of `nested`."""
    names: dict[str, Any] = {}
    for name, value in tree.items():
        names |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return names


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay nested `values` over `into`, in place; hyphens in names become underscores."""
    for raw, value in values.items():
        key = raw.replace("-", "_")
        if isinstance(value, Mapping):
            inner = into.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key} is a single value and a group of settings at once")
            merge(inner, value)
        else:
            into[key] = value


def lay(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Nested settings, each over those before it; the last source that says how long to train decides."""
    merged: dict[str, Any] = {}
    for source in sources:
        train = source.get("train", {})
        for one, other in (("steps", "budget"), ("budget", "steps")):
            if train.get(one) is not None and train.get(other) is None:
                merged.get("train", {}).pop(other, None)
        merge(merged, source)
    return merged
