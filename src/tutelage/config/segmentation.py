"""The settings of segmentation: its loss, and how whole volumes are predicted. They import nothing heavy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError

OVERLAP = 0.5


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig:
    """Settings of the task `segmentation`. The defaults of the loss are those of UA-MT's code."""

    cross_entropy_weight: Annotated[float, "of the cross-entropy in the loss"] = 0.5
    dice_weight: Annotated[float, "of the Dice loss in the loss"] = 0.5
    dice_classes: Annotated[
        Literal["foreground", "all"], "classes the Dice loss is averaged over; background is the first class"
    ] = "foreground"
    dice_sums: Annotated[Literal["batch", "row"], "one Dice loss over the patches of a batch together, or one each"] = (
        "batch"
    )
    dice_squares: Annotated[bool, "sum squares in the denominator of Dice, as V-Net does; else plain values"] = True
    overlap: Annotated[float, "share of a window that its neighbor covers when a volume is predicted"] = OVERLAP
    strides: Annotated[
        tuple[int, ...], "voxels between two windows, along each axis; wins over overlap; 18,18,4 in UA-MT"
    ] = ()
    validation_overlap: Annotated[
        float, "the same while training, where validation cases are scored again and again; without flips"
    ] = 0.25
    window_weight: Annotated[
        Literal["constant", "gaussian"], "how windows are averaged: plainly, or their middles count more"
    ] = "constant"
    window_batch: Annotated[int, "windows that are predicted at once"] = 4
    flips: Annotated[bool, "average the predictions of all mirror images: 4 or 8 times the work"] = False
    largest_component: Annotated[bool, "keep the largest connected piece of each class, drop the others"] = False

    def __post_init__(self) -> None:
        for name in ("cross_entropy_weight", "dice_weight"):
            require(getattr(self, name) >= 0.0, f"segmentation.{name}", "at least 0", getattr(self, name))
        if self.cross_entropy_weight == self.dice_weight == 0.0:
            raise ConfigError(
                "segmentation.cross_entropy_weight and segmentation.dice_weight are both 0: nothing trains"
            )
        for name in ("overlap", "validation_overlap"):
            require(0.0 <= getattr(self, name) < 1.0, f"segmentation.{name}", "in [0, 1)", getattr(self, name))
        require(
            len(self.strides) <= 3 and all(stride >= 1 for stride in self.strides),
            "segmentation.strides",
            "up to 3 numbers of voxels, at least 1 each",
            self.strides,
        )
        if self.strides and self.overlap != OVERLAP:
            raise ConfigError("segmentation.overlap does nothing with segmentation.strides: give one of them")
        require(self.window_batch >= 1, "segmentation.window_batch", "at least 1", self.window_batch)

    def while_training(self) -> SegmentationConfig:
        """The quicker prediction of validation cases while training."""
        return dataclasses.replace(self, overlap=self.validation_overlap, strides=(), flips=False)

    def strides_of(self, patch_size: tuple[int, ...]) -> tuple[int, ...]:
        """Voxels between two windows of that size, along each axis.

        Raises:
            ConfigError: `strides` has another number of axes, or steps over voxels that no window would cover.
        """
        if not self.strides:
            return tuple(max(1, round(size * (1.0 - self.overlap))) for size in patch_size)
        strides = self.strides * len(patch_size) if len(self.strides) == 1 else self.strides
        fits = len(strides) == len(patch_size) and all(s <= p for s, p in zip(strides, patch_size, strict=False))
        expected = f"1 or {len(patch_size)} numbers, at most the patch size {patch_size}"
        require(fits, "segmentation.strides", expected, self.strides)
        return strides
