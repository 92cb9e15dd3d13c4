"""Float images: each operation on them is the one on their levels."""

import inspect
import itertools
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from support.tables import check_rows
from tutelage.augment import cutout
from tutelage.augment.cutout import Cutout
from tutelage.augment.image_ops import affine, blending, filters, hue, resample, tables
from tutelage.augment.image_ops.inputs import from_levels, to_levels
from tutelage.core.seeding import generator

ROWS = 8
UNIT = torch.linspace(0, 1, ROWS, dtype=torch.float64)
BOXES = torch.tensor([[2, 3, 9, 11]] * ROWS)
MAPS = torch.tensor([[0.9, 0.2, 1.0, -0.2, 1.1, -2.0]], dtype=torch.float64).repeat(ROWS, 1)
OPERATIONS: dict[Callable[..., Tensor], Callable[[Callable[..., Tensor], Tensor], Tensor]] = {
    **dict.fromkeys(
        [
            tables.invert,
            tables.autocontrast,
            tables.equalize,
            blending.grayscale,
            filters.smooth,
            filters.blur,
        ],
        lambda f, x: f(x),
    ),
    **dict.fromkeys(
        [blending.brightness, blending.contrast, blending.color, filters.sharpness], lambda f, x: f(x, 2 * UNIT)
    ),
    **dict.fromkeys([affine.shear_x, affine.shear_y], lambda f, x: f(x, UNIT - 0.5, fill=127)),
    **dict.fromkeys([affine.translate_x, affine.translate_y], lambda f, x: f(x, 20 * UNIT - 10, fill=127)),
    tables.posterize: lambda f, x: f(x, 1 + (7 * UNIT).round()),
    tables.solarize: lambda f, x: f(x, 256 * UNIT),
    affine.rotate: lambda f, x: f(x, 90 * UNIT - 45, fill=9),
    affine.affine: lambda f, x: f(x, MAPS, resample="bilinear", fill="reflect"),
    hue.shift_hue: lambda f, x: f(x, UNIT - 0.5),
    cutout.erase: lambda f, x: f(x, BOXES, fill=127),
    resample.resize_crops: lambda f, x: f(x, BOXES, 12, 16),
    resample.gaussian_blur: lambda f, x: f(x, 0.1 + 1.9 * UNIT),
    blending.blend: lambda f, x: f(x, x.flip(3), 2 * UNIT - 0.5),
}
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def levels(channels: int) -> Tensor:
    """(8, C, 12, 16) uint8 in which every level occurs."""
    size = (ROWS, channels, 12, 16)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "levels"))
    images.view(-1)[:256] = torch.arange(256, dtype=torch.uint8)
    return images


def as_float(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Level / 255 of exact division, rounded to the type."""
    return (images.double() / 255).to(dtype)


def test_a_float_batch_gives_the_levels_of_the_uint8_batch_over_255_in_its_own_type():
    def check(row):
        operation, channels, dtype = row
        images = levels(channels)
        given = as_float(images, dtype)
        before = given.clone()
        changed = OPERATIONS[operation](operation, given)
        assert changed.dtype == dtype
        expected = OPERATIONS[operation](operation, images)
        assert torch.equal(to_levels(changed), expected)
        assert torch.equal(changed, from_levels(expected, dtype))
        assert torch.equal(given, before)

    rows = itertools.product(OPERATIONS, (1, 3), FLOATS)
    check_rows(rows, check, lambda row: f"{row[0].__name__} of {row[1]} channels in {row[2]}")


@pytest.mark.parametrize("module", [affine, blending, cutout, filters, hue, resample, tables])
def test_every_public_operation_is_tested_with_floats(module: ModuleType):
    """Those that take `images` first and check them."""
    internal = {"affine_fixed", "slide_lines", "slide", "pick", "framed", "filled", "interpolate"}
    internal |= {"smoothed", "with_border_of", "to_hsv", "per_row"}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and next(iter(inspect.signature(function).parameters)) == "images":
            assert function in OPERATIONS or name in internal, name


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_level_survives_the_way_to_a_float_and_back(dtype):
    all_levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_levels(from_levels(all_levels, dtype)), all_levels)
    if dtype in (torch.float32, torch.float64):
        assert torch.equal(from_levels(all_levels, dtype), as_float(all_levels, dtype))


def test_floats_are_rounded_to_the_nearest_level_and_clipped_and_nan_is_black():
    given = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5, torch.inf, -torch.inf, torch.nan])
    assert to_levels(given).tolist() == [0, 0, 1, 255, 255, 255, 0, 0]


def test_two_images_of_different_types_do_not_blend():
    images, factor = levels(3), UNIT
    for first, second in ((images, images.float() / 255), (images.double() / 255, images.float() / 255)):
        with pytest.raises(TypeError, match="must be uint8"):
            blending.blend(first, second, factor)
        with pytest.raises(TypeError, match="must be uint8"):
            blending.blend(second, first, factor)


def test_views_stay_with_uint8():
    with pytest.raises(TypeError, match=r"uint8 with values 0 to 255, got torch\.float32"):
        Cutout(0.5).apply(torch.zeros(ROWS, 3, 12, 16), {"cutout": BOXES})
