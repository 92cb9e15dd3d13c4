"""What renaming or removing a class changes: a step of the journal, which is undone like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tutelage.curation.labeling.classes import checked_class
from tutelage.curation.labeling.history import Rows
from tutelage.curation.labeling.label_rows import Said


@dataclass(frozen=True)
class ClassChange:
    """What the journal is to say.

    Attributes:
        rows: what is said from now on of the images of the class, by name; None is nothing.
        rejected: names of images, each with a class that it is not of.
        classes: the names of all classes from now on.
    """

    rows: Rows
    rejected: list[tuple[str, str]]
    classes: list[str]


def class_change(
    old: str,
    new: str | None,
    *,
    classes: Sequence[str],
    said: Mapping[str, Said],
    rejected: Iterable[tuple[str, str]],
) -> ClassChange:
    """Rename a class, or remove it, so that its images have no label and are asked about again.

    Args:
        old: one of `classes`.
        new: its name from now on; if there is a class of this name, the images of both are of that one. None removes.
        said: what is said of each image, by name.
        rejected: names of images, each with a class that it is not of.

    Raises:
        ConfigError: the new name is empty or unsafe, or differs from another class by upper and lower case only.
    """
    others = [name for name in classes if name != old]
    of_it = {name: one for name, one in said.items() if one.label == old}
    if new is None:
        return ClassChange(dict.fromkeys(of_it), [], others)
    left = others
    if (new := new.strip()) not in others:
        new = checked_class(new, others)
        left = [new if name == old else name for name in classes]
    rows: Rows = {name: replace(one, label=new) for name, one in of_it.items()}
    return ClassChange(rows, [(name, new) for name, label in rejected if label == old], left)
