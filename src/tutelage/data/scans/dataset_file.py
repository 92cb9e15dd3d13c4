"""The file `dataset.json` of the Decathlon and of nnU-Net: whether it is there, and describes scans."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import shown
from tutelage.core.regular import read_regular

DATASET_FILE = "dataset.json"


def is_dataset_file(path: Path) -> bool:
    """Whether it is a `dataset.json` that describes scans."""
    try:
        return not _missing(parse_json(read_regular(path)))
    except (OSError, JsonFault):
        return False


def damaged_dataset_file(path: Path) -> str | None:
    """What is wrong with a `dataset.json` that is there and cannot be read, in a sentence; None if nothing is."""
    if not os.path.lexists(path):
        return None
    try:
        parse_json(read_regular(path))
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    except JsonFault as said:
        fault = f"is no JSON: {said}"
    else:
        return None
    return f"{shown(str(path))} {fault}; restore it, or move it away if it does not describe these scans"


def unused_dataset_file(path: Path) -> list[str]:
    """A warning of a `dataset.json` that is JSON and describes no scans, if it is there."""
    try:
        missing = _missing(parse_json(read_regular(path)))
    except (OSError, JsonFault):
        return []
    return [f"{shown(str(path))} is not used: expected an object with {missing}"] if missing else []


def _missing(table: Any) -> str:
    """What a `dataset.json` lacks that describes scans; "" if nothing."""
    if not isinstance(table, dict) or "labels" not in table:
        return "'labels', and 'training' or 'channel_names'"
    return "" if "training" in table or "channel_names" in table else "'training' or 'channel_names'"
