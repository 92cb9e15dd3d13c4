"""What every function of the Python API checks before it begins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tutelage.core.environment import check_environment

Given = ParamSpec("Given")
Result = TypeVar("Result")


def guarded(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function of the Python API that refuses environment variables that cannot be used.

    Raises:
        ConfigError: a variable cannot be used; or as the function.
    """

    @functools.wraps(function)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        check_environment()
        return function(*args, **kwargs)

    return checked
