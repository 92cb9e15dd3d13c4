"""The folder in which results that can be computed again are kept for later commands."""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_cache_path

from tutelage.core.inputs import user_path

VARIABLE = "TUTELAGE_CACHE"
_OWN = re.compile(
    r"(files-\d+-)?[0-9a-f]{32}([-.][\w.,+=-]*)?\.(npy|npz|json|sqlite|openvino)(-journal|-wal|-shm)?(\.tmp-\d+)?"
)


def cache_folder() -> Path:
    """`TUTELAGE_CACHE` if it is set, otherwise the user's cache folder for tutelage; it may not exist yet."""
    chosen = os.environ.get(VARIABLE)
    return user_path(chosen) if chosen else user_cache_path("tutelage")


def is_cached(name: str) -> bool:
    """Whether a file of that name is one that tutelage keeps in a cache: its name has the hash of what it is of.

    The folder may hold other files, since the user chooses it. They are never deleted.
    """
    return _OWN.fullmatch(name) is not None
