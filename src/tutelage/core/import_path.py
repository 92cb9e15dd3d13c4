"""Classes and functions of other packages, named by their import path: `package.module:Name`."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage.core.errors import ConfigError, did_you_mean

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
EXPECTED = "an import path such as package.module:Name"


def is_import_path(name: str) -> bool:
    """Whether `name` has the form `package.module:Name`."""
    return _PATH.fullmatch(name) is not None


def import_path(thing: Any, setting: str) -> str:
    """The import path of a class or function, by which a later command finds it again.

    Raises:
        ConfigError: it has none, since it is not at the top level of a module that can be imported.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if module is None or name is None:
        raise ConfigError(f"{setting} must be a class, a function or {EXPECTED}, got {thing!r}")
    if module == "__main__":
        raise ConfigError(
            f"{setting}: {name} is defined in the script or notebook that is running, where a later resume or predict "
            f"cannot find it; move it to a module (say my_module.py) and use `from my_module import {name}`"
        )
    if getattr(sys.modules.get(module), name, None) is not thing:
        raise ConfigError(
            f"{setting}: {module}:{name} cannot be imported by that name; define it at the top level of a module, not "
            "inside a function or class"
        )
    return f"{module}:{name}"


def import_named(path: str, setting: str) -> Any:
    """What an import path names. Modules in the working directory are found too.

    Raises:
        ConfigError: it is no import path, or the module or the name in it is not there, or importing it fails.
    """
    if not is_import_path(path):
        raise ConfigError(f"{setting} must be {EXPECTED}, got {path!r}")
    module_name, _, name = path.partition(":")
    try:
        with _working_directory():
            importlib.invalidate_caches()
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{setting} {path}: the module needs '{error.name}', which is not installed") from error
        raise ConfigError(
            f"{setting} {path}: there is no module '{error.name}', neither installed nor in the working directory"
        ) from None
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{setting} {path}: importing it failed with {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        known = [known for known in vars(module) if not known.startswith("_")]
        raise ConfigError(f"{setting} {path}: the module has no '{name}'{did_you_mean(name, known)}")
    return getattr(module, name)


@contextmanager
def _working_directory() -> Iterator[None]:
    """While open, modules in the working directory can be imported, after all others."""
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)
