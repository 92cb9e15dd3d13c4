"""Reading the files of a run folder: what they must hold, and what is said of one that does not."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.files import read_json
from tutelage.core.headlines import HEADLINES
from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import class_name_fault, shown
from tutelage.core.regular import leads_to_itself, read_regular, special_kind
from tutelage.core.sealed import read_sealed, unsealed
from tutelage.data.kinds import IMAGES, KINDS, kind_of
from tutelage.run.exported import SUFFIX, exported_fault, file_config
from tutelage.run.own_content import HASHES, RESULT

FORMAT = 1
_CONFIG: dict[str, tuple[str, ...]] = {  # what config.json must hold
    "settings": (),
    "plan": ("steps",),
    "data": ("classes", "channels", "fingerprint"),
    "environment": ("tutelage",),
}
# facts of the data: the type, whether there are several, and the least
_FACTS: dict[str, tuple[Any, bool, float]] = {
    "classes": (str, True, 0),
    "notes": (str, True, 0),
    "channels": (int, False, 1),
    "image_size": (int, False, 1),
    "patch_size": (int, True, 1),
    "label_values": (int, True, 0),
    "mean": ((int, float), True, -math.inf),
    "std": ((int, float), True, 0),
}
_SAID = 100  # characters of a value in a message
_NETWORKS = ("student", "teacher")
_SPLIT = ("labeled", "held_out", "unlabeled_images")

Rows = list[dict[str, Any]]


def read_config(path: Path) -> dict[str, Any]:
    """config.json of the run folder `path`: resolved settings, plan, data facts and versions.

    Raises:
        RunError: this is not a run folder, or one of a newer format, or the file is damaged.
    """
    file = path / "config.json"
    if path.suffix == SUFFIX and path.is_file():
        return _checked(path, path, file_config(path))
    if path.is_file():
        raise RunError(f"{path} is not a run folder, nor a model exported as a folder (hf) or as a {SUFFIX} file")
    if not path.is_dir():
        what = "a link that leads to itself" if leads_to_itself(path) else special_kind(path)
        what = what or ("a file" if path.exists() else None)
        raise RunError(f"{path} is not a run folder: {f'it is {what}' if what else 'there is no such folder'}")
    if not os.path.lexists(file):
        raise RunError(f"{path} is not a run folder: it has no config.json")
    return _checked(path, file, read_json(file))


def _checked(path: Path, file: Path, config: Any) -> dict[str, Any]:
    """The settings that `file` of the run `path` holds, if a run can have them."""
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise RunError(f"{file} is damaged: its keys are not those of a run")
    if config["format"] > FORMAT:
        raise RunError(f"{path} was written by tutelage {config.get('version')}; this version cannot read it")
    config = unsealed(file, config)
    for section, names in _CONFIG.items():
        if not isinstance(config.get(section), dict):
            raise RunError(f"{file} is damaged: it has no {section}")
        if missing := [name for name in names if name not in config[section]]:
            raise RunError(f"{file} is damaged: its {section} lack {missing[0]}")
    if config["data"].get("kind", IMAGES.name) not in KINDS:
        raise RunError(
            f"{file} is damaged, or was written by another version of tutelage: its data is of an unknown kind, "
            f"expected {' or '.join(KINDS)}"
        )
    if missing := [name for name in kind_of(config["data"]).facts if name not in config["data"]]:
        raise RunError(f"{file} is damaged: its data has no {missing[0]}")
    if (fault := exported_fault(config) or _fault(config)) is not None:
        raise RunError(f"{file} is damaged: {fault}")
    try:
        RunConfig.from_dict(config["settings"])
    except ConfigError as error:
        raise RunError(f"{file} is damaged, or was written by another version of tutelage: {error}") from None
    return config


def _fault(config: dict[str, Any]) -> str | None:
    """What no run has in its config.json, or None."""
    data, steps = config["data"], config["plan"]["steps"]
    for name, (kind, several, least) in _FACTS.items():
        value = data.get(name)
        values = value if several and isinstance(value, list) else [value]
        wrong = [one for one in values if not isinstance(one, kind) or isinstance(one, bool)]
        if name in data and value is not None and (wrong or (several and not isinstance(value, list))):
            return f"of its data, {name} is {shown(repr(value))[:_SAID]}"
        if name in data and value is not None and kind is not str and any(one < least for one in values):
            return f"of its data, {name} is {shown(repr(value))[:_SAID]}"
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        return f"of its plan, steps is {shown(repr(steps))[:_SAID]}"
    if not isinstance(config["environment"]["tutelage"], str):
        return "of its environment, tutelage is no version"
    if len(set(data["classes"])) < len(data["classes"]):
        return "a class is there twice"
    return next((fault for name in data["classes"] if (fault := class_name_fault(name))), None)


def is_run(path: Path) -> bool:
    """Whether a folder is a run, as far as its config.json tells; a damaged one counts if there are checkpoints."""
    try:
        config = parse_json(read_regular(path / "config.json"))
    except OSError:
        return False
    except JsonFault:
        return (path / "checkpoints" / "manifest.json").is_file()
    return isinstance(config, dict) and {"format", "settings"} <= set(config)


def read_split(path: Path) -> dict[str, Any]:
    """split.json of the run folder `path`: which items are labeled, held out and unlabeled.

    Raises:
        RunError: the file is missing or damaged.
    """
    split = read_sealed(path / "split.json")
    if not set(_SPLIT) <= set(split):
        raise RunError(f"{path / 'split.json'} is damaged: its keys are not those of a run")
    return split


def read_result(path: Path) -> dict[str, Any]:
    """result.json of the run folder `path`: the final metrics.

    Raises:
        RunError: the file is missing or damaged.
    """
    file = path / RESULT
    result = read_sealed(file)
    result.pop(HASHES, None)
    if (fault := _result_fault(result)) is not None:
        raise RunError(f"{file} is damaged: {fault}")
    return result


def _result_fault(result: Mapping[str, Any]) -> str | None:
    """What no run has in its result.json, or None."""
    if "evaluated" not in result:
        return "it has no evaluated"
    if result["evaluated"] not in _NETWORKS:
        return f"evaluated is {shown(repr(result['evaluated']))[:_SAID]}, expected {' or '.join(_NETWORKS)}"
    if "headline" in result and result["headline"] not in HEADLINES:
        return f"headline is {shown(repr(result['headline']))[:_SAID]}, expected {' or '.join(HEADLINES)}"
    for part in ("validation", "test"):
        if part not in result:
            continue
        networks = result[part]
        if not isinstance(networks, dict) or not all(isinstance(scores, dict) for scores in networks.values()):
            return f"{part} is no table of scores"
        if "n" not in networks.get(result["evaluated"], {}):
            return f"{part} lacks scores of the {result['evaluated']}"
    return None


@contextmanager
def values_of(runs: Iterable[Path]) -> Iterator[None]:
    """While open, an error in using what was read of some runs is one of those runs.

    Raises:
        RunError: a value is not what a run has.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        names = ", ".join(shown(str(run)) for run in runs)
        raise RunError(
            f"{names} holds values that no run has: one of its JSON files is damaged, or was changed by hand "
            f"({type(error).__name__})"
        ) from error


def read_if_there(file: Path) -> bytes | None:
    """The content of a file of a run, or None if it is missing.

    Raises:
        RunError: it cannot be read: it is a folder, a pipe or a device, for example, or a link that leads nowhere.
    """
    if not os.path.lexists(file):
        return None
    try:
        return read_regular(file)
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from None


def read_rows(path: Path, *, damaged: bool = False) -> Rows:
    """The complete lines of a `.jsonl` file: an incomplete last line is left out, and a missing file has no lines.

    Args:
        damaged: leave out lines that are no table of values.

    Raises:
        RunError: the file cannot be read, or a line is not a table of values.
    """
    content = read_if_there(path)
    if content is None:
        return []
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            row, fault = parse_json(line), "expected a table of values"
        except JsonFault as error:
            row, fault = None, str(error)
        if isinstance(row, dict):
            rows.append(row)
        elif not damaged:
            raise RunError(f"{path} line {number} is damaged: {fault}")
    return rows
