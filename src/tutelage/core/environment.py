"""The environment variables that users set, checked before any work, so that no data is blamed for them."""

from __future__ import annotations

import os

from tutelage.core import cache_folder, memory
from tutelage.core.errors import ConfigError
from tutelage.core.inputs import user_path
from tutelage.core.names import shown
from tutelage.core.regular import leads_to_itself


def check_environment() -> None:
    """Check `TUTELAGE_MEMORY_LIMIT` and `TUTELAGE_CACHE`.

    Raises:
        ConfigError: one of them cannot be used; the message names it.
    """
    if limit := os.environ.get(memory.VARIABLE):
        memory.read_size(limit, name=f"the environment variable {memory.VARIABLE}")
    if chosen := os.environ.get(cache_folder.VARIABLE):
        name = f"the environment variable {cache_folder.VARIABLE}"
        try:
            folder = user_path(chosen)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None
        if leads_to_itself(folder):
            raise ConfigError(f"{name} must be a folder, {shown(chosen)} is a link that leads to itself")
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{name} must be a folder, {shown(chosen)} is a file")
