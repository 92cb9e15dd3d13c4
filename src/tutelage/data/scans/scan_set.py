"""Prepared cases of a run: decoded once, kept on disk, and mapped into memory to be cut into patches or scored on."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError, RunError
from tutelage.core.files import atomic_file, make_folder
from tutelage.core.names import shown
from tutelage.core.regular import open_regular
from tutelage.core.sealed import read_sealed, write_sealed
from tutelage.data.scans.formats.files import files_of
from tutelage.data.scans.items import Case
from tutelage.data.scans.prepare import Placement
from tutelage.data.scans.reading import crop_mask, read_reference

IGNORED = -1  # label of voxels that are neither trained nor scored on
Rows = NDArray[np.int64]
_FILES = "files"  # of a prepared volume, with a checksum of each
_FORMAT = 1  # increase it when the same settings give another result
_PREPARED_BY = (  # the settings that a prepared volume depends on
    "channels_last_axis",
    "assumed_spacing",
    "ignore_label_header",
    "nifti_form",
    "canonical",
    "spacing",
    "intensity",
    "percentiles",
    "window",
    "crop",
    "body_threshold",
    "crop_masks",
    "crop_margin",
    "cache_precision",
)


@dataclass(frozen=True)
class ScanLook:
    """What one case is.

    Attributes:
        key: of its prepared volume, from the contents of its files and the settings of the preparation.
        digest, label_digest: hashes of its decoded image and label; equal for copies, however they are compressed.
        channels: of the image.
        low, high: lowest and highest intensity in the file.
        label_counts: voxels of each label value in the file; empty where there is no label.
        placement: of its prepared volume on the grid of the file.
        warnings: what is unusual about it, safe to print.
    """

    key: str
    digest: str
    label_digest: str
    channels: int
    low: float
    high: float
    label_counts: dict[int, int]
    placement: Placement
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` reads them back."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {"placement": self.placement.to_dict()}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ScanLook:
        """The look from plain values."""
        return ScanLook(
            **{
                **values,
                "label_counts": {int(value): count for value, count in values["label_counts"].items()},
                "placement": Placement.from_dict(values["placement"]),
                "warnings": tuple(values["warnings"]),
            }
        )


def case_key(case: Case, cfg: ScanConfig) -> str:
    """32 hexadecimal digits that depend on the files of a case and on how it is prepared.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.blake2b(repr(_FORMAT).encode(), digest_size=16)
    digest.update(repr([(name, getattr(cfg, name)) for name in _PREPARED_BY]).encode())
    for path in (*case.images, case.label, crop_mask(case, cfg)):
        if path is None:
            continue
        try:
            for file in files_of(path):
                with open_regular(file) as stream:
                    digest.update(hashlib.file_digest(stream, "blake2b").digest())
        except OSError as error:
            raise DataError(f"{shown(str(path))} cannot be read: {error.strerror}") from None
    digest.update(repr((len(case.images), case.label is not None)).encode())
    return digest.hexdigest()


class VolumeCache:
    """Prepared volumes in a folder: for each case its image, its label if there is one, and its look, written last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def look(self, key: str) -> ScanLook | None:
        """What was found when the case was prepared, or None if one of its files is missing or damaged."""
        try:
            values = read_sealed(self.folder / f"{key}.json")
            whole = all(_checksum(self.folder / name) == crc for name, crc in values.pop(_FILES).items())
            return ScanLook.from_dict(values) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RunError):
            return None

    def put(self, look: ScanLook, image: NDArray, label: NDArray[np.uint8] | None) -> None:
        """Keep a prepared volume (C, *S) and its label values (*S).

        Raises:
            RunError: it cannot be written.
        """
        make_folder(self.folder)
        files = {f"{look.key}.npy": image} | ({} if label is None else {f"{look.key}-label.npy": label})
        for name, array in files.items():
            _write(self.folder / name, array)
        checksums = {name: _checksum(self.folder / name) for name in files}
        write_sealed(self.folder / f"{look.key}.json", {**look.to_dict(), _FILES: checksums})

    def image(self, key: str) -> NDArray:
        """(C, *S) float32 or float16, memory-mapped."""
        return np.load(self.folder / f"{key}.npy", mmap_mode="r")

    def label(self, key: str) -> NDArray[np.uint8]:
        """(*S) uint8 label values, memory-mapped."""
        return np.load(self.folder / f"{key}-label.npy", mmap_mode="r")


def _write(path: Path, array: NDArray) -> None:
    with atomic_file(path, what=f"the cache {path} ({array.nbytes / 1e6:.0f} MB)") as stream:
        np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def _checksum(path: Path) -> int:
    """The CRC-32 of a file: of a damaged one it is another."""
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            checksum = zlib.crc32(block, checksum)
    return checksum


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
        return class_table(self.values)[read_reference(path, self.looks[row].placement.geometry, self.scan)]


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

    def spread(self, most: int | None) -> ScanSubset:
        """At most `most` of the cases, evenly spread over their order."""
        return ScanSubset(self.scans, self.rows[spread_rows(len(self), most)])


def spread_rows(count: int, most: int | None) -> list[int]:
    """At most `most` of `count` rows, evenly spread; None is all."""
    if most is None or most >= count:
        return list(range(count))
    return [(2 * place + 1) * count // (2 * most) for place in range(most)]
