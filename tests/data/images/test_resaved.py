from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from tutelage.data.images.perceptual_hash import (
    SIDE,
    correlations,
    gray_thumbnail,
    near_hashes,
    perceptual_hashes,
)
from tutelage.data.images.resaved import ALIKE, required_correlation, resaved_pairs


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A colored picture of smooth blobs, as different from that of another seed as two photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def thumbnails(*images: Image.Image) -> np.ndarray:
    return np.stack([gray_thumbnail(np.asarray(image)) for image in images])


def naive_hash(thumbnail: np.ndarray) -> int:
    """From the definition, one frequency at a time."""
    pixels = thumbnail.astype(float)
    waves = scipy.fft.dct(scipy.fft.dct(pixels, axis=0, norm="ortho"), axis=1, norm="ortho")
    low = [waves[row, column] for row in range(8) for column in range(8)][1:]
    middle = sorted(low)[len(low) // 2]
    return sum(1 << (62 - place) for place, wave in enumerate(low) if wave > middle)


def test_the_hash_is_that_of_the_definition() -> None:
    small = thumbnails(*(picture(seed) for seed in range(5)))
    assert perceptual_hashes(small).tolist() == [naive_hash(each) for each in small]


def test_the_hash_of_the_mirror_image_needs_no_mirroring() -> None:
    small = thumbnails(*(picture(seed) for seed in range(5)))
    turned = perceptual_hashes(np.ascontiguousarray(small[:, :, ::-1]))
    assert np.bitwise_count(perceptual_hashes(small, mirrored=True) ^ turned).max() <= 2  # rounding at the median


def test_near_hashes_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, 40, np.uint64)
    hashes[7] = hashes[30] ^ np.uint64(0b1011)
    hashes[39] = hashes[0]
    naive = [[i, j] for i in range(40) for j in range(i + 1, 40) if int(hashes[i] ^ hashes[j]).bit_count() <= 3]
    monkeypatch.setattr("tutelage.data.images.perceptual_hash._AT_ONCE", 100)  # several blocks
    assert sorted(near_hashes(hashes, hashes, bits=3).tolist()) == naive == [[0, 39], [7, 30]]


def test_correlations_are_numpys_and_0_for_a_single_color() -> None:
    small = thumbnails(picture(0), picture(1), Image.new("L", (40, 40), 9))
    expected = np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1]
    found = correlations(small[[0, 0]], small[[1, 2]])
    np.testing.assert_allclose(found, [expected, 0.0], atol=1e-5)


@pytest.mark.parametrize("change", ["quality", "size", "format", "gray"])
def test_a_picture_saved_again_is_found_and_others_are_not(change: str) -> None:
    image = picture(3)
    again = {
        "quality": lambda: jpeg(image, 30),
        "size": lambda: image.resize((70, 52), Image.Resampling.BICUBIC),
        "format": lambda: image.convert("P"),
        "gray": lambda: image.convert("L"),
    }[change]()
    others = [picture(seed) for seed in range(10, 30)]
    pairs, scores = resaved_pairs(thumbnails(*others, image, *others[:0], again.convert("RGB")))
    assert pairs.tolist() == [[20, 21]]
    assert ALIKE <= scores[0] <= 1.001


def test_mirrored_copies_are_found_only_if_asked_for() -> None:
    image = picture(3)
    small = thumbnails(*(picture(seed) for seed in range(10, 30)), image, image.transpose(Image.Transpose(0)))
    assert not len(resaved_pairs(small)[0])
    assert resaved_pairs(small, mirrored=True)[0].tolist() == [[20, 21]]


def test_images_of_one_color_and_no_images_are_no_pairs() -> None:
    flat = thumbnails(Image.new("L", (40, 40), 9), Image.new("L", (40, 40), 9))
    assert resaved_pairs(flat)[0].shape == (0, 2)
    assert resaved_pairs(np.zeros((0, SIDE, SIDE), np.uint8))[0].shape == (0, 2)


def test_photos_of_a_fixed_camera_are_no_copies() -> None:
    scene = np.asarray(picture(3).convert("L")).astype(float)
    draw = np.random.default_rng(0)
    shots = []
    for _ in range(30):
        shot = scene.copy()
        row, column = draw.integers(0, 80), draw.integers(0, 120)
        shot[row : row + 30, column : column + 30] = draw.integers(0, 256)
        shots.append(Image.fromarray(shot.astype(np.uint8)))
    small = thumbnails(*shots)
    assert required_correlation(small) > 0.97
    assert required_correlation(thumbnails(*(picture(seed) for seed in range(30)))) < 0.935
    assert len(resaved_pairs(small)[0]) <= 2  # 435 pairs correlate by 0.8 on average
