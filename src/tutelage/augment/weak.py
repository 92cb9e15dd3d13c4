"""The weak view: a horizontal flip, and a small translation with reflection padding or an enlarged crop."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.crops import draw_crops
from tutelage.augment.image_ops.inputs import check_images, check_rows
from tutelage.augment.image_ops.resample import resize_crops
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.config.augment import WeakConfig


class Weak(View):
    """Flip with probability 0.5, then translate by up to `round(translate * side)` pixels along each axis.

    The edge pixel is not repeated by the reflection, as in Mean Teacher and FixMatch. Draws: `flip` (B,) bool and
    `shift` (B, 2) int64, pixels down and to the right.
    """

    def __init__(self, cfg: WeakConfig) -> None:
        self.cfg = cfg

    def reach(self, shape: ImageShape) -> tuple[int, int]:
        """The largest translation down and to the right, in pixels."""
        return (
            min(round(self.cfg.translate * shape.height), shape.height - 1),
            min(round(self.cfg.translate * shape.width), shape.width - 1),
        )

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        coin = torch.rand(rows, generator=generator)
        shifts = [
            torch.randint(-most, most + 1, (rows,), generator=generator, dtype=torch.int64)
            for most in self.reach(shape)
        ]
        return {"flip": (coin < 0.5) & self.cfg.flip, "shift": torch.stack(shifts, dim=1)}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        check_images(images)
        check_rows(images, draws["flip"], "flip")
        check_rows(images, draws["shift"], "shift")
        return flip_and_translate(images, draws["flip"], draws["shift"])

    def describe(self, draws: Draws, row: int) -> str:
        down, right = draws["shift"][row].tolist()
        words = ["flip"] if draws["flip"][row] else []
        words += [f"shift {right},{down}"] if (down, right) != (0, 0) else []
        return ", ".join(words) or "unchanged"


class WeakCrop(View):
    """Flip with probability 0.5, then cut out a part and enlarge it, bilinear, to the size of the image.

    The part has a share of the area drawn uniformly from [smallest_crop, 1] and sides at a ratio of 3/4 to 4/3, as
    torchvision draws them. Draws: `flip` (B,) bool and `crop` (B, 4) int64 left, top, right, bottom.
    """

    def __init__(self, cfg: WeakConfig) -> None:
        self.cfg = cfg

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        coin = torch.rand(rows, generator=generator)
        crop = draw_crops(rows, shape, self.cfg.smallest_crop, generator)
        return {"flip": (coin < 0.5) & self.cfg.flip, "crop": crop}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        shape = check_images(images)
        check_rows(images, draws["flip"], "flip")
        return resize_crops(images, draws["crop"], shape.height, shape.width, flip=draws["flip"])

    def describe(self, draws: Draws, row: int) -> str:
        left, top, right, bottom = draws["crop"][row].tolist()
        return ", ".join([*(["flip"] if draws["flip"][row] else []), f"crop {right - left}x{bottom - top}"])


def flip_and_translate(images: Tensor, flip: Tensor, shift: Tensor) -> Tensor:
    """(B, C, H, W) images mirrored where `flip` says, then moved by `shift`, the gap filled by reflection.

    Each source line is laid out as mirror image, line, mirror image (sharing their edge pixels), so that every line of
    the result is a window of W pixels and is copied whole: a gather of single pixels moves an 8-byte index for each
    byte of image.

    Args:
        images: (B, C, H, W) uint8.
        flip: (B,) bool.
        shift: (B, 2) int64, pixels down and to the right, smaller than (H, W) in size.
    """
    rows, channels, height, width = images.shape
    if rows == 0:
        return images.clone()
    mirrored = images.flip(-1)
    lines = images.new_empty(rows, channels, height, 3 * width - 2)
    lines[..., :width] = mirrored
    lines[..., 2 * width - 2 :] = mirrored
    lines[..., width - 1 : 2 * width - 1] = images

    flip, shift = (draw.to(images.device, non_blocking=True) for draw in (flip, shift))  # a few bytes per row
    down, right = shift[:, :1], shift[:, 1:]
    line = (torch.arange(height, device=images.device) - down).abs()  # (B, H), reflected at the top
    line = (height - 1) - ((height - 1) - line).abs()  # and at the bottom
    # A mirrored row starts in the mirror image that continues in the direction of its window.
    first = torch.where(flip[:, None], (right > 0) * (2 * width - 2), width - 1) - right
    stride = lines.shape[-1]
    plane = torch.arange(0, lines.numel(), height * stride, device=images.device).view(rows, channels, 1)
    start = plane + (line * stride).add_(first).unsqueeze(1)  # (B, C, H)
    windows = lines.view(-1).as_strided((lines.numel() - width + 1, width), (1, 1))
    picked = windows.index_select(0, start.flatten())
    return picked.view(rows, channels, height, width)
