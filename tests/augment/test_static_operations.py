"""Both forms of a batch of operations give the same pixels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tutelage.augment import contrastive, ct_augment, rand_augment
from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.image_ops.affine import Fill
from tutelage.augment.operation import Operation
from tutelage.augment.operations import affine_maps
from tutelage.augment.sorted_operations import apply_sorted
from tutelage.augment.static_operations import apply_static
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.augment.weak import Weak
from tutelage.config.augment import ContrastiveConfig, CTAugmentConfig, StrongConfig, WeakConfig
from tutelage.core.seeding import generator

WEAK = Weak(WeakConfig())
SHAPES = [ImageShape(3, 32, 32), ImageShape(1, 28, 28), ImageShape(4, 9, 17), ImageShape(3, 2, 2), ImageShape(3, 1, 5)]


def images_of(shape: ImageShape, rows: int) -> Tensor:
    """Noise, smooth images, images of one color, and of few levels."""
    size = (rows, shape.channels, shape.height, shape.width)
    noise = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))
    ramp = (torch.arange(shape.width) * 255 // max(shape.width - 1, 1)).to(torch.uint8).expand(size)
    kind = torch.arange(rows).view(-1, 1, 1, 1) % 4
    flat = noise[:, :, :1, :1].expand(size)
    few = noise.bitwise_and(3).add(100)
    return torch.where(kind == 0, noise, torch.where(kind == 1, ramp, torch.where(kind == 2, flat, few)))


def policies() -> dict[str, tuple[View, Sequence[Operation], str]]:
    """Views, their operations, and the name of the numbers among their draws."""
    found: dict[str, tuple[View, Sequence[Operation], str]] = {}
    for variant in rand_augment.VARIANTS:
        view = rand_augment.RandAugment(StrongConfig(variant=variant, probability=1.0), WEAK)  # type: ignore[arg-type]
        found[variant] = (view, rand_augment.OPERATIONS, "value")
    found["ctaugment"] = (CTAugment(CTAugmentConfig()).probe(WEAK), ct_augment.PIXEL_OPERATIONS, "numbers")
    for recipe in contrastive.RECIPES:
        moco = contrastive.Contrastive(ContrastiveConfig(recipe=recipe))  # type: ignore[arg-type]
        found[f"moco {recipe}"] = (moco, contrastive.OPERATIONS, "value")
    return found


POLICIES = policies()


def given(name: str, shape: ImageShape, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    view, operations, numbers = POLICIES[name]
    draws: Draws = view.draw(rows, shape, generator(1, name))
    chosen = ct_augment.with_filters(draws["op"], draws["level"]) if name == "ctaugment" else draws["op"]
    values = draws[numbers] if draws[numbers].dim() == 3 else draws[numbers].unsqueeze(2)
    return chosen, values, affine_maps(operations, chosen, values, shape)


@pytest.mark.parametrize("fill", [0, 127, "reflect"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", POLICIES)
def test_both_forms_give_the_same_pixels(name: str, shape: ImageShape, fill: Fill) -> None:
    images, operations = images_of(shape, 240), POLICIES[name][1]
    arguments = given(name, shape, 240)
    before = images.clone()
    found = apply_static(images, operations, *arguments, fill)
    assert torch.equal(images, before)
    assert torch.equal(found, apply_sorted(images, operations, *arguments, fill))
    assert not torch.equal(found, images)


@pytest.mark.parametrize(
    ("operations", "place"),
    [(ops, k) for ops in (rand_augment.OPERATIONS, ct_augment.PIXEL_OPERATIONS) for k in range(len(ops))],
    ids=lambda given: "" if isinstance(given, tuple) else str(given),
)
def test_each_operation_alone_gives_the_same_pixels(operations: Sequence[Operation], place: int) -> None:
    shape, rows = SHAPES[0], 64
    images = images_of(shape, rows)
    chosen = torch.full((rows, 1), place)
    low, high = {"posterize": (1, 8), "solarize": (0, 256), "rotate": (-45, 45)}.get(operations[place].name, (0, 1))
    numbers = low + (high - low) * torch.rand(rows, 1, 3, dtype=torch.float64, generator=generator(2))
    if operations[place].name == "posterize":
        numbers = numbers.round()
    maps = affine_maps(operations, chosen, numbers, shape)
    expected = apply_sorted(images, operations, chosen, numbers, maps, 0)
    assert torch.equal(apply_static(images, operations, chosen, numbers, maps, 0), expected)


class CountedCalls(TorchDispatchMode):
    """Counts the tensor operations that are issued; views of a tensor cost the device nothing."""

    FREE = (
        "view",
        "expand",
        "unsqueeze",
        "squeeze",
        "select",
        "slice",
        "transpose",
        "t",
        "detach",
        "as_strided",
        "unbind",
    )

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func.__name__.split(".")[0].strip("_") not in self.FREE
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("rows", [7, 448])
def test_a_step_issues_few_calls_and_as_many_for_each_draw(rows: int) -> None:
    shape = SHAPES[0]
    images, arguments = images_of(shape, rows), given("paper", shape, rows)
    with CountedCalls() as counted:
        apply_static(images, rand_augment.OPERATIONS, *arguments, 0)
    assert counted.count <= 270  # of two operations
