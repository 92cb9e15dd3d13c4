"""Names of classes that people type, and the keys that stand for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tutelage.core.errors import ConfigError
from tutelage.core.names import class_name_fault, shown

_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST = 100  # characters


def checked_class(name: str, others: Sequence[str]) -> str:
    """The name without white space around it.

    Raises:
        ConfigError: it is empty, too long, unsafe in a table, or differs from one of `others` in upper and lower case
            at most.
    """
    name = name.strip() if isinstance(name, str) else ""
    if not name:
        raise ConfigError("a class needs a name, got none")
    if len(name) > _LONGEST:
        raise ConfigError(f"a class name has at most {_LONGEST} characters, got {len(name)}")
    if fault := class_name_fault(name):
        raise ConfigError(fault)
    for other in others:
        if _fold(other) == _fold(name):
            raise ConfigError(f"there is a class '{shown(other)}' already")
    return name


def key_of(number: int) -> str:
    """The key of a class by its index: 1 to 9, then a to z; "" for further ones."""
    return _KEYS[number] if number < len(_KEYS) else ""


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
