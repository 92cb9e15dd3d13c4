"""Labels from an export of Label Studio: its form "JSON", with one class for each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from tutelage.core.names import shown
from tutelage.data.images.items import HEIF_SUFFIXES, IMAGE_SUFFIXES
from tutelage.data.images.tables import Row

_LOCAL = "d="  # in the query of an address of Label Studio's local files


class TaskFault(Exception):
    """What is wrong with a task."""


def tasks_of(tasks: list[Any], name: str) -> tuple[list[Row], list[str]]:
    """The rows of the tasks of an export, and their faults, each naming the file `name`, task and field.

    Annotations are labels; predictions and skipped annotations are not. Several annotations of a task must agree. A
    path is that in the data of the task, without the host, and without the folders that Label Studio puts before it.
    """
    if not tasks:
        return [], [f"{name} has no tasks"]
    rows: list[Row] = []
    faults: list[str] = []
    for number, task in enumerate(tasks, start=1):
        spot = f"task {number}"
        if isinstance(task, dict) and isinstance(task.get("id"), int):
            spot += f" (id {task['id']})"
        try:
            rows.append(Row(0, _path(task), _label(task), where=spot, imported=True))
        except TaskFault as fault:
            faults.append(f"{name} {spot}: {fault}")
    return rows, faults


def _path(task: Any) -> str:
    if not isinstance(task, dict):
        raise TaskFault(f"expected an object, got {_kind(task)}")
    if "data" not in task and ("choice" in task or "image" in task):
        raise TaskFault("has no 'data': this is JSON-MIN; export as JSON")
    data = _field(task, "data", dict)
    places = {key: value for key, value in data.items() if isinstance(value, str) and _is_image(_plain_path(value))}
    if "image" in data:
        return _plain_path(_field(data, "image", str, "data.image"))
    if len(places) != 1:
        found = ", ".join(shown(str(key)) for key in data) or "nothing"
        raise TaskFault(f"expected one image in 'data', such as data.image, got {found}")
    return _plain_path(next(iter(places.values())))


def _label(task: Mapping[str, Any]) -> str | None:
    if "annotations" not in task and "completions" in task:
        raise TaskFault("has 'completions', as versions before 1.0 wrote them: expected 'annotations'")
    given = task.get("annotations")
    if given is None:
        return None
    found: dict[str, str] = {}
    for number, one in enumerate(_field(task, "annotations", list)):
        field = f"annotations[{number}]"
        if not isinstance(one, dict):
            raise TaskFault(f"{field} must be an object, got {_kind(one)}")
        if one.get("was_cancelled"):
            continue
        label = _choice(_field(one, "result", list, f"{field}.result"), f"{field}.result")
        if label is not None:
            found.setdefault(label, field)
    if len(found) > 1:
        said = " and ".join(f"'{shown(label)}' in {field}" for label, field in found.items())
        raise TaskFault(f"annotations disagree: {said}: keep one")
    return next(iter(found), None)


def _choice(results: list[Any], where: str) -> str | None:
    """The class in the results of an annotation; None if it has none."""
    chosen: dict[str, str] = {}
    others: list[str] = []
    for number, result in enumerate(results):
        field = f"{where}[{number}]"
        if not isinstance(result, dict):
            raise TaskFault(f"{field} must be an object, got {_kind(result)}")
        kind = _field(result, "type", str, f"{field}.type")
        if kind != "choices":
            others.append(kind)
            continue
        choices = _field(_field(result, "value", dict, f"{field}.value"), "choices", list, f"{field}.value.choices")
        if len(choices) != 1:
            raise TaskFault(f"{field}.value.choices has {len(choices)} choices: an image has one class here")
        label = choices[0]
        if not isinstance(label, str) or not label.strip():
            raise TaskFault(f"{field}.value.choices[0] must be the name of a class, got {shown(repr(label))[:80]}")
        chosen[str(result.get("from_name", ""))] = label.strip()
    if len(chosen) > 1:
        names = " and ".join(f"'{shown(name)}'" for name in chosen)
        raise TaskFault(f"{where} holds choices of {names}: expected those of one")
    if not chosen and others:
        raise TaskFault(f"{where} holds {shown(others[0])} and no choices: expected one class for each image")
    return next(iter(chosen.values()), None)


def _field(holder: Mapping[str, Any], key: str, kind: type, called: str = "") -> Any:
    value = holder.get(key)
    if not isinstance(value, kind):
        got = _kind(value) if key in holder else "nothing"
        raise TaskFault(f"'{called or key}' must be {_kind(kind())}, got {got}")
    return value


def _plain_path(address: str) -> str:
    """The path in an address, such as /data/local-files/?d=a/b.jpg, s3://bucket/b.jpg, or a plain path."""
    if "://" not in address and "?" not in address:
        return unquote(address, errors="surrogateescape").replace("\\", "/").lstrip("/")
    try:
        parts = urlsplit(address)
    except ValueError:
        raise TaskFault(f"'{shown(address)[:200]}' is no address") from None
    local = [word.removeprefix(_LOCAL) for word in parts.query.split("&") if word.startswith(_LOCAL)]
    return unquote(local[0] if local else parts.path, errors="surrogateescape").replace("\\", "/").lstrip("/")


def _is_image(path: str) -> bool:
    return path.lower().endswith((*IMAGE_SUFFIXES, *HEIF_SUFFIXES))


def _kind(value: Any) -> str:
    """What a value of JSON is, in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    words = {dict: "an object", list: "a list", str: "text"}
    return next((word for kind, word in words.items() if isinstance(value, kind)), "a number")
