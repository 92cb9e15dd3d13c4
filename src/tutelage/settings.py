"""The settings of a run, as frozen dataclasses. Flags, `--help` and the docs tables are derived from them.

Those of methods, networks and views lie beside what they configure. This module imports nothing heavy, since the
command line reads it before it knows what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tutelage.errors import ConfigError


def require(holds: bool, setting: str, expected: str, got: object) -> None:
    """Raise `ConfigError("<setting> must be <expected>, got <got>")` unless `holds`."""
    if not holds:
        raise ConfigError(f"{setting} must be {expected}, got {got!r}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where images and labels come from, and which labels are used."""

    path: Annotated[str, "folder of class folders, flat folder, tar shards, .npz file, or the word digits"]
    labels: Annotated[str | None, "CSV with the columns path,label; an empty or missing label means unlabeled"] = None
    unlabeled: Annotated[str | None, "a further source whose labels, if any, are ignored"] = None
    val: Annotated[str | None, "source of validation images; without it a part of the labels is held out"] = None
    test: Annotated[str | None, "source of test images, read once, after training"] = None
    label_count: Annotated[int | None, "hide all but this many labels; None uses all"] = None
    label_balance: Annotated[Literal["balanced", "proportional"], "how the kept labels spread over classes"] = (
        "balanced"
    )
    exclude_labeled: Annotated[bool, "take the labeled images out of the unlabeled stream"] = False
    val_share: Annotated[float, "share of the labels held out where there is no validation source"] = 0.1
    image_size: Annotated[int | None, "side in pixels to which images are resized; None decides from the data"] = None
    skip_unreadable: Annotated[bool, "leave out images that cannot be read instead of stopping"] = False
    memory_limit_mb: Annotated[int, "decoded images above this size go to a memory-mapped cache in the run"] = 4096

    def __post_init__(self) -> None:
        require(self.label_count is None or self.label_count >= 1, "data.label_count", "at least 1", self.label_count)
        require(0.0 <= self.val_share < 1.0, "data.val_share", "in [0, 1)", self.val_share)
        require(
            self.image_size is None or 4 <= self.image_size <= 4096, "data.image_size", "in [4, 4096]", self.image_size
        )
        require(self.memory_limit_mb >= 0, "data.memory_limit_mb", "at least 0", self.memory_limit_mb)
