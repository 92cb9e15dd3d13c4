"""The kinds of data, and the one place that decides which kind a path holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tutelage.core.headlines import ACCURACY, DICE, Headline
from tutelage.data.scans.source import is_scan_source


@dataclass(frozen=True)
class DataKind:
    """What is known of a kind of data before any of it is loaded.

    Attributes:
        name: in config.json and in messages.
        facts: what config.json holds of it.
        network_input, network_inputs: what a network takes, in the singular and in the plural.
        size: the fact that is its size: the side of a square, or all sides.
        headline: the score that runs with labels are compared by.
        from_preset: whether settings that are not given are those of the method's preset for this kind, since the
            defaults are for another kind.
        cache: the setting by which several runs share prepared data, if there is one.
    """

    name: str
    facts: tuple[str, ...]
    network_input: str
    network_inputs: str
    size: str
    headline: Headline
    from_preset: bool = False
    cache: str | None = None

    def size_of(self, facts: Mapping[str, Any]) -> int | tuple[int, ...]:
        """The size of what a network takes, by what config.json holds."""
        size = facts[self.size]
        return size if isinstance(size, int) else tuple(size)


IMAGES = DataKind("images", ("image_size", "mean", "std"), "image", "images", "image_size", ACCURACY)
SCANS = DataKind(
    "scans",
    ("patch_size", "label_values"),
    "patch",
    "patches",
    "patch_size",
    DICE,
    from_preset=True,
    cache="scan.cache",
)
KINDS = {kind.name: kind for kind in (IMAGES, SCANS)}


def kind_of(facts: Mapping[str, Any]) -> DataKind:
    """The kind that config.json names among its facts of the data; runs from before scans were supported name none."""
    return KINDS[facts.get("kind", IMAGES.name)]


def recognize_kind(path: str, labels: str | None = None) -> DataKind:
    """The kind of data that lies at a path. Only a few file names are looked at.

    Args:
        labels: a label table or a folder of masks, which also tells the kind.
    """
    return SCANS if is_scan_source(path, labels) else IMAGES
