"""Labels of an image classification dataset that FiftyOne exported: `labels.json` beside the folder `data/`."""

from __future__ import annotations

from typing import Any

from tutelage.core.names import shown
from tutelage.data.images.tables import Row


def is_fiftyone(content: Any) -> bool:
    """Whether the content of a JSON file is such an export."""
    return isinstance(content, dict) and isinstance(content.get("labels"), dict)


def rows_of_fiftyone(content: Any, name: str) -> tuple[list[Row], list[str]]:
    """The rows of an export, and its faults, each naming file and entry; `null` is unlabeled.

    A label is a place in `classes`, or its text, alone or in an object with a confidence.
    """
    classes = content.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(one, str) for one in classes)):
        return [], [f"{name}: classes must be a list of names"]
    rows: list[Row] = []
    faults: list[str] = []
    for path, target in content["labels"].items():
        spot = f"labels['{shown(path)}']"
        try:
            rows.append(Row(0, path, _label(target, classes), where=spot))
        except ValueError as error:
            faults.append(f"{name} {spot} {error}")
    if not rows and not faults:
        faults.append(f"{name} has no labels")
    return rows, faults


def _label(target: Any, classes: list[str] | None) -> str | None:
    if isinstance(target, dict):
        target = target.get("label")
    if target is None or target == "":
        return None
    if isinstance(target, str):
        return target
    if classes is None or isinstance(target, bool) or not isinstance(target, int):
        raise ValueError(f"is {shown(repr(target))[:100]}: expected a name, or a place in classes")
    if not 0 <= target < len(classes):
        raise ValueError(f"is {target}: expected a place below {len(classes)}, the number of classes")
    return classes[target]
