"""CTAugment: RandAugment with learned magnitudes (Berthelot et al. 2020, ReMixMatch, arXiv:1911.09785).

Each parameter of each operation has 17 bins (posterize 8, the filter of rescale 6). The rate of a bin measures how
close predictions stay to the label when a labeled image, the probe, is augmented with a magnitude from that bin. The
strong view draws from bins with a rate near the best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from tutelage.augment.cutout import erase
from tutelage.augment.image_ops.affine import Fill
from tutelage.augment.image_ops.blending import blend, brightness, color, contrast
from tutelage.augment.image_ops.filters import blur, sharpness, smooth
from tutelage.augment.image_ops.inputs import check_images, check_rows
from tutelage.augment.image_ops.resample import FILTERS, Filter, resize_crops
from tutelage.augment.image_ops.tables import autocontrast, equalize, invert, posterize, solarize
from tutelage.augment.operation import Operation, index_of
from tutelage.augment.operations import affine_maps, apply_operations
from tutelage.augment.pixels import TABLES
from tutelage.augment.pixels import toward as table_toward
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.config.augment import CTAugmentConfig

BINS = 17
FURTHEST_TRANSLATION = 0.3  # of the side; in the original code it is in pixels, which moves nothing


def toward(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """An operation that blends the image with the changed one, by the first number."""
    return lambda images, v: blend(images, change(images), v[:, 0])


def cutout(images: Tensor, v: Tensor) -> Tensor:
    """A gray square whose side and center, as shares, are the three numbers."""
    shape = check_images(images)
    side = 1 + (v[:, 0] * 0.499 * min(shape.height, shape.width)).floor()
    half = (side / 2).floor()
    x, y = (v[:, 1] * shape.width).floor(), (v[:, 2] * shape.height).floor()
    return erase(images, torch.stack([x - half, y - half, x + half, y + half], dim=1), fill=127)


def rescale(resample: Filter) -> Callable[[Tensor, Tensor], Tensor]:
    """An operation that cuts off a border of up to a quarter of each side and enlarges the rest."""

    def apply(images: Tensor, v: Tensor) -> Tensor:
        shape = check_images(images)
        border = v[:, 0] * 0.25
        # Rounded half to even, as `PIL.Image.crop` does.
        edges = [border * shape.width, border * shape.height, shape.width * (1 - border), shape.height * (1 - border)]
        return resize_crops(images, torch.stack(edges, dim=1).round(), shape.height, shape.width, resample=resample)

    return apply


OPERATIONS = (
    Operation("identity"),
    Operation("autocontrast", toward(autocontrast), table=table_toward(TABLES["autocontrast"])),
    Operation("blur", toward(blur), mixed=("image", "blur")),
    Operation("brightness", lambda images, v: brightness(images, v[:, 0]), table=TABLES["brightness"]),
    Operation("color", lambda images, v: color(images, v[:, 0]), mixed=("luma", "image")),
    Operation("contrast", lambda images, v: contrast(images, v[:, 0]), table=TABLES["contrast"]),
    Operation("cutout", cutout),
    Operation("equalize", toward(equalize), table=table_toward(TABLES["equalize"])),
    Operation("invert", toward(invert), table=table_toward(TABLES["invert"])),
    Operation("posterize", lambda images, v: posterize(images, v[:, 0]), table=TABLES["posterize"]),
    Operation("rescale", rescale(FILTERS[0])),
    Operation("rotate"),
    Operation("sharpness", lambda images, v: sharpness(images, v[:, 0]), mixed=("smooth", "image")),
    Operation("shear_x"),
    Operation("shear_y"),
    Operation("smooth", toward(smooth), mixed=("image", "smooth")),
    Operation("solarize", lambda images, v: solarize(images, v[:, 0]), table=TABLES["solarize"]),
    Operation("translate_x"),
    Operation("translate_y"),
)
NAMES = tuple(operation.name for operation in OPERATIONS)
RESCALE = NAMES.index("rescale")
# Rescale with another filter is another operation for the pixels, but not for the policy.
PIXEL_OPERATIONS = (*OPERATIONS, *(Operation(f"rescale {name}", rescale(name)) for name in FILTERS[1:]))
PARAMETERS: Mapping[str, Sequence[int]] = MappingProxyType({"identity": (), "posterize": (8,), "rescale": (BINS, 6)})

# From a level in [0, 1) to the argument of the operation; operations that are not named take the level itself.
VALUES: Mapping[str, Callable[[Tensor, ImageShape], Tensor]] = MappingProxyType(
    {
        **dict.fromkeys(("brightness", "color", "contrast", "sharpness"), lambda v, shape: 0.1 + 1.9 * v),
        "posterize": lambda v, shape: 1 + (7.999 * v).trunc(),
        "rotate": lambda v, shape: ((2 * v - 1) * 45).round(),
        "shear_x": lambda v, shape: (2 * v - 1) * 0.3,
        "shear_y": lambda v, shape: (2 * v - 1) * 0.3,
        "solarize": lambda v, shape: (255.999 * v).trunc(),
        "translate_x": lambda v, shape: (2 * v - 1) * FURTHEST_TRANSLATION * shape.width,
        "translate_y": lambda v, shape: (2 * v - 1) * FURTHEST_TRANSLATION * shape.height,
    }
)


class CTAugment(nn.Module):
    """The rates of all bins, the two views that use them, and their update.

    `rates` (O, 2, 17) and `probes` (O,) are buffers, so that a checkpoint of the module that owns this one holds them.
    `probe` and `strong` give views that share them.

    Args:
        excluded: names of operations that are not drawn, besides "color" for images of one channel.

    Raises:
        ConfigError: a name in `excluded` is not an operation.
    """

    rates: Tensor
    probes: Tensor

    def __init__(self, cfg: CTAugmentConfig, *, excluded: Sequence[str] = ()) -> None:
        super().__init__()
        self.cfg = cfg
        self.excluded = {index_of(name, OPERATIONS) for name in excluded}
        self.register_buffer("rates", torch.ones(len(OPERATIONS), 2, BINS))
        self.register_buffer("probes", torch.zeros(len(OPERATIONS), dtype=torch.int64))
        bins = torch.tensor([(*PARAMETERS.get(name, (BINS,)), 0, 0)[:2] for name in NAMES])
        self.bins = bins  # (O, 2): how many bins each parameter has; 0 where there is none
        self.is_bin = torch.arange(BINS) < bins[:, :, None]  # (O, 2, 17)

    def allowed(self, shape: ImageShape) -> Tensor:
        """Positions of the operations that may be drawn."""
        left_out = self.excluded | ({index_of("color", OPERATIONS)} if not shape.colored else set())
        return torch.tensor([k for k in range(len(OPERATIONS)) if k not in left_out])

    def bin_probs(self) -> Tensor:
        """(O, 2, 17) on the CPU: the odds of each bin in the strong view; 0 for bins below the threshold.

        Waits for the device, since the next draw depends on the rates after the last step.
        """
        rates = self.rates.detach().cpu().double() + 0.01
        share = rates.masked_fill(~self.is_bin, 0.0)
        share = share / share.amax(2, keepdim=True).clamp(min=1e-12)
        return share * (share >= self.cfg.threshold)

    @torch.no_grad()
    def update(self, op: Tensor, level: Tensor, proximity: Tensor) -> None:
        """Move the rates of the bins that the probes used towards the proximity of their predictions.

        rate <- decay * rate + (1 - decay) * proximity, row after row and operation after operation.

        Args:
            op, level: (B, D) and (B, D, 2), the draws of the probe view.
            proximity: (B,) in [0, 1]: 1 - sum |p - onehot(label)| / 2 of the prediction p on the probe.
        """
        check_rows(op, level, "level")
        check_rows(op, proximity, "proximity")
        device = self.rates.device
        op, level = op.to(device), level.to(device, torch.float64)
        number = self.bins.to(device)[op]  # (B, D, 2)
        met = (level * number * 0.999).long()
        cells = ((op.unsqueeze(2) * 2 + torch.arange(2, device=device)) * BINS + met).flatten(0)
        counted = (number > 0).flatten(0)
        target = proximity.to(device, torch.float64).view(-1, 1, 1).expand_as(number).flatten(0)
        # Rows one after the other without a loop: of n that use a cell, the k-th (from 0) counts decay^(n - 1 - k).
        same = (cells[:, None] == cells) & counted  # (N, N) with N = 2 B D
        later = same.triu(1).sum(1)
        weight = (1 - self.cfg.decay) * self.cfg.decay**later * counted
        zeros = torch.zeros(self.rates.numel(), dtype=torch.float64, device=device)
        gained = zeros.index_add(0, cells, weight * target)
        times = zeros.index_add(0, cells, counted.double())
        kept = self.rates.double().flatten() * self.cfg.decay**times
        self.rates.copy_((kept + gained).view_as(self.rates))
        self.probes.index_add_(0, op.flatten(), torch.ones_like(op.flatten()))

    def stats(self) -> dict[str, float]:
        """For the log: the share of bins that the strong view draws, per operation, and the mean over operations."""
        drawn = (self.bin_probs() > 0).double().sum((1, 2)) / self.is_bin.double().sum((1, 2)).clamp(min=1)
        shares = {f"ct/{name}": float(share) for name, share in zip(NAMES, drawn, strict=True) if name != "identity"}
        return {"ct/open_bins": sum(shares.values()) / len(shares), **shares}

    def probe(self, weak: View, *, fill: Fill = 0) -> View:
        """The view whose predictions `update` takes: weak, then operations of any magnitude."""
        return CTAugmentView(self, weak, learned=False, fill=fill)

    def strong(self, weak: View, *, fill: Fill = 0) -> View:
        """The view that draws magnitudes by the current rates."""
        return CTAugmentView(self, weak, learned=True, fill=fill)


class CTAugmentView(View):
    """The weak view, then `depth` operations of CTAugment: of any magnitude, or by the current rates.

    Draws: those of the weak view, `op` (B, D) int64, `level` (B, D, 2) float64 in [0, 1), `numbers` (B, D, 3) float64.
    `CTAugment.update` takes `op` and `level`.
    """

    def __init__(self, owner: CTAugment, weak: View, *, learned: bool, fill: Fill = 0) -> None:
        self.owner, self.weak, self.learned, self.fill = owner, weak, learned, fill

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        weak = self.weak.draw(rows, shape, generator)
        depth = self.owner.cfg.depth
        allowed = self.owner.allowed(shape)
        op = allowed[torch.randint(len(allowed), (rows, depth), generator=generator)]
        level = torch.rand(rows, depth, 2, generator=generator, dtype=torch.float64)
        place = torch.rand(rows, depth, 2, generator=generator, dtype=torch.float64)
        within_bin = torch.rand(rows, depth, 2, generator=generator, dtype=torch.float64)
        if self.learned:
            # A bin by its odds: the first one with a cumulative share above a uniform number.
            odds = self.owner.bin_probs()[op].cumsum(3)  # (B, D, 2, 17)
            total = odds[..., -1:].clamp(min=1e-12)
            chosen = (odds <= level.unsqueeze(3) * total).sum(3).clamp(max=BINS - 1)
            number = self.owner.bins[op]
            level = torch.where(number > 0, (chosen + within_bin) / number.clamp(min=1), level)
        first = level[..., 0]
        value = first
        for name, to_value in VALUES.items():
            value = torch.where(op == NAMES.index(name), to_value(first, shape), value)
        if self.owner.cfg.translate_no_op:
            side = torch.tensor([0.0] * (len(NAMES) - 2) + [shape.width, shape.height], dtype=torch.float64)[op]
            value = torch.where(side > 0, value / side.clamp(min=1), value)
        numbers = torch.cat([value.unsqueeze(2), place], dim=2)
        return {**weak, "op": op, "level": level, "numbers": numbers}

    def prepare(self, draws: Draws, shape: ImageShape) -> Draws:
        maps = affine_maps(OPERATIONS, draws["op"], draws["numbers"], shape)
        return {**self.weak.prepare(draws, shape), "maps": maps}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        chosen = with_filters(draws["op"], draws["level"])
        weak = self.weak.apply(images, draws)
        maps = draws.get("maps")
        return apply_operations(weak, PIXEL_OPERATIONS, chosen, draws["numbers"], maps=maps, fill=self.fill)

    def describe(self, draws: Draws, row: int) -> str:
        words = []
        for op, level, numbers in zip(draws["op"][row], draws["level"][row], draws["numbers"][row], strict=True):
            name = NAMES[int(op)]
            if name == "rescale":
                words.append(f"rescale {FILTERS[int(level[1] * 5.99)]} {float(numbers[0]):.2f}")
            elif name != "identity":
                words.append(f"{name} {float(numbers[0]) + 0.0:.3g}")  # + 0.0 removes the sign of -0
        return "; ".join([self.weak.describe(draws, row), ", ".join(words) or "no operation"])


def with_filters(op: Tensor, level: Tensor) -> Tensor:
    """Positions in `PIXEL_OPERATIONS` of positions in `OPERATIONS`: the second level chooses the filter of rescale."""
    method = (level[..., 1] * 5.99).long()
    return torch.where((op == RESCALE) & (method > 0), len(OPERATIONS) - 1 + method, op)
