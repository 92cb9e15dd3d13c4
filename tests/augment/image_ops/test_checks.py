import re

import pytest
import torch

from tutelage.augment.image_ops.affine import affine, rotate, shear_x, translate_x
from tutelage.augment.image_ops.blending import blend, brightness, color, contrast, grayscale
from tutelage.augment.image_ops.filters import blur, sharpness, smooth
from tutelage.augment.image_ops.hue import shift_hue
from tutelage.augment.image_ops.resample import gaussian_blur, resize_crops
from tutelage.augment.image_ops.tables import autocontrast, equalize, invert, posterize, solarize

WITHOUT = (autocontrast, equalize, invert, grayscale, blur, smooth)
WITH = (
    brightness,
    contrast,
    color,
    sharpness,
    posterize,
    solarize,
    rotate,
    shear_x,
    translate_x,
    shift_hue,
    gaussian_blur,
)


def call(operation: object, images: torch.Tensor, rows: int) -> torch.Tensor:
    return operation(images) if operation in WITHOUT else operation(images, torch.ones(rows))


@pytest.mark.parametrize("operation", [*WITHOUT, *WITH])
def test_images_of_a_wrong_type_or_shape_are_named(operation):
    for dtype in (torch.int64, torch.bool, torch.int8):
        expected = f"uint8 with values 0 to 255, or float with values 0 to 1, got {dtype}"
        with pytest.raises(TypeError, match=re.escape(expected)):
            call(operation, torch.zeros(2, 3, 8, 8, dtype=dtype), 2)
    with pytest.raises(TypeError, match=r"uint8 tensor \(B, C, H, W\), got list"):
        call(operation, [[0]], 2)
    with pytest.raises(ValueError, match=r"\(B, C, H, W\), got \(8, 8\)"):
        call(operation, torch.zeros(8, 8, dtype=torch.uint8), 2)
    with pytest.raises(ValueError, match="1 to 16 channels, got 17"):
        call(operation, torch.zeros(2, 17, 8, 8, dtype=torch.uint8), 2)
    with pytest.raises(ValueError, match="1 to 16 channels, got 17"):
        call(operation, torch.zeros(2, 17, 8, 8), 2)


@pytest.mark.parametrize("operation", WITH)
def test_parameters_for_another_number_of_rows_or_on_another_device_are_named(operation):
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="one entry for each of the 2 images"):
        operation(images, torch.ones(3))
    with pytest.raises(ValueError, match="on the CPU or on cpu like the images, got meta"):
        operation(images, torch.ones(2, device="meta"))


@pytest.mark.parametrize("operation", [*WITHOUT, *WITH])
@pytest.mark.parametrize("size", [(2, 1, 1, 1), (2, 3, 2, 2), (2, 3, 1, 7), (0, 3, 8, 8)])
def test_tiny_images_and_empty_batches_keep_their_shape(operation, size):
    images = torch.full(size, 100, dtype=torch.uint8)
    changed = call(operation, images, size[0])
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8


def test_maps_boxes_and_colors_that_do_not_fit_are_named():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="matrix must have one entry"):
        affine(images, torch.ones(1, 6))
    with pytest.raises(ValueError, match="boxes must have one entry"):
        resize_crops(images, torch.ones(1, 4), 8, 8)
    with pytest.raises(ValueError, match="one level for each of 3 channels"):
        affine(images, torch.eye(2, 6), fill=(1, 2))
    with pytest.raises(ValueError, match="factor must have one entry"):
        blend(images, images, torch.ones(5))
