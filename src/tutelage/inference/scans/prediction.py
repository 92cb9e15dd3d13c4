"""The predictions of a segmenter: of one scan, and of several as Python code looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.names import counted, shown
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.given import Given
from tutelage.data.scans.items import Case
from tutelage.data.scans.mask_folder import sizes_of
from tutelage.data.scans.reading import RawCase
from tutelage.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5  # rows of a repr


@dataclass(frozen=True)
class ScanPrediction:
    """The prediction for one scan, or the reason why it could not be read.

    Attributes:
        probs: (K, *S) float32 on the grid of the file, if they were asked for.
        predicted: (*S) uint8 class indices on the same grid, or None.
        warnings: what is unusual in its files but was accepted; safe to print.
    """

    case: Case
    geometry: Geometry | None = None
    probs: NDArray[np.float32] | None = None
    predicted: NDArray[np.uint8] | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()


class Segmenter(Protocol):
    """A model that segments scans; see `ScanModel`."""

    @property
    def task(self) -> Segmentation: ...

    @property
    def scan(self) -> ScanConfig: ...

    @property
    def values(self) -> tuple[int, ...]: ...

    @property
    def channels(self) -> int: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def learned(self) -> frozenset[str]: ...

    def segment(self, raw: RawCase) -> NDArray[np.float32]: ...

    def predictions(self, scans: Sequence[Given], *, probabilities: bool = False) -> Iterator[ScanPrediction]: ...


@dataclass(frozen=True, eq=False, repr=False)
class Segmentations:
    """The predicted masks of some scans, in the order of the scans.

    Attributes:
        names: of the cases: file or folder relative to the source and without suffix; `scan 0`, `scan 1`, ... of scans
            in memory.
        classes, values: class names, and the value of each in the masks; the first is the background.
        masks: (*S) uint8 values on the grid of each scan; None where a scan could not be read. If masks were written
            into a folder they are not kept, and this is empty.
        probabilities: (K, *S) float32 of each scan if they were asked for, else empty.
        rows: of the table; see `to_frame`.
    """

    names: list[str]
    classes: tuple[str, ...]
    values: tuple[int, ...]
    masks: list[NDArray[np.uint8] | None]
    probabilities: list[NDArray[np.float32] | None]
    rows: list[dict[str, Any]]

    @property
    def errors(self) -> list[str]:
        """Why a scan could not be segmented; "" where it was."""
        return [row["error"] for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """A table of `case, voxels_<class>..., ml_<class>..., error`, one row per scan.

        If masks were written, it also has `scan`, `label` and `mask`, as cases.csv in their folder.
        """
        import pandas as pd

        return pd.DataFrame(self.rows)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        lines = [f"Segmentations of {counted(len(self), 'scan')}, {len(self.classes)} classes"]
        for row in self.rows[:_SHOWN]:
            unit = "ml" if row.get(f"ml_{self.classes[-1]}", "") != "" else "voxels"
            sizes = [] if row["error"] else [f"{shown(c)} {row[f'{unit}_{c}']:.4g} {unit}" for c in self.classes[1:]]
            lines.append(f"  {shown(row['case'])}: {row['error'] or ', '.join(sizes)}")
        return "\n".join(lines + (["  ..."] if len(self) > _SHOWN else []))


def keep_masks(model: Segmenter, scans: Sequence[Given], *, probabilities: bool = False) -> Segmentations:
    """The masks of some scans, in memory."""
    table = np.array(model.values, np.uint8)
    kept = Segmentations([one.case.name for one in scans], model.classes, model.values, [], [], [])
    sizes = [f"{unit}_{name}" for unit in ("voxels", "ml") for name in model.classes[1:]]
    for made in model.predictions(scans, probabilities=probabilities):
        row: dict[str, Any] = {"case": made.case.name} | dict.fromkeys(sizes, "") | {"error": made.error}
        if made.predicted is not None and made.geometry is not None:
            row |= sizes_of(made.predicted, made.geometry, model.classes)
        kept.rows.append(row)
        kept.masks.append(None if made.predicted is None else table[made.predicted])
        if probabilities:
            kept.probabilities.append(made.probs)
    return kept
