"""The views of MoCo (arXiv:1911.05722, arXiv:2003.04297): crop, flip, color jitter, grayscale, blur."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from tutelage.augment.crops import draw_crops
from tutelage.augment.image_ops.blending import brightness, color, contrast, grayscale
from tutelage.augment.image_ops.hue import shift_hue
from tutelage.augment.image_ops.inputs import check_images
from tutelage.augment.image_ops.resample import gaussian_blur, resize_crops
from tutelage.augment.operation import Operation
from tutelage.augment.operations import apply_operations
from tutelage.augment.pixels import TABLES
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.config.augment import ContrastiveConfig

SMALLEST_SIGMA, LARGEST_SIGMA = 0.1, 2.0  # of the blur, in pixels
OPERATIONS = (
    Operation("identity"),
    Operation("brightness", lambda images, v: brightness(images, v[:, 0]), table=TABLES["brightness"]),
    Operation("contrast", lambda images, v: contrast(images, v[:, 0]), table=TABLES["contrast"]),
    Operation("saturation", lambda images, v: color(images, v[:, 0]), mixed=("luma", "image")),
    Operation("hue", lambda images, v: shift_hue(images, v[:, 0])),
    Operation("grayscale", lambda images, v: grayscale(images)),
    Operation("blur", lambda images, v: gaussian_blur(images, v[:, 0], largest=LARGEST_SIGMA)),
)
IDENTITY, BRIGHTNESS, CONTRAST, SATURATION, HUE, GRAYSCALE, BLUR = range(len(OPERATIONS))
JITTER = (BRIGHTNESS, CONTRAST, SATURATION, HUE)


@dataclass(frozen=True)
class Recipe:
    """Differences between published recipes; the flip may come anywhere, since it commutes with the rest."""

    smallest_crop: float
    hue: float
    jitter: float  # probability
    blur: float  # probability
    gray_first: bool


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "v1": Recipe(smallest_crop=0.2, hue=0.4, jitter=1.0, blur=0.0, gray_first=True),
        "v2": Recipe(smallest_crop=0.2, hue=0.1, jitter=0.8, blur=0.5, gray_first=False),
        "cifar": Recipe(smallest_crop=0.08, hue=0.1, jitter=0.8, blur=0.0, gray_first=False),
    }
)
STRENGTH = 0.4  # of brightness, contrast and saturation
GRAY = 0.2  # probability


class Contrastive(View):
    """A random crop at the size of the image, mirrored half of the time, with random colors and blur.

    Draws: `crop` (B, 4) int64 left, top, right, bottom; `flip` (B,) bool; `op` (B, 6) int64 and `value` (B, 6) float64,
    the operations in their order.
    """

    def __init__(self, cfg: ContrastiveConfig, *, flip: bool = True) -> None:
        self.cfg, self.recipe, self.flip = cfg, RECIPES[cfg.recipe], flip

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        recipe = self.recipe
        smallest = recipe.smallest_crop if self.cfg.smallest_crop is None else self.cfg.smallest_crop
        crop = draw_crops(rows, shape, smallest, generator)
        u = torch.rand(rows, 9, generator=generator, dtype=torch.float64)
        order = torch.rand(rows, 4, generator=generator).argsort(1)
        jitter = torch.tensor(JITTER)[order]
        strength = torch.tensor([STRENGTH, STRENGTH, STRENGTH, recipe.hue], dtype=torch.float64)
        center = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
        amount = (center + strength * (2 * u[:, :4] - 1)).gather(1, order)
        jitter = torch.where(u[:, 4:5] < recipe.jitter, jitter, IDENTITY)
        gray = torch.where(u[:, 5:6] < GRAY, GRAYSCALE, IDENTITY)
        blur = torch.where(u[:, 6:7] < recipe.blur, BLUR, IDENTITY)
        sigma = SMALLEST_SIGMA + (LARGEST_SIGMA - SMALLEST_SIGMA) * u[:, 7:8]
        op = torch.cat([gray, jitter, blur] if recipe.gray_first else [jitter, gray, blur], dim=1)
        if not shape.colored:
            op = torch.where((op == SATURATION) | (op == HUE) | (op == GRAYSCALE), IDENTITY, op)
        value = torch.cat([sigma, amount, sigma] if recipe.gray_first else [amount, sigma, sigma], dim=1)
        return {"crop": crop, "flip": (u[:, 8] < 0.5) & self.flip, "op": op, "value": value}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        shape = check_images(images)
        cropped = resize_crops(images, draws["crop"], shape.height, shape.width, flip=draws["flip"])
        return apply_operations(cropped, OPERATIONS, draws["op"], draws["value"].unsqueeze(2))

    def describe(self, draws: Draws, row: int) -> str:
        left, top, right, bottom = draws["crop"][row].tolist()
        words = [f"crop {right - left}x{bottom - top}"] + (["flip"] if draws["flip"][row] else [])
        for op, value in zip(draws["op"][row].tolist(), draws["value"][row].tolist(), strict=True):
            if op == GRAYSCALE:
                words.append("grayscale")
            elif op != IDENTITY:
                words.append(f"{OPERATIONS[op].name} {value:.2f}")
        return ", ".join(words)
