"""JSON files that hold a hash of their own content, so that a change of a single bit is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.core.files import read_json, sha256, strict_json, write_json

SEAL = "sha256"


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` as JSON with their hash, completely or not at all."""
    write_json(path, sealed(values))


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with their hash."""
    return {**values, SEAL: _hash(values)}


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote, without the hash. A file without a hash, such as one made by hand, is taken as it is.

    Raises:
        RunError: it does not exist, cannot be read, or is not what was written.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: its keys are not those of a run")
    return unsealed(path, values)


def unsealed(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `path` without its hash, which is checked if there is one.

    Raises:
        RunError: the hash is that of another content.
    """
    content = {name: value for name, value in values.items() if name != SEAL}
    if SEAL in values and values[SEAL] != _hash(content):
        raise RunError(
            f"{path} is damaged, or was changed by hand: its content does not match its {SEAL} (restore it; to keep "
            "a change that is meant, remove that entry)"
        )
    return content


def _hash(values: Mapping[str, Any]) -> str:
    return sha256(strict_json(values).encode())
