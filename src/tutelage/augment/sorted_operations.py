"""The operations of a batch with its rows sorted by operation, so that each one runs once, on its rows alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, affine_fixed, slide_lines
from tutelage.augment.operation import GEOMETRIC, Operation

SLIDING = ("shear_x", "translate_x", "translate_y")  # lines stay whole


def apply_sorted(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, maps: Tensor, fill: Fill
) -> Tensor:
    """The images after their operations; arguments as of `apply_operations`, with `maps` given."""
    # Hundreds of calls on a few rows each: inference mode saves a tenth of their time. The result is made outside of
    # it, so that it is an ordinary tensor.
    with torch.inference_mode():
        changed, place = _in_some_order(images, operations, chosen, numbers, maps, fill)
    return changed.index_select(0, place)


def _in_some_order(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, maps: Tensor, fill: Fill
) -> tuple[Tensor, Tensor]:
    """The changed images in some order, and the place (B,) of each row in it."""
    # All affine maps form two groups. Everything that needs no pixels is computed before the first step.
    sliding, turning = len(operations), len(operations) + 1
    names = [operation.name for operation in operations]
    group_of = torch.tensor(
        [sliding if name in SLIDING else turning if name in GEOMETRIC else k for k, name in enumerate(names)]
    )
    groups = group_of[chosen]
    row_at = groups.argsort(dim=0, stable=True)  # (B, S): which row lies at each place of the sorted batch
    place = row_at.argsort(0)
    steps = torch.arange(chosen.shape[1])
    # Where the row of each place was before: first in the batch, then in the order of the previous step.
    before = torch.cat([row_at[:, :1], place[row_at[:, 1:], steps[:-1]], place[:, -1:]], dim=1).T
    before = before.contiguous().to(images.device, non_blocking=True)
    maps = maps[row_at, steps].to(images.device, non_blocking=True)
    numbers = numbers[row_at, steps].to(images.device, non_blocking=True)
    for step in range(chosen.shape[1]):
        counts = torch.bincount(groups[:, step], minlength=turning + 1).tolist()
        pieces = list(images.index_select(0, before[step]).split(counts))
        given, given_maps = numbers[:, step].split(counts), maps[:, step].split(counts)
        for group, count in enumerate(counts):
            if count == 0:
                continue
            if group == sliding:
                pieces[group] = slide_lines(pieces[group], given_maps[group], fill)
            elif group == turning:
                pieces[group] = affine_fixed(pieces[group], given_maps[group], fill)
            elif (pixels := operations[group].pixels) is not None:
                pieces[group] = pixels(pieces[group], given[group])
        images = torch.cat(pieces)
    return images, before[-1]
