"""The strong view in other libraries, image by image: the baselines of `augment.py`."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor
from torchvision.transforms import v2


def signed(value: float) -> float:
    return -value if random.random() < 0.5 else value


def moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


PILLOW: tuple[Callable[[Image.Image, int], Image.Image], ...] = (
    lambda image, m: image,
    lambda image, m: ImageOps.autocontrast(image),
    lambda image, m: ImageOps.equalize(image),
    lambda image, m: ImageEnhance.Brightness(image).enhance(0.09 * m + 0.05),
    lambda image, m: ImageEnhance.Color(image).enhance(0.09 * m + 0.05),
    lambda image, m: ImageEnhance.Contrast(image).enhance(0.09 * m + 0.05),
    lambda image, m: ImageEnhance.Sharpness(image).enhance(0.09 * m + 0.05),
    lambda image, m: ImageOps.posterize(image, 4 + int(0.4 * m)),
    lambda image, m: ImageOps.solarize(image, 256 - int(25.6 * m)),
    lambda image, m: image.rotate(signed(3 * m)),
    lambda image, m: moved(image, (1, signed(0.03 * m), 0, 0, 1, 0)),
    lambda image, m: moved(image, (1, 0, 0, signed(0.03 * m), 1, 0)),
    lambda image, m: moved(image, (1, 0, signed(int(0.03 * m * image.width)), 0, 1, 0)),
    lambda image, m: moved(image, (1, 0, 0, 0, 1, signed(int(0.03 * m * image.height)))),
)


def pillow_strong(image: Image.Image) -> Image.Image:
    """RandAugment and Cutout as usually implemented per image."""
    for operation in random.choices(PILLOW, k=2):
        magnitude = random.randint(1, 9)
        if random.random() < 0.5:
            image = operation(image, magnitude)
    image, side = image.copy(), image.width // 2
    left = int(max(0, random.uniform(0, image.width) - side / 2))
    top = int(max(0, random.uniform(0, image.height) - side / 2))
    box = (left, top, min(image.width, left + side), min(image.height, top + side))
    ImageDraw.Draw(image).rectangle(box, (127, 127, 127))
    return image


def pillow_pipeline(arrays: np.ndarray) -> Callable[[], Tensor]:
    """(a): the usual transforms on Pillow images."""
    side = arrays.shape[1]
    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(side, padding=side // 8, padding_mode="reflect"),
            v2.Lambda(pillow_strong),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    return lambda: torch.stack([chain(Image.fromarray(array)) for array in arrays])


def lean_pillow_pipeline(arrays: np.ndarray) -> Callable[[], Tensor]:
    """(a'): the same without torchvision: NumPy pads and flips, and the whole batch is converted at once."""
    side, pad = arrays.shape[1], arrays.shape[1] // 8

    def one(array: np.ndarray) -> np.ndarray:
        array = array[:, ::-1] if random.random() < 0.5 else array
        array = np.pad(array, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
        top, left = random.randint(0, 2 * pad), random.randint(0, 2 * pad)
        return np.asarray(pillow_strong(Image.fromarray(array[top : top + side, left : left + side])))

    return lambda: torch.from_numpy(np.stack([one(a) for a in arrays])).permute(0, 3, 1, 2).float().div_(255)


def torchvision_pipeline(arrays: np.ndarray) -> Callable[[], Tensor]:
    """(b): torchvision's own RandAugment on tensors, image by image. Its ranges differ; its work is comparable."""
    side = arrays.shape[1]
    images = as_batch(arrays)
    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(side, padding=side // 8, padding_mode="reflect"),
            v2.RandomApply([v2.RandAugment(num_ops=1)], p=0.5),
            v2.RandomApply([v2.RandAugment(num_ops=1)], p=0.5),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0)),
        ]
    )
    return lambda: torch.stack([chain(image) for image in images])


def kornia_pipeline(arrays: np.ndarray) -> Callable[[], Tensor] | None:
    """(c): kornia, called for each image, since its RandAugment draws its operations once per call."""
    try:
        import kornia.augmentation as K
    except ImportError:
        return None
    side = arrays.shape[1]
    images = as_batch(arrays).float().div_(255)
    chain = K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomCrop((side, side), padding=side // 8, padding_mode="reflect"),
        K.auto.RandAugment(n=1, m=5),
        K.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0)),
    )
    return lambda: torch.cat([chain(image[None]) for image in images])


def as_batch(arrays: np.ndarray) -> Tensor:
    return torch.from_numpy(arrays).permute(0, 3, 1, 2).contiguous()
