"""Methods of other packages, named by their import path."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from tutelage.config.options import is_settings
from tutelage.core.errors import ConfigError
from tutelage.core.import_path import import_named
from tutelage.methods.base import Method

TASKS = ("classification", "segmentation", "representation")
_EXAMPLES = {"labeled_views": ("weak",), "unlabeled_views": ("weak", "strong"), "tasks": ("classification",)}


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
    name = getattr(method, "name", None)
    if not isinstance(name, str) or not name:
        raise _wrong(path, "must have a class attribute `name`, a text", name)
    evaluated = getattr(method, "evaluated", None)
    if evaluated not in ("student", "teacher"):
        raise _wrong(path, 'must have a class attribute `evaluated`, "student" or "teacher"', evaluated)
    _check_names(method, path)
    if not is_settings(method.Config):
        raise ConfigError(f"method {path}: its Config must be decorated with @dataclass")
    if any(other.name == method.name and other is not method for other in taken):
        raise ConfigError(f"method {path}: the name '{method.name}' is that of a method of tutelage; choose another")
    return method


def _check_names(method: type[Method[Any]], path: str) -> None:
    """Raise ConfigError unless views and tasks are tuples of names, with at least one view and one known task."""
    for attribute, example in _EXAMPLES.items():
        value = getattr(method, attribute)
        if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
            none = "" if attribute == "tasks" else ", or () if it takes none"
            raise _wrong(path, f"`{attribute}` must be a tuple of names, such as {example!r}{none}", value)
    if not method.labeled_views and not method.unlabeled_views:
        raise ConfigError(f"method {path} takes no images: set `labeled_views`, `unlabeled_views`, or both")
    if not method.tasks or not set(method.tasks) <= set(TASKS):
        raise _wrong(path, f"`tasks` must be one or more of {', '.join(TASKS)}", method.tasks)


def _wrong(path: str, expected: str, value: object) -> ConfigError:
    return ConfigError(f"method {path}: {expected}, got {value!r}")
