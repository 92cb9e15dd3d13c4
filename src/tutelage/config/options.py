"""Frozen dataclasses of settings from plain values (flags, TOML, JSON, Python), strictly.

An unknown name is an error that names the nearest known one, and a value of the wrong type is an error that says what
was expected. Nothing is rounded, and nothing is ignored.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tutelage.core.errors import ConfigError, did_you_mean, maybe

T = TypeVar("T")
_BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One setting: its dotted name, type, help text and default (`dataclasses.MISSING` if it has none)."""

    name: str
    type: Any
    help: str
    default: Any


def is_settings(cls: object) -> bool:
    """Whether a class is a dataclass itself: one that only derives from a dataclass would lose its own fields."""
    return isinstance(cls, type) and "__dataclass_fields__" in vars(cls)


def options(cls: type, prefix: str = "") -> Iterator[Option]:
    """The settings of a dataclass and of the dataclasses in its fields, depth first, with dotted names."""
    hints = _hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        text = ""
        if get_origin(hint) is Annotated:
            hint, text = get_args(hint)[:2]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from options(hint, f"{prefix}{field.name}.")
            continue
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        yield Option(prefix + field.name, hint, text, default)


@cache
def _hints(cls: type, *, include_extras: bool = False) -> dict[str, Any]:
    """The declared types by name, which a run asks for many times and which take milliseconds to evaluate."""
    return get_type_hints(cls, include_extras=include_extras)


def build(cls: type[T], values: Mapping[str, Any], prefix: str = "") -> T:
    """An instance of the dataclass `cls` from nested plain values; names may use `-` for `_`.

    Args:
        prefix: of the names in messages, e.g. `"train."`.

    Raises:
        ConfigError: as `typed`; or the dataclass refuses a value, or a value is missing.
    """
    taken = typed(cls, values, prefix)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name not in taken and missing:
            raise ConfigError(f"{prefix}{field.name} is missing")
    return cls(**taken)


def typed(cls: type, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of some settings of the dataclass `cls`, converted to their declared types.

    Raises:
        ConfigError: a name is unknown, or a value has the wrong type.
    """
    hints = _hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]
    taken: dict[str, Any] = {}
    for raw, value in values.items():
        name = raw.replace("-", "_")
        if name not in known:
            raise ConfigError(f"unknown setting {prefix}{raw}{did_you_mean(name, known)}")
        hint = hints[name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{prefix}{name} is a group of settings, got {value!r}")
            taken[name] = build(hint, value, f"{prefix}{name}.")
        else:
            taken[name] = coerce(value, hint, f"{prefix}{name}")
    return taken


def coerce(value: Any, hint: Any, where: str) -> Any:
    """`value`, a plain value or the text of a flag, as the type `hint`.

    Raises:
        ConfigError: it cannot be converted without loss. The message names `where`.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return coerce(value, arguments[0], where)
    if origin in (Union, types.UnionType):
        return _coerce_union(value, arguments, where)
    if origin is Literal:
        if value in arguments:
            return value
        known = [str(argument) for argument in arguments]
        raise ConfigError(f"{where} must be one of {', '.join(known)}, got {value!r}{maybe(str(value), known)}")
    if origin is tuple:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            parts = [parts]  # one value stands for a list of one
        return tuple(coerce(part, arguments[0], where) for part in parts)
    return _coerce_scalar(value, hint, where)


def _coerce_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if type(None) in arguments and (value is None or (isinstance(value, str) and value.lower() == "none")):
        return None
    others = [argument for argument in arguments if argument is not type(None)]
    for argument in others[:-1]:
        try:
            return coerce(value, argument, where)
        except ConfigError:
            continue
    return coerce(value, others[-1], where)


def _coerce_scalar(value: Any, hint: Any, where: str) -> Any:
    expected = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}[hint]
    wrong = ConfigError(f"{where} must be {expected}, got {value!r}")
    if hint is str:
        if isinstance(value, str):
            return value
        raise wrong
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _BOOLS:
            return _BOOLS[value.lower()]
        raise wrong
    if isinstance(value, bool):
        raise wrong
    try:
        number = hint(value) if isinstance(value, str | int) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if isinstance(number, float) and (hint is int or not math.isfinite(number)):
        raise wrong
    return number
