"""Random transforms of patches: one turn per row, shared with its label, and intensity changes per view.

Generic in the number of axes. The few random numbers come from a CPU generator; voxels are changed on their device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from tutelage.augment.view import Draws
from tutelage.config.intensity import IntensityConfig

Orientation = Literal["turns", "flips", "ua-mt", "none"]
MOST_UNEVEN = 1.25  # largest ratio of the spacings of two axes that are turned into each other


class Turns:
    """Flips and quarter turns of a patch; image, label and all views of a row share the same one.

    Args:
        orientation: `turns` turns in every plane with equal sides and similar spacing, by 0 to 3 quarters, and flips
            each axis with probability 0.5; `flips` only flips; `ua-mt` turns the first two axes by 0 to 3 quarters and
            then always flips one of these two, as UA-MT's RandomRotFlip, which never gives the original orientation;
            `none` does nothing.
        patch_size: (*S) in voxels.
        flip_axes: axes that may be flipped and turned into each other; empty is all of them.
        spacing: size of a voxel along each axis, in any unit; empty means equal sizes.
    """

    def __init__(
        self,
        orientation: Orientation,
        patch_size: Sequence[int],
        flip_axes: Sequence[int] = (),
        *,
        spacing: Sequence[float] = (),
    ) -> None:
        axes = [axis for axis in range(len(patch_size)) if not flip_axes or axis in flip_axes]
        planes = [
            (a, b)
            for a, b in combinations(axes, 2)
            if patch_size[a] == patch_size[b] and (not spacing or _agree(spacing[a], spacing[b]))
        ]
        self.orientation, self.axes = orientation, axes if orientation in ("turns", "flips") else []
        self.planes = planes if orientation == "turns" else [(0, 1)] if orientation == "ua-mt" else []

    def draw(self, rows: int, generator: torch.Generator) -> Draws:
        """`quarters` (rows, planes) int64 in 0..3, and `flip` (rows, 3) bool."""
        quarters = torch.randint(4, (rows, len(self.planes)), generator=generator)
        flip = torch.zeros(rows, 3, dtype=torch.bool)
        if self.orientation == "ua-mt":
            flip[torch.arange(rows), torch.randint(2, (rows,), generator=generator)] = True
        elif self.axes:
            flip[:, self.axes] = torch.rand(rows, len(self.axes), generator=generator) < 0.5
        return {"quarters": quarters, "flip": flip}

    def apply(self, patches: Tensor, draws: Draws) -> Tensor:
        """(B, C, *S) or (B, *S) of any type, each row with its own draw."""
        if not self.planes and not self.axes:
            return patches
        first = patches.ndim - 1 - self._spatial(patches)  # of a row
        rows = []
        for row, quarters, flip in zip(patches, draws["quarters"].tolist(), draws["flip"].tolist(), strict=True):
            for (a, b), quarter in zip(self.planes, quarters, strict=True):
                row = row.rot90(quarter, (first + a, first + b)) if quarter else row
            flipped = [first + axis for axis, flips in enumerate(flip) if flips]
            rows.append(row.flip(flipped) if flipped else row)
        return torch.stack(rows)

    @staticmethod
    def _spatial(patches: Tensor) -> int:
        """Images are floating point and have a channel axis; labels are whole numbers and have none."""
        return patches.ndim - 2 if patches.is_floating_point() else patches.ndim - 1


class Intensities:
    """The intensity changes of one view: blur, contrast, gamma, shift, noise, in this order.

    Contrast is scaled around the mean of the row and channel; gamma is applied between the minimum and the maximum of
    the row and channel.
    """

    def __init__(self, cfg: IntensityConfig) -> None:
        self.cfg = cfg

    def draw(self, rows: int, generator: torch.Generator) -> Draws:
        """Shift, scale, gamma and blur, each (rows,), and the seed of the noise, (rows,) int64."""
        cfg = self.cfg
        u = 2 * torch.rand(rows, 3, generator=generator) - 1
        blur = torch.rand(rows, 2, generator=generator)
        return {
            "shift": cfg.shift * u[:, 0],
            "scale": 1 + cfg.scale * u[:, 1],
            "gamma": (cfg.gamma * u[:, 2]).exp(),
            "blur": cfg.blur * blur[:, 0] * (blur[:, 1] < cfg.blur_probability),
            "seed": torch.randint(2**62, (rows,), generator=generator),
        }

    def apply(self, patches: Tensor, draws: Draws) -> Tensor:
        """(B, C, *S) float32 on any device; `draws` are on the CPU."""
        cfg, out = self.cfg, patches

        def each_row(name: str) -> Tensor:
            return draws[name].to(patches.device, non_blocking=True).view(-1, *[1] * (patches.ndim - 1))

        spatial = tuple(range(2, patches.ndim))
        if cfg.blur:
            out = gaussian_blur(out, draws["blur"], radius=math.ceil(3 * cfg.blur))
        if cfg.scale:
            mean = out.mean(spatial, keepdim=True)
            out = mean + (out - mean) * each_row("scale")
        if cfg.gamma:
            low, high = out.amin(spatial, keepdim=True), out.amax(spatial, keepdim=True)
            width = (high - low).clamp_min(torch.finfo(out.dtype).tiny)
            out = low + width * ((out - low) / width).clamp(0, 1) ** each_row("gamma")
        if cfg.shift:
            out = out + each_row("shift")
        if cfg.noise:
            noise = torch.stack([_normal(patches[row], int(seed)) for row, seed in enumerate(draws["seed"])])
            noise = cfg.noise * noise
            out = out + (noise.clamp(-cfg.noise_limit, cfg.noise_limit) if cfg.noise_limit else noise)
        return out


def gaussian_blur(patches: Tensor, sigma: Tensor, *, radius: int) -> Tensor:
    """(B, C, *S) smoothed along each axis by a Gaussian with `sigma` (B,) of the row, in voxels; edges are repeated.

    Kernels reach `radius` voxels to both sides; a sigma of 0 leaves a row unchanged.
    """
    if not sigma.any():
        return patches
    places = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = (-0.5 * (places / sigma[:, None].clamp_min(1e-3)) ** 2).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(patches.device, patches.dtype)
    weights = kernel.T.reshape(2 * radius + 1, -1, *[1] * (patches.ndim - 1))
    for axis in range(2, patches.ndim):  # shifted sums: much faster than a convolution for short kernels
        n = patches.shape[axis]
        edges = [patches.narrow(axis, place, 1) for place in (0, n - 1)]
        long = torch.cat([*[edges[0]] * radius, patches, *[edges[1]] * radius], axis)
        patches = sum((long.narrow(axis, k, n) * weight for k, weight in enumerate(weights)), torch.zeros_like(patches))
    return patches


def _agree(one: float, other: float) -> bool:
    """Whether a quarter turn nearly keeps shapes: the spacings of the two axes are similar."""
    return max(one, other) <= MOST_UNEVEN * min(one, other)


def _normal(like: Tensor, seed: int) -> Tensor:
    draw = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=draw, device=like.device, dtype=like.dtype)
