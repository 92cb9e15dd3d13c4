"""Prepared cases of a run, to be cut into patches or scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.scans.cache import ScanLook, VolumeCache
from tutelage.data.scans.formats.read import read_mask
from tutelage.data.scans.items import Case
from tutelage.data.scans.prepare import Placement

IGNORED = -1  # label of voxels that are neither trained nor scored on
Rows = NDArray[np.int64]


def class_table(values: Sequence[int]) -> NDArray[np.int64]:
    """(256,) int64: class index of each label value, `IGNORED` for all others."""
    table = np.full(256, IGNORED, np.int64)
    table[list(values)] = np.arange(len(values))
    return table


@dataclass
class ScanSet:
    """Cases with their prepared volumes in a cache.

    Attributes:
        values: label value of each class.
    """

    cases: list[Case]
    looks: list[ScanLook]
    values: tuple[int, ...]
    cache: VolumeCache
    scan: ScanConfig

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def names(self) -> list[str]:
        """The name of each case, as shown to the user."""
        return [case.name for case in self.cases]

    def image(self, row: int) -> NDArray:
        """(C, *S) float32 or float16, standardized, memory-mapped."""
        return self.cache.image(self.looks[row].key)

    def label_values(self, row: int) -> NDArray[np.uint8]:
        """(*S) uint8 as in the file, on the prepared grid, memory-mapped."""
        return self.cache.label(self.looks[row].key)

    def label(self, row: int) -> NDArray[np.int64]:
        """(*S) int64 class indices on the prepared grid, `IGNORED` for voxels that are not scored."""
        return class_table(self.values)[self.label_values(row)]

    def placement(self, row: int) -> Placement:
        """How the prepared volume relates to the grid of its file, with its spacing and the inverse mapping."""
        return self.looks[row].placement

    def reference(self, row: int) -> NDArray[np.int64]:
        """(*S) int64 class indices on the grid of the file, read from it.

        Raises:
            DataError: the case has no label, or it can no longer be read.
        """
        path = self.cases[row].label
        if path is None:
            raise DataError(f"{shown(self.cases[row].place)} has no label")
        return class_table(self.values)[read_mask(path)[0]]


@dataclass
class ScanSubset:
    """Some labeled cases, to score on."""

    scans: ScanSet
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> list[str]:
        """The name of each case, as shown to the user."""
        return [self.scans.cases[row].name for row in self.rows]
