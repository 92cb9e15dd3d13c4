"""RandAugment: a few operations, drawn uniformly with replacement, each with its own random magnitude.

Cubuk et al. 2020, arXiv:1909.13719, in the variants that semi-supervised results were published with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor

from tutelage.augment.cutout import Cutout
from tutelage.augment.image_ops.blending import brightness, color, contrast
from tutelage.augment.image_ops.filters import sharpness
from tutelage.augment.image_ops.tables import autocontrast, equalize, posterize, solarize
from tutelage.augment.operation import FILLS, GEOMETRIC, Operation
from tutelage.augment.operations import affine_maps, apply_operations
from tutelage.augment.pixels import TABLES, opaque
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.config.augment import StrongConfig

OPERATIONS = (
    Operation("identity"),
    Operation("autocontrast", lambda images, v: autocontrast(images), table=TABLES["autocontrast"]),
    Operation("equalize", lambda images, v: equalize(images), table=TABLES["equalize"]),
    Operation("brightness", lambda images, v: brightness(images, v[:, 0]), table=TABLES["brightness"]),
    Operation("color", lambda images, v: color(images, v[:, 0]), mixed=("luma", "image")),
    Operation("contrast", lambda images, v: contrast(images, v[:, 0]), table=TABLES["contrast"]),
    Operation("sharpness", lambda images, v: sharpness(images, v[:, 0]), mixed=("smooth", "image")),
    Operation("posterize", lambda images, v: posterize(images, v[:, 0]), table=TABLES["posterize"]),
    Operation("solarize", lambda images, v: solarize(images, v[:, 0]), table=TABLES["solarize"]),
    *(Operation(name) for name in GEOMETRIC),
)

Values = Callable[[Tensor, Tensor, ImageShape], Tensor]  # (magnitude, sign, shape) to numbers, all (N,) float64


@dataclass(frozen=True)
class Variant:
    """What differs between published RandAugments.

    Attributes:
        operations: number of operations per image.
        probability: that each of them is applied.
        magnitudes: "levels" draws whole numbers from 1 to 9, "uniform" numbers in [0, 1).
        values: from magnitude and sign to the value of an operation; operations that are not named take none.
        fill: of the gaps that geometric operations leave; see `fill_gaps` for "transparent".
        weak_first: whether the weak view comes before operations and Cutout, or after them.
    """

    operations: int
    probability: float
    magnitudes: str
    values: Mapping[str, Values]
    fill: str
    weak_first: bool


def enhance(scale: float, offset: float) -> Mapping[str, Values]:
    """The one range of brightness, color, contrast and sharpness."""
    return dict.fromkeys(("brightness", "color", "contrast", "sharpness"), lambda m, s, shape: scale * m + offset)


# The sums are written as in the published code, since their rounding decides a pixel or a bit.
LEVELS: Mapping[str, Values] = {
    "rotate": lambda m, s, shape: s * (30.0 * m / 10.0).trunc(),
    "shear_x": lambda m, s, shape: s * (0.3 * m / 10.0),
    "shear_y": lambda m, s, shape: s * (0.3 * m / 10.0),
    "solarize": lambda m, s, shape: 256.0 - (256.0 * m / 10.0).trunc(),
}
TORCHSSL = Variant(
    operations=3,
    probability=1.0,
    magnitudes="uniform",
    values={
        **enhance(0.9, 0.05),
        "rotate": lambda m, s, shape: 60.0 * m - 30.0,
        "shear_x": lambda m, s, shape: 0.6 * m - 0.3,
        "shear_y": lambda m, s, shape: 0.6 * m - 0.3,
        "solarize": lambda m, s, shape: 256.0 * m,
        "posterize": lambda m, s, shape: (4.0 * m + 4.0).trunc(),
        "translate_x": lambda m, s, shape: (0.6 * m - 0.3) * shape.width,
        "translate_y": lambda m, s, shape: (0.6 * m - 0.3) * shape.height,
    },
    fill="black",
    weak_first=False,
)
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "paper": Variant(
            operations=2,
            probability=0.5,
            magnitudes="levels",
            values={
                **LEVELS,
                **enhance(0.09, 0.05),
                "posterize": lambda m, s, shape: 4.0 + (4.0 * m / 10.0).trunc(),
                "translate_x": lambda m, s, shape: s * (0.3 * m / 10.0 * shape.width).trunc(),
                "translate_y": lambda m, s, shape: s * (0.3 * m / 10.0 * shape.height).trunc(),
            },
            fill="black",
            weak_first=True,
        ),
        "official": Variant(
            operations=2,
            probability=0.5,
            magnitudes="levels",
            values={
                **LEVELS,
                **enhance(0.18, 0.1),
                "posterize": lambda m, s, shape: 4.0 - (4.0 * m / 10.0).trunc(),
                # Pixels of 32 in the authors' code; a smaller image would be moved out of view.
                "translate_x": lambda m, s, shape: s * (m * min(1.0, shape.width / 32)).trunc(),
                "translate_y": lambda m, s, shape: s * (m * min(1.0, shape.height / 32)).trunc(),
            },
            fill="transparent",
            weak_first=True,
        ),
        "toolbox": TORCHSSL,
        "usb": replace(TORCHSSL, weak_first=True),
    }
)


def values_of_all(variant: Variant, magnitude: Tensor, sign: Tensor, shape: ImageShape) -> Tensor:
    """(14, N...) float64: the value of each operation for magnitudes and signs (N...); 0 where it takes none."""
    nothing = torch.zeros_like(magnitude)
    values = variant.values
    return torch.stack([values[o.name](magnitude, sign, shape) if o.name in values else nothing for o in OPERATIONS])


@functools.lru_cache(maxsize=16)
def table_of_levels(variant: str, shape: ImageShape) -> Tensor:
    """(14, 2, 10) float64: the value of each operation, by sign (0 for -1, 1 for +1) and level."""
    level = torch.arange(10, dtype=torch.float64).expand(2, -1)
    sign = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).expand(-1, 10)
    return values_of_all(VARIANTS[variant], level, sign, shape)


class RandAugment(View):
    """The weak view and RandAugment with Cutout, in the order of the variant.

    Draws: those of the weak view and of Cutout, `op` (B, S) int64 positions in `OPERATIONS`, `value` (B, S) float64.
    """

    def __init__(self, cfg: StrongConfig, weak: View) -> None:
        self.cfg, self.weak, self.variant = cfg, weak, VARIANTS[cfg.variant]
        self.cutout = Cutout(cfg.cutout, cfg.variant)

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        weak = self.weak.draw(rows, shape, generator)
        steps = self.variant.operations if self.cfg.operations is None else self.cfg.operations
        probability = self.variant.probability if self.cfg.probability is None else self.cfg.probability
        allowed = torch.tensor([k for k, op in enumerate(OPERATIONS) if shape.colored or op.name != "color"])
        op = allowed[torch.randint(len(allowed), (rows, steps), generator=generator)]
        sign = torch.randint(2, (rows, steps), generator=generator, dtype=torch.float64) * 2.0 - 1.0
        if self.variant.magnitudes == "levels":
            magnitude = torch.randint(1, 10, (rows, steps), generator=generator, dtype=torch.float64)
        else:
            magnitude = torch.rand(rows, steps, generator=generator, dtype=torch.float64)
        done = torch.rand(rows, steps, generator=generator) < probability
        op = torch.where(done, op, 0)
        if self.variant.magnitudes == "levels":
            value = table_of_levels(self.cfg.variant, shape)[op, (sign > 0).long(), magnitude.long()]
        else:
            values = values_of_all(self.variant, magnitude, sign, shape)
            value = values.gather(0, op.unsqueeze(0)).squeeze(0)
        return {**weak, "op": op, "value": value, **self.cutout.draw(rows, shape, generator)}

    def prepare(self, draws: Draws, shape: ImageShape) -> Draws:
        maps = affine_maps(OPERATIONS, draws["op"], draws["value"].unsqueeze(2), shape)
        return {**self.weak.prepare(draws, shape), "maps": maps}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        if self.variant.weak_first:
            return self.cutout.apply(self.operate(self.weak.apply(images, draws), draws), draws)
        return self.weak.apply(self.cutout.apply(self.operate(images, draws), draws), draws)

    def operate(self, images: Tensor, draws: Draws) -> Tensor:
        """The operations alone, one after the other."""
        op, numbers, maps = draws["op"], draws["value"].unsqueeze(2), draws.get("maps")
        fill = self.variant.fill if self.cfg.fill == "published" else self.cfg.fill
        if fill == "transparent":
            changed = apply_operations(images, OPERATIONS, op, numbers, maps=maps)
            return fill_gaps(changed, op, numbers, maps)
        return apply_operations(images, OPERATIONS, op, numbers, maps=maps, fill=FILLS[fill])

    def describe(self, draws: Draws, row: int) -> str:
        words = []
        for op, value in zip(draws["op"][row].tolist(), draws["value"][row].tolist(), strict=True):
            name = OPERATIONS[op].name
            if name in self.variant.values:
                words.append(f"{name} {value + 0.0:.3g}")  # + 0.0 removes the sign of -0
            elif name != "identity":
                words.append(name)
        parts = [self.weak.describe(draws, row), ", ".join(words) or "no operation", self.cutout.describe(draws, row)]
        return "; ".join(parts if self.variant.weak_first else [*parts[1:], parts[0]])


# The official code keeps an alpha channel; these four drop it, and transparent pixels are black from then on.
OPAQUE = ("autocontrast", "equalize", "posterize", "solarize")
ALPHA_OPERATIONS = tuple(
    Operation(op.name, lambda alpha, v: torch.full_like(alpha, 255), table=opaque)
    if op.name in OPAQUE
    else Operation(op.name)
    for op in OPERATIONS
)


def fill_gaps(images: Tensor, op: Tensor, numbers: Tensor, maps: Tensor | None = None) -> Tensor:
    """The images with the gaps of geometric operations in gray, unless an operation of `OPAQUE` came later.

    The official code does so with an alpha channel. Its gray is 0 after standardizing to [-1, 1], so 127.5; here 127.
    """
    alpha = images.new_full((images.shape[0], 1, *images.shape[2:]), 255)
    alpha = apply_operations(alpha, ALPHA_OPERATIONS, op, numbers, maps=maps, fill=0)
    return images.bitwise_and(alpha).bitwise_or_(alpha.bitwise_not().bitwise_and_(127))
