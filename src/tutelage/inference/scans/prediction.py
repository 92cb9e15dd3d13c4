"""The predictions of a segmenter, and the scans to predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.items import Case
from tutelage.data.scans.reading import RawCase
from tutelage.data.scans.source import list_scans
from tutelage.tasks.segmentation import Segmentation


@dataclass(frozen=True)
class ScanPrediction:
    """The prediction for one scan, or the reason why it could not be read.

    Attributes:
        probs: (K, *S) float32 on the grid of the file, or None.
        predicted: (*S) int64 class indices on the same grid, or None.
    """

    case: Case
    geometry: Geometry | None = None
    probs: NDArray[np.float32] | None = None
    predicted: NDArray[np.int64] | None = None
    error: str = ""


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

    def segment(self, raw: RawCase) -> NDArray[np.float32]: ...

    def predictions(self, cases: Sequence[Case]) -> Iterator[ScanPrediction]: ...


def list_to_predict(source: str) -> list[Case]:
    """The scans of a source to predict.

    Raises:
        DataError: the source does not exist, has no scans, or cannot be read.
    """
    listing = list_scans(source, role="predict")
    if not listing.cases and not listing.faults:
        listing.faults.append(f"{shown(source)} contains no scans")
    if listing.faults:
        raise DataError(listing.faults)
    return listing.cases
