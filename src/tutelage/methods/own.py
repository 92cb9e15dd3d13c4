"""Methods of other packages, named by their import path."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from tutelage.config.options import is_settings
from tutelage.core.errors import ConfigError
from tutelage.core.import_path import import_named
from tutelage.methods.base import Method


def own_method(path: str, taken: Collection[type[Method[Any]]]) -> type[Method[Any]]:
    """The method class that an import path names, checked.

    Args:
        taken: the methods of this package, whose names are taken.

    Raises:
        ConfigError: there is no such class, or it is not a complete method.
    """
    method = import_named(path, "method")
    if not inspect.isclass(method) or not issubclass(method, Method):
        raise ConfigError(f"method {path} is not a subclass of tutelage.Method")
    if inspect.isabstract(method):
        raise ConfigError(f"method {path} must define {', '.join(sorted(method.__abstractmethods__))}")
    if not isinstance(getattr(method, "name", None), str):
        raise ConfigError(f"method {path} must have a class attribute `name`, a text")
    if getattr(method, "evaluated", None) not in ("student", "teacher"):
        raise ConfigError(f'method {path} must have a class attribute `evaluated`, "student" or "teacher"')
    if not is_settings(method.Config):
        raise ConfigError(f"method {path}: its Config must be decorated with @dataclass")
    if any(other.name == method.name and other is not method for other in taken):
        raise ConfigError(f"method {path}: the name '{method.name}' is that of a method of tutelage; choose another")
    return method
