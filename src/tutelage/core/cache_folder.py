"""The folder in which results that can be computed again are kept for later commands."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "TUTELAGE_CACHE"


def cache_folder() -> Path:
    """`TUTELAGE_CACHE` if it is set, otherwise the user's cache folder for tutelage; it may not exist yet."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("tutelage")
