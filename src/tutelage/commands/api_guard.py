"""What every function of the Python API checks before it begins."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from tutelage.commands.run import Run
from tutelage.core.environment import check_environment
from tutelage.core.errors import ConfigError
from tutelage.core.inputs import require_path
from tutelage.core.names import brief

_FILES = ("out", "resume", "config_file", "csv", "plots", "against", "predicted", "reference")
_RUNS = ("run", "features")
_SETTINGS = "settings"

Given = ParamSpec("Given")
Result = TypeVar("Result")


def guarded(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function of the Python API that refuses what is no path or no mapping where one is expected.

    Raises:
        ConfigError: it is, or an environment variable cannot be used; or as the function.
    """
    parameters = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        check_environment()
        for name, value in [*zip(parameters, args, strict=False), *kwargs.items()]:
            if name in parameters and not (value is None and parameters[name].default is None):
                _check(name, value)
        return function(*args, **kwargs)

    return checked


def _check(name: str, value: Any) -> None:
    if name in _FILES:
        require_path(value, name)
    elif name in _RUNS and not isinstance(value, Run):
        require_path(value, name, also=" or a run")
    elif name == _SETTINGS:
        _check_settings(value)
    elif name == "preset" and not isinstance(value, str):
        raise ConfigError(f"preset must be a name, got {brief(repr(value))}")


def _check_settings(settings: Any) -> None:
    if not isinstance(settings, Mapping):
        raise ConfigError(f"settings must be a mapping by dotted name, got {brief(repr(settings))}")
    for name, value in settings.items():
        if not isinstance(name, str):
            raise ConfigError(f"settings must have dotted names such as 'train.steps', got {brief(repr(name))}")
        try:
            str(value)
        except ValueError:
            raise ConfigError(f"settings: {name} has a number of more than 4,300 digits") from None
