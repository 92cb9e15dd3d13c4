"""Affine maps of whole batches: rotate, shear, translate, with Pillow's arithmetic and Pillow's conventions.

A matrix (a, b, c, d, e, f) says where an output pixel comes from: x' = a x + b y + c and y' = d x + e y + f, at pixel
centers (x + 1/2, y + 1/2), as in `PIL.Image.transform(size, AFFINE, matrix)`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tutelage.augment.image_ops.inputs import check_images, check_rows, fill_color, takes_floats

Fill = int | tuple[int, ...] | Literal["reflect"]  # a gray level, a color, or the image mirrored at its edges
Resample = Literal["nearest", "bilinear"]


@takes_floats
def rotate(images: Tensor, degrees: Tensor, *, fill: Fill = 0) -> Tensor:
    """Turned counterclockwise about the center by `degrees` (B,), nearest pixel, as `PIL.Image.rotate`."""
    shape = check_images(images)
    return affine(images, rotation(degrees, shape.height, shape.width), fill=fill)


@takes_floats
def shear_x(images: Tensor, slope: Tensor, *, fill: Fill = 0) -> Tensor:
    """Row y taken from `slope` (B,) * y further right; nearest pixel."""
    return slide(images, slope, 1, fill)


@takes_floats
def shear_y(images: Tensor, slope: Tensor, *, fill: Fill = 0) -> Tensor:
    """Column x taken from `slope` (B,) * x further down; nearest pixel."""
    return affine(images, with_entry(slope, 3), fill=fill)


@takes_floats
def translate_x(images: Tensor, pixels: Tensor, *, fill: Fill = 0) -> Tensor:
    """Every pixel taken from `pixels` (B,) further right; nearest pixel, so that less than half of one does nothing."""
    return slide(images, pixels, 2, fill)


@takes_floats
def translate_y(images: Tensor, pixels: Tensor, *, fill: Fill = 0) -> Tensor:
    """Every pixel taken from `pixels` (B,) further down; nearest pixel, so that less than half of one does nothing."""
    return slide(images, pixels, 5, fill)


def with_entry(numbers: Tensor, entry: int) -> Tensor:
    """(B, 6) float64: the identity with one entry replaced by `numbers` (B,)."""
    matrix = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], dtype=torch.float64, device=numbers.device)
    matrix = matrix.repeat(len(numbers), 1)
    matrix[:, entry] = numbers
    return matrix


def slide(images: Tensor, numbers: Tensor, entry: int, fill: Fill) -> Tensor:
    """The images under a map that keeps lines whole, given by one entry of its matrix."""
    check_images(images)
    check_rows(images, numbers, "numbers")
    steps = fixed_point(with_entry(numbers, entry)).to(images.device, non_blocking=True)
    return slide_lines(images, steps, fill)


def rotation(degrees: Tensor, height: int, width: int) -> Tensor:
    """(B, 6) float64: the turn about the center of an image, rounded to 15 digits as Pillow does."""
    angle = -torch.deg2rad(degrees.double())
    cosine, sine = torch.round(angle.cos(), decimals=15), torch.round(angle.sin(), decimals=15)
    x, y = width / 2.0, height / 2.0
    left = cosine * -x + sine * -y + x
    top = -sine * -x + cosine * -y + y
    return torch.stack([cosine, sine, left, -sine, cosine, top], dim=1)


@takes_floats
def affine(images: Tensor, matrix: Tensor, *, resample: Resample = "nearest", fill: Fill = 0) -> Tensor:
    """(B, C, H, W) uint8 images under the map of their row of `matrix` (B, 6); `fill` where it leaves the image.

    With "nearest" positions are 16.16 fixed point, as in Pillow: whole-number arithmetic, the same on every device.

    Raises:
        ValueError: the shapes do not fit, or `fill` is a color of another number of channels.
    """
    check_images(images)
    check_rows(images, matrix, "matrix")
    if resample == "nearest":
        return affine_fixed(images, fixed_point(matrix).to(images.device, non_blocking=True), fill)
    steps = from_first_center(matrix.double()).to(images.device, non_blocking=True)
    return interpolate(images, *positions(steps, images.shape), fill)


def from_first_center(matrix: Tensor) -> Tensor:
    """(..., 6): the maps with c and f moved to where the center of the first pixel comes from."""
    steps = matrix.clone()
    # Summed in Pillow's order: a, then b; d, then e.
    steps[..., 2::3] += matrix[..., 0::3] * 0.5
    steps[..., 2::3] += matrix[..., 1::3] * 0.5
    return steps


def fixed_point(matrix: Tensor) -> Tensor:
    """(..., 6) int32: the maps (..., 6) in 16.16 fixed point, from the center of the first pixel."""
    steps = from_first_center(matrix.double())
    # Without rotation and shear Pillow truncates in float64: what is just below a whole number is not rounded up.
    straight = (matrix[..., 1] == 0) & (matrix[..., 3] == 0)
    origin = steps[..., 2::3]
    steps[..., 2::3] = torch.where(straight.unsqueeze(-1) & (matrix[..., 0::4] == 1), origin.floor(), origin)
    return steps.mul_(65536.0).add_(0.5).floor_().to(torch.int32)


def affine_fixed(images: Tensor, steps: Tensor, fill: Fill) -> Tensor:
    """The images under maps (B, 6) in fixed point, on their device: the nearest pixel, or `fill`."""
    height, width = images.shape[2:]
    if fill == "reflect":
        x, y = positions(steps, images.shape)
        return pick(images, reflect(x >> 16, width), reflect(y >> 16, height))
    # A frame of one pixel holds the fill, so that the index alone decides and no mask is needed.
    steps = steps.clone()
    steps[:, 2::3] += 1 << 16
    x, y = positions(steps, images.shape)
    x.bitwise_right_shift_(16).clamp_(0, width + 1)
    y.bitwise_right_shift_(16).clamp_(0, height + 1)
    return pick(framed(images, fill), x, y)


def slide_lines(images: Tensor, steps: Tensor, fill: Fill) -> Tensor:
    """`affine_fixed` for maps that keep lines whole, those with a = e = 1 and d = 0: the same pixels.

    Each line of the result is a window of W pixels of a source line with fill on both sides, and is copied whole.
    """
    if not isinstance(fill, int) or len(images) == 0:
        return affine_fixed(images, steps, fill)
    rows, channels, height, width = images.shape
    # One run of the fill lies between two lines, and serves both.
    lines = images.new_full((rows * channels * height * 2 * width + width,), fill)
    lines[:-width].view(rows, channels, height, 2 * width)[..., width:] = images
    b, c, f = (steps[:, k, None] for k in (1, 2, 5))
    y = torch.arange(height, dtype=torch.int32, device=images.device)
    right = (b * y + c).bitwise_right_shift_(16).clamp_(-width, width)  # (B, H): how far a window lies to the right
    line = y + f.bitwise_right_shift(16)
    exists = (line >= 0) & (line < height)
    right = torch.where(exists, right, width)  # a window of nothing but fill
    within_plane = (line.clamp_(0, height - 1) * (2 * width)).add_(right).add_(width)
    plane = torch.arange(rows * channels, device=images.device).view(rows, channels, 1)
    start = plane * (2 * width * height) + within_plane.unsqueeze(1)  # (B, C, H)
    windows = lines.as_strided((lines.numel() - width + 1, width), (1, 1))
    return windows.index_select(0, start.flatten()).view(images.shape)


def positions(steps: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Where each output pixel comes from: x and y, each (B, H, W), in the number type of `steps` (B, 6)."""
    a, b, c, d, e, f = steps.view(-1, 6, 1, 1).unbind(1)
    x = torch.arange(shape[3], dtype=steps.dtype, device=steps.device)
    y = torch.arange(shape[2], dtype=steps.dtype, device=steps.device)[:, None]
    return a * x + (b * y + c), d * x + (e * y + f)


