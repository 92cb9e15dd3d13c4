"""The settings of images and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError

MOST_CHANNELS = 16
MOST_PIXELS = 1 << 34  # that settings may allow for an image


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The sources of images and labels, and which labels are used."""

    path: Annotated[str, "folder of class folders, flat folder, tar shards, .npz file, or the word digits"]
    labels: Annotated[
        str | None,
        "CSV with path,label (empty: unlabeled), or an export of Label Studio (.json) or CVAT (.xml)",
    ] = None
    unlabeled: Annotated[str | None, "another source of images, whose labels are ignored"] = None
    val: Annotated[str | None, "source of validation images; without it, a share of the labeled images is held out"] = (
        None
    )
    test: Annotated[str | None, "source of test images, read once, after training"] = None
    label_count: Annotated[int | None, "use only this many labels and hide the others; by default all"] = None
    label_balance: Annotated[
        Literal["balanced", "proportional"],
        "draw label_count labels evenly over classes, or in proportion to class frequency",
    ] = "balanced"
    exclude_labeled: Annotated[bool, "no labeled images or copies in the unlabeled stream"] = False
    unlabeled_count: Annotated[
        int | None, "use only this many unlabeled images; by default all, or at most 50,000 with a frozen network"
    ] = None
    labeled_sampling: Annotated[
        Literal["rows", "classes"], "draw all labeled images, or all classes, equally often"
    ] = "rows"
    val_share: Annotated[float, "share of the labeled images held out if there is no validation source"] = 0.1
    image_size: Annotated[int | None, "side in pixels to which images are resized; by default chosen from the data"] = (
        None
    )
    resize: Annotated[
        Literal["auto", "crop", "pad", "squash"],
        "how images are made square: crop the middle, pad the whole image, or stretch it; auto pads wide ones",
    ] = "auto"
    crop_share: Annotated[float, "with resize=crop: side of the square as a share of the shorter side"] = 1.0
    interpolation: Annotated[
        Literal["auto", "bicubic", "bilinear"],
        "resizing filter; auto is that of the pretrained weights, or else bicubic",
    ] = "auto"
    channels: Annotated[
        int | None,
        "1 for gray, 3 for color, or as many as arrays and TIFF files hold, up to 16; 4 also takes alpha as a channel; "
        "by default chosen from the data",
    ] = None
    intensity_range: Annotated[
        tuple[float, ...],
        "with more than 8 bits: the values that become black and white, e.g. 0,4095, or two for each channel; by "
        "default found over the training images",
    ] = ()
    max_pixels: Annotated[
        int,
        "images of more pixels are refused as possible decompression bombs",
    ] = 89_478_485
    skip_unreadable: Annotated[bool, "skip images that cannot be read instead of stopping"] = False
    stream: Annotated[
        Literal["auto", "always", "never"],
        "decode images each time they are used instead of all before training; auto does so with large pools",
    ] = "auto"
    memory_limit_mb: Annotated[
        int, "decoded images that may be kept in memory, in MB, where the cache folder has no room for them"
    ] = 4096

    def __post_init__(self) -> None:
        for name in ("path", "labels", "unlabeled", "val", "test"):
            require(getattr(self, name) != "", f"data.{name}", "the name of a file or folder", "")
        require(self.label_count is None or self.label_count >= 1, "data.label_count", "at least 1", self.label_count)
        require(
            self.unlabeled_count is None or self.unlabeled_count >= 1,
            "data.unlabeled_count",
            "at least 1",
            self.unlabeled_count,
        )
        require(1 <= self.max_pixels <= MOST_PIXELS, "data.max_pixels", "in [1, 2^34]", self.max_pixels)
        require(0.0 <= self.val_share < 1.0, "data.val_share", "in [0, 1)", self.val_share)
        require(
            self.image_size is None or 4 <= self.image_size <= 4096, "data.image_size", "in [4, 4096]", self.image_size
        )
        require(0.1 <= self.crop_share <= 1.0, "data.crop_share", "in [0.1, 1]", self.crop_share)
        if self.crop_share < 1.0 and self.resize not in ("auto", "crop"):
            raise ConfigError(f"data.crop_share does nothing with data.resize = {self.resize!r}; it belongs to 'crop'")
        few = self.channels is None or 1 <= self.channels <= MOST_CHANNELS
        require(few, "data.channels", f"in [1, {MOST_CHANNELS}]", self.channels)
        levels = self.intensity_range
        rising = len(levels) % 2 == 0 and all(low < high for low, high in zip(levels[::2], levels[1::2], strict=True))
        require(not levels or rising, "data.intensity_range", "pairs of numbers, the lower one first", levels)
        require(self.memory_limit_mb >= 0, "data.memory_limit_mb", "at least 0", self.memory_limit_mb)
