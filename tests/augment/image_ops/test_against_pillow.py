"""Every operation against Pillow, image by image, over its whole parameter range."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor
from torchvision.transforms.functional import adjust_hue

from tutelage.augment.image_ops.affine import (
    affine,
    rotate,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
from tutelage.augment.image_ops.blending import blend, brightness, color, contrast, grayscale
from tutelage.augment.image_ops.filters import blur, sharpness, smooth
from tutelage.augment.image_ops.hue import shift_hue
from tutelage.augment.image_ops.resample import FILTERS, gaussian_blur, resize_crops
from tutelage.augment.image_ops.tables import autocontrast, equalize, invert, posterize, solarize
from tutelage.core.seeding import generator

ROWS = 256
DATA = Path(os.environ.get("TUTELAGE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def cifar10(rows: int) -> Tensor | None:
    """(rows, 3, 32, 32) images of CIFAR-10, or None where it is absent."""
    shards = sorted((DATA / "cifar10").glob("train-*.tar.gz"))
    if not shards:
        return None
    images = []
    with tarfile.open(shards[0]) as shard:
        for member in shard:
            if member.name.endswith(".jpg"):
                content = shard.extractfile(member)
                assert content is not None
                images.append(np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB")))
            if len(images) == rows:
                break
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def crops_of_photos(rows: int, height: int, width: int) -> Tensor:
    """(rows, 3, height, width) crops of the two photos that scikit-learn brings along."""
    photos = pytest.importorskip("sklearn.datasets").load_sample_images().images
    crops = []
    for row in range(rows):
        photo = photos[row % len(photos)]
        top = (row * 37) % (photo.shape[0] - 2 * height)
        left = (row * 61) % (photo.shape[1] - 2 * width)
        crops.append(photo[top : top + 2 * height : 2, left : left + 2 * width : 2])
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def images() -> Tensor:
    """(256, 3, 32, 32) real images; the last rows have a flat channel, a flat image and a black one."""
    found = cifar10(ROWS)
    found = crops_of_photos(ROWS, 32, 32) if found is None else found
    found[-1], found[-2], found[-3, 1] = 0, 77, 200
    return found


def to_pillow(image: Tensor) -> Image.Image:
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0])


def by_pillow(images: Tensor, change: Callable[[Image.Image, int], Image.Image]) -> Tensor:
    """Each image through `change(image, row)`."""
    changed = [np.asarray(change(to_pillow(image), row)) for row, image in enumerate(images)]
    return (
        torch.from_numpy(np.stack(changed)).view(len(images), images.shape[2], images.shape[3], -1).permute(0, 3, 1, 2)
    )


def spread(low: float, high: float, rows: int = ROWS) -> Tensor:
    """Parameters over the whole range, both ends included, in no order."""
    return torch.linspace(low, high, rows, dtype=torch.float64)[torch.randperm(rows, generator=generator(0, "spread"))]


def sizes(images: Tensor) -> list[Tensor]:
    """The images, one channel of them, crops that are not square, and larger photos."""
    return [images, images[:, :1], images[:, :, 3:30, :20], crops_of_photos(16, 96, 100)]


WITHOUT_PARAMETER = {
    "autocontrast": (autocontrast, ImageOps.autocontrast),
    "equalize": (equalize, ImageOps.equalize),
    "invert": (invert, ImageOps.invert),
    "blur": (blur, lambda image: image.filter(ImageFilter.BLUR)),
    "smooth": (smooth, lambda image: image.filter(ImageFilter.SMOOTH)),
    "grayscale": (grayscale, lambda image: image.convert("L").convert(image.mode)),
}
WITH_PARAMETER = {
    "posterize": (posterize, lambda image, v: ImageOps.posterize(image, int(v)), 1, 8),
    "solarize": (solarize, lambda image, v: ImageOps.solarize(image, v), 0, 256),
    "brightness": (brightness, lambda image, v: ImageEnhance.Brightness(image).enhance(v), 0.0, 2.0),
    "contrast": (contrast, lambda image, v: ImageEnhance.Contrast(image).enhance(v), 0.0, 2.0),
    "color": (color, lambda image, v: ImageEnhance.Color(image).enhance(v), 0.0, 2.0),
    "sharpness": (sharpness, lambda image, v: ImageEnhance.Sharpness(image).enhance(v), 0.0, 2.0),
}


@pytest.mark.parametrize("name", WITHOUT_PARAMETER)
def test_operations_without_parameter_equal_pillow_bit_for_bit(images, name):
    ours, theirs = WITHOUT_PARAMETER[name]
    for batch in sizes(images):
        expected = by_pillow(batch, lambda image, row: theirs(image))
        assert torch.equal(ours(batch), expected), tuple(batch.shape)


@pytest.mark.parametrize("name", WITH_PARAMETER)
def test_operations_with_parameter_equal_pillow_bit_for_bit_over_their_range(images, name):
    ours, theirs, low, high = WITH_PARAMETER[name]
    for batch in sizes(images):
        values = spread(low, high, len(batch))
        values = values.round() if name == "posterize" else values
        expected = by_pillow(batch, lambda image, row, values=values: theirs(image, float(values[row])))
        assert torch.equal(ours(batch, values), expected), tuple(batch.shape)


@pytest.mark.parametrize("changed", [invert, autocontrast, equalize, blur, smooth])
def test_blending_with_a_changed_image_equals_pillow_bit_for_bit(images, changed):
    other, factor = changed(images), spread(-0.5, 1.5)
    expected = by_pillow(images, lambda image, row: Image.blend(image, to_pillow(other[row]), float(factor[row])))
    assert torch.equal(blend(images, other, factor), expected)


def pillow_affine(matrix: tuple[float, ...], fill: int = 0, resample: int = 0) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        color = fill if image.mode == "L" else (fill,) * 3
        how = Image.Resampling(resample)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, how, fillcolor=color)

    return change


AFFINE = {
    "rotate": (rotate, lambda v, fill: lambda i: i.rotate(v, fillcolor=fill if i.mode == "L" else (fill,) * 3), 45.0),
    "shear_x": (shear_x, lambda v, fill: pillow_affine((1, v, 0, 0, 1, 0), fill), 0.5),
    "shear_y": (shear_y, lambda v, fill: pillow_affine((1, 0, 0, v, 1, 0), fill), 0.5),
    "translate_x": (translate_x, lambda v, fill: pillow_affine((1, 0, v, 0, 1, 0), fill), 40.0),
    "translate_y": (translate_y, lambda v, fill: pillow_affine((1, 0, 0, 0, 1, v), fill), 40.0),
}


@pytest.mark.parametrize("fill", [0, 127])
@pytest.mark.parametrize("name", AFFINE)
def test_nearest_affine_maps_equal_pillow_in_every_pixel(images, name, fill):
    """The share of pixels that differ is 0 here; below 1% is what would still be right."""
    ours, theirs, most = AFFINE[name]
    for batch in sizes(images):
        values = spread(-most, most, len(batch))
        values[: len(batch) // 2] = values[: len(batch) // 2].round()
        values[0] = 0.5
        expected = by_pillow(batch, lambda image, row, values=values: theirs(float(values[row]), fill)(image))
        differing = (ours(batch, values, fill=fill) != expected).double().mean().item()
        assert differing == 0.0, f"{differing:.3%} of pixels differ at {tuple(batch.shape)}"


def test_bilinear_affine_maps_are_within_one_gray_level_of_pillow(images):
    matrix = torch.randn(ROWS, 6, dtype=torch.float64, generator=generator(1, "matrix")) * 0.2
    matrix += torch.tensor([1.0, 0, 0, 0, 1.0, 0])
    matrix[:, 2::3] *= 20
    ours = affine(images, matrix, resample="bilinear", fill=99)
    expected = by_pillow(images, lambda image, row: pillow_affine(tuple(matrix[row].tolist()), 99, 2)(image))
    difference = (ours.int() - expected.int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).double().mean() < 0.001


def test_general_nearest_maps_equal_pillow_in_every_pixel(images):
    matrix = torch.randn(ROWS, 6, dtype=torch.float64, generator=generator(2, "matrix")) * 0.3
    matrix += torch.tensor([1.0, 0, 0, 0, 1.0, 0])
    matrix[:, 2::3] *= 20
    expected = by_pillow(images, lambda image, row: pillow_affine(tuple(matrix[row].tolist()), 5)(image))
    assert torch.equal(affine(images, matrix, fill=5), expected)


def pillow_crops(batch: Tensor, boxes: Tensor, size: tuple[int, int], resample: str) -> Tensor:
    how = Image.Resampling[resample.upper()]
    crops = [
        np.asarray(to_pillow(image).crop(box).resize(size[::-1], how)).reshape(*size, -1)
        for image, box in zip(batch, boxes.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)


def random_boxes(batch: Tensor) -> Tensor:
    """Boxes of one pixel to the whole image."""
    height, width = batch.shape[2:]
    share = torch.rand(len(batch), 4, generator=generator(3, "boxes"))
    left, top = (share[:, 0] * width * 0.4).int(), (share[:, 1] * height * 0.4).int()
    right = left + 1 + (share[:, 2] * (width - left - 1)).round().int()
    bottom = top + 1 + (share[:, 3] * (height - top - 1)).round().int()
    return torch.stack([left, top, right, bottom], dim=1)


@pytest.mark.parametrize("resample", FILTERS)
def test_enlarged_crops_equal_pillow_in_every_pixel(images, resample):
    for batch in (images, images[:, :1, :, :20], crops_of_photos(16, 96, 100)):
        boxes, size = random_boxes(batch), (batch.shape[2], batch.shape[3])
        expected = pillow_crops(batch, boxes, size, resample)
        differing = (resize_crops(batch, boxes, *size, resample=resample) != expected).double().mean().item()
        assert differing == 0.0, f"{differing:.4%} differ at {tuple(batch.shape)}"


def test_shrunken_crops_are_within_one_gray_level_of_pillow():
    photos = crops_of_photos(16, 96, 100)
    boxes = random_boxes(photos)
    expected = pillow_crops(photos, boxes, (20, 24), "bilinear")
    assert (resize_crops(photos, boxes, 20, 24).int() - expected.int()).abs().max() <= 1


def test_a_resized_crop_can_be_mirrored(images):
    boxes, flip = torch.tensor([[3, 5, 20, 30]] * ROWS), torch.arange(ROWS) % 2 == 0
    for resample in ("bilinear", "nearest"):
        plain = resize_crops(images, boxes, 32, 32, resample=resample)
        expected = torch.where(flip.view(-1, 1, 1, 1), plain.flip(-1), plain)
        assert torch.equal(resize_crops(images, boxes, 32, 32, resample=resample, flip=flip), expected)


def test_gaussian_blur_is_within_one_gray_level_of_pillow(images):
    for batch in sizes(images):
        # Where weights are sums of powers of two (0.5, 1, 2) levels tie, and Pillow truncates its weights.
        sigma = 0.1 + 1.9 * torch.rand(len(batch), dtype=torch.float64, generator=generator(4, "sigma"))
        expected = by_pillow(
            batch, lambda image, row, sigma=sigma: image.filter(ImageFilter.GaussianBlur(float(sigma[row])))
        )
        assert (gaussian_blur(batch, sigma).int() - expected.int()).abs().max() <= 1


def test_hue_is_within_one_gray_level_of_pillow(images):
    turn = spread(-0.5, 0.5)
    expected = by_pillow(images, lambda image, row: adjust_hue(image, float(turn[row])))
    assert (shift_hue(images, turn).int() - expected.int()).abs().max() <= 1
    assert torch.equal(shift_hue(images[:, :1], turn), images[:, :1])
