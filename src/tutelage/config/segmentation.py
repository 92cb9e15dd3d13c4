"""The settings of segmentation: the loss, and the prediction of whole volumes. This module imports nothing heavy."""

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

    cross_entropy_weight: Annotated[float, "weight of the cross-entropy in the loss"] = 0.5
    dice_weight: Annotated[float, "weight of the Dice loss in the loss"] = 0.5
    dice_classes: Annotated[
        Literal["foreground", "all"], "classes that the Dice loss is averaged over; background is the first class"
    ] = "foreground"
    dice_sums: Annotated[Literal["batch", "row"], "one Dice loss over all patches of a batch, or one per patch"] = (
        "batch"
    )
    dice_squares: Annotated[
        bool, "sum squares in the denominator of the Dice loss, as in V-Net, instead of probabilities"
    ] = True
    overlap: Annotated[
        float | None,
        "overlap of neighboring windows when a volume is predicted, as a share of the window; by default 0.5, or 0.25 "
        "where scores would take too much of the budget",
    ] = None
    strides: Annotated[
        tuple[int, ...], "step between windows in voxels, along each axis, instead of the overlap; 18,18,4 in UA-MT"
    ] = ()
    validation_overlap: Annotated[
        float, "overlap for validation scores during training, which are computed without flips"
    ] = 0.25
    window_weight: Annotated[
        Literal["constant", "gaussian"], "weights when windows are averaged: equal, or larger in the middle of a window"
    ] = "constant"
    window_batch: Annotated[int, "windows per forward pass"] = 4
    flips: Annotated[bool, "average the predictions of all flips, at 4 or 8 times the cost"] = False
    largest_component: Annotated[bool, "keep only the largest connected component of each class"] = False
    scored_cases: Annotated[
        int | None,
        "score at most this many validation cases and test cases; by default all that the budget has time for",
    ] = None

    def __post_init__(self) -> None:
        for name in ("cross_entropy_weight", "dice_weight"):
            require(getattr(self, name) >= 0.0, f"segmentation.{name}", "at least 0", getattr(self, name))
        if self.cross_entropy_weight == self.dice_weight == 0.0:
            raise ConfigError(
                "segmentation.cross_entropy_weight and segmentation.dice_weight are both 0: nothing would be trained"
            )
        for name in ("overlap", "validation_overlap"):
            share = getattr(self, name)
            require(share is None or 0.0 <= share < 1.0, f"segmentation.{name}", "in [0, 1)", share)
        require(
            self.scored_cases is None or self.scored_cases >= 1,
            "segmentation.scored_cases",
            "at least 1",
            self.scored_cases,
        )
        require(
            len(self.strides) <= 3 and all(stride >= 1 for stride in self.strides),
            "segmentation.strides",
            "up to 3 numbers of voxels, at least 1 each",
            self.strides,
        )
        if self.strides and self.overlap not in (None, OVERLAP):
            raise ConfigError("segmentation.overlap does nothing with segmentation.strides: give one of them")
        require(self.window_batch >= 1, "segmentation.window_batch", "at least 1", self.window_batch)

    def while_training(self) -> SegmentationConfig:
        """The faster prediction of validation cases during training."""
        return dataclasses.replace(self, overlap=self.validation_overlap, strides=(), flips=False)

    def strides_of(self, patch_size: tuple[int, ...]) -> tuple[int, ...]:
        """Step in voxels between windows of that size, along each axis.

        Raises:
            ConfigError: `strides` has another number of axes, or leaves voxels that no window covers.
        """
        if not self.strides:
            overlap = OVERLAP if self.overlap is None else self.overlap
            return tuple(max(1, round(size * (1.0 - overlap))) for size in patch_size)
        strides = self.strides * len(patch_size) if len(self.strides) == 1 else self.strides
        fits = len(strides) == len(patch_size) and all(s <= p for s, p in zip(strides, patch_size, strict=False))
        expected = f"1 or {len(patch_size)} numbers, at most the patch size {patch_size}"
        require(fits, "segmentation.strides", expected, self.strides)
        return strides
