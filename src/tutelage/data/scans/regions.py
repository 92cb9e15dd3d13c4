"""Labels of nnU-Net that are regions of several values, such as the whole tumor, as classes with a value each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tutelage.core.names import shown
from tutelage.data.csv_rows import TableFault


def classes_of_regions(labels: Mapping[str, Any]) -> dict[str, int]:
    """The value of each class, by name: every value in a region is a class, named by the smallest region with it.

    In the files, a voxel has one value, so classes do not overlap: with the whole tumor 1, 2, 3 and its core 2, 3, the
    class "whole tumor" is what lies outside of the core.

    Raises:
        TableFault: a value is not a whole number in 0..255.
    """
    regions = {
        str(name): [label_value(str(name), one) for one in (value if isinstance(value, list) else [value])]
        for name, value in labels.items()
    }
    found: dict[str, int] = {}
    for value in sorted({value for values in regions.values() for value in values}):
        name = min((name for name, values in regions.items() if value in values), key=lambda name: len(regions[name]))
        found[name if name not in found else f"{name} ({value})"] = value
    return found


def said_of_regions(classes: Mapping[str, int]) -> str:
    """What the classes are, in words."""
    listed = ", ".join(f"{value} {shown(name)}" for name, value in classes.items())
    return f"each value is a class of its own, named by the smallest region that holds it: {listed}"


def label_value(name: str, value: Any) -> int:
    """The number of a label in `dataset.json`.

    Raises:
        TableFault: it is none in 0..255.
    """
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, bool) or not text.isdecimal():
        raise TableFault(f"the label '{shown(name)}' has the value {shown(text)}: expected a whole number in 0..255")
    return int(text)
