"""The settings of scans: preprocessing and patches. This module imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tutelage.config.intensity import IntensityConfig, StrongIntensityConfig
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ScanConfig:
    """Volumes, or slices with PNG masks, and their patches. Unset values are taken from the data."""

    classes: Annotated[
        tuple[str, ...],
        "class names in the order of their label values 0, 1, ..., or name=value; empty takes those of the data source",
    ] = ()
    ignore_label: Annotated[int | None, "label value of voxels that neither training nor scores use"] = None
    channels_last_axis: Annotated[
        bool, "the fourth axis of a file holds channels; otherwise such files are refused"
    ] = False
    assumed_spacing: Annotated[tuple[float, ...], "spacing in mm of files without one (.h5, .png); empty is 1 mm"] = ()
    ignore_label_header: Annotated[
        bool, "use a label voxel by voxel, even if its header disagrees with that of its image"
    ] = False
    labeled: Annotated[
        Literal["random", "first"], "which labels data.label_count keeps: random ones, or the first ones of the list"
    ] = "random"
    nifti_form: Annotated[
        Literal["sform", "qform"], "which of the two geometries of a NIfTI file counts, if it states two that differ"
    ] = "sform"
    canonical: Annotated[bool, "reorient volumes to RAS+; predicted masks have the orientation of their file"] = True
    spacing: Annotated[
        tuple[float, ...],
        "resample to this spacing in mm, in RAS+ order if canonical; empty keeps the spacing of each volume",
    ] = ()
    intensity: Annotated[
        Literal["auto", "zscore", "zscore-nonzero", "percentile", "ct", "none"],
        "normalization per volume and channel: z-score of all or of nonzero voxels; percentile is a z-score after "
        "clipping; ct maps a window to [-1, 1]; auto is zscore, or what the channels of nnU-Net's dataset.json ask for",
    ] = "auto"
    percentiles: Annotated[
        tuple[float, ...], "with intensity=percentile: percentiles at which intensities are clipped"
    ] = (0.5, 99.5)
    window: Annotated[tuple[float, ...], "with intensity=ct: lowest and highest intensity, in Hounsfield units"] = (
        -160.0,
        240.0,
    )
    crop: Annotated[
        Literal["none", "body", "mask"], "crop to the box around the voxels above a threshold, or around a mask"
    ] = "none"
    body_threshold: Annotated[float, "with crop=body: voxels above this intensity of the file are body"] = 0.0
    crop_masks: Annotated[str | None, "with crop=mask: folder of masks with the names of the images"] = None
    crop_margin: Annotated[int, "voxels kept around the box"] = 0
    cache_precision: Annotated[Literal["float32", "float16"], "precision of the preprocessed volumes on disk"] = (
        "float32"
    )
    cache: Annotated[
        str | None,
        "folder of the preprocessed volumes, which several runs may share; by default cache/ in the run folder",
    ] = None
    patch_size: Annotated[
        tuple[int, ...],
        "size in voxels along each axis, one number for all; empty chooses it from the data and the budget",
    ] = ()
    foreground_share: Annotated[float, "share of the labeled patches that are centered on a foreground voxel"] = 1 / 3
    orientation: Annotated[
        Literal["turns", "flips", "ua-mt", "none"],
        "augmentation: flips, and quarter turns where voxels and patch are square; flips alone; as in UA-MT; or none",
    ] = "turns"
    flip_axes: Annotated[tuple[int, ...], "axes that turns and flips may mirror; empty is all of them"] = ()
    weak: IntensityConfig = field(default_factory=IntensityConfig)
    strong: StrongIntensityConfig = field(default_factory=StrongIntensityConfig)

    def __post_init__(self) -> None:
        for name in ("spacing", "assumed_spacing"):
            values = getattr(self, name)
            good = len(values) <= 3 and all(math.isfinite(v) and v > 0.0 for v in values)
            require(good, f"scan.{name}", "up to 3 positive numbers of mm", values)
        require(
            self.ignore_label is None or 0 <= self.ignore_label <= 255,
            "scan.ignore_label",
            "in [0, 255]",
            self.ignore_label,
        )
        low_high = len(self.percentiles) == 2 and 0.0 <= self.percentiles[0] < self.percentiles[1] <= 100.0
        require(low_high, "scan.percentiles", "two rising numbers in [0, 100]", self.percentiles)
        require(
            len(self.window) == 2 and self.window[0] < self.window[1],
            "scan.window",
            "two rising numbers",
            self.window,
        )
        require(
            len(self.patch_size) <= 3 and all(side >= 1 for side in self.patch_size),
            "scan.patch_size",
            "up to 3 numbers of voxels, at least 1 each",
            self.patch_size,
        )
        require(0.0 <= self.foreground_share <= 1.0, "scan.foreground_share", "in [0, 1]", self.foreground_share)
        require(self.crop_margin >= 0, "scan.crop_margin", "at least 0", self.crop_margin)
        require(
            all(0 <= axis <= 2 for axis in self.flip_axes) and len(set(self.flip_axes)) == len(self.flip_axes),
            "scan.flip_axes",
            "different numbers in [0, 2]",
            self.flip_axes,
        )
        if (self.crop == "mask") != (self.crop_masks is not None):
            raise ConfigError("scan.crop = 'mask' and scan.crop_masks, a folder, go together: set both or none")
        self.class_values()

    def class_values(self) -> dict[str, int]:
        """Label value of each class of `classes`, in the order of the class indices.

        Raises:
            ConfigError: a value is not a number in [0, 255], or a name or value is repeated.
        """
        values: dict[str, int] = {}
        for position, entry in enumerate(self.classes):
            name, equals, text = entry.partition("=")
            good = not equals or (text.strip().isdecimal() and int(text) <= 255)
            require(good and name.strip() != "", "scan.classes", "names, or name=value with a value in 0..255", entry)
            value = int(text) if equals else position
            if name.strip() in values or value in values.values() or value == self.ignore_label:
                raise ConfigError(
                    f"scan.classes: '{entry}' repeats a name or value, or has the value of scan.ignore_label"
                )
            values[name.strip()] = value
        require(len(values) != 1, "scan.classes", "two or more, background among them", self.classes)
        return values

    def patch(self, axes: int) -> tuple[int, ...]:
        """The patch size along each of `axes` axes, once it is chosen.

        Raises:
            ConfigError: it has another number of axes, or is not chosen yet.
        """
        size = self.patch_size * axes if len(self.patch_size) == 1 else self.patch_size
        require(len(size) == axes, "scan.patch_size", f"1 or {axes} numbers, one per axis of the data", self.patch_size)
        if self.orientation == "ua-mt":
            require(
                axes >= 2 and size[0] == size[1],
                "scan.patch_size",
                "the same along the first two axes, which scan.orientation 'ua-mt' turns",
                self.patch_size,
            )
        return size
