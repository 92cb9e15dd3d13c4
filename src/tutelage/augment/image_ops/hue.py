"""A shift of the hue, by way of Pillow's HSV, whose three channels are bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.inputs import check_images, per_row, takes_floats


def to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value of (B, 3, H, W) uint8, each (B, H, W) float32 holding whole numbers from 0 to 255."""
    red, green, blue = images.to(torch.float32).unbind(1)
    value, low = images.amax(1).to(torch.float32), images.amin(1).to(torch.float32)
    span = value - low
    divisor = span.clamp(min=1)
    # Pillow divides in float32, adds in float64, and keeps the sum and the circle's share in float32.
    r, g, b = (((value - channel) / divisor).double() for channel in (red, green, blue))
    sixth = torch.where(red == value, b - g, torch.where(green == value, 2.0 + r - b, 4.0 + g - r))
    share = torch.fmod(sixth.to(torch.float32).double() / 6.0 + 1.0, 1.0).to(torch.float32).double()
    hue = (share * 255.0).to(torch.int16).to(torch.float32) * (span > 0)
    saturation = (span / value.clamp(min=1) * 255.0).to(torch.int16).to(torch.float32)
    return hue, saturation, value


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 of three (B, H, W) float32 holding whole numbers from 0 to 255."""
    sector = hue * (6.0 / 255.0)
    whole = sector.floor()
    rest, strength = sector - whole, saturation / 255.0
    p = (value * (1.0 - strength) + 0.5).floor()
    q = (value * (1.0 - strength * rest) + 0.5).floor()
    t = (value * (1.0 - strength * (1.0 - rest)) + 0.5).floor()
    # Level of red, green, blue in each sixth of the circle.
    sixths = torch.stack([value, q, p, p, t, value], dim=1)  # red; green is this 4 sixths later, blue 2
    at = whole.to(torch.int64).remainder(6).unsqueeze(1)
    channels = [sixths.gather(1, (at + shift).remainder(6)) for shift in (0, 4, 2)]
    return torch.cat(channels, dim=1).to(torch.int16).to(torch.uint8)


@takes_floats
def shift_hue(images: Tensor, turn: Tensor) -> Tensor:
    """The hue turned by `turn` (B,) of the circle, in [-0.5, 0.5]; gray pixels and images that are not RGB stay.

    As torchvision's `adjust_hue` on Pillow images, within one gray level: the turn is truncated to 1/255.
    """
    if not check_images(images).colored:
        return images.clone()
    hue, saturation, value = to_hsv(images)
    steps = per_row(turn.double() * 255.0, images, "turn").trunc().squeeze(1)
    return from_hsv((hue + steps).remainder(256.0), saturation, value)