def pick(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The pixels at column x and line y, (B, H', W') int32, which must exist."""
    rows, channels, _, width = images.shape
    index = (y * width).add_(x).long().flatten(1).unsqueeze(1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view(rows, channels, *x.shape[1:])


def reflect(position: Tensor, size: int) -> Tensor:
    """Positions mirrored at both edges until they lie in [0, size); the edge pixel is not repeated."""
    if size == 1:
        return torch.zeros_like(position)
    period = 2 * (size - 1)
    position = position.remainder(period)
    return torch.minimum(position, period - position)


def framed(images: Tensor, fill: int | tuple[int, ...]) -> Tensor:
    """(B, C, H + 2, W + 2): the images in a frame of one pixel of `fill`."""
    source = filled(images, fill, images.shape[2] + 2, images.shape[3] + 2)
    source[..., 1:-1, 1:-1] = images
    return source


def filled(images: Tensor, fill: int | tuple[int, ...], height: int, width: int) -> Tensor:
    """(B, C, height, width): as many images of nothing but `fill`."""
    rows, channels = images.shape[:2]
    if isinstance(fill, int):
        return images.new_full((rows, channels, height, width), fill)
    return fill_color(images, fill).repeat(rows, 1, height, width)


def interpolate(images: Tensor, x: Tensor, y: Tensor, fill: Fill) -> Tensor:
    """Bilinear values at the positions x and y, (B, H, W) float64; the edge pixel extends by half a pixel.

    Truncated, as Pillow does.
    """
    channels, height, width = images.shape[1:]
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    x, y = x - 0.5, y - 0.5
    left, top = x.floor(), y.floor()
    across, down = (x - left).unsqueeze(1), (y - top).unsqueeze(1)

    def corner(dx: int, dy: int) -> Tensor:
        column, line = (left + dx).to(torch.int32), (top + dy).to(torch.int32)
        if fill == "reflect":
            return pick(images, reflect(column, width), reflect(line, height)).double()
        return pick(images, column.clamp_(0, width - 1), line.clamp_(0, height - 1)).double()

    upper = torch.lerp(corner(0, 0), corner(1, 0), across.expand(-1, channels, -1, -1))
    lower = torch.lerp(corner(0, 1), corner(1, 1), across.expand(-1, channels, -1, -1))
    mixed = torch.lerp(upper, lower, down.expand(-1, channels, -1, -1)).to(torch.uint8)
    if fill == "reflect":
        return mixed
    color = framed(images[:, :, :1, :1], fill)[..., :1, :1]
    return torch.where(outside.unsqueeze(1), color, mixed)
